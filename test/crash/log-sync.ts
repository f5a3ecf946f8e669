import { mkdtempSync, rmSync } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

/**
 * Takes the place of the one sync that Berth does through Node: that of the database's log. All file handles share a
 * prototype, so this is possible without asking Berth for it; while it lasts, nothing else in the process may sync so.
 */
export async function interceptSyncs(instead: () => Promise<void>): Promise<{ end(): void }> {
  const prototype = await prototypeOfHandles();
  const { datasync } = prototype;
  prototype.datasync = instead;
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
