import type { Claim, ClaimedJob, JobCounts, JobMetadata } from "../domain/jobs/ports.ts";
import { createQueue, defaultLeaseMs, Hopeless, LeaseLost } from "../domain/jobs/queue.ts";
import type { JobHandler, JobRun } from "./handler.ts";

export type JobOutcome = "done" | "failed" | "dead" | "released" | "lost";

export interface JobLog {
  info(facts: Record<string, unknown>, message: string): void;
  warn(facts: Record<string, unknown>, message: string): void;
  error(facts: Record<string, unknown>, message: string): void;
}

export interface RunnerParts {
  readonly metadata: JobMetadata;
  readonly handlers: readonly JobHandler[];
  /** Names this process among all that share the database. */
  readonly worker: string;
  readonly clock: () => Date;
  readonly log: JobLog;
  /** An attempt has ended. */
  readonly ended?: (job: { readonly kind: string; readonly outcome: JobOutcome; readonly ms: number }) => void;
  /** Told now and then how many jobs there are, of all processes. */
  readonly counted?: (counts: JobCounts) => void;
  /** How many jobs at once, of all kinds. */
  readonly atOnce?: number;
  readonly pollMs?: number;
  readonly tendMs?: number;
  readonly countMs?: number;
  readonly leaseMs?: number;
  readonly random?: () => number;
}

export interface Runner {
  /** There may be something to do. */
  nudge(): void;
  /** Begins nothing more, tells those that run to stop, waits for them, and puts back what has not ended. */
  stop(graceMs?: number): Promise<void>;
}

const defaultAtOnce = 8;
const defaultAtOncePerKind = 2;
const defaultPollMs = 1_000;
const defaultTendMs = 60_000;
const defaultCountMs = 15_000;
const defaultTimeoutMs = 60 * 60_000;
const defaultGraceMs = 10_000;
const longestPauseMs = 30_000;
const shortestPauseMs = 5;
const settleTries = 4;
const settlePauseMs = 250;

class Stopping extends Error {
  override readonly name = "Stopping";
}

interface Running {
  readonly job: ClaimedJob;
  readonly handler: JobHandler;
  readonly abort: AbortController;
  /** By a clock that nobody sets. */
  renewedAtMs: number;
  ended: Promise<void>;
}

/**
 * Does the jobs of the queue in this process, some at once. Any number of processes may do so over one database. It looks
 * once a second, when it is nudged, and when something is due; nothing is held in the database while a job runs but its lease.
 */
