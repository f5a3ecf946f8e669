import { join } from "node:path";
import type { Digest } from "../../domain/names.ts";
import { copyBlob, damageIn } from "../../domain/registry/copy.ts";
import { createCursor } from "../../domain/registry/cursor.ts";
import { eachOf } from "../../domain/registry/each.ts";
import { isSealed } from "../../domain/registry/encryption.ts";
import { createPace, paced } from "../../domain/registry/pace.ts";
import type { BlobId, BlobName, BlobStore, ListedBlob, Metadata, StoredBlob } from "../../domain/registry/ports.ts";
import { verify } from "../../domain/registry/verify.ts";
import { openSnapshot, type SnapshotBlobs, takeSnapshot } from "../metadata/snapshot.ts";
import { type BackupFolder, BackupUnusable, copySecrets, type MissingBlob, nameOfSnapshot } from "./folder.ts";
import { createUnverified, moveSealed, type Unverified, type UnverifiedCopies } from "./sealed-copies.ts";

/**
 * A backup while the registry is in use:
 *
 * 1. A snapshot of the metadata, of one moment.
 * 2. Every blob that it names and that the backup does not have. Pushes go on; what they add is for the next backup.
 * 3. The snapshot gets its name. From now on it can be restored; before, the ones of earlier.
 * 4. Snapshots beyond the number to keep go, and then blobs that no snapshot names.
 *
 * A collection may remove a blob between 1 and 2. Then its record is gone too, and a new snapshot, which does not name
 * it, is taken; what was copied already is not copied again.
 *
 * Sealed blobs are copied as they are (sealed-copies.ts), after their bytes were read through their key.
 */
export interface Source {
  readonly databaseUrl: string;
  /** The data directory. */
  readonly data: string;
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
}

export interface BackUpOptions {
  /** How many snapshots stay, this one included. */
  readonly keep: number;
  readonly version: string;
  /** 0 for as fast as possible. */
  readonly bytesPerSecond: number;
  readonly clock: () => Date;
  progress?(phase: "metadata" | "blobs" | "clean-up", doneBytes: number, totalBytes: number): void;
}

export interface BackedUp {
  readonly snapshot: string;
  /** What the snapshot names, in bytes and numbers. */
  readonly blobs: number;
  readonly blobBytes: number;
  /** What was not in the backup before. */
  readonly copied: number;
  readonly copiedBytes: number;
  readonly missing: readonly MissingBlob[];
  /** How many blobs are sealed: they are of no use without the keys, nor these without the master key. */
  readonly sealed: number;
  /** Of those that were copied now. */
  readonly unverified: readonly Unverified[];
  readonly snapshotsRemoved: number;
  readonly blobsRemoved: number;
  readonly freedBytes: number;
}

const snapshotAttempts = 4;
const comparedAtOnce = 500;

interface Counted {
  copied: number;
  copiedBytes: number;
  readonly unverified: UnverifiedCopies;
}

/** @throws BackupUnusable, StorageFull */
export async function backUp(source: Source, folder: BackupFolder, options: BackUpOptions): Promise<BackedUp> {
  const { keep, version, clock } = options;
  const counted: Counted = { copied: 0, copiedBytes: 0, unverified: createUnverified() };
  await dropLeftovers(folder);
  for (let attempt = 1; ; attempt++) {
    options.progress?.("metadata", 0, 0);
    const takenAt = clock();
    const draft = await folder.draft();
    const file = join(draft, "metadata.sqlite");
    await takeSnapshot(source.databaseUrl, file);
    await copySecrets(source.data, draft);
    const snapshot = openSnapshot(file);
    try {
      const { missing, collected, sealed } = await copyBlobs(source, folder, snapshot, counted, options);
      if (collected > 0) {
        if (attempt < snapshotAttempts) continue;
        throw new BackupUnusable(
          `garbage collection removed ${collected} blobs while they were to be copied, ${attempt} times in a row. Set gc.grace to more than a backup takes`,
        );
      }
      const name = nameOfSnapshot(takenAt);
      await folder.publish(name, { takenAt: takenAt.toISOString(), version, ...snapshot.totals, missing });
      options.progress?.("clean-up", 0, 0);
      const { copied, copiedBytes, unverified } = counted;
      const facts = { ...snapshot.totals, copied, copiedBytes, missing, sealed, unverified: unverified.list() };
      return { snapshot: name, ...facts, ...(await cleanUp(folder, keep)) };
    } finally {
      snapshot.close();
    }
  }
}

/** Staged bytes of a backup that was interrupted. Nobody else uses the folder now. */
async function dropLeftovers({ blobs }: BackupFolder): Promise<void> {
  for await (const staging of blobs.stale(new Date(Date.now() + 1000))) await blobs.abort(staging);
}

