import { eachOf } from "./each.ts";
import type { BlobId, BlobName, BlobStore, ListedBlob, Metadata, StagingId, StoredBlob } from "./ports.ts";

/**
 * Garbage collection while the registry is in use. It holds no lock that a client waits for: every step is a short
 * transaction that looks again before it removes, and a crash between any two leaves work for the next run, never loss.
 *
 * 1. A deleted repository loses its content, a batch at a time.
 * 2. A layer that no image of its repository has needed for the time of grace loses its link.
 * 3. A blob that no repository has had for the time of grace loses its row, in a transaction that conflicts with any new
 *    link. The copy that the row named is noted as to be removed.
 * 4. Its bytes are removed. Whoever pushes the content meanwhile makes another copy, which this cannot meet.
 */
export interface Stores {
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
  readonly clock: () => Date;
}

export interface Collected {
  /** Deleted repositories that are empty now. */
  readonly repositories: number;
  readonly links: number;
  readonly blobs: number;
  /** Really freed in the store. */
  readonly bytes: number;
}

export interface CollectOptions {
  /** How long something stays that nobody needs. */
  readonly graceMs: number;
  /** Told after each batch what there is so far. */
  progress?(collected: Collected): void;
  /** Told of copies whose bytes could not be removed: they are tried again by the next run. */
  failed?(blob: BlobId, error: unknown): void;
  readonly signal?: AbortSignal;
}

/** Rows in one transaction: some milliseconds, so that pushes hardly notice on a database with one writer. */
const batchSize = 100;
const repositoriesAtOnce = 100;

export async function collectGarbage({ metadata, blobs, clock }: Stores, options: CollectOptions): Promise<Collected> {
  const { graceMs, progress, failed, signal } = options;
  const collected = { repositories: 0, links: 0, blobs: 0, bytes: 0 };
  const { garbage } = metadata.read;
  const before = new Date(clock().getTime() - graceMs);
  const step = () => {
    progress?.({ ...collected });
    signal?.throwIfAborted();
  };

  for (const id of await garbage.deleted(repositoriesAtOnce)) {
    for (let isGone = false; !isGone; step()) {
      isGone = await metadata.transact((nouns) => nouns.garbage.purge(id, batchSize, clock()));
    }
    collected.repositories++;
  }

  await inBatches(
    () => garbage.links(before, batchSize),
    async (due) => {
      collected.links += await metadata.transact(async (nouns) => {
        let gone = 0;
        for (const link of due) if (await nouns.garbage.unlink(link, before)) gone++;
        return gone;
      });
      step();
    },
  );

  await inBatches(
    () => garbage.blobs(before, batchSize),
    async (due) => {
      // Durable before any byte goes: a row without its bytes would be a loss, bytes without their row are not.
      await metadata.transact(async (nouns) => {
        for (const blob of due) await nouns.garbage.forget(blob, before);
      });
      await removeBytes();
    },
  );
  await removeBytes();
  await giveUp();
  return collected;

  /** What was deleted and could be brought back until now: the next run finds what it needed. */
  async function giveUp(): Promise<void> {
    const now = clock();
    for (let given = batchSize; given >= batchSize; step()) {
      given = await metadata.transact(async ({ deletedImages, deletedRepositories, holds }) => {
        const images = await deletedImages.forget(now, batchSize);
        const repositories = await deletedRepositories.forget(now, batchSize);
        return Math.max(images, repositories, await holds.forget(now, batchSize));
      });
    }
  }

  /** Of every copy that is noted and due, also by a run before that was interrupted. */
  async function removeBytes(): Promise<void> {
    for (let after: BlobId | undefined; ; ) {
      // In a transaction, because what it has seen is durable when it ends: another collection may just have committed a
      // removal that a power cut would undo, and then the row is back.
      const page: StoredBlob[] = await metadata.transact((nouns) =>
        nouns.garbage.removals({ after, limit: batchSize }, clock()),
      );
      const last = page.at(-1);
      if (!last) return;
      const removed: StoredBlob[] = [];
      await eachOf(page, async (blob) => {
        try {
          const freedBytes = await blobs.remove(blob);
          collected.bytes += freedBytes;
          removed.push(blob);
        } catch (error) {
          failed?.(blob, error);
        }
      });
      collected.blobs += removed.length;
      await metadata.transact((nouns) => nouns.garbage.removed(removed), { durable: false });
      after = last;
      step();
    }
  }
}

