import { type Evaluated, type EvaluationParts, evaluateRepository } from "../domain/registry/lifecycle-evaluation.ts";
import { type EvaluationJob, evaluateLifecycle } from "../domain/registry/lifecycle-jobs.ts";
import { type JobHandler, jobHandler } from "./handler.ts";
import { evaluationPayload } from "./lifecycle-payloads.ts";

/**
 * Expires and archives images as policies say. May run twice: each image is looked at again in the transaction that acts
 * on it, which also fails when somebody else has the job by then.
 */
export function evaluateLifecycleHandler(
  parts: EvaluationParts,
  evaluated: (evaluated: Evaluated, job: EvaluationJob) => void,
): JobHandler {
  return jobHandler({
    kind: evaluateLifecycle,
    payload: evaluationPayload,
    // A plan of a large repository takes memory and time of the one thread there is.
    atOnce: 1,
    // Of a repository with a million images that all expire.
    timeoutMs: 12 * 60 * 60_000,
    run: async (job, run) => evaluated(await evaluateRepository(parts, job, run), job),
  });
}
