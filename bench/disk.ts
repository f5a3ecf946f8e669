import { statfsSync } from "node:fs";
import { output } from "./peers/peer.ts";

/** @throws when the file system of `folder` has less than `bytes` and a little more */
export function needDisk(folder: string, bytes: number, what: string): void {
  const { bavail, bsize } = statfsSync(folder);
  const wanted = bytes + 2 ** 30;
  const gib = (size: number) => (size / 2 ** 30).toFixed(1);
  if (bavail * bsize >= wanted) return;
  throw new Error(
    `${what}: needs ${gib(wanted)} GiB of free disk at ${folder}, and there are ${gib(bavail * bsize)} GiB. Make room, set TMPDIR to a larger disk, or ask for less`,
  );
}

/**
 * Writes out what others have left in memory. A sync of one file may wait for theirs, and a registry that never syncs
 * would have its bytes written at the cost of the next one that does.
 */
export async function settleDisk(folder: string): Promise<void> {
  await output(["sync", "--file-system", folder]);
}
