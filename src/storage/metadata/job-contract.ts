import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomUUID } from "node:crypto";
import type { Claim, NewJob, Schedule } from "../../domain/jobs/ports.ts";
import type { AllMetadata } from "./metadata.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

/** Never the same twice, so that tests can share a database. */
const newKind = () => `test.${randomUUID().replaceAll("-", "").slice(0, 20)}`;

function newJob(kind: string, facts: Partial<NewJob> = {}): NewJob {
  return { kind, payload: '{"a":1}', runAt: at(0), maxAttempts: 3, ...facts };
}

/** What every database keeps of jobs and schedules. */
export function jobContract(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`jobs in ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let metadata: AllMetadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    const enqueue = (job: NewJob, seconds = 0) => metadata.transact(({ jobs }) => jobs.enqueue(job, at(seconds)));
    const claim = (kind: string, seconds = 0, limit = 9, worker = "w") =>
      metadata.transact(({ jobs }) =>
        jobs.claim({ kind, worker, now: at(seconds), leaseUntil: at(seconds + 60), limit }),
      );
    async function claimOne(kind: string, seconds = 0) {
      const [job] = await claim(kind, seconds, 1);
      if (!job) throw new Error("nothing to claim");
      return job;
    }
    const complete = (held: Claim, keepUntil?: Date) =>
      metadata.transact(({ jobs }) => jobs.complete(held, at(9), keepUntil));
    const find = async (id: Parameters<AllMetadata["read"]["jobs"]["find"]>[0]) => metadata.read.jobs.find(id);

    test("a job comes back as it was enqueued, and as it was claimed", async () => {
      const kind = newKind();
      const job = newJob(kind, { key: "k", runAt: at(5) });
      const { id, isNew } = await enqueue(job, 1);
      expect(isNew).toBe(true);
      const none = { progress: undefined, error: undefined, worker: undefined, until: undefined };
      const waiting = {
        ...job,
        ...none,
        id,
        state: "waiting",
        attempts: 0,
        createdAt: at(1),
        changedAt: at(1),
      } as const;
      expect(await find(id)).toEqual(waiting);
      const [claimed] = await claim(kind, 6);
      const running = { state: "running", attempts: 1, worker: "w", until: at(66), changedAt: at(6) } as const;
      expect(claimed).toEqual({ ...waiting, ...running, claim: { id, number: 1 } });
      expect(await find(id)).toEqual({ ...waiting, ...running });
    });

    test("a job and the change that it follows from commit together, or not at all", async () => {
      const kind = newKind();
      const failed = metadata.transact(async ({ jobs }) => {
        await jobs.enqueue(newJob(kind), at(0));
        throw new Error("the change fails");
      });
      await expect(failed).rejects.toThrow("the change fails");
      expect(await claim(kind)).toEqual([]);
    });

    test("jobs are claimed once, earliest first, none before its time, none of another kind", async () => {
      const kind = newKind();
      const ids: number[] = [];
      for (const seconds of [3, 1, 2, 1, 50]) ids.push((await enqueue(newJob(kind, { runAt: at(seconds) }))).id);
      await enqueue(newJob(newKind()));
      const [late, first, middle, second] = ids as [number, number, number, number];
      expect((await claim(kind, 10, 3)).map(({ id }) => id as number)).toEqual([first, second, middle]);
      expect((await claim(kind, 10, 3)).map(({ id }) => id as number)).toEqual([late]);
      expect(await claim(kind, 10, 3)).toEqual([]);
    });

    test("many at once claim each job once", async () => {
      const kind = newKind();
      await metadata.transact(async ({ jobs }) => {
        for (let number = 0; number < 60; number++) await jobs.enqueue(newJob(kind), at(0));
      });
      const claimed = (await Promise.all(Array.from({ length: 12 }, () => claim(kind, 0, 5)))).flat();
      // Whoever meets the others passes by what they hold, and comes again.
      for (;;) {
        const rest = await claim(kind, 0, 5);
        if (rest.length === 0) break;
        claimed.push(...rest);
      }
      expect(claimed.length).toBe(60);
      expect(new Set(claimed.map(({ id }) => id)).size).toBe(60);
    });

    test("a key that waits is enqueued once; one that runs, once more; of another kind, by itself", async () => {
      const [kind, other] = [newKind(), newKind()];
      const job = newJob(kind, { key: "k" });
      const first = await enqueue(job);
      expect(await enqueue({ ...job, payload: "{}", runAt: at(-5) })).toEqual({ id: first.id, isNew: false });
      expect(await find(first.id)).toMatchObject({ payload: job.payload, runAt: at(0) });
      expect((await enqueue({ ...job, kind: other })).isNew).toBe(true);
      expect((await enqueue({ ...job, key: "another" })).isNew).toBe(true);
      const [running] = await claim(kind, 0, 1);
      expect((await enqueue(job)).isNew).toBe(false);
      expect(running && (await complete(running.claim))).toBe(true);
      const again = await find(first.id);
      expect(again).toMatchObject({ state: "waiting", attempts: 0, runAt: at(9), until: undefined, worker: undefined });
      const claimed = await claim(kind, 9);
      for (const { claim } of claimed) expect(await complete(claim)).toBe(true);
      expect(await find(first.id)).toBeUndefined();
      expect((await enqueue(job)).isNew).toBe(true);
    });

    test("jobs without a key are all done", async () => {
      const kind = newKind();
      for (let number = 0; number < 3; number++) expect((await enqueue(newJob(kind))).isNew).toBe(true);
      expect((await claim(kind)).length).toBe(3);
    });

    test("a claim that does not hold any more is refused, whatever it says", async () => {
      const kind = newKind();
      const { id } = await enqueue(newJob(kind));
      const { claim: lost } = await claimOne(kind);
      await metadata.transact(({ jobs }) => jobs.putBack(lost, { runAt: at(0), at: at(0) }));
      const { claim: held } = await claimOne(kind);
      const before = await find(id);
      await metadata.transact(async ({ jobs }) => {
        expect(await jobs.extend([lost], at(99), at(0))).toEqual([]);
        expect(await jobs.checkpoint(lost, "1")).toBe(false);
        expect(await jobs.complete(lost, at(0))).toBe(false);
        expect(await jobs.complete(lost, at(0), at(9))).toBe(false);
        expect(await jobs.putBack(lost, { runAt: at(0), at: at(0) })).toBe(false);
        expect(await jobs.bury(lost, { error: "", at: at(0), until: at(0) })).toBe(false);
      });
      expect(await find(id)).toEqual(before);
      expect(await complete(held)).toBe(true);
      expect(await complete(held)).toBe(false);
    });

    test("progress and error are there for the next attempt, and go when it begins anew", async () => {
      const kind = newKind();
      const { id } = await enqueue(newJob(kind, { key: "k" }));
      const { claim: first } = await claimOne(kind);
      await metadata.transact(({ jobs }) => jobs.checkpoint(first, '{"at":7}'));
      await metadata.transact(({ jobs }) => jobs.putBack(first, { runAt: at(3), at: at(2), error: "e" }));
      expect(await find(id)).toMatchObject({
        state: "waiting",
        runAt: at(3),
        attempts: 1,
        error: "e",
        until: undefined,
      });
      expect(await claim(kind, 2)).toEqual([]);
      const second = await claimOne(kind, 3);
      expect(second).toMatchObject({ progress: '{"at":7}', error: "e", attempts: 2 });
      await metadata.transact(({ jobs }) => jobs.putBack(second.claim, { runAt: at(3), at: at(3), attempts: -1 }));
      expect(await find(id)).toMatchObject({ attempts: 1, error: "e" });
      const third = await claimOne(kind, 3);
      await enqueue(newJob(kind, { key: "k" }));
      await complete(third.claim);
      expect(await find(id)).toMatchObject({ progress: undefined, error: undefined, attempts: 0 });
    });

    test("a lease is extended, or ends", async () => {
      const kind = newKind();
      await enqueue(newJob(kind));
      await enqueue(newJob(kind));
      const [one, two] = await claim(kind, 1000);
      if (!one || !two) throw new Error("nothing to claim");
      const held = await metadata.transact(({ jobs }) => jobs.extend([one.claim], at(1200), at(1001)));
      expect(held).toEqual([one.claim]);
      expect(await find(one.id)).toMatchObject({ until: at(1200), changedAt: at(1001) });
      const expired = (seconds: number) =>
        metadata.transact(async ({ jobs }) => {
          const found = await jobs.expired(at(seconds), 99);
          return found.filter((job) => job.kind === kind).map(({ id, claim }) => ({ id, claim }));
        });
      expect(await expired(1059)).toEqual([]);
      expect(await expired(1060)).toEqual([{ id: two.id, claim: two.claim }]);
      for (const { claim } of [one, two]) await complete(claim);
      expect(await expired(9999)).toEqual([]);
    });

    test("the agenda tells the earliest of each kind, lease and schedule", async () => {
      const [kind, none] = [newKind(), newKind()];
      for (const seconds of [7, -5000, 9]) await enqueue(newJob(kind, { runAt: at(seconds) }));
      const agenda = await metadata.read.jobs.agenda([kind, none]);
      expect(agenda.jobs).toEqual(new Map([[kind, at(-5000)]]));
      const { claim: held } = await claimOne(kind, -4000);
      const later = await metadata.read.jobs.agenda([none, kind]);
      expect(later.jobs).toEqual(new Map([[kind, at(7)]]));
      expect(later.lease).toEqual(at(-3940));
      await complete(held);
      await metadata.transact(({ schedules }) => schedules.put(newSchedule(kind, { nextAt: at(-9000) })));
      expect((await metadata.read.jobs.agenda([])).schedule).toEqual(at(-9000));
      await metadata.transact(({ schedules }) => schedules.delete(kind, "k"));
    });

    test("dead letters are listed, retried and discarded", async () => {
      const kind = newKind();
      const ids = [];
      for (let number = 0; number < 4; number++) ids.push((await enqueue(newJob(kind, { runAt: at(number) }))).id);
      const [one, two, three, four] = ids;
      if (!one || !two || !three || !four) throw new Error("not enqueued");
      const [first, second, third] = await claim(kind, 9, 3);
      for (const job of [first, second, third]) {
        const held = job?.claim as Claim;
        const buried = { error: "e", at: at(20), until: at(90) };
        expect(await metadata.transact(({ jobs }) => jobs.bury(held, buried))).toBe(true);
      }
      const { jobs } = metadata.read;
      const listed = await jobs.list({ state: "dead", kind }, { limit: 2 });
      expect(listed.map(({ id }) => id)).toEqual([one, two]);
      expect(listed[0]).toMatchObject({ state: "dead", error: "e", attempts: 1, runAt: at(20), until: at(90) });
      const after = listed[1];
      expect((await jobs.list({ state: "dead" }, { after, limit: 1 })).map(({ id }) => id)).toEqual([three]);
      expect((await jobs.counts()).filter((count) => count.kind === kind)).toEqual([
        { state: "dead", kind, jobs: 3 },
        { state: "waiting", kind, jobs: 1 },
      ]);
      await metadata.transact(async ({ jobs }) => {
        expect(await jobs.retry(one, at(30))).toBe(true);
        expect(await jobs.retry(one, at(30))).toBe(false);
        expect(await jobs.discard(two)).toBe(true);
        expect(await jobs.discard(two)).toBe(false);
        expect(await jobs.discard(four)).toBe(true);
      });
      expect(await find(one)).toMatchObject({
        state: "waiting",
        attempts: 0,
        runAt: at(30),
        until: undefined,
        error: "e",
      });
      expect(await find(two)).toBeUndefined();
      const { claim: running } = await claimOne(kind, 30);
      expect(await metadata.transact(({ jobs }) => jobs.discard(running.id))).toBe(false);
      await complete(running);
    });

    test("who asks again for a job that dies has another one; a dead one whose key lives gives way", async () => {
      const kind = newKind();
      const job = newJob(kind, { key: "k" });
      const { id } = await enqueue(job);
      const { claim: held } = await claimOne(kind);
      await enqueue({ ...job, payload: "{}" });
      await metadata.transact(({ jobs }) => jobs.bury(held, { error: "e", at: at(5), until: at(90) }));
      const [waiting, ...more] = await metadata.read.jobs.list({ state: "waiting", kind }, { limit: 9 });
      expect(more).toEqual([]);
      expect(waiting).toMatchObject({ key: "k", payload: job.payload, attempts: 0, runAt: at(5), maxAttempts: 3 });
      expect(waiting?.id).not.toBe(id);
      expect(await metadata.transact(({ jobs }) => jobs.retry(id, at(6)))).toBe(true);
      expect(await find(id)).toBeUndefined();
      expect((await claim(kind, 9)).map((job) => job.id)).toEqual([waiting?.id as typeof id]);
    });

    test("a key has one dead job, and none when it is done", async () => {
      const kind = newKind();
      const job = newJob(kind, { key: "k" });
      const other = newJob(kind, { key: "other" });
      const die = async (which: NewJob) => {
        const { id } = await enqueue(which);
        const { claim: held } = await claimOne(kind);
        await metadata.transact(({ jobs }) => jobs.bury(held, { error: "e", at: at(5), until: at(90) }));
        return id;
      };
      const dead = async () =>
        (await metadata.read.jobs.list({ state: "dead", kind }, { limit: 9 })).map(({ id }) => id);
      await die(job);
      const [kept, second] = [await die(other), await die(job)];
      expect(await dead()).toEqual([kept, second]);
      await enqueue(job);
      await complete((await claimOne(kind)).claim);
      expect(await dead()).toEqual([kept]);
    });

    test("what is done keeps its trace as long as it shall, and dead ones are forgotten in the end", async () => {
      const kind = newKind();
      for (let number = 0; number < 3; number++) await enqueue(newJob(kind));
      const [one, two, three] = await claim(kind);
      if (!one || !two || !three) throw new Error("nothing to claim");
      await complete(one.claim, at(-400));
      await metadata.transact(({ jobs }) => jobs.bury(two.claim, { error: "e", at: at(0), until: at(-399) }));
      await complete(three.claim, at(-300));
      expect(await find(one.id)).toMatchObject({ state: "done", until: at(-400) });
      const prune = (seconds: number, limit = 9) => metadata.transact(({ jobs }) => jobs.prune(at(seconds), limit));
      expect(await prune(-401)).toBe(0);
      expect(await prune(-350, 1)).toBe(1);
      expect(await prune(-350)).toBe(1);
      expect(await find(one.id)).toBeUndefined();
      expect(await find(two.id)).toBeUndefined();
      expect(await find(three.id)).toMatchObject({ state: "done" });
      expect(await prune(-300)).toBe(1);
    });

    test("what a clock that was ahead has left keeps its distance to now", async () => {
      const kind = newKind();
      const ahead = 5_000_000;
      const { id: waits } = await enqueue(newJob(kind, { runAt: at(ahead + 30) }), ahead);
      const { id: runs } = await enqueue(newJob(kind, { runAt: at(ahead) }), ahead);
      await claim(kind, ahead, 1);
      const { id: right } = await enqueue(newJob(kind, { runAt: at(1000) }), 100);
      const rewind = (limit: number) => metadata.transact(({ jobs }) => jobs.rewind(at(101), 300_000, limit));
      expect(await rewind(1)).toBe(1);
      expect(await rewind(9)).toBe(1);
      expect(await rewind(9)).toBe(0);
      expect(await find(waits)).toMatchObject({ runAt: at(131), until: undefined, changedAt: at(101) });
      expect(await find(runs)).toMatchObject({ state: "running", until: at(161), changedAt: at(101) });
      expect(await find(right)).toMatchObject({ runAt: at(1000), changedAt: at(100) });
    });

    function newSchedule(kind: string, facts: Partial<Schedule> = {}): Omit<Schedule, "lastAt"> {
      return { kind, key: "k", payload: "{}", maxAttempts: 2, everyMs: 60_000, nextAt: at(50), setAt: at(0), ...facts };
    }

    test("a schedule comes back as it was put, keeps the earlier time, and is listed and deleted", async () => {
      const kind = newKind();
      const { schedules } = metadata.read;
      const put = (schedule: Omit<Schedule, "lastAt">) => metadata.transact(({ schedules }) => schedules.put(schedule));
      const first = newSchedule(kind);
      expect(await put(first)).toBe(true);
      expect(await schedules.find(kind, "k")).toEqual({ ...first, lastAt: undefined });
      const advanced = { kind, key: "k", nextAt: at(110), lastAt: at(50), setAt: at(51) };
      await metadata.transact(({ schedules }) => schedules.advance(advanced));
      const changed = newSchedule(kind, {
        payload: "[]",
        everyMs: 9000,
        maxAttempts: 1,
        nextAt: at(150),
        setAt: at(60),
      });
      expect(await put(changed)).toBe(false);
      expect(await schedules.find(kind, "k")).toEqual({ ...changed, nextAt: at(110), lastAt: at(50) });
      await put({ ...changed, nextAt: at(70) });
      expect((await schedules.find(kind, "k"))?.nextAt).toEqual(at(70));
      await put(newSchedule(kind, { key: "l" }));
      expect(await schedules.list({ after: { kind, key: "k" }, limit: 1 })).toMatchObject([{ kind, key: "l" }]);
      await metadata.transact(async ({ schedules }) => {
        expect(await schedules.delete(kind, "k")).toBe(true);
        expect(await schedules.delete(kind, "k")).toBe(false);
        expect(await schedules.delete(kind, "l")).toBe(true);
      });
      expect(await schedules.find(kind, "k")).toBeUndefined();
    });

    test("schedules are due at their time, earliest first; what was set in the future is found", async () => {
      const kind = newKind();
      const keyed = (key: string, seconds: number, set = -9000) =>
        newSchedule(kind, { key, nextAt: at(seconds), setAt: at(set) });
      await metadata.transact(async ({ schedules }) => {
        for (const schedule of [keyed("b", -80), keyed("a", -90), keyed("c", 5), keyed("d", 99, 9000)]) {
          await schedules.put(schedule);
        }
      });
      await metadata.transact(async ({ schedules }) => {
        const keys = (found: Schedule[]) => found.filter((one) => one.kind === kind).map(({ key }) => key);
        expect(keys(await schedules.due(at(-80), 9))).toEqual(["a", "b"]);
        expect(keys(await schedules.due(at(-81), 9))).toEqual(["a"]);
        expect(keys(await schedules.setAfter(at(8999), 9))).toEqual(["d"]);
        expect(keys(await schedules.setAfter(at(9000), 9))).toEqual([]);
        for (const key of ["a", "b", "c", "d"]) await schedules.delete(kind, key);
      });
    });
  });
}
