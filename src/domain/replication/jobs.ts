import { createHash } from "node:crypto";
import { enqueue, jobKind } from "../jobs/kinds.ts";
import type { JobNouns } from "../jobs/ports.ts";
import type { BackfillJob, Destination, RemovalJob, ReplicaJob } from "./ports.ts";

/** Brings one image to one destination. As many attempts as there may be crashes on the way; see `giveUpAfterMs`. */
export const replicateImageKind = jobKind<ReplicaJob>("replication.image", { maxAttempts: 30 });

/** Brings all that is there already to one destination. */
export const backfillKind = jobKind<BackfillJob>("replication.backfill", { maxAttempts: 30 });

/** Takes away at one destination what somebody has removed. */
export const removeReplicaKind = jobKind<RemovalJob>("replication.remove", { maxAttempts: 30 });

export async function enqueueRemoval(nouns: JobNouns, job: RemovalJob, now: Date): Promise<void> {
  const { account, region, name, digest, tag = "", to } = job;
  // Names have up to 256 characters and tags up to 128, more than a key together with all the rest.
  const what = createHash("sha256").update(`${account}/${region}/${name}@${digest}:${tag}`).digest("hex");
  await enqueue(nouns, removeReplicaKind, job, { key: `${what}/${nameOf(to)}`, now });
}

export async function enqueueReplica(nouns: JobNouns, job: ReplicaJob, now: Date): Promise<void> {
  await enqueue(nouns, replicateImageKind, job, { key: `${job.imageId}/${nameOf(job.to)}`, now });
}

/** For keys of jobs, and for people. */
export function nameOf({ account, region }: Destination): string {
  return `${account}/${region}`;
}
