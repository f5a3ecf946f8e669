import { createHash, randomUUID } from "node:crypto";
import { chmod, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { RegistryToken } from "./registry-token.ts";

/** Whose token it is, and what for. */
export interface TokenPlace {
  readonly endpoint: string;
  readonly region: string;
  /** `Signer.id`. */
  readonly signer: string;
}

/**
 * Tokens between two runs of a helper, each in a file that only its user can read. Many helpers may run at once: a file
 * appears whole or not at all. A cache that cannot be used is none: it never keeps a helper from its work.
 */
export interface TokenCache {
  read(place: TokenPlace): Promise<RegistryToken | undefined>;
  write(place: TokenPlace, token: RegistryToken): Promise<void>;
  /** Forgets all tokens of an endpoint. */
  forget(endpoint: string): Promise<void>;
}

export function createTokenCache(directory: string): TokenCache {
  const endpointHash = (endpoint: string) => hash(endpoint).slice(0, 16);
  const fileOf = ({ endpoint, region, signer }: TokenPlace) =>
    join(directory, `${endpointHash(endpoint)}-${hash(`${region}\n${signer}`)}.json`);

  return {
    async read(place) {
      try {
        if (!(await isOurs(directory))) return undefined;
        await using file = await open(fileOf(place), "r");
        const { mode, uid, size } = await file.stat();
        if (mode & 0o077 || !isSelf(uid) || size > 65_536) return undefined;
        const { password, expiresAt, renewAt } = JSON.parse(await file.readFile("utf8"));
        const token = { password, expiresAt: new Date(expiresAt), renewAt: new Date(renewAt) };
        return typeof password === "string" && token.renewAt <= token.expiresAt ? token : undefined;
      } catch {
        return undefined;
      }
    },
    async write(place, token) {
      const temporary = join(directory, `.${randomUUID()}`);
      try {
        await mkdir(dirname(directory), { recursive: true });
        await mkdir(directory, { recursive: true, mode: 0o700 });
        if (!(await isOurs(directory))) await chmod(directory, 0o700);
        {
          await using file = await open(temporary, "wx", 0o600);
          await file.writeFile(JSON.stringify(token));
        }
        await rename(temporary, fileOf(place));
      } catch {
        await rm(temporary, { force: true }).catch(() => {});
      }
    },
    async forget(endpoint) {
      const names = await readdir(directory).catch(() => []);
      const theirs = names.filter((name) => name.startsWith(`${endpointHash(endpoint)}-`));
      await Promise.allSettled(theirs.map((name) => rm(join(directory, name), { force: true })));
    },
  };
}

async function isOurs(directory: string): Promise<boolean> {
  const { mode, uid } = await stat(directory);
  return (mode & 0o077) === 0 && isSelf(uid);
}

/** Where users have no numbers, the directory is in the home of whoever runs this. */
function isSelf(uid: number): boolean {
  return process.getuid === undefined || process.getuid() === uid;
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
