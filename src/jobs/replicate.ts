import { TryLater } from "../domain/jobs/queue.ts";
import { backfill } from "../domain/replication/backfilling.ts";
import { backfillKind, removeReplicaKind, replicateImageKind } from "../domain/replication/jobs.ts";
import type { RemovalJob } from "../domain/replication/ports.ts";
import { removeReplica } from "../domain/replication/removing.ts";
import { NotYet, type ReplicatingParts, replicateImage } from "../domain/replication/replicating.ts";
import { type JobHandler, jobHandler } from "./handler.ts";
import { backfillPayload, removalPayload, replicaPayload } from "./replication-payloads.ts";

/** Brings images to where rules say. May run twice: what is there is not brought again. */
export function replicateImageHandler(parts: ReplicatingParts): JobHandler {
  return jobHandler({
    kind: replicateImageKind,
    payload: replicaPayload,
    atOnce: 4,
    // Of the largest image over a slow line.
    timeoutMs: 12 * 60 * 60_000,
    async run(job, { signal }) {
      await later(() => replicateImage(parts, job, signal));
    },
  });
}

/** Takes away what somebody removed. May run twice: what is not there is fine. */
export function removeReplicaHandler(
  parts: ReplicatingParts,
  kept: (job: RemovalJob, why: unknown) => void,
): JobHandler {
  return jobHandler({
    kind: removeReplicaKind,
    payload: removalPayload,
    atOnce: 2,
    async run(job, { signal, progress, checkpoint }) {
      const since = new Date((progress as number | undefined) ?? parts.clock().getTime());
      if (progress === undefined) await checkpoint(since.getTime());
      const why = await later(() => removeReplica(parts, job, { signal, since }));
      if (why !== undefined) kept(job, why);
    },
  });
}

/** Brings what was there before. May run twice: each item is asked about again. */
export function backfillHandler(parts: ReplicatingParts): JobHandler {
  return jobHandler({
    kind: backfillKind,
    payload: backfillPayload,
    atOnce: 2,
    timeoutMs: 7 * 24 * 60 * 60_000,
    async run(job, { signal, progress, checkpoint, attempt }) {
      const isLast = attempt >= backfillKind.maxAttempts;
      await later(() => backfill(parts, job, { signal, progress, checkpoint, isLast }));
    },
  });
}

/** In the queue's words. */
async function later<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof NotYet) throw new TryLater(error.message, error.afterMs, { cause: error.cause });
    throw error;
  }
}
