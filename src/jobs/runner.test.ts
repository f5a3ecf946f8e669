import { afterEach, expect, test } from "bun:test";
import { enqueue, type JobKind, jobKind } from "../domain/jobs/kinds.ts";
import { nudging } from "../domain/jobs/nudges.ts";
import type { JobId, JobMetadata } from "../domain/jobs/ports.ts";
import { Hopeless, LeaseLost, TryLater } from "../domain/jobs/queue.ts";
import { schedule } from "../domain/jobs/schedules.ts";
import { type AllMetadata, openMetadata } from "../storage/metadata/index.ts";
import type { JobHandler, JobRun } from "./handler.ts";
import { type JobOutcome, type Runner, type RunnerParts, startRunner } from "./runner.ts";

const start = Date.UTC(2026, 0, 1);
const work: JobKind<number> = jobKind("test.work", { maxAttempts: 3 });
const numbers = {
  parse(value: unknown) {
    if (typeof value !== "number") throw new TypeError("not a number");
    return value;
  },
};

const opened: { close(): Promise<unknown> }[] = [];
afterEach(async () => {
  for (const { close } of opened.splice(0).reverse()) await close();
});

/** A database, a clock that stands still unless it is set, and workers. */
async function queueOf() {
  const metadata = await openMetadata("sqlite::memory:");
  opened.push(metadata);
  let nowMs = start;
  const clock = () => new Date(nowMs);
  const logged: string[] = [];
  const note = (facts: Record<string, unknown>, message: string) => void logged.push(`${message} ${facts.job ?? ""}`);
  const log = { info: note, warn: note, error: note };
  const outcomes: JobOutcome[] = [];
  const runners: Runner[] = [];
  const nudged: AllMetadata = nudging(metadata, () => {
    for (const runner of runners) runner.nudge();
  });
  return {
    metadata: nudged,
    logged,
    outcomes,
    clock,
    pass(ms: number) {
      nowMs += ms;
      for (const runner of runners) runner.nudge();
    },
    put: (payload: number, options: { key?: string; runAt?: Date } = {}) =>
      nudged.transact(async (nouns) => (await enqueue(nouns, work, payload, { now: clock(), ...options })).id),
    worker(
      run: (payload: number, run: JobRun) => Promise<unknown>,
      { handler, ...parts }: Partial<RunnerParts> & { handler?: Partial<JobHandler<number>> } = {},
    ) {
      const runner = startRunner({
        metadata: nudged,
        handlers: [{ kind: work, payload: numbers, run, ...handler } as JobHandler],
        worker: `w${runners.length}`,
        clock,
        log,
        // Long: whatever happens sooner, a nudge did.
        pollMs: 60_000,
        random: () => 1,
        ended: ({ outcome }) => void outcomes.push(outcome),
        ...parts,
      });
      runners.push(runner);
      opened.push({ close: () => runner.stop(0) });
      return runner;
    },
  };
}

async function until(holds: () => boolean | Promise<boolean>, limitMs = 5_000): Promise<void> {
  const deadline = performance.now() + limitMs;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error("it does not come to hold");
    await Bun.sleep(2);
  }
}

const stateOf = async ({ read }: JobMetadata, id: JobId) => (await read.jobs.find(id))?.state;

test("a job runs after the transaction that it came with, at once, and leaves nothing", async () => {
  const { metadata, worker, put, outcomes } = await queueOf();
  const ran: number[] = [];
  worker(async (payload) => ran.push(payload));
  await Bun.sleep(10);
  const id = await put(7);
  await until(async () => (await stateOf(metadata, id)) === undefined);
  expect(ran).toEqual([7]);
  expect(outcomes).toEqual(["done"]);
});

test("a kind that keeps traces has them, for their time", async () => {
  const { metadata, worker, put, pass } = await queueOf();
  worker(async () => {}, { handler: { keepMs: 1000 }, tendMs: 0 });
  const id = await put(7);
  await until(async () => (await stateOf(metadata, id)) === "done");
  pass(1001);
  await until(async () => (await stateOf(metadata, id)) === undefined);
});