export interface Forecast {
  readonly blobs: number;
  readonly bytes: number;
  /** The largest, biggest first. */
  readonly largest: readonly StoredBlob[];
}

const largestShown = 20;

/** What `collectGarbage` would free now, if nothing else happened. Changes nothing. */
export async function forecastGarbage({ metadata, clock }: Omit<Stores, "blobs">, graceMs: number): Promise<Forecast> {
  const before = new Date(clock().getTime() - graceMs);
  let [blobs, bytes, largest]: [number, number, StoredBlob[]] = [0, 0, []];
  for (let after: BlobName | undefined; ; ) {
    const page: (StoredBlob & BlobName)[] = await metadata.read.garbage.forecast(before, { after, limit: 1000 });
    after = page.at(-1);
    if (!after) return { blobs, bytes, largest };
    blobs += page.length;
    bytes += page.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
    largest = [...largest, ...page].sort((a, b) => b.sizeBytes - a.sizeBytes).slice(0, largestShown);
  }
}

export interface Swept {
  readonly blobs: number;
  readonly bytes: number;
}

const listedAtOnce = 500;

/**
 * Removes copies that no row names: a push that crashed between its commit and its transaction leaves one. Walks the
 * whole store. A push in one request names its copy within an hour or not at all, so what is older than a day and from no
 * upload that is still open is nobody's.
 */
export async function sweepStrays(
  { metadata, blobs, clock }: Stores,
  { olderThanMs = strayAfterMs, signal }: { olderThanMs?: number; signal?: AbortSignal } = {},
): Promise<Swept> {
  const before = new Date(clock().getTime() - olderThanMs);
  const swept = { blobs: 0, bytes: 0 };
  let page: ListedBlob[] = [];
  for await (const blob of blobs.list()) {
    if (blob.committedAt >= before) continue;
    page.push(blob);
    if (page.length === listedAtOnce) await sweep();
  }
  await sweep();
  return swept;

  async function sweep(): Promise<void> {
    signal?.throwIfAborted();
    const strays = await certainStrays(metadata, page);
    for (const stray of strays) {
      swept.bytes += await blobs.remove(stray);
      swept.blobs++;
    }
    page = [];
  }
}

/**
 * Those of old copies that nothing names and nothing will: their bytes can go. What was seen to be gone stays gone, also
 * after a power cut.
 */
export async function certainStrays(metadata: Metadata, copies: readonly BlobId[]): Promise<BlobId[]> {
  const candidates: BlobId[] = [];
  for (const copy of await metadata.read.blobs.strays(copies)) {
    // Before anybody looks again: an upload may be completed once more and name its copy, but not when it is gone.
    if (!(await metadata.read.uploads.owns(uploadOf(copy)))) candidates.push(copy);
  }
  // In a transaction, because what it has seen is durable when it ends.
  return candidates.length > 0 ? metadata.transact(({ blobs }) => blobs.strays(candidates)) : [];
}

/** Every store calls a copy after the upload that it came from. */
const uploadOf = ({ generation }: BlobId) => generation as string as StagingId;

export const strayAfterMs = 24 * 3_600_000;

/** Until nothing is due, or what is due does not change: others are at it, and the next run looks again. */
async function inBatches<Item>(next: () => Promise<Item[]>, work: (items: Item[]) => Promise<void>): Promise<void> {
  for (let before: string | undefined; ; ) {
    const items = await next();
    const now = JSON.stringify(items);
    if (items.length === 0 || now === before) return;
    before = now;
    await work(items);
  }
}
