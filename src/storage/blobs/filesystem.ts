import { dirname, join, resolve } from "node:path";
import { type Refusal, refuse } from "../../domain/errors.ts";
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestHex,
  digestOf,
  parseDigest,
} from "../../domain/names.ts";
import { BlobDamaged, isSealed, keyOf, serverScope } from "../../domain/registry/encryption.ts";
import type {
  Appended,
  BlobId,
  BlobKeys,
  BlobStore,
  Bytes,
  Generation,
  KeyScope,
  Staged,
  StagingId,
  StoredBlob,
} from "../../domain/registry/ports.ts";
import type { StagedFile } from "./blob-files.ts";
import {
  beganAtMs,
  checkDigest,
  checkedStagingId,
  checkSealed,
  checkStagedBytes,
  isStagingId,
  newStagingId,
  tooFewBytes,
} from "./checks.ts";
import { closing, codeOf, createFolders, type Disk, fileStat, ifExists, realDisk, syncFolder } from "./disk.ts";
import { plainFiles } from "./plain-files.ts";
import { createRunningHashes } from "./running-hashes.ts";
import { sealedFiles } from "./sealed-files.ts";
import { createWriteBack } from "./transfer.ts";

interface Hashing {
  readonly algorithm: DigestAlgorithm;
  readonly hasher: Bun.CryptoHasher | undefined;
  readonly written?: (sizeBytes: number) => void;
}

/** In the order in which they are listed. */
const algorithms: readonly DigestAlgorithm[] = ["sha256", "sha512"];
/** Of the uploads that continue after more others than this, the bytes are read again at the commit. */
const runningHashLimit = 256;

/**
 * Blobs as files: `<algorithm>/<first two hex digits>/<hex>.<generation>`, and `staging/<id>` for uploads. A blob's
 * generation is the id of the upload that it came from, so no two commits ever write the same name; it also says whether
 * the content is sealed. Processes of one machine may share the folder: what this one remembers only saves work.
 * @param options.keys what new copies are sealed with; left out, none is, and those that are cannot be read
 */
