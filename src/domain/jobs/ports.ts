/**
 * What background work needs kept for it. `storage/` keeps these ports beside all others, in the same transactions: a
 * change and the job that follows from it are there together, or neither is.
 *
 * Nobody holds a lock while a job runs. Whoever claims one has a lease: until it ends the job is theirs, and whatever they
 * say of it afterwards is refused, since somebody else may have the job by then.
 */

export interface JobMetadata {
  readonly read: JobNouns;
  transact<Result>(
    work: (nouns: JobNouns) => Promise<Result>,
    options?: { readonly durable?: boolean },
  ): Promise<Result>;
}

export interface JobNouns {
  readonly jobs: Jobs;
  readonly schedules: Schedules;
}

export type JobId = number & { readonly job: true };

/** `waiting` until its time and a free worker come; `dead` when all attempts failed; `done` only where a trace was asked for. */
export type JobState = "waiting" | "running" | "dead" | "done";
export const jobStates = ["waiting", "running", "dead", "done"] as const satisfies readonly JobState[];

export interface NewJob {
  /** Who runs it, such as `lifecycle.evaluate`. */
  readonly kind: string;
  /** JSON. */
  readonly payload: string;
  /** Among the jobs of a kind that wait or run there is one with this key at the most. It stands for the payload. */
  readonly key?: string;
  readonly runAt: Date;
  readonly maxAttempts: number;
}

export interface Job extends NewJob {
  readonly id: JobId;
  readonly state: JobState;
  /** Begun since the job was asked for, or was retried by hand; one that a shutdown cut short does not count. */
  readonly attempts: number;
  /** JSON: how far the attempts have come. */
  readonly progress?: string;
  /** What the newest failure said. */
  readonly error?: string;
  /** Who runs it, or ran it last. */
  readonly worker?: string;
  /** When the lease ends; of a dead or done job, when it is forgotten. */
  readonly until?: Date;
  /** When it was asked for, so that it waits or runs. */
  readonly createdAt: Date;
  /** When its state changed last, or its lease was extended. */
  readonly changedAt: Date;
}

/** One worker's right to one job. No two claims of a job have the same number. */
export interface Claim {
  readonly id: JobId;
  readonly number: number;
}

export interface ClaimedJob extends Job {
  readonly claim: Claim;
}

/** When there is something to do. */
export interface Agenda {
  /** The earliest waiting job of each kind that has one. */
  readonly jobs: ReadonlyMap<string, Date>;
  /** The earliest end of a lease. */
  readonly lease?: Date;
  /** The earliest schedule. */
  readonly schedule?: Date;
}

export type JobCounts = readonly { readonly state: JobState; readonly kind: string; readonly jobs: number }[];

export interface JobPlace {
  readonly kind: string;
  readonly runAt: Date;
  readonly id: JobId;
}

export interface Jobs {
  /**
   * One whose key waits already does nothing; and until this transaction ends nobody claims the one that waits, so that it
   * sees what this transaction changes. One whose key runs lets it run once more, from the beginning, when it is done.
   */
  enqueue(job: NewJob, at: Date): Promise<{ readonly id: JobId; readonly isNew: boolean }>;
  find(id: JobId): Promise<Job | undefined>;
  agenda(kinds: readonly string[]): Promise<Agenda>;
  /** Those of one kind whose time has come, earliest first. Passes by what another transaction is claiming. */
  claim(asked: {
    readonly kind: string;
    readonly worker: string;
    readonly now: Date;
    readonly leaseUntil: Date;
    readonly limit: number;
  }): Promise<ClaimedJob[]>;
  /** Answers the claims that still hold. */
  extend(claims: readonly Claim[], leaseUntil: Date, at: Date): Promise<Claim[]>;
  /** Those whose lease has ended, earliest first. Nobody else can say anything of them before the end of this transaction. */
  expired(now: Date, limit: number): Promise<ClaimedJob[]>;

  // Each answers whether the claim still holds; nothing happens where it does not.
  /** Keeps what the next attempt is to see. Others wait for the end of this transaction. */
  checkpoint(claim: Claim, progress: string | undefined): Promise<boolean>;
  /**
   * Gone, or `done` until `keepUntil`; or waiting again, from the beginning, where somebody asked for it meanwhile. A dead
   * job of the same key goes: what it was to do is done.
   */
  complete(claim: Claim, at: Date, keepUntil?: Date): Promise<boolean>;
  /** Back to those that wait. `attempts` corrects how many were begun. */
  putBack(claim: Claim, back: { runAt: Date; at: Date; error?: string; attempts?: number }): Promise<boolean>;
  /**
   * Dead, in the place of an older dead job of the same key. Where somebody asked for it meanwhile, another one waits in its
   * place.
   */
  bury(claim: Claim, buried: { error: string; at: Date; until: Date }): Promise<boolean>;

  /** By state and kind; those without a job are left out. */
  counts(): Promise<JobCounts>;
  /** Of one state: by kind, then time, then id. */
  list(
    filter: { readonly state: JobState; readonly kind?: string },
    page: { readonly after?: JobPlace; readonly limit: number },
  ): Promise<Job[]>;
  /** A dead job waits again, with all its attempts and its progress. Where its key waits or runs already, that one does the work. */
  retry(id: JobId, at: Date): Promise<boolean>;
  /** Takes away one that is dead or waits. */
  discard(id: JobId): Promise<boolean>;
  /** Forgets at most `limit` dead and done ones whose time is over. */
  prune(now: Date, limit: number): Promise<number>;
  /**
   * Jobs that were changed later than `now`, by a clock that was wrong, as if they had been changed now: what is to come
   * keeps its distance. Those behind `now` by less than `toleranceMs` are left to the differences between clocks.
   */
  rewind(now: Date, toleranceMs: number, limit: number): Promise<number>;
}

/** What is done again and again. One that is due puts its job into the queue, with its own key. */
export interface Schedule {
  readonly kind: string;
  readonly key: string;
  /** JSON. */
  readonly payload: string;
  readonly maxAttempts: number;
  readonly everyMs: number;
  readonly nextAt: Date;
  /** When it put a job into the queue last. */
  readonly lastAt?: Date;
  /** When `nextAt` was set. */
  readonly setAt: Date;
}

export interface Schedules {
  /** Answers whether it is new. One that is there keeps `lastAt`, and the earlier of both `nextAt`. */
  put(schedule: Omit<Schedule, "lastAt">): Promise<boolean>;
  find(kind: string, key: string): Promise<Schedule | undefined>;
  /** By kind and key. */
  list(page: {
    readonly after?: { readonly kind: string; readonly key: string };
    readonly limit: number;
  }): Promise<Schedule[]>;
  /** Answers whether it was there. A job that is in the queue already stays there. */
  delete(kind: string, key: string): Promise<boolean>;
  /** Those whose time has come, earliest first. Passes by what another transaction is handling. */
  due(now: Date, limit: number): Promise<Schedule[]>;
  /** Those that were set later than `at`: by a clock that was wrong. Passes by what another transaction is handling. */
  setAfter(at: Date, limit: number): Promise<Schedule[]>;
  advance(schedule: Pick<Schedule, "kind" | "key" | "nextAt" | "lastAt" | "setAt">): Promise<void>;
}