async function copyBlobs(
  { metadata, blobs }: Source,
  folder: BackupFolder,
  snapshot: SnapshotBlobs,
  counted: Counted,
  { bytesPerSecond, progress }: BackUpOptions,
): Promise<{ missing: MissingBlob[]; collected: number; sealed: number }> {
  const pace = createPace(bytesPerSecond);
  const missing: MissingBlob[] = [];
  let [collected, sealed, doneBytes] = [0, 0, 0];
  await eachOf(notIn(folder.blobs, snapshot), async ({ blob, isCopied }) => {
    if (isSealed(blob.generation)) sealed++;
    if (!isCopied) await copy(blob);
    doneBytes += blob.sizeBytes;
    progress?.("blobs", doneBytes, snapshot.totals.blobBytes);
  });
  return { missing, collected, sealed };

  async function copy(named: StoredBlob & BlobName): Promise<void> {
    const { digest, sizeBytes } = named;
    for (let blob: StoredBlob & BlobName = named; ; ) {
      const because = await bring(blob);
      if (because === undefined) {
        // A sealed copy is told from others by its name alone.
        if (isSealed(blob.generation) && blob.generation !== named.generation) snapshot.rename(blob);
        return;
      }
      const now = await metadata.read.blobs.find(named);
      if (!now) {
        collected++;
        return;
      }
      if (now.generation === blob.generation) {
        missing.push({ digest, sizeBytes, because });
        return;
      }
      // Pushed again meanwhile, in the place of a damaged copy, or sealed.
      blob = now;
    }
  }

  /** Why the copy cannot be had; `undefined` when the backup has it. */
  async function bring(blob: StoredBlob & BlobName): Promise<string | undefined> {
    try {
      let locked: string | undefined;
      if (isSealed(blob.generation)) {
        const seen = await verify(blobs, blob, (bytes) => paced(bytes, pace));
        if (seen.kind === "corrupt" || seen.kind === "unreadable") return seen.why;
        if (seen.kind === "locked") locked = seen.why;
      }
      const made = isSealed(blob.generation)
        ? await moveSealed(blob, blobs, folder.blobs, pace)
        : await copyBlob(blob, blob.scope, blobs, folder.blobs, pace);
      if (made.sizeBytes !== blob.sizeBytes) {
        await folder.blobs.remove(made);
        return `it has ${made.sizeBytes} bytes`;
      }
      if (locked !== undefined) counted.unverified.add(blob.scope, locked);
      counted.copied++;
      counted.copiedBytes += made.sizeBytes;
      return undefined;
    } catch (error) {
      const because = damageIn(error);
      if (because === undefined) throw error;
      return because;
    }
  }
}

/** What the snapshot names, each with whether the backup has it. Both are sorted by digest. */
async function* notIn(
  backup: BlobStore,
  snapshot: SnapshotBlobs,
): AsyncIterable<{ blob: StoredBlob & BlobName; isCopied: boolean }> {
  const copies = createCursor(backup.list());
  let [digest, found]: [Digest | undefined, ListedBlob[]] = [undefined, []];
  for (const blob of snapshot.list()) {
    if (blob.digest !== digest) found = await copies.takeAt(blob.digest);
    digest = blob.digest;
    yield { blob, isCopied: found.some((copy) => copy.sizeBytes === blob.sizeBytes && serves(copy, blob)) };
  }
}

/** Plain copies of one content are all alike. */
function serves(copy: BlobId, blob: BlobId): boolean {
  if (isSealed(blob.generation)) return copy.generation === blob.generation;
  return !isSealed(copy.generation);
}

async function cleanUp(
  folder: BackupFolder,
  keep: number,
): Promise<Pick<BackedUp, "snapshotsRemoved" | "blobsRemoved" | "freedBytes">> {
  const names = await folder.snapshots();
  const old = names.slice(0, Math.max(0, names.length - keep));
  for (const name of old) await folder.removeSnapshot(name);
  const kept = names.slice(old.length).map((name) => openSnapshot(join(folder.snapshotPath(name), "metadata.sqlite")));
  const removed = { snapshotsRemoved: old.length, blobsRemoved: 0, freedBytes: 0 };
  let page: ListedBlob[] = [];
  try {
    for await (const copy of folder.blobs.list()) {
      page.push(copy);
      if (page.length === comparedAtOnce) await removeUnnamed();
    }
    await removeUnnamed();
    return removed;
  } finally {
    for (const snapshot of kept) snapshot.close();
  }

  async function removeUnnamed(): Promise<void> {
    const digests = page.map(({ digest }) => digest);
    const named = Map.groupBy(
      kept.flatMap((snapshot) => snapshot.among(digests)),
      ({ digest }) => digest,
    );
    for (const copy of page) {
      if (named.get(copy.digest)?.some((blob) => serves(copy, blob))) continue;
      removed.freedBytes += await folder.blobs.remove(copy);
      removed.blobsRemoved++;
    }
    page = [];
  }
}