test("what fails is tried again, later each time, sees its progress, and is dead in the end", async () => {
  const { metadata, worker, put, pass, clock, outcomes, logged } = await queueOf();
  const seen: [number, unknown][] = [];
  worker(async (_, { attempt, progress, checkpoint }) => {
    seen.push([attempt, progress]);
    await checkpoint({ done: attempt });
    throw new Error(`attempt ${attempt}`, { cause: new Error("because") });
  });
  const id = await put(7);
  for (const [failures, waitMs] of [5_000, 10_000].entries()) {
    await until(() => outcomes.length === failures + 1);
    const job = await metadata.read.jobs.find(id);
    expect((job?.runAt.getTime() ?? 0) - clock().getTime()).toBe(waitMs);
    expect(job?.error).toBe(`attempt ${job?.attempts} ← because`);
    pass(waitMs - 1);
    await Bun.sleep(10);
    expect(await stateOf(metadata, id)).toBe("waiting");
    pass(1);
  }
  await until(async () => (await stateOf(metadata, id)) === "dead");
  expect(seen).toEqual([
    [1, undefined],
    [2, { done: 1 }],
    [3, { done: 2 }],
  ]);
  expect(outcomes).toEqual(["failed", "failed", "dead"]);
  expect(logged.at(-1)).toBe(`a job has failed for the last time ${id}`);
});

test("what is hopeless is dead at once, and so is a payload that is none", async () => {
  const { metadata, worker, put, outcomes } = await queueOf();
  worker(async () => {
    throw new Hopeless("never");
  });
  const id = await put(7);
  const odd = await put("text" as unknown as number);
  await until(() => outcomes.length === 2);
  expect((await metadata.read.jobs.find(id))?.error).toBe("Hopeless: never");
  expect((await metadata.read.jobs.find(odd))?.error).toContain("TypeError: not a number");
  expect(outcomes).toEqual(["dead", "dead"]);
});

test("who asks to be asked later is asked then", async () => {
  const { metadata, worker, put, pass, clock, outcomes } = await queueOf();
  worker(async () => {
    throw new TryLater("too many requests", 90_000);
  });
  const id = await put(7);
  const runAt = async () => (await metadata.read.jobs.find(id))?.runAt.getTime();
  for (let times = 1; times < 6; times++) {
    await until(() => outcomes.length === times);
    expect(await runAt()).toBe(clock().getTime() + 90_000);
    pass(90_000);
  }
  // For a day, but not forever.
  await until(() => outcomes.length === 6);
  pass(24 * 3_600_000);
  for (let times = 7; times < 10; times++) {
    await until(() => outcomes.length === times);
    pass(90_000);
  }
  expect(outcomes.slice(6)).toEqual(["failed", "failed", "dead"]);
});

test("no more run at once than may, of a kind and of all", async () => {
  const { worker, put } = await queueOf();
  let [now, most, done] = [0, 0, 0];
  const run = async () => {
    most = Math.max(most, ++now);
    await Bun.sleep(2);
    now--;
    done++;
  };
  const jobs = Array.from({ length: 12 }, (_, number) => put(number));
  await Promise.all(jobs);
  worker(run, { handler: { atOnce: 3 }, atOnce: 8 });
  await until(() => done === 12);
  expect(most).toBe(3);
});

test("a kind whose places are all taken does not hold up another", async () => {
  const { metadata, worker, put, clock } = await queueOf();
  const other: JobKind<number> = jobKind("test.other");
  const never = Promise.withResolvers<void>();
  let done = 0;
  const handlers = [
    { kind: work, payload: numbers, atOnce: 1, run: () => never.promise },
    { kind: other, payload: numbers, atOnce: 1, run: async () => void done++ },
  ] as JobHandler[];
  worker(async () => {}, { handlers });
  for (let number = 0; number < 5; number++) await put(number);
  await metadata.transact(async (nouns) => {
    for (let number = 0; number < 5; number++) await enqueue(nouns, other, number, { now: clock() });
  });
  await until(() => done === 5);
  never.resolve();
});

test("a lease is renewed while the job runs", async () => {
  const { metadata, worker, put, pass, outcomes } = await queueOf();
  const end = Promise.withResolvers<void>();
  worker(() => end.promise, { leaseMs: 40 });
  const id = await put(7);
  await until(async () => (await stateOf(metadata, id)) === "running");
  const first = (await metadata.read.jobs.find(id))?.until?.getTime() ?? 0;
  pass(30);
  await until(async () => ((await metadata.read.jobs.find(id))?.until?.getTime() ?? 0) > first);
  end.resolve();
  await until(() => outcomes.length === 1);
  expect(outcomes).toEqual(["done"]);
});

test("a clock that jumps ahead takes no job away from a worker that lives", async () => {
  const { metadata, worker, put, pass, outcomes } = await queueOf();
  const end = Promise.withResolvers<void>();
  let begun = 0;
  worker(async () => {
    begun++;
    await end.promise;
  });
  const id = await put(7);
  await until(() => begun === 1);
  pass(365 * 24 * 60 * 60_000);
  await Bun.sleep(20);
  expect((await metadata.read.jobs.find(id))?.attempts).toBe(1);
  end.resolve();
  await until(() => outcomes.length === 1);
  expect([begun, outcomes]).toEqual([1, ["done"]]);
});

