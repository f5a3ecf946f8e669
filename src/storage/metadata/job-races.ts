import { describe, expect, test } from "bun:test";
import type { NewJob } from "../../domain/jobs/ports.ts";
import type { AllMetadata } from "./metadata.ts";

const now = new Date(Date.UTC(2026, 0, 1));
const later = new Date(now.getTime() + 60_000);
const job: NewJob = { kind: "test.race", key: "k", payload: "1", runAt: now, maxAttempts: 3 };

/** What of jobs can be between two transactions that are open at once: in a database where there is such a thing. */
export function jobRaces(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`jobs of many at once in ${name}`, () => {
    async function withMetadata(work: (metadata: AllMetadata) => Promise<void>): Promise<void> {
      const { metadata, dispose } = await open();
      await work(metadata).finally(dispose);
    }
    const claim = (metadata: AllMetadata, worker: string, limit = 9) =>
      metadata.transact(({ jobs }) => jobs.claim({ kind: job.kind, worker, now, leaseUntil: later, limit }));

    /** A transaction that asks for the job, and stays open until it is told to end. */
    async function asking(metadata: AllMetadata) {
      const asked = Promise.withResolvers<void>();
      const end = Promise.withResolvers<void>();
      const done = metadata.transact(async ({ jobs }) => {
        await jobs.enqueue(job, now);
        asked.resolve();
        await end.promise;
      });
      await Promise.race([asked.promise, done]);
      return async () => {
        end.resolve();
        await done;
      };
    }

    test("nobody claims a job that an open transaction asks for: it would not see what that changes", () =>
      withMetadata(async (metadata) => {
        await metadata.transact(({ jobs }) => jobs.enqueue(job, now));
        const end = await asking(metadata);
        expect(await claim(metadata, "w")).toEqual([]);
        await end();
        expect((await claim(metadata, "w")).length).toBe(1);
      }));

    test("who asks for a job that completes at the same moment has it done once more", () =>
      withMetadata(async (metadata) => {
        await metadata.transact(({ jobs }) => jobs.enqueue(job, now));
        const [running] = await claim(metadata, "w");
        if (!running) throw new Error("nothing to claim");
        const end = await asking(metadata);
        let isComplete = false;
        const completing = metadata
          .transact(({ jobs }) => jobs.complete(running.claim, now))
          .then((held) => {
            isComplete = held;
          });
        await Bun.sleep(50);
        expect(isComplete).toBe(false);
        await end();
        await completing;
        expect(isComplete).toBe(true);
        const [again, ...more] = await claim(metadata, "w");
        expect([again?.id, more]).toEqual([running.id, []]);
      }));

    test("two that ask for a new job at once have one; whoever is first and fails leaves it to the other", () =>
      withMetadata(async (metadata) => {
        const end = await asking(metadata);
        const second = metadata.transact(({ jobs }) => jobs.enqueue(job, now));
        await Bun.sleep(20);
        await end();
        expect((await second).isNew).toBe(false);
        const gate = Promise.withResolvers<void>();
        const other = { ...job, key: "other" };
        const failing = metadata.transact(async ({ jobs }) => {
          await jobs.enqueue(other, now);
          await gate.promise;
        });
        await Bun.sleep(20);
        const third = metadata.transact(({ jobs }) => jobs.enqueue(other, now));
        gate.reject(new Error("it fails"));
        await expect(failing).rejects.toThrow("it fails");
        expect((await third).isNew).toBe(true);
      }));

    test("many workers share the work, and none waits for another that is claiming", () =>
      withMetadata(async (metadata) => {
        await metadata.transact(async ({ jobs }) => {
          for (let number = 0; number < 300; number++) await jobs.enqueue({ ...job, key: String(number) }, now);
        });
        const claimed = Promise.withResolvers<void>();
        const end = Promise.withResolvers<void>();
        const slow = metadata.transact(async ({ jobs }) => {
          const found = await jobs.claim({ kind: job.kind, worker: "slow", now, leaseUntil: later, limit: 100 });
          claimed.resolve();
          await end.promise;
          return found;
        });
        await claimed.promise;
        const ids = new Map<number, string>();
        const work = async (worker: string) => {
          for (;;) {
            const found = await claim(metadata, worker, 3);
            if (found.length === 0) return;
            for (const { id, claim } of found) {
              expect(ids.has(id)).toBe(false);
              ids.set(id, worker);
              expect(await metadata.transact(({ jobs }) => jobs.complete(claim, now))).toBe(true);
            }
          }
        };
        await Promise.all(["a", "b", "c", "d"].map(work));
        expect(ids.size).toBe(200);
        expect(new Set(ids.values()).size).toBeGreaterThan(1);
        end.resolve();
        expect((await slow).length).toBe(100);
      }));
  });
}
