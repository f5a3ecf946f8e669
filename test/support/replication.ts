import { createTrail } from "../../src/domain/audit/trail.ts";
import { createQueue } from "../../src/domain/jobs/queue.ts";
import type { JobHandler } from "../../src/jobs/handler.ts";
import { backfillHandler, removeReplicaHandler, replicateImageHandler } from "../../src/jobs/replicate.ts";
import { recordReplicas } from "../../src/jobs/replication-events.ts";
import { account, type InProcess, region } from "./berth.ts";

/** Does the jobs of replication when a test says so, one after the other. */
export interface ReplicationRunner {
  /** Those that are due, and what becomes due by them. Answers what failed and is tried again. */
  runDue(): Promise<Error[]>;
}

export function createReplicationRunner(berth: InProcess): ReplicationRunner {
  const { metadata } = berth.stores;
  const clock = () => berth.now;
  const queue = createQueue({ metadata, worker: "test", clock });
  const log = { error: (facts: Record<string, unknown>) => void berth.logged.push(facts) };
  const audit = createTrail({ metadata, home: { account, region }, clock, log });
  const parts = { metadata, openTarget: berth.openTarget, clock, ended: recordReplicas(audit, clock) };
  const handlers: JobHandler[] = [
    replicateImageHandler(parts),
    backfillHandler(parts),
    removeReplicaHandler(parts, () => {}),
  ];

  async function runOf(handler: JobHandler, failures: Error[]): Promise<number> {
    const jobs = await queue.claim(handler.kind.name, 10);
    for (const job of jobs) {
      const { id, attempts, progress, payload, claim } = job;
      try {
        await handler.run(handler.payload.parse(JSON.parse(payload)), {
          id,
          attempt: attempts,
          progress: progress === undefined ? undefined : JSON.parse(progress),
          signal: new AbortController().signal,
          checkpoint: (kept, nouns) => queue.checkpoint(claim, kept, nouns),
          complete: async ({ jobs: ended }) => void (await ended.complete(claim, clock())),
        });
        await queue.complete(claim);
      } catch (error) {
        failures.push(error as Error);
        await queue.fail(job, error);
      }
    }
    return jobs.length;
  }

  return {
    async runDue() {
      const failures: Error[] = [];
      for (let done = 1; done > 0; ) {
        done = 0;
        for (const handler of handlers) done += await runOf(handler, failures);
      }
      await audit.flush();
      return failures;
    },
  };
}