export function startRunner(parts: RunnerParts): Runner {
  const { metadata, clock, worker, log, ended: tell = () => {}, counted, random = Math.random } = parts;
  const {
    atOnce = defaultAtOnce,
    pollMs = defaultPollMs,
    tendMs = defaultTendMs,
    countMs = defaultCountMs,
    leaseMs = defaultLeaseMs,
  } = parts;
  const queue = createQueue({ metadata, worker, clock, leaseMs, random });
  const handlers = new Map(parts.handlers.map((handler) => [handler.kind.name, handler]));
  if (handlers.size < parts.handlers.length) throw new Error("two handlers are for the same kind of jobs");
  const kinds = [...handlers.keys()];
  const running = new Map<number, Running>();
  let stopping = false;
  let isNudged = false;
  let wake = () => {};
  let turns = 0;
  let tendAtMs = 0;
  let countAtMs = 0;

  function nudge() {
    isNudged = true;
    wake();
  }

  async function pause(ms: number): Promise<void> {
    if (isNudged || stopping) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(resolve, ms);
    timer.unref?.();
    wake = resolve;
    await promise;
    clearTimeout(timer);
  }

  async function loop(): Promise<void> {
    for (let failures = 0; !stopping; ) {
      isNudged = false;
      let pauseMs: number;
      try {
        pauseMs = await turn();
        failures = 0;
      } catch (error) {
        log.error({ error }, "the job queue cannot be asked");
        pauseMs = Math.min(longestPauseMs, jittered(pollMs) * 2 ** Math.min(failures++, 10));
        // Whoever nudges meanwhile would only make it fail again.
        isNudged = false;
      }
      await pause(pauseMs);
    }
  }

  const jittered = (ms: number) => ms * (0.8 + random() * 0.4);

  /** Begins what can be begun; answers how long there is nothing to do. */
  async function turn(): Promise<number> {
    if (performance.now() >= tendAtMs) await tend();
    if (counted && performance.now() >= countAtMs) {
      const askedAtMs = performance.now();
      counted(await queue.counts());
      // Counting a long queue takes time that others have to wait: then it is done less often.
      countAtMs = performance.now() + Math.max(countMs, (performance.now() - askedAtMs) * 500);
    }
    const agenda = await queue.agenda(kinds);
    const now = clock();
    if (agenda.schedule && agenda.schedule <= now && (await queue.runSchedules()) > 0) return 0;
    if (agenda.lease && agenda.lease <= now) await recover();
    turns++;
    let next = Math.min(...[agenda.schedule, agenda.lease].map((at) => distance(at, now)));
    for (let index = 0; index < kinds.length && !stopping; index++) {
      // Each kind is the first one some time, so that none takes all places forever.
      const kind = kinds[(turns + index) % kinds.length] as string;
      const at = agenda.jobs.get(kind);
      if (at && at <= now) await begin(kind);
      else next = Math.min(next, distance(at, now));
    }
    return Math.max(shortestPauseMs, Math.min(jittered(pollMs), next));
  }

  /** What is due already comes with the next look. */
  function distance(at: Date | undefined, now: Date): number {
    return at && at > now ? at.getTime() - now.getTime() : Number.POSITIVE_INFINITY;
  }

  async function begin(kind: string): Promise<void> {
    const handler = handlers.get(kind) as JobHandler;
    const ofKind = [...running.values()].filter((run) => run.handler === handler).length;
    const free = Math.min(atOnce - running.size, (handler.atOnce ?? defaultAtOncePerKind) - ofKind);
    if (free <= 0) return;
    const renewedAtMs = performance.now();
    for (const job of await queue.claim(kind, free)) {
      const run: Running = { job, handler, abort: new AbortController(), renewedAtMs, ended: Promise.resolve() };
      running.set(job.id, run);
      run.ended = attempt(run).finally(() => {
        if (running.get(job.id) === run) running.delete(job.id);
        nudge();
      });
    }
  }

  async function attempt({ job, handler, abort }: Running): Promise<void> {
    const { id, kind, attempts, claim } = job;
    const facts = { job: id, kind, attempt: attempts };
    const beganMs = performance.now();
    const { timeoutMs = defaultTimeoutMs } = handler;
    const timeout = setTimeout(() => abort.abort(new TimeIsOver(timeoutMs)), timeoutMs);
    let completed = false;
    const run: JobRun = {
      id,
      attempt: attempts,
      progress: job.progress === undefined ? undefined : JSON.parse(job.progress),
      signal: abort.signal,
      checkpoint: (progress, nouns) => queue.checkpoint(claim, progress, nouns),
      async complete({ jobs }) {
        const keepUntil = handler.keepMs === undefined ? undefined : new Date(clock().getTime() + handler.keepMs);
        if (!(await jobs.complete(claim, clock(), keepUntil))) throw new LeaseLost();
        completed = true;
      },
    };
    let outcome: JobOutcome;
    try {
      await handler.run(parsed(handler, job), run);
      // Work that minds no signal is done all the same, unless the lease is somebody else's.
      const isHeld = (await settled(facts, () => queue.complete(claim, handler.keepMs))) ?? false;
      outcome = isHeld || completed ? "done" : "lost";
    } catch (error) {
      outcome = await ended(error);
    } finally {
      clearTimeout(timeout);
    }
    if (outcome === "lost") log.warn(facts, "a job lost its lease; another worker does it");
    tell({ kind, outcome, ms: performance.now() - beganMs });

    async function ended(error: unknown): Promise<JobOutcome> {
      const { reason } = abort.signal;
      // What was completed in a transaction that then failed is not completed: the queue knows.
      const notHeld = completed ? "done" : "lost";
      if (reason instanceof LeaseLost && !completed) return "lost";
      if (reason instanceof Stopping) {
        return (await settled(facts, () => queue.release(claim))) ? "released" : notHeld;
      }
      const what = reason instanceof TimeIsOver ? reason : error;
      const failed = await settled(facts, () => queue.fail(job, what));
      switch (failed?.kind) {
        case "dead":
          log.error({ ...facts, error: what }, "a job has failed for the last time");
          return "dead";
        case "again":
          log.warn({ ...facts, error: what, runAt: failed.runAt }, "a job has failed and will be tried again");
          return "failed";
        default:
          if (completed) log.error({ ...facts, error: what }, "a job failed after it was completed");
          return notHeld;
      }
    }
  }

  /** The work is done: that the database hiccups now must not have it done again. */
  async function settled<Result>(facts: object, say: () => Promise<Result>): Promise<Result | undefined> {
    for (let tries = 1; ; tries++) {
      try {
        return await say();
      } catch (error) {
        if (tries === settleTries) {
          log.error({ ...facts, error }, "the end of a job could not be noted; it will be done again");
          return undefined;
        }
        await new Promise((resolve) => setTimeout(resolve, jittered(settlePauseMs) * 2 ** tries));
      }
    }
  }

  /** Also of those that have just been claimed: they hold, and nothing is lost by it. */
  async function renew(): Promise<void> {
    const runs = [...running.values()];
    if (runs.length === 0) return;
    const askedAtMs = performance.now();
    const held = new Set((await queue.extend(runs.map(({ job }) => job.claim))).map(nameOf));
    for (const run of runs) {
      if (held.has(nameOf(run.job.claim))) run.renewedAtMs = askedAtMs;
      // One that has ended meanwhile holds nothing any more, as it should be.
      else if (running.get(run.job.id) === run) run.abort.abort(new LeaseLost());
    }
  }

  async function keepLeases(): Promise<void> {
    try {
      await renew();
    } catch (error) {
      log.warn({ error }, "leases of jobs could not be extended");
      for (const run of running.values()) {
        if (performance.now() - run.renewedAtMs > leaseMs) run.abort.abort(new LeaseLost());
      }
    }
    renewLater();
  }
  let renewing: ReturnType<typeof setTimeout> | undefined;
  let isOver = false;
  function renewLater() {
    if (isOver) return;
    renewing = setTimeout(keepLeases, leaseMs / 4);
    renewing.unref?.();
  }
  renewLater();

  async function recover(): Promise<void> {
    // A clock that jumped ends all leases at once, our own too: those are not for others to have.
    await renew();
    for (const { id, kind, attempts, failed } of await queue.recover()) {
      const facts = { job: id, kind, attempt: attempts };
      if (failed.kind === "dead") log.error(facts, "a job's worker has gone, and it was the last attempt");
      else log.warn(facts, "a job's worker has gone; the job is back in the queue");
    }
  }

  async function tend(): Promise<void> {
    tendAtMs = performance.now() + jittered(tendMs);
    const { pruned, rewound } = await queue.tend();
    if (rewound > 0) log.warn({ rewound }, "jobs were put in order again that a clock which was ahead had left behind");
    if (pruned > 0) log.info({ pruned }, "jobs that ended long ago were forgotten");
  }

  const looping = loop();
  return {
    nudge,
    async stop(graceMs = defaultGraceMs) {
      stopping = true;
      wake();
      await looping;
      const runs = [...running.values()];
      for (const { abort } of runs) abort.abort(new Stopping("Berth stops"));
      const { promise: over, resolve } = Promise.withResolvers<void>();
      const timer = setTimeout(resolve, graceMs);
      await Promise.race([Promise.all(runs.map(({ ended }) => ended)), over]);
      clearTimeout(timer);
      isOver = true;
      clearTimeout(renewing);
      for (const { job } of running.values()) {
        log.warn({ job: job.id, kind: job.kind }, "a job does not stop; it goes back into the queue");
        await settled({ job: job.id }, () => queue.release(job.claim));
      }
    },
  };
}

class TimeIsOver extends Error {
  override readonly name = "TimeIsOver";
  constructor(ms: number) {
    super(`it has not ended within ${Math.round(ms / 1000)} seconds`);
  }
}

function parsed({ payload }: JobHandler, { payload: json }: ClaimedJob): unknown {
  try {
    return payload.parse(JSON.parse(json));
  } catch (cause) {
    throw new Hopeless("its payload is not what this kind of jobs takes", { cause });
  }
}

function nameOf({ id, number }: Claim): string {
  return `${id}/${number}`;
}
