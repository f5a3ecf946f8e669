import { createHash } from "node:crypto";
import { mkdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import type { Digest } from "../../domain/names.ts";
import { writeWhole } from "./whole-files.ts";

/** Where uploads of large blobs stand, so that a run goes on with what the one before it began. */
export interface Journal {
  entry(registry: string, repository: string, digest: Digest): JournalEntry;
}

export interface JournalEntry {
  /** The location of the upload that was begun, unless it is too old. */
  read(): Promise<string | undefined>;
  keep(location: string): Promise<void>;
  forget(): Promise<void>;
}

/** Registries give an upload up after some days at the most. */
const longestMs = 24 * 60 * 60 * 1000;
const maxLocationLength = 16 * 1024;

/**
 * @param folder only its owner can read it, because some registries put a permission to write into a location. `undefined`
 * for a user without a home, who begins anew.
 */
export function createJournal(folder: string | undefined): Journal {
  return {
    entry(registry, repository, digest) {
      if (folder === undefined) return { read: async () => undefined, keep: async () => {}, forget: async () => {} };
      const key = createHash("sha256")
        .update(JSON.stringify([registry, repository, digest]))
        .digest("hex");
      const path = join(folder, key);
      const forget = () => rm(path, { force: true });
      return {
        async read() {
          const facts = await stat(path).catch(() => undefined);
          if (!facts) return undefined;
          if (Date.now() - facts.mtimeMs > longestMs || facts.size > maxLocationLength) {
            await forget();
            return undefined;
          }
          return readFile(path, "utf8");
        },
        async keep(location) {
          if (location.length > maxLocationLength) return;
          await mkdir(folder, { recursive: true, mode: 0o700 });
          await writeWhole(path, location, 0o600);
        },
        forget,
      };
    },
  };
}
