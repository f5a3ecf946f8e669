import { createTrail } from "../../src/domain/audit/trail.ts";
import { createQueue } from "../../src/domain/jobs/queue.ts";
import { noRetention, type Retention } from "../../src/domain/lifecycle/ports.ts";
import type { Evaluated } from "../../src/domain/registry/lifecycle-evaluation.ts";
import type { Nouns } from "../../src/domain/registry/ports.ts";
import { evaluateLifecycleHandler } from "../../src/jobs/evaluate-lifecycle.ts";
import type { JobHandler } from "../../src/jobs/handler.ts";
import { recordLifecycle } from "../../src/jobs/lifecycle-events.ts";
import { forgetPreviewHandler, previewLifecycleHandler } from "../../src/jobs/preview-lifecycle.ts";
import { account, type InProcess, region } from "./berth.ts";

export const lifecycleEveryMs = 24 * 60 * 60_000;

/** Does the jobs of lifecycle policies when a test says so, one after the other, and fails where one fails. */
export interface LifecycleRunner {
  /** Those that are due, and what becomes due by them. Answers what evaluations came to. */
  runDue(): Promise<Evaluated[]>;
}

export function createLifecycleRunner(
  berth: InProcess,
  retention: Retention<Nouns> = noRetention,
  undeleteMs?: number,
): LifecycleRunner {
  const { metadata } = berth.stores;
  const clock = () => berth.now;
  const queue = createQueue({ metadata, worker: "test", clock });
  const log = { error: (facts: Record<string, unknown>) => void berth.logged.push(facts) };
  const audit = createTrail({ metadata, home: { account, region }, clock, log });
  let evaluated: Evaluated[] = [];
  const parts = {
    metadata,
    clock,
    retention,
    record: recordLifecycle(audit, clock),
    everyMs: lifecycleEveryMs,
    undeleteMs,
  };
  const handlers: JobHandler[] = [
    evaluateLifecycleHandler(parts, (one) => evaluated.push(one)),
    previewLifecycleHandler(parts),
    forgetPreviewHandler(parts),
  ];

  async function runOf(handler: JobHandler): Promise<number> {
    const jobs = await queue.claim(handler.kind.name, 10);
    for (const { id, attempts, progress, payload, claim } of jobs) {
      await handler.run(handler.payload.parse(JSON.parse(payload)), {
        id,
        attempt: attempts,
        progress: progress === undefined ? undefined : JSON.parse(progress),
        signal: new AbortController().signal,
        checkpoint: (kept, nouns) => queue.checkpoint(claim, kept, nouns),
        complete: async ({ jobs: ended }) => void (await ended.complete(claim, clock())),
      });
      await queue.complete(claim);
    }
    return jobs.length;
  }

  return {
    async runDue() {
      evaluated = [];
      for (let done = 1; done > 0; ) {
        done = await queue.runSchedules();
        for (const handler of handlers) done += await runOf(handler);
      }
      await audit.flush();
      return evaluated;
    },
  };
}
