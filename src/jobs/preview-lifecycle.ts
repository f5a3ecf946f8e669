import { forgetPreview, previewLifecycle } from "../domain/registry/lifecycle-jobs.ts";
import {
  dropResults,
  failPreview,
  makePreview,
  type PreviewingParts,
} from "../domain/registry/lifecycle-previewing.ts";
import { type JobHandler, jobHandler } from "./handler.ts";
import { previewPayload } from "./lifecycle-payloads.ts";

/** Finds out what policies would do. May run twice: an attempt begins anew, and only whoever has the job adds results. */
export function previewLifecycleHandler(parts: PreviewingParts): JobHandler {
  return jobHandler({
    kind: previewLifecycle,
    payload: previewPayload,
    atOnce: 2,
    timeoutMs: 30 * 60_000,
    async run(job, run) {
      try {
        await makePreview(parts, job, run);
      } catch (error) {
        if (run.attempt >= previewLifecycle.maxAttempts && !run.signal.aborted) await failPreview(parts, job);
        throw error;
      }
    },
  });
}

/** Drops results whose time is over. May run twice: they are gone then. */
export function forgetPreviewHandler(parts: Pick<PreviewingParts, "metadata">): JobHandler {
  return jobHandler({
    kind: forgetPreview,
    payload: previewPayload,
    run: (job) => dropResults(parts, job),
  });
}