export async function openFilesystemBlobs(options: { root: string; keys?: BlobKeys; disk?: Disk }): Promise<BlobStore> {
  const { disk = realDisk, keys = noKeys } = options;
  const root = resolve(options.root);
  const hashes = createRunningHashes(runningHashLimit);
  const writeBack = createWriteBack();
  const [plain, sealed] = [plainFiles(disk), sealedFiles(disk, keys)];
  const filesOf = (id: StagingId | Generation) => (isSealed(id) ? sealed : plain);

  const folders = createFolders(disk, root);
  const stagingFolder = join(root, "staging");
  const stagingPath = (staging: StagingId) => join(stagingFolder, checkedStagingId(staging));
  function blobPath({ digest, generation }: BlobId): string {
    if (parseDigest(digest) === undefined) throw new RangeError(`not a digest: ${JSON.stringify(digest)}`);
    const hex = digestHex(digest);
    const copy = generation === "" ? "" : `.${checkedStagingId(generation as string as StagingId)}`;
    return join(root, digestAlgorithm(digest), hex.slice(0, 2), hex + copy);
  }

  const begin = (staging: StagingId, scope: KeyScope) => filesOf(staging).begin(stagingPath(staging), staging, scope);
  const resume = (staging: StagingId) => filesOf(staging).resume(stagingPath(staging), staging);
  /** An upload has no file before its first append, or its commit when there was none. */
  const openStaged = (staging: StagingId, sizeBytes: number, scope: KeyScope) =>
    sizeBytes === 0 ? begin(staging, scope) : resume(staging);

  async function fileOf(blob: BlobId) {
    const found = await fileStat(disk, blobPath(blob));
    if (!found) return undefined;
    const { size: fileBytes, ctimeMs } = found;
    return { fileBytes, contentBytes: filesOf(blob.generation).contentBytes(fileBytes), ctimeMs };
  }

  async function stat({ digest, generation }: BlobId): Promise<StoredBlob | undefined> {
    const found = await fileOf({ digest, generation });
    return found && { digest, generation, sizeBytes: found.contentBytes };
  }

  async function abort(staging: StagingId): Promise<void> {
    hashes.forget(staging);
    await ifExists(disk.unlink(stagingPath(staging)));
  }

  /** A failed sync may have lost bytes, and the next one would not tell. So nobody may go on with this upload. */
  async function syncOrAbort(staging: StagingId, sync: () => Promise<void>): Promise<void> {
    try {
      await sync();
    } catch (error) {
      await abort(staging).catch(() => {});
      throw error;
    }
  }

  async function writeTo(
    file: StagedFile,
    staging: StagingId,
    offset: number,
    bytes: Bytes,
    { algorithm, hasher, written: told }: Hashing,
  ): Promise<Appended> {
    const sync = () => syncOrAbort(staging, () => file.datasync());
    const written = await file.append(offset, bytes, { hasher, writeBack, sync, written: told });
    const { interrupted } = written;
    const sizeBytes = offset + written.sizeBytes;
    if (!hasher) return { sizeBytes, interrupted };
    hashes.keep(staging, { offset: sizeBytes, algorithm, hasher });
    return { sizeBytes, interrupted, digest: digestOf(algorithm, hasher.copy().digest("hex")) };
  }

  /** At least these bytes are in the file, and nobody doubts what they hash to. */
  interface Complete {
    readonly file: StagedFile;
    readonly staging: StagingId;
    readonly digest: Digest;
    readonly sizeBytes: number;
  }

  /** The order is the promise: the name comes after all bytes are on the disk, the answer after the name is. */
  async function publish({ file, staging, digest, sizeBytes }: Complete): Promise<StoredBlob> {
    const blob = { digest, generation: generationOf(staging) };
    const target = blobPath(blob);
    // 1. Its bytes, and no others, are on the disk.
    await file.finish(blob, sizeBytes);
    await syncOrAbort(staging, () => file.sync());
    // 2. It gets its name, in a folder that is there to stay.
    await folders.ensure(dirname(target));
    await disk.rename(stagingPath(staging), target);
    // 3. The name is on the disk.
    await syncFolder(disk, dirname(target));
    hashes.forget(staging);
    return { ...blob, sizeBytes };
  }

  /** For an upload that is gone: its commit may have ended after the rename. The name says that it was this one's. */
  async function publishedBefore(staging: StagingId, digest: Digest, staged: Staged): Promise<StoredBlob> {
    const blob = await stat({ digest, generation: generationOf(staging) });
    if (blob?.sizeBytes !== staged.sizeBytes) {
      throw new RangeError(`the upload is gone, and ${digest} was not committed from it`);
    }
    const folder = dirname(blobPath(blob));
    await folders.ensure(folder);
    await syncFolder(disk, folder);
    return blob;
  }

  await folders.ensure(stagingFolder);

  return {
    stat,
    async read(blob, range) {
      return filesOf(blob.generation).read(blobPath(blob), blob, range);
    },
    async *bytes(blob, from) {
      yield* filesOf(blob.generation).bytes(blobPath(blob), blob, from);
    },
    async begin(scope) {
      return newStagingId({ sealed: keys.seals(scope) });
    },
    append(staging, offset, bytes, { scope, algorithm, acknowledged }) {
      return refusingWhenFull(async () => {
        return unlessDamaged(async () => {
          const file = await openStaged(staging, offset, scope);
          if (!file) throw tooFewBytes(0, offset);
          return closing(file, async () => {
            checkStagedBytes(file.sizeBytes, offset);
            const hasher = hashes.take(staging, offset, algorithm, acknowledged);
            return writeTo(file, staging, offset, bytes, { algorithm, hasher });
          });
        }, missing);
      });
    },
    async *staged(staging, sizeBytes, from = 0) {
      if (sizeBytes === from) return;
      const file = await unlessDamaged(() => resume(staging), missing);
      if (!file) throw tooFewBytes(0, sizeBytes);
      try {
        checkStagedBytes(file.sizeBytes, sizeBytes);
        yield* file.read(sizeBytes, from);
      } catch (error) {
        throw error instanceof BlobDamaged ? missing(error) : error;
      } finally {
        await file.close();
      }
    },
    commit(staging, digest, staged, scope) {
      return refusingWhenFull(async () => {
        return unlessDamaged(async () => {
          const file = await openStaged(staging, staged.sizeBytes, scope);
          if (!file) return publishedBefore(staging, digest, staged);
          return closing(file, async () => {
            const { sizeBytes } = staged;
            checkStagedBytes(file.sizeBytes, sizeBytes);
            const known = beganSinceBoot(staging, disk.uptime()) ? staged.digest : undefined;
            await checkDigest(digest, known, () => file.read(sizeBytes));
            return publish({ file, staging, digest, sizeBytes });
          });
        }, mismatch);
      });
    },
    store(staging, digest, bytes, scope, { written, verified } = {}) {
      return refusingWhenFull(async () => {
        const algorithm = digestAlgorithm(digest);
        // Nobody else has written to it, or what they wrote does not count.
        const file = await begin(staging, scope);
        return closing(file, async () => {
          const hasher = hashes.take(staging, 0, algorithm, undefined);
          const appended = await writeTo(file, staging, 0, bytes, { algorithm, hasher, written });
          if (appended.interrupted !== undefined) return appended;
          const { sizeBytes } = appended;
          await checkDigest(digest, appended.digest, () => file.read(sizeBytes));
          verified?.();
          return { ...appended, blob: await publish({ file, staging, digest, sizeBytes }) };
        });
      });
    },
    abort,
    async remove(blob) {
      const found = await fileOf(blob);
      const removed = found && (await ifExists(disk.unlink(blobPath(blob)).then(() => true)));
      return removed ? found.fileBytes : 0;
    },
    async *stored(blob) {
      yield* plain.bytes(blobPath(blob), blob);
    },
    adopt({ digest, generation }, stored) {
      return refusingWhenFull(async () => {
        const blob = checkSealed({ digest, generation });
        const staging = generation as string as StagingId;
        // What is in the file is not looked at, so it is a plain one here.
        const file = await plain.begin(stagingPath(staging), staging, serverScope);
        return closing(file, async () => {
          try {
            const appended = await writeTo(file, staging, 0, stored, { algorithm: "sha256", hasher: undefined });
            if (appended.interrupted !== undefined) throw appended.interrupted;
            const { sizeBytes } = appended;
            await publish({ file, staging, digest, sizeBytes });
            return { ...blob, sizeBytes: sealed.contentBytes(sizeBytes) };
          } catch (error) {
            await abort(staging).catch(() => {});
            throw error;
          }
        });
      });
    },
    async *list(after) {
      const last = after ? nameOf(after) : "";
      for (const algorithm of algorithms) {
        for (const prefix of await namesIn(disk, join(root, algorithm))) {
          const start = `${algorithm}:${prefix}`;
          if (!/^[0-9a-f]{2}$/.test(prefix) || start < last.slice(0, start.length)) continue;
          for (const name of await namesIn(disk, join(root, algorithm, prefix))) {
            const blob = blobNamed(`${algorithm}:${name}`);
            if (!blob || nameOf(blob) <= last) continue;
            const found = await fileOf(blob);
            if (found) yield { ...blob, sizeBytes: found.contentBytes, committedAt: new Date(found.ctimeMs) };
          }
        }
      }
    },
    async *stale(before) {
      for (const name of await namesIn(disk, stagingFolder)) {
        const found = isStagingId(name) && (await ifExists(disk.stat(stagingPath(name))));
        if (found && found.mtimeMs < before.getTime()) yield name;
      }
    },
    async close() {},
  };
}

