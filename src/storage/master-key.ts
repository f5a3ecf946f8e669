import { randomBytes } from "node:crypto";
import { readFile, rename, rm, writeFile } from "node:fs/promises";
import type { MasterKeys } from "../domain/keys/wrapping.ts";
import { explaining, isExposed, KeyFileUnusable, makeOnce } from "./keys.ts";

/**
 * The master key, which wraps the material of all encryption keys: 32 bytes in base64, one key a line, the one of today
 * first. Those behind it unwrap what has not been wrapped anew since.
 */

const keyBytes = 32;

export interface MasterKeySource {
  /** From the configuration, in the place of a file. */
  readonly given?: string;
  /** A file that somebody else keeps, such as a credential of systemd. It is never written. */
  readonly credential?: string;
  /** The file that is made where there is neither. */
  readonly file: string;
}

/** `undefined` where they are given or kept by somebody else. */
export function ownMasterKeyFile({ given, credential, file }: MasterKeySource): string | undefined {
  return given === undefined && credential === undefined ? file : undefined;
}

/** Makes the file where there has to be one and is none. @throws KeyFileUnusable */
export async function openMasterKeys(source: MasterKeySource): Promise<MasterKeys> {
  const { given, credential, file } = source;
  if (given !== undefined) {
    const keys = parseMasterKeys(given);
    if (!keys) throw new KeyFileUnusable("kms.masterKey must have 32 bytes in base64");
    return { known: async () => keys, refreshed: async () => keys };
  }
  if (credential === undefined) {
    await explaining(file, () => makeOnce(file, () => Buffer.from(`${randomBytes(keyBytes).toString("base64")}\n`)));
  }
  return inFile(credential ?? file);
}

/** Keys in a file, which another process may have changed since. */
async function inFile(file: string): Promise<MasterKeys> {
  let keys = await readMasterKeys(file);
  return {
    known: async () => keys,
    async refreshed() {
      keys = await readMasterKeys(file);
      return keys;
    },
  };
}

async function readMasterKeys(file: string): Promise<readonly Uint8Array[]> {
  return explaining(file, async () => {
    const text = await readFile(file, "utf8");
    if (await isExposed(file)) {
      throw new KeyFileUnusable(`${file} can be read or written by others. If nobody has, run: chmod 600 ${file}`);
    }
    const keys = parseMasterKeys(text);
    if (keys) return keys;
    throw new KeyFileUnusable(
      `${file} must have keys of ${keyBytes} bytes in base64, one a line. Restore it from where you keep it; what other keys have encrypted cannot be read without it`,
    );
  });
}

/** One or more, with commas or line ends between them. */
export function parseMasterKeys(text: string): Uint8Array[] | undefined {
  const lines = text.split(/[\s,]+/).filter((line) => line !== "");
  const keys = lines.map((line) => Buffer.from(line, "base64"));
  const isGood = keys.every((key, index) => key.length === keyBytes && key.toString("base64") === lines[index]);
  return isGood && keys.length > 0 ? keys : undefined;
}

/**
 * Puts a new key before the one of today, which stays behind it for processes that have not looked again; what was behind
 * that one goes. To be called when nothing is wrapped by those any more.
 */
export async function addMasterKey(file: string): Promise<void> {
  const [today] = await readMasterKeys(file);
  const keys = [randomBytes(keyBytes), ...(today ? [today] : [])];
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await explaining(file, async () => {
      const text = keys.map((key) => `${Buffer.from(key).toString("base64")}\n`).join("");
      await writeFile(temporary, text, { mode: 0o600, flag: "wx", flush: true });
      await rename(temporary, file);
    });
  } finally {
    await rm(temporary, { force: true });
  }
}
