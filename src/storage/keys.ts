import { randomBytes } from "node:crypto";
import { type FileHandle, link, mkdir, open, readFile, rename, rm, stat } from "node:fs/promises";
import { dirname } from "node:path";

/**
 * The two secrets that a deployment makes for itself at its first start: the root key pair and the sealing key. Each is
 * made once: two processes that start together end up with the same one.
 */

export interface RootKeyPair {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
}

/** A file of secrets that cannot be used as it is. The message says what to do. */
export class KeyFileUnusable extends Error {
  override readonly name = "KeyFileUnusable";
}

const sealingKeyBytes = 32;

/**
 * The key that tokens, sessions and the secrets of access keys are sealed with. Whoever reads it can make tokens, so a
 * readable file is refused. @throws KeyFileUnusable
 */
export async function openSealingKey(file: string): Promise<Uint8Array> {
  return explaining(file, () => sealingKeyIn(file));
}

async function sealingKeyIn(file: string): Promise<Uint8Array> {
  await makeOnce(file, () => randomBytes(sealingKeyBytes));
  const key = await readFile(file);
  if (await isExposed(file)) {
    throw new KeyFileUnusable(`${file} can be read or written by others. If nobody has, run: chmod 600 ${file}`);
  }
  if (key.length !== sealingKeyBytes) {
    throw new KeyFileUnusable(
      `${file} must have ${sealingKeyBytes} bytes and has ${key.length}. Restore it from a backup. If there is none, delete it: another is made, and every access key that was made with IAM or \`berth account\`, every session and every login token is useless from then on`,
    );
  }
  return key;
}

/**
 * The root key pair in an AWS credentials file (AWS CLI user guide, "Configuration and credential file settings"),
 * profile `default`. `made` tells that this call made the pair. @throws KeyFileUnusable
 */
export async function openRootKey(file: string): Promise<RootKeyPair & { made: boolean }> {
  const made = await explaining(file, () => makeOnce(file, () => Buffer.from(formatCredentials(generateRootKey()))));
  const pair = await readRootKey(file);
  // Only when somebody deleted it this very moment.
  if (!pair) throw new KeyFileUnusable(`${file} has disappeared`);
  return { ...pair, made };
}

/** The pair that is there, without making one. */
export async function readRootKey(file: string): Promise<RootKeyPair | undefined> {
  let content: string;
  try {
    content = await explaining(file, () => readFile(file, "utf8"));
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
  const pair = parseCredentials(content);
  if (!pair) {
    throw new KeyFileUnusable(
      `${file} has no aws_access_key_id and aws_secret_access_key under [default]. Put them there, or delete the file to have a new pair made`,
    );
  }
  return pair;
}

/** Whether users other than its owner can open the file. */
export async function isExposed(file: string): Promise<boolean> {
  return ((await stat(file)).mode & 0o077) !== 0;
}

/** As AWS makes them: `AKIA` and 16 base-32 characters, and a secret of 40. Letters and digits survive every shell. */
export function generateRootKey(): RootKeyPair {
  return {
    accessKeyId: `AKIA${randomText("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16)}`,
    secretAccessKey: randomText("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789", 40),
  };
}

export function formatCredentials({ accessKeyId, secretAccessKey }: RootKeyPair): string {
  return `[default]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secretAccessKey}\n`;
}

export function parseCredentials(content: string): RootKeyPair | undefined {
  const settings = new Map<string, string>();
  let profile = "";
  for (const line of content.split(/\r?\n/)) {
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const [, section] = /^\s*\[\s*([^\]]*?)\s*\]/.exec(line) ?? [];
    if (section !== undefined) profile = section;
    const [, key, value] = /^\s*([A-Za-z_]+)\s*=\s*(.*?)\s*$/.exec(line) ?? [];
    if (profile === "default" && key !== undefined && value !== undefined) settings.set(key.toLowerCase(), value);
  }
  const accessKeyId = settings.get("aws_access_key_id");
  const secretAccessKey = settings.get("aws_secret_access_key");
  return accessKeyId && secretAccessKey ? { accessKeyId, secretAccessKey } : undefined;
}

function randomText(alphabet: string, length: number): string {
  // Bytes beyond the last whole round of the alphabet would favour its first letters.
  const limit = 256 - (256 % alphabet.length);
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length))
      if (byte < limit && text.length < length) text += alphabet[byte % alphabet.length];
  }
  return text;
}

/**
 * Writes the file unless there is one. Order: a temporary file that only we may read, its bytes, sync, then a link under
 * the real name, which fails when another process was faster, then sync of the folder. Answers whether it was us.
 */
export async function makeOnce(file: string, content: () => Uint8Array): Promise<boolean> {
  if (await exists(file)) return false;
  const folder = dirname(file);
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const temporary = `${file}.${randomBytes(6).toString("hex")}.tmp`;
  try {
    await withFile(temporary, "wx", async (handle) => {
      await handle.writeFile(content());
      await handle.sync();
    });
    return await publish(temporary, file);
  } finally {
    await rm(temporary, { force: true });
    await withFile(folder, "r", (handle) => handle.sync());
  }
}

async function publish(temporary: string, file: string): Promise<boolean> {
  try {
    await link(temporary, file);
    return true;
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    // A file system without hard links (some network and desktop-VM mounts). Two first starts at once are not safe there.
    if (!["EPERM", "ENOTSUP", "EOPNOTSUPP", "ENOSYS"].includes(codeOf(error) ?? "")) throw error;
    if (await exists(file)) return false;
    await rename(temporary, file);
    return true;
  }
}

async function withFile(path: string, flags: string, use: (handle: FileHandle) => Promise<void>): Promise<void> {
  const handle = await open(path, flags, 0o600);
  try {
    await use(handle);
  } finally {
    await handle.close();
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    (error) => {
      if (codeOf(error) === "ENOENT") return false;
      throw error;
    },
  );
}

/** What an operator can mend, said so. */
export async function explaining<Result>(file: string, work: () => Promise<Result>): Promise<Result> {
  const reasons: Record<string, string> = {
    EACCES: "this user may not read or write it, perhaps because another user made it",
    EPERM: "this user may not read or write it, perhaps because another user made it",
    EROFS: "its file system is read-only",
    ENOSPC: "its disk is full",
    EISDIR: "it is a folder",
  };
  try {
    return await work();
  } catch (cause) {
    const reason = reasons[codeOf(cause) ?? ""];
    throw reason === undefined ? cause : new KeyFileUnusable(`${file} cannot be used: ${reason}`, { cause });
  }
}

function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException).code;
}