test("a clock that jumps back leaves nothing waiting for the time that it had", async () => {
  const { metadata, worker, put, pass, outcomes } = await queueOf();
  const year = 365 * 24 * 60 * 60_000;
  pass(year);
  let fails = true;
  worker(
    async () => {
      if (fails) throw new Error("not yet");
    },
    { tendMs: 0 },
  );
  const id = await put(7);
  await metadata.transact((nouns) => schedule(nouns, work, 1, { everyMs: 60_000, now: new Date(start + year) }));
  await until(() => outcomes.length === 1);
  fails = false;
  pass(-year);
  await until(async () => (await metadata.read.jobs.find(id))?.runAt.getTime() === start + 5_000);
  await until(async () => {
    const found = await metadata.read.schedules.find(work.name, "");
    return found !== undefined && found.nextAt.getTime() <= start + 60_000;
  });
  pass(5_000);
  await until(() => outcomes.length === 2);
  expect(outcomes).toEqual(["failed", "done"]);
});

test("a job whose worker has gone is another one's, as one more attempt", async () => {
  const { metadata, worker, put, pass, clock, outcomes, logged } = await queueOf();
  const id = await put(7);
  const leaseUntil = new Date(start + 60_000);
  const gone = { kind: work.name, worker: "gone", now: clock(), leaseUntil, limit: 1 };
  await metadata.transact(({ jobs }) => jobs.claim(gone));
  const seen: number[] = [];
  worker(async (_, { attempt }) => seen.push(attempt));
  pass(59_999);
  await Bun.sleep(10);
  expect(await stateOf(metadata, id)).toBe("running");
  pass(1);
  await until(async () => (await stateOf(metadata, id)) === "waiting");
  expect((await metadata.read.jobs.find(id))?.error).toBe("its worker, gone, has not been heard of");
  pass(5_000);
  await until(() => outcomes.length === 1);
  expect(seen).toEqual([2]);
  expect(logged).toContain(`a job's worker has gone; the job is back in the queue ${id}`);
});

test("who loses the lease is told, and what they say then counts for nothing", async () => {
  const { metadata, worker, put, clock, outcomes, logged } = await queueOf();
  const id = await put(7);
  let reason: unknown;
  let refused: unknown;
  worker(
    async (_, { signal, checkpoint }) => {
      await new Promise((resolve) => signal.addEventListener("abort", resolve));
      reason = signal.reason;
      refused = await checkpoint(1).catch((error) => error);
    },
    { leaseMs: 40 },
  );
  await until(async () => (await stateOf(metadata, id)) === "running");
  await metadata.transact(async ({ jobs }) => {
    const [held] = await jobs.expired(new Date(start + 1e9), 1);
    if (!held) throw new Error("nobody holds it");
    await jobs.putBack(held.claim, { runAt: new Date(start + 1e9), at: clock() });
  });
  await until(() => outcomes.length === 1);
  expect(reason).toBeInstanceOf(LeaseLost);
  expect(refused).toBeInstanceOf(LeaseLost);
  expect(outcomes).toEqual(["lost"]);
  expect(logged).toEqual([`a job lost its lease; another worker does it ${id}`]);
  expect(await metadata.read.jobs.find(id)).toMatchObject({ state: "waiting", progress: undefined });
});

test("what takes too long has failed", async () => {
  const { metadata, worker, put, outcomes } = await queueOf();
  worker((_, { signal }) => new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason))), {
    handler: { timeoutMs: 20 },
  });
  const id = await put(7);
  await until(() => outcomes.length === 1);
  expect(outcomes).toEqual(["failed"]);
  expect((await metadata.read.jobs.find(id))?.error).toContain("it has not ended within 0 seconds");
});

test("a stop tells the jobs, puts back those that end by it, and lets those finish that can", async () => {
  const { metadata, worker, put, outcomes } = await queueOf();
  let begun = 0;
  const runner = worker(async (payload, { signal, checkpoint }) => {
    begun++;
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await checkpoint("here");
    if (payload === 1) throw signal.reason;
  });
  const [cut, done] = [await put(1), await put(2)];
  const later = await put(3);
  await until(() => begun === 2);
  await runner.stop();
  expect(await metadata.read.jobs.find(cut)).toMatchObject({ state: "waiting", attempts: 0, progress: '"here"' });
  expect(await stateOf(metadata, done)).toBeUndefined();
  expect(await stateOf(metadata, later)).toBe("waiting");
  expect(outcomes.sort()).toEqual(["done", "released"]);
});

