import { lastLink } from "./packs.ts";
import type { AuditMetadata } from "./ports.ts";

/** One short transaction each, since those who write records wait for it. */
const packsAtOnce = 100;

/**
 * Removes records that are older than `before`, whole packs, oldest first, and never from the middle of the chain: the
 * rest can still be verified. Answers how many.
 */
export async function expireRecords(
  metadata: AuditMetadata,
  { before, signal }: { before: Date; signal?: AbortSignal },
): Promise<number> {
  let count = 0;
  for (;;) {
    signal?.throwIfAborted();
    const { packs, records } = await metadata.transact(
      async ({ audit }) => {
        const { removed } = await audit.lockEnds();
        const oldest = await audit.oldest(packsAtOnce);
        const end = oldest.findIndex(({ lastAt }) => lastAt >= before);
        const expired = end < 0 ? oldest : oldest.slice(0, end);
        const last = expired.at(-1);
        if (last) await audit.remove(lastLink(last));
        return { packs: expired.length, records: last ? last.lastSequence - removed.sequence : 0 };
      },
      { durable: false },
    );
    count += records;
    if (packs < packsAtOnce) return count;
  }
}
