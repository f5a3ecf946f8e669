import { constants } from "node:fs";
import type { BlobFiles, StagedFile } from "./blob-files.ts";
import { sliceOf } from "./checks.ts";
import { type Disk, type DiskFile, fileStat, ifExists, keeping, openFile } from "./disk.ts";
import { readBatches, writeHashed } from "./transfer.ts";

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC } = constants;

/** Content as it is. The kernel can send it. */
export function plainFiles(disk: Disk): BlobFiles {
  return {
    contentBytes: (fileBytes) => fileBytes,
    async begin(path) {
      return staged(await openFile(disk, path, O_RDWR | O_CREAT | O_TRUNC), 0);
    },
    async resume(path) {
      const file = await ifExists(openFile(disk, path, O_RDWR));
      return file && keeping(file, async () => staged(file, (await file.stat()).size));
    },
    async read(path, _, range) {
      const found = await fileStat(disk, path);
      return found && { kind: "file", path, ...sliceOf(found.size, range) };
    },
    async *bytes(path, _, from) {
      const file = await openFile(disk, path, O_RDONLY);
      try {
        yield* readBatches(file, (await file.stat()).size, from);
      } finally {
        await file.close();
      }
    },
  };
}

function staged(file: DiskFile, sizeBytes: number): StagedFile {
  return {
    sizeBytes,
    async append(offset, bytes, how) {
      if (sizeBytes > offset) await file.truncate(offset);
      try {
        return await writeHashed(bytes, { ...how, file, position: offset });
      } catch (error) {
        // On a full disk every byte counts, and these are not acknowledged.
        await file.truncate(offset).catch(() => {});
        throw error;
      }
    },
    read: (wantedBytes, from) => readBatches(file, wantedBytes, from),
    async finish(_, wantedBytes) {
      if (sizeBytes > wantedBytes) await file.truncate(wantedBytes);
    },
    sync: () => file.sync(),
    datasync: () => file.datasync(),
    close: () => file.close(),
  };
}