test("a job that does not stop is put back all the same", async () => {
  const { metadata, worker, put } = await queueOf();
  const end = Promise.withResolvers<void>();
  const runner = worker(() => end.promise);
  const id = await put(1);
  await until(async () => (await stateOf(metadata, id)) === "running");
  await runner.stop(10);
  expect(await metadata.read.jobs.find(id)).toMatchObject({ state: "waiting", attempts: 0 });
  end.resolve();
  await Bun.sleep(5);
  expect(await stateOf(metadata, id)).toBe("waiting");
});

test("a job may complete with what it does, in one transaction", async () => {
  const { metadata, worker, put, outcomes } = await queueOf();
  const registry = { account: "000000000001", region: "eu-west-1" } as never;
  worker(async (payload, { complete }) => {
    await metadata.transact(async (nouns) => {
      await nouns.settings.set(registry, "counted", String(payload));
      await complete(nouns);
    });
    if (payload === 2) throw new Error("afterwards");
  });
  const ids = [await put(1), await put(2)];
  await until(() => outcomes.length === 2);
  expect(outcomes).toEqual(["done", "done"]);
  for (const id of ids) expect(await stateOf(metadata, id)).toBeUndefined();
  expect(await metadata.read.settings.get(registry, "counted")).toBe("2");
});

test("a schedule runs its job at its time, once however often it was missed", async () => {
  const { metadata, worker, pass, clock, outcomes } = await queueOf();
  const ran: number[] = [];
  worker(async (payload) => ran.push(payload));
  const everyMs = 3_600_000;
  await metadata.transact((nouns) =>
    schedule(nouns, work, 5, { everyMs, now: clock(), firstAt: new Date(start + 1000) }),
  );
  pass(999);
  await Bun.sleep(10);
  expect(ran).toEqual([]);
  pass(1);
  await until(() => outcomes.length === 1);
  const first = await metadata.read.schedules.find(work.name, "");
  expect(first?.lastAt).toEqual(clock());
  expect((first?.nextAt.getTime() ?? 0) - clock().getTime()).toBeLessThanOrEqual(everyMs);
  pass(10 * everyMs);
  await until(() => outcomes.length === 2);
  await Bun.sleep(10);
  expect(ran).toEqual([5, 5]);
  // As it is said at every start.
  await metadata.transact((nouns) => schedule(nouns, work, 6, { everyMs, now: clock() }));
  pass(everyMs);
  await until(() => ran.length === 3);
  expect(ran).toEqual([5, 5, 6]);
});

test("many schedules that are due together all run", async () => {
  const { metadata, worker, clock, pass } = await queueOf();
  const ran = new Set<number>();
  await metadata.transact(async (nouns) => {
    for (let number = 0; number < 250; number++) {
      await schedule(nouns, work, number, { everyMs: 60_000, now: clock(), key: String(number) });
    }
  });
  worker(async (payload) => ran.add(payload));
  pass(60_000);
  await until(() => ran.size === 250);
});

test("a database that does not answer is asked again, and less often", async () => {
  const { metadata, worker, put, outcomes, logged } = await queueOf();
  let asked = 0;
  let isBroken = true;
  const jobs: typeof metadata.read.jobs = {
    ...metadata.read.jobs,
    agenda(kinds) {
      asked++;
      if (isBroken) throw new Error("no answer");
      return metadata.read.jobs.agenda(kinds);
    },
  };
  worker(async () => {}, { metadata: { ...metadata, read: { ...metadata.read, jobs } }, pollMs: 5 });
  await Bun.sleep(100);
  expect(asked).toBeGreaterThan(2);
  expect(asked).toBeLessThan(8);
  expect(logged[0]).toContain("the job queue cannot be asked");
  isBroken = false;
  await put(1);
  await until(() => outcomes.length === 1);
});

test("nobody is busy where there is nothing to do", async () => {
  const { metadata, worker } = await queueOf();
  let asked = 0;
  const jobs = {
    ...metadata.read.jobs,
    agenda(kinds: readonly string[]) {
      asked++;
      return metadata.read.jobs.agenda(kinds);
    },
  };
  worker(async () => {}, { metadata: { ...metadata, read: { ...metadata.read, jobs } }, pollMs: 20 });
  await Bun.sleep(200);
  expect(asked).toBeGreaterThan(4);
  expect(asked).toBeLessThan(14);
});
