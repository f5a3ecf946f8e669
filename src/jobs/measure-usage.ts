import { z } from "zod";
import { jobKind } from "../domain/jobs/kinds.ts";
import type { JobNouns } from "../domain/jobs/ports.ts";
import type { Nouns } from "../domain/registry/ports.ts";
import { type MeasureParts, type MeasureProgress, measureUsage } from "../domain/registry/usage-walk.ts";
import { type JobHandler, jobHandler } from "./handler.ts";

export const measureUsageKind = jobKind<Record<string, never>>("registry.measure-usage", { maxAttempts: 3 });

/**
 * Measures what storage is used for. Sums and how far they go are kept together, and only while the lease holds: another
 * attempt goes on where the one before had come to, and of two at the same time one is refused.
 */
export function measureUsageHandler(
  parts: MeasureParts<Nouns & JobNouns>,
  measured: (run: number) => void = () => {},
): JobHandler {
  return jobHandler({
    kind: measureUsageKind,
    payload: z.strictObject({}),
    atOnce: 1,
    timeoutMs: 12 * 60 * 60_000,
    async run(_, { progress, checkpoint, signal }) {
      const from = progress as MeasureProgress | undefined;
      measured(await measureUsage<Nouns & JobNouns>(parts, { progress: from, keep: checkpoint, signal }));
    },
  });
}
