import { z } from "zod";
import { jobKind } from "../domain/jobs/kinds.ts";
import { type Stores, type Swept, sweepStrays } from "../domain/registry/collection.ts";
import { type JobHandler, jobHandler } from "./handler.ts";

export const sweepStraysKind = jobKind<Record<string, never>>("registry.sweep-strays", { maxAttempts: 3 });

/** Walks the whole store for copies that crashes left behind. May run twice: what is gone is gone, and each copy is looked at again. */
export function sweepStraysHandler(stores: Stores, swept: (swept: Swept) => void): JobHandler {
  return jobHandler({
    kind: sweepStraysKind,
    payload: z.strictObject({}),
    atOnce: 1,
    // Of a store with many millions of blobs.
    timeoutMs: 12 * 60 * 60_000,
    run: async (_, { signal }) => swept(await sweepStrays(stores, { signal })),
  });
}
