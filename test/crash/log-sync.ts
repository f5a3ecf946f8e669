import { mkdtempSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** Decides whether and when a sync takes place. */
export type Around = (sync: () => Promise<void>) => Promise<void>;

/**
 * Stands between Berth and the one sync that it does through Node: that of the database's log. All file handles share a
 * prototype, so this is possible without asking Berth for it; while it lasts, nothing else in the process may sync so.
 */
export async function interceptSyncs(around: Around): Promise<{ end(): void }> {
  const prototype = await prototypeOfHandles();
  const { datasync } = prototype;
  prototype.datasync = function (this: FileHandle) {
    return around(() => datasync.call(this));
  };
  return {
    end() {
      prototype.datasync = datasync;
    },
  };
}

let found: FileHandle | undefined;

async function prototypeOfHandles(): Promise<FileHandle> {
  if (found) return found;
  const folder = mkdtempSync(join(tmpdir(), "berth-handle-"));
  const file = await open(join(folder, "file"), "w");
  found = Object.getPrototypeOf(file) as FileHandle;
  await file.close();
  rmSync(folder, { recursive: true });
  return found;
}
