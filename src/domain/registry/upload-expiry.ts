import { randomUUID } from "node:crypto";
import type { BlobStore, Metadata, Upload } from "./ports.ts";

/** Sessions taken from the database at once. */
const batchSize = 100;
/** Longer than it takes to drop the staged bytes of one session. */
const claimMs = 60_000;

export interface ExpiredUploads {
  readonly sessions: number;
  /** Staged bytes that no session owned, as a crash leaves them. */
  readonly orphans: number;
}

/**
 * Drops uploads that nobody touched since `before`, and staged bytes that belong to none. Safe to run twice and on
 * several processes at once: a session is claimed before it goes, so a client that comes back just then keeps it.
 */
export async function expireUploads(
  { metadata, blobs, clock }: { metadata: Metadata; blobs: BlobStore; clock: () => Date },
  before: Date,
): Promise<ExpiredUploads> {
  let sessions = 0;
  for (let found = batchSize; found === batchSize; ) {
    const stale = await metadata.read.uploads.stale(before, batchSize);
    let dropped = 0;
    for (const upload of stale) if (await expire(upload)) dropped++;
    sessions += dropped;
    // Where none could be claimed, asking again would find the same ones.
    found = dropped === 0 ? 0 : stale.length;
  }
  let orphans = 0;
  for await (const staging of blobs.stale(before)) {
    if (await metadata.read.uploads.owns(staging)) continue;
    await blobs.abort(staging);
    orphans++;
  }
  return { sessions, orphans };

  async function expire({ id }: Upload): Promise<boolean> {
    const now = clock();
    const claimed = await metadata.transact(async ({ uploads }) => {
      const writer = randomUUID();
      const held = await uploads.claim(id, writer, now, new Date(now.getTime() + claimMs));
      if (!held) return undefined;
      if (held.upload.updatedAt >= before) {
        // Its client came back since the list was made, and must not find it taken.
        await uploads.release(id, writer);
        return undefined;
      }
      await uploads.delete(id);
      return held.upload;
    });
    if (claimed) await blobs.abort(claimed.staging);
    return claimed !== undefined;
  }
}