/** No two uploads have the same id, so no two copies have the same generation. */
function generationOf(staging: StagingId): Generation {
  return staging as string as Generation;
}

function nameOf({ digest, generation }: BlobId): string {
  return generation === "" ? digest : `${digest}.${generation}`;
}

/** `undefined` for what is no blob's name. */
function blobNamed(name: string): BlobId | undefined {
  const [text = "", ...rest] = name.split(".");
  const digest = parseDigest(text);
  const generation = rest.join(".");
  const isGeneration = rest.length === 0 || isStagingId(generation);
  return digest && isGeneration ? { digest, generation: generation as Generation } : undefined;
}

/** For a folder in which nothing is sealed. What a user's key is to seal does not get into it. */
const noKeys: BlobKeys = {
  seals: (scope) => scope !== serverScope,
  make: async (scope) => {
    const reason = `Key '${keyOf(scope)}' is not here`;
    throw refuse("KeyUnusable", { kmsError: "NotFoundException", reason });
  },
  open: () => Promise.reject(new Error("there is no key to open sealed blobs with")),
};

async function namesIn(disk: Disk, folder: string): Promise<string[]> {
  return ((await ifExists(disk.readdir(folder))) ?? []).sort();
}

/**
 * Whether a hash that was taken while the bytes came in still says something about them. If the machine went down since,
 * the file may have its length and none of its content. A clock that was set back is no witness.
 */
function beganSinceBoot(staging: StagingId, uptimeSeconds: number): boolean {
  const nowMs = Date.now();
  const bootMs = nowMs - uptimeSeconds * 1000;
  return bootMs < beganAtMs(staging) && beganAtMs(staging) <= nowMs;
}

async function refusingWhenFull<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (!["ENOSPC", "EDQUOT"].includes(codeOf(error) ?? "")) throw error;
    throw refuse("StorageFull", undefined, { cause: error });
  }
}

/** Staged bytes that cannot be opened any more, as after a power cut, are not there. */
function missing(cause: BlobDamaged): RangeError {
  return new RangeError(`fewer bytes are staged: ${cause.message}`, { cause });
}

function mismatch(cause: BlobDamaged): Refusal {
  return refuse("LayerDigestMismatch", undefined, { cause });
}

async function unlessDamaged<Result>(work: () => Promise<Result>, failure: typeof missing | typeof mismatch) {
  try {
    return await work();
  } catch (error) {
    throw error instanceof BlobDamaged ? failure(error) : error;
  }
}
