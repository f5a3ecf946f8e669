import { z } from "zod";
import type { BackfillJob, RemovalJob, ReplicaJob } from "../domain/replication/ports.ts";

const registry = { account: z.string(), region: z.string() };

/** What is in the queue was put there by the domain, which has checked it. */
export const replicaPayload = z.object({
  imageId: z.number(),
  repositoryId: z.number(),
  ...registry,
  name: z.string(),
  digest: z.string(),
  to: z.object(registry),
}) as unknown as z.ZodType<ReplicaJob>;
export const backfillPayload = z.object({ ...registry, id: z.string() }) as unknown as z.ZodType<BackfillJob>;
export const removalPayload = z.object({
  ...registry,
  name: z.string(),
  digest: z.string(),
  tag: z.string().optional(),
  to: z.object(registry),
}) as unknown as z.ZodType<RemovalJob>;
