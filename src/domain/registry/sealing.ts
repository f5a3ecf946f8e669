import type { Digest } from "../names.ts";
import { recordsIn } from "./blob-records.ts";
import type { Stores } from "./collection.ts";
import { copyBlob, damageIn } from "./copy.ts";
import { eachOf } from "./each.ts";
import { isSealed } from "./encryption.ts";
import { createPace } from "./pace.ts";
import type { BlobRecord, KeyScope, StoredBlob } from "./ports.ts";

/**
 * Seals what is stored as it came, because it is from before there was sealing, or from a time when an encrypted volume
 * was to do it. The registry may be in use: each blob gets a sealed copy, which is compared with its digest on the way, and
 * one short transaction puts it in the place of the plain one. Whoever was about to read that one still can: a collection
 * removes it, some time later. What is interrupted has sealed what it has sealed, and goes on there.
 */
export interface SealOptions {
  /** 0 for as fast as possible. */
  readonly bytesPerSecond: number;
  /** Only counts. */
  readonly dryRun?: boolean;
  /** Told after each blob how many bytes have been looked at. */
  progress?(doneBytes: number, totalBytes: number): void;
  /** Told of a blob that stays as it is, and why: it is damaged. */
  failed?(digest: Digest, because: string): void;
  readonly signal?: AbortSignal;
}

export interface SealCounts {
  /** What was sealed, or would be. */
  readonly blobs: number;
  readonly bytes: number;
  /** What is sealed already. */
  readonly sealedBefore: number;
  /** What the configuration leaves to an encrypted volume. */
  readonly leftPlain: number;
  /** What is in quarantine, or cannot be read. */
  readonly damaged: number;
  /** When the plain copies can go; absent when there are none. */
  readonly removedFrom?: Date;
}

/**
 * How long a plain copy stays that has a sealed one in its place. A request reads where the copy is a moment before it opens
 * it, and on a busy machine that moment may be long.
 */
export const plainStaysMs = 10 * 60_000;

/** @throws KeyUnusable, StorageFull */
export async function sealBlobs({ metadata, blobs, clock }: Stores, options: SealOptions): Promise<SealCounts> {
  const { bytesPerSecond, dryRun, progress, failed, signal } = options;
  const pace = createPace(bytesPerSecond);
  const counts = { blobs: 0, bytes: 0, sealedBefore: 0, leftPlain: 0, damaged: 0 };
  const { blobBytes } = await metadata.read.inspection.totals();
  const sealing = new Map<KeyScope, boolean>();
  let doneBytes = 0;
  let removedFrom: Date | undefined;

  await eachOf(recordsIn(metadata), async (record) => {
    signal?.throwIfAborted();
    await judge(record);
    doneBytes += record.sizeBytes;
    progress?.(doneBytes, blobBytes);
  });
  return { ...counts, ...(removedFrom ? { removedFrom } : {}) };

  async function judge(record: BlobRecord): Promise<void> {
    if (isSealed(record.generation)) counts.sealedBefore++;
    else if (record.quarantinedAt) counts.damaged++;
    else if (!(await isToBeSealed(record.scope))) counts.leftPlain++;
    else if (dryRun) add(record);
    else await seal(record);
  }

  async function isToBeSealed(scope: KeyScope): Promise<boolean> {
    let isIt = sealing.get(scope);
    if (isIt === undefined) {
      // Costs nothing, and the name says it.
      isIt = isSealed(await blobs.begin(scope));
      sealing.set(scope, isIt);
    }
    return isIt;
  }

  /** Until it is sealed, or gone, or another that is to be judged anew. */
  async function seal(record: BlobRecord): Promise<void> {
    const made = await copyOf(record);
    if (made) {
      const removeAt = new Date(clock().getTime() + plainStaysMs);
      const isDone = await metadata.transact((nouns) =>
        nouns.blobs.replace(record, { ...made, scope: record.scope }, removeAt),
      );
      if (isDone) {
        removedFrom = removeAt;
        return add(record);
      }
      await blobs.remove(made);
    }
    const now = await metadata.read.blobs.find(record);
    if (now && now.generation === record.generation && !now.quarantinedAt && !made) counts.damaged++;
    else if (now) await judge(now);
  }

  /** `undefined` when the plain copy cannot be read, or is not what it should be. */
  async function copyOf(record: BlobRecord): Promise<StoredBlob | undefined> {
    try {
      return await copyBlob(record, record.scope, blobs, blobs, pace);
    } catch (error) {
      const because = damageIn(error);
      if (because === undefined) throw error;
      const now = await metadata.read.blobs.find(record);
      if (now?.generation === record.generation) failed?.(record.digest, because);
      return undefined;
    }
  }

  function add({ sizeBytes }: StoredBlob): void {
    counts.blobs++;
    counts.bytes += sizeBytes;
  }
}
