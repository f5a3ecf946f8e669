import { randomUUID } from "node:crypto";
import { constants } from "node:fs";
import { uptime } from "node:os";
import { dirname, join, resolve } from "node:path";
import { refuse } from "../../domain/errors.ts";
import { type Digest, digestAlgorithm, digestHex, digestOf, parseDigest, parseUploadId } from "../../domain/names.ts";
import type { BlobStat, BlobStore, ByteRange, Bytes, Staged, StagingId } from "../../domain/registry/ports.ts";
import {
  codeOf,
  type Disk,
  type DiskFile,
  type DiskStat,
  ifExists,
  makeFolder,
  realDisk,
  syncFolder,
  withFile,
} from "./disk.ts";
import { createRunningHashes } from "./running-hashes.ts";
import { readBatches, writeHashed } from "./transfer.ts";

const { O_RDONLY, O_RDWR, O_CREAT } = constants;
/** An upload that is not among the newest is read again at its commit. */
const runningHashLimit = 256;

/**
 * Blobs as files: `<algorithm>/<first two hex digits>/<hex>`, and `staging/<uuid>` for those that are not complete.
 * Several processes of one machine may share the folder.
 */
export async function openFilesystemBlobs(options: { root: string; disk?: Disk }): Promise<BlobStore> {
  const { disk = realDisk } = options;
  const root = resolve(options.root);
  const hashes = createRunningHashes(runningHashLimit);

  const stagingFolder = join(root, "staging");
  const stagingPath = (staging: StagingId) => join(stagingFolder, checkedStaging(staging));
  function blobPath(digest: Digest): string {
    const hex = digestHex(checkedDigest(digest));
    return join(root, digestAlgorithm(digest), hex.slice(0, 2), hex);
  }

  /** Folders that are known to be there and to stay there. */
  const folders = new Map<string, Promise<unknown>>();
  function ensureFolder(path: string): Promise<unknown> {
    const known = folders.get(path);
    if (known) return known;
    const ensured = makeDurable(path);
    folders.set(path, ensured);
    ensured.catch(() => folders.delete(path));
    return ensured;
  }
  async function makeDurable(path: string): Promise<void> {
    if (path === root) return void (await makeFolder(disk, path));
    await ensureFolder(dirname(path));
    // Where the folder was there, another process may have made it a moment ago and not have synced its name yet.
    if (!(await makeFolder(disk, path))) await syncFolder(disk, dirname(path));
  }

  async function stat(digest: Digest): Promise<BlobStat | undefined> {
    const found = await ifExists(disk.stat(blobPath(digest)));
    return found && { digest, sizeBytes: found.size };
  }

  async function abort(staging: StagingId): Promise<void> {
    hashes.forget(staging);
    await ifExists(disk.unlink(stagingPath(staging)));
  }

  /** The order is the promise: nothing has the blob's name before it is all there, and nothing is answered before it stays. */
  async function publish(file: DiskFile, staging: StagingId, digest: Digest, staged: Staged): Promise<BlobStat> {
    const { sizeBytes } = staged;
    const target = blobPath(digest);
    // 1. The file is complete, and it is what its name will say.
    const found = await file.stat();
    if (found.size < sizeBytes) throw tooFewBytes(found.size, sizeBytes);
    if ((await digestOfStaged(file, found, staged, digest)) !== digest) throw refuse("LayerDigestMismatch");
    await file.truncate(sizeBytes);
    // 2. Its bytes are on the disk.
    await syncOrAbort(file, staging);
    // 3. It gets its name, in a folder that is on the disk.
    await ensureFolder(dirname(target));
    await disk.rename(stagingPath(staging), target);
    // 4. The name is on the disk.
    await syncFolder(disk, dirname(target));
    hashes.forget(staging);
    return { digest, sizeBytes };
  }

  /** A failed sync may have dropped bytes, and the next one would not tell. So nobody may go on with this upload. */
  async function syncOrAbort(file: DiskFile, staging: StagingId): Promise<void> {
    try {
      await file.sync();
    } catch (error) {
      await abort(staging).catch(() => {});
      throw error;
    }
  }

  /**
   * The staged file has gone: a commit came as far as the rename. Its bytes must be known to have been the blob's, or
   * whoever loses an upload could name a blob that they never sent.
   */
  async function publishedBefore(digest: Digest, staged: Staged): Promise<BlobStat> {
    const blob = await stat(digest);
    if (staged.digest !== digest || blob?.sizeBytes !== staged.sizeBytes) throw tooFewBytes(0, staged.sizeBytes);
    await ensureFolder(dirname(blobPath(digest)));
    await syncFolder(disk, dirname(blobPath(digest)));
    return blob;
  }

  await ensureFolder(stagingFolder);
  return {
    stat,
    async read(digest, range) {
      const blob = await stat(digest);
      return blob && { kind: "file", path: blobPath(digest), ...slice(blob.sizeBytes, range) };
    },
    async begin() {
      return randomUUID() as string as StagingId;
    },
    append(staging, offset, bytes, algorithm) {
      const path = stagingPath(staging);
      const hasher = hashes.take(staging, offset, algorithm);
      const flags = offset === 0 ? O_RDWR | O_CREAT : O_RDWR;
      return refusingWhenFull(async () => {
        return await withFile(disk, path, flags, async (file) => {
          const { size } = await file.stat();
          if (size < offset) throw tooFewBytes(size, offset);
          if (size > offset) await file.truncate(offset);
          const { sizeBytes, interrupted } = await writeHashed(file, offset, bytes, hasher);
          const end = offset + sizeBytes;
          if (!hasher) return { sizeBytes: end, interrupted };
          hashes.keep(staging, { offset: end, algorithm, hasher });
          return { sizeBytes: end, interrupted, digest: digestOf(algorithm, hasher.copy().digest("hex")) };
        });
      });
    },
    async *staged(staging, sizeBytes) {
      if (sizeBytes === 0) return;
      const file = await disk.open(stagingPath(staging), O_RDONLY);
      try {
        yield* readBatches(file, sizeBytes);
      } finally {
        await file.close();
      }
    },
    commit(staging, digest, staged) {
      return refusingWhenFull(async () => {
        const flags = staged.sizeBytes === 0 ? O_RDWR | O_CREAT : O_RDWR;
        return withFile(disk, stagingPath(staging), flags, (file) => publish(file, staging, digest, staged));
      });
    },
    abort,
    async remove(digest) {
    },
    async *list(after) {
    },
    async *stale(before) {
    },
    async close() {},
  };
}

function checkedStaging(staging: StagingId): string { return staging }
function checkedDigest(d: Digest): Digest { return d }
function tooFewBytes(staged: number, wanted: number): RangeError {
  return new RangeError(`${staged} bytes are staged, not ${wanted}`);
}
function slice(sizeBytes: number, range: ByteRange | undefined): { offset: number; sizeBytes: number } {
  if (!range) return { offset: 0, sizeBytes };
  return { offset: range.first, sizeBytes: range.last - range.first + 1 };
}
async function digestOfStaged(file: DiskFile, found: DiskStat, staged: Staged, wanted: Digest): Promise<Digest> {
  const algorithm = digestAlgorithm(wanted);
  if (staged.digest && digestAlgorithm(staged.digest) === algorithm) return staged.digest;
  const hasher = new Bun.CryptoHasher(algorithm);
  for await (const batch of readBatches(file, staged.sizeBytes)) hasher.update(batch);
  return digestOf(algorithm, hasher.digest("hex"));
}
async function refusingWhenFull<Result>(work: () => Promise<Result>): Promise<Result> { return work() }
