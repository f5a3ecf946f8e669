import type { JobKind } from "../domain/jobs/kinds.ts";
import type { JobId, JobNouns } from "../domain/jobs/ports.ts";

/**
 * How jobs of a kind are done. A job may run twice, also at the same time for a moment: after a crash, or when a process
 * slept so long that it lost its lease. Each handler says why that is safe.
 */
export interface JobHandler<Payload = unknown> {
  readonly kind: JobKind<Payload>;
  /** A schema of Zod, for one. What it refuses is a dead letter at once: a payload does not get better. */
  readonly payload: { parse(value: unknown): Payload };
  /** Throws `Hopeless` where another attempt is of no use, `TryLater` to name the time; anything else is tried again later. */
  run(payload: Payload, run: JobRun): Promise<void>;
  /** How many at once in this process. */
  readonly atOnce?: number;
  /** What takes longer has failed. */
  readonly timeoutMs?: number;
  /** How long the trace of a job that is done stays. Left out: none stays. */
  readonly keepMs?: number;
}

/** One attempt. */
export interface JobRun {
  readonly id: JobId;
  /** From 1. */
  readonly attempt: number;
  /** What an earlier attempt has checkpointed, as it was; `undefined` at first. */
  readonly progress: unknown;
  /** Aborted when Berth stops, when the lease is lost, when time is over. Whoever goes on then works in vain. */
  readonly signal: AbortSignal;
  /**
   * Keeps how far the job has come, for the next attempt. With `nouns`, in that transaction: what it does commits together
   * with the progress, and only while the lease holds. @throws LeaseLost
   */
  checkpoint(progress: unknown, nouns?: JobNouns): Promise<void>;
  /** Completes the job in that transaction, so that what it does is done once. Nothing may follow it. @throws LeaseLost */
  complete(nouns: JobNouns): Promise<void>;
}

/** For a list of handlers: each knows the type of its own payload. */
export function jobHandler<Payload>(handler: JobHandler<Payload>): JobHandler {
  return handler as JobHandler;
}
