import type { Digest, Tag } from "../names.ts";
import type { Metadata } from "../registry/ports.ts";
import { failureCodeOf } from "./failures.ts";
import { nameOf } from "./jobs.ts";
import type { Destination, ReplicaJob } from "./ports.ts";
import { bringImage, bringTag } from "./replicate.ts";
import type { OpenTarget, Source } from "./target.ts";
import { type ReplicatingNouns, replicateRemoval } from "./trigger.ts";

export interface ReplicatingParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  readonly openTarget: OpenTarget;
  readonly clock: () => Date;
  /** Told when an image has arrived, or will not. */
  readonly ended?: (job: ReplicaJob, outcome: ReplicaOutcome) => Promise<void>;
}

export type ReplicaOutcome =
  | { readonly status: "COMPLETE" /** Tags that the destination did not take. */; readonly without: readonly Tag[] }
  | { readonly status: "FAILED"; readonly failureCode: string; readonly error: unknown };

/** A destination that is away may come back for so long. */
export const giveUpAfterMs = 24 * 60 * 60_000;
const shortestWaitMs = 1_000;
const longestWaitMs = 5 * 60_000;

/**
 * Does one job. May run twice, also at the same time: what is there is not brought again, and only what was asked for by the
 * version that was read is noted as done.
 * Answers `undefined` where there is nothing to do.
 * @throws NotYet
 */
export async function replicateImage(
  parts: ReplicatingParts,
  job: ReplicaJob,
  signal: AbortSignal,
): Promise<ReplicaOutcome | undefined> {
  const { metadata, clock } = parts;
  const { read } = metadata;
  const replica = await read.replication.find(job.imageId, job.to);
  if (replica?.status !== "IN_PROGRESS") return undefined;
  const source = await read.repositories.find(job, job.name);
  if (source?.id !== job.repositoryId) return undefined;

  const end = async (outcome: ReplicaOutcome) => {
    const isEnd = await metadata.transact(({ replication }) =>
      replication.end(job.imageId, job.to, replica.version, outcome, clock()),
    );
    if (isEnd) await parts.ended?.(job, outcome);
    return outcome;
  };

  try {
    const target = parts.openTarget(source, job.to, { signal });
    const image = await bringImage(read, source, target, job.digest, { tag: replica.tags[0], signal });
    if (!image) return undefined;
    const without: Tag[] = [];
    for (const tag of replica.tags) {
      if (!(await bringTag(read, source, target, image, tag, signal))) without.push(tag);
    }
    await followRemovals(parts, source, job.digest, replica.tags);
    return await end({ status: "COMPLETE", without });
  } catch (error) {
    signal.throwIfAborted();
    const waitedMs = clock().getTime() - replica.changedAt.getTime();
    const failureCode = failureCodeOf(error) ?? (waitedMs > giveUpAfterMs ? "DestinationUnavailable" : undefined);
    if (failureCode === undefined) throw laterThan(waitedMs, job.to, error);
    return await end({ status: "FAILED", failureCode, error });
  }
}

/** What went at the source while it was brought: the job of its removal may have found nothing at the destination yet. */
async function followRemovals(
  { metadata, clock }: ReplicatingParts,
  source: Source,
  digest: Digest,
  tags: readonly Tag[],
): Promise<void> {
  const { read } = metadata;
  const isWhole = !(await read.images.find(source.id, digest));
  const gone: Tag[] = [];
  for (const tag of tags) if (!(await read.tags.find(source.id, tag))) gone.push(tag);
  if (!isWhole && gone.length === 0) return;
  await metadata.transact((nouns) => replicateRemoval(nouns, source, { digest, tags: gone, isWhole }, clock()));
}

/** It may go the next time. */
export class NotYet extends Error {
  override readonly name = "NotYet";
  constructor(
    to: Destination,
    readonly afterMs: number,
    options?: ErrorOptions,
  ) {
    super(`${nameOf(to)} takes no replicas at the moment`, options);
  }
}

/** Longer each time, as far as nobody can tell what is the matter. */
export function laterThan(waitedMs: number, to: Destination, cause: unknown): NotYet {
  return new NotYet(to, Math.min(longestWaitMs, Math.max(shortestWaitMs, waitedMs / 4)), { cause });
}
