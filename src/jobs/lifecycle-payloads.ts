import { z } from "zod";
import type { EvaluationJob, PreviewJob } from "../domain/registry/lifecycle-jobs.ts";

const repository = {
  id: z.number(),
  account: z.string(),
  region: z.string(),
  name: z.string(),
};

/** What is in the queue was put there by the domain, which has checked it. */
export const evaluationPayload = z.object(repository) as unknown as z.ZodType<EvaluationJob>;
export const previewPayload = z.object({ ...repository, preview: z.number() }) as unknown as z.ZodType<PreviewJob>;
