import type { AuditMetadata, Link } from "./ports.ts";

/** One short transaction each, since those who write records wait for it. */
const removedAtOnce = 500;

/**
 * Removes records that are older than `before`, oldest first, and never from the middle of the chain: the rest can
 * still be verified. Answers how many.
 */
export async function expireRecords(
  metadata: AuditMetadata,
  { before, signal }: { before: Date; signal?: AbortSignal },
): Promise<number> {
  let removed = 0;
  for (;;) {
    signal?.throwIfAborted();
    const batch = await metadata.transact(
      async ({ audit }) => {
        await audit.lockEnds();
        const oldest = await audit.oldest(removedAtOnce);
        const end = oldest.findIndex(({ at }) => at >= before);
        const expired = end < 0 ? oldest : oldest.slice(0, end);
        const last: Link | undefined = expired.at(-1);
        if (last) await audit.remove(last);
        return expired.length;
      },
      { durable: false },
    );
    removed += batch;
    if (batch < removedAtOnce) return removed;
  }
}
