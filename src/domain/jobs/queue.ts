import { boundedJson } from "./kinds.ts";
import type { Agenda, Claim, ClaimedJob, Job, JobCounts, JobMetadata, JobNouns } from "./ports.ts";
import { realignSchedules, runSchedules } from "./schedules.ts";
import { backOffMs } from "./timing.ts";

/** Longer than any pause in which a healthy process answers nobody. */
export const defaultLeaseMs = 60_000;
/**
 * Clocks of machines that share a database differ. What is set by more than this ahead of ours was set by a clock that has
 * been put right since: a machine that is still so wrong could not serve signed requests either.
 */
const clockToleranceMs = 60 * 60_000;
const keepDeadMs = 90 * 24 * 60 * 60_000;
const patienceMs = 24 * 60 * 60_000;
const recoveredAtOnce = 100;
const tendedAtOnce = 500;
const maxErrorLength = 2_000;

export interface QueueParts {
  readonly metadata: JobMetadata;
  /** Names this process among all that share the database. */
  readonly worker: string;
  readonly clock: () => Date;
  readonly leaseMs?: number;
  readonly random?: () => number;
}

/** Somebody else may have the job by now: whatever was to commit together with it must not. */
export class LeaseLost extends Error {
  override readonly name = "LeaseLost";
  constructor() {
    super("the lease of the job has ended, so another worker may have it");
  }
}

/** Another attempt would end the same way: the job is dead at once. */
export class Hopeless extends Error {
  override readonly name = "Hopeless";
}

/** Whoever was asked said when to come again. For a day that does not count as an attempt. */
export class TryLater extends Error {
  override readonly name = "TryLater";
  constructor(
    message: string,
    readonly afterMs: number,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export type Failed = { readonly kind: "again"; readonly runAt: Date } | { readonly kind: "dead" | "lost" };

/** What one worker says to the queue. Nothing here waits for work, or holds a lock meanwhile. */
export interface Queue {
  agenda(kinds: readonly string[]): Promise<Agenda>;
  counts(): Promise<JobCounts>;
  claim(kind: string, limit: number): Promise<ClaimedJob[]>;
  /** Answers the claims that still hold. */
  extend(claims: readonly Claim[]): Promise<Claim[]>;
  /** In a transaction of the caller's, or in one of its own. @throws LeaseLost */
  checkpoint(claim: Claim, progress: unknown, nouns?: JobNouns): Promise<void>;
  /** @param keepMs how long a trace stays; left out: none. Answers whether the claim held. */
  complete(claim: Claim, keepMs?: number): Promise<boolean>;
  fail(job: ClaimedJob, error: unknown): Promise<Failed>;
  /** Back into the queue as if the attempt had not been begun. */
  release(claim: Claim): Promise<boolean>;
  /** Jobs whose worker went silent, as failed attempts. */
  recover(): Promise<(Job & { readonly failed: Failed })[]>;
  /** Puts the jobs of due schedules into the queue; answers how many. */
  runSchedules(): Promise<number>;
  /** Forgets what has ended long ago, and mends what a wrong clock has left. One batch; answers how much there was. */
  tend(): Promise<{ pruned: number; rewound: number }>;
}

export function createQueue({
  metadata,
  worker,
  clock,
  leaseMs = defaultLeaseMs,
  random = Math.random,
}: QueueParts): Queue {
  const later = (ms: number) => new Date(clock().getTime() + ms);
  /** What a power cut takes from the queue is done again; nothing here is a promise to anybody. */
  const transact = <Result>(work: (nouns: JobNouns) => Promise<Result>) => metadata.transact(work, { durable: false });

  async function failIn(
    { jobs }: JobNouns,
    { claim, attempts, maxAttempts, createdAt }: ClaimedJob,
    error: unknown,
  ): Promise<Failed> {
    const at = clock();
    const text = failureText(error);
    const isPatient = error instanceof TryLater && at.getTime() - createdAt.getTime() < patienceMs;
    if (error instanceof Hopeless || (attempts >= maxAttempts && !isPatient)) {
      const isHeld = await jobs.bury(claim, { error: text, at, until: later(keepDeadMs) });
      return { kind: isHeld ? "dead" : "lost" };
    }
    const runAt = later(backOffMs(attempts, random(), error instanceof TryLater ? error.afterMs : 0));
    const isHeld = await jobs.putBack(claim, { runAt, at, error: text, attempts: isPatient ? -1 : 0 });
    return isHeld ? { kind: "again", runAt } : { kind: "lost" };
  }

  return {
    agenda: (kinds) => metadata.read.jobs.agenda(kinds),
    counts: () => metadata.read.jobs.counts(),
    claim: (kind, limit) =>
      transact(({ jobs }) => jobs.claim({ kind, worker, now: clock(), leaseUntil: later(leaseMs), limit })),
    extend: (claims) => transact(({ jobs }) => jobs.extend(claims, later(leaseMs), clock())),
    async checkpoint(claim, progress, nouns) {
      const json = progress === undefined ? undefined : boundedJson("the progress of a job", progress);
      const keep = ({ jobs }: JobNouns) => jobs.checkpoint(claim, json);
      if (!(await (nouns ? keep(nouns) : transact(keep)))) throw new LeaseLost();
    },
    complete: (claim, keepMs) =>
      transact(({ jobs }) => jobs.complete(claim, clock(), keepMs === undefined ? undefined : later(keepMs))),
    fail: (job, error) => transact((nouns) => failIn(nouns, job, error)),
    release: (claim) => transact(({ jobs }) => jobs.putBack(claim, { runAt: clock(), at: clock(), attempts: -1 })),
    recover: () =>
      transact(async (nouns) => {
        const recovered: (Job & { failed: Failed })[] = [];
        for (const job of await nouns.jobs.expired(clock(), recoveredAtOnce)) {
          const silent = new Error(`its worker, ${job.worker ?? "unknown"}, has not been heard of`);
          recovered.push({ ...job, failed: await failIn(nouns, job, silent) });
        }
        return recovered;
      }),
    runSchedules: () => runSchedules(metadata, clock),
    async tend() {
      const now = clock();
      const pruned = await transact(({ jobs }) => jobs.prune(now, tendedAtOnce));
      const jobs = await transact(({ jobs }) => jobs.rewind(now, clockToleranceMs, tendedAtOnce));
      const schedules = await realignSchedules(metadata, now, clockToleranceMs);
      return { pruned, rewound: jobs + schedules };
    },
  };
}

/** What went wrong, with its causes, for an operator: bounded, since whoever failed may have said anything. */
export function failureText(error: unknown): string {
  const parts: string[] = [];
  for (let at: unknown = error, depth = 0; at !== undefined && at !== null && depth < 5; depth++) {
    parts.push(at instanceof Error ? (at.name === "Error" ? at.message : `${at.name}: ${at.message}`) : String(at));
    at = at instanceof Error ? at.cause : undefined;
  }
  const text = parts.join(" ← ");
  return text.length <= maxErrorLength ? text : `${text.slice(0, maxErrorLength - 1)}…`;
}
