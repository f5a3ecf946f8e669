import type { JobNouns } from "../jobs/ports.ts";
import type { Digest, Tag } from "../names.ts";
import type { PushedImage, RemovedImage } from "../registry/images.ts";
import type { ImageState, Nouns, Repository } from "../registry/ports.ts";
import { matchesWildcard } from "../registry/tag-mutability.ts";
import { enqueueRemoval, enqueueReplica } from "./jobs.ts";
import { destinationsOf } from "./planner.ts";
import type { Destination, ReplicaJob, ReplicationNouns, ReplicationOptions } from "./ports.ts";

export type ReplicatingNouns = Nouns & JobNouns & ReplicationNouns;

/** The same for an image that comes back from the archive, with all its tags. */
export async function replicateRestored(nouns: ReplicatingNouns, repository: Repository, image: ImageState, at: Date) {
  const tags = (await nouns.tags.ofImages([image.id])).get(image.id) ?? [];
  await replicateArrival(nouns, repository, { ...image, tags }, at);
}

/**
 * Puts what rules say of an image into the queue, in the transaction of the push: both are there, or neither is. A registry
 * without rules pays one look by its key.
 */
export async function replicateArrival(
  nouns: ReplicatingNouns,
  repository: Repository,
  image: PushedImage,
  at: Date,
): Promise<void> {
  const configuration = await nouns.replication.configuration(repository.registry);
  if (!configuration || configuration.rules.length === 0) return;
  const destinations = destinationsOf(configuration.rules, repository.name, repository.registry);
  const tags = wantedTags(image, configuration.options);
  if (!tags) return;
  for (const destination of destinations) await beginReplica(nouns, repository, { ...image, tags }, destination, at);
}

/** Puts into the queue what follows from a removal, where somebody has chosen that something does. */
export async function replicateRemoval(
  nouns: ReplicatingNouns,
  { registry, name }: Repository,
  { digest, tags, isWhole }: RemovedImage,
  at: Date,
): Promise<void> {
  const configuration = await nouns.replication.configuration(registry);
  if (!configuration) return;
  const { deletes, untags } = configuration.options;
  if (!deletes && !untags) return;
  for (const to of destinationsOf(configuration.rules, name, registry)) {
    const job = { ...registry, name, digest, to };
    if (isWhole && deletes) await enqueueRemoval(nouns, job, at);
    else if (untags) for (const tag of tags) await enqueueRemoval(nouns, { ...job, tag }, at);
  }
}

/** The image is on its way to the destination, whatever rules say. */
export async function beginReplica(
  nouns: ReplicatingNouns,
  repository: Repository,
  { id, digest, tags }: PushedImage,
  destination: Destination,
  at: Date,
): Promise<void> {
  await nouns.replication.begin(id, destination, tags, at);
  await enqueueReplica(nouns, jobOf(repository, { id, digest }, destination), at);
}

export function jobOf(
  { id: repositoryId, registry, name }: Repository,
  { id: imageId, digest }: { readonly id: number; readonly digest: Digest },
  to: Destination,
): ReplicaJob {
  return { imageId, repositoryId, ...registry, name, digest, to };
}

/**
 * The tags that an image is to have at the destination; `undefined` where it is not to go. Where only some tags are wanted,
 * referrers go all the same: nobody tags a signature.
 */
export function wantedTags(
  { tags, subject }: Pick<PushedImage, "tags" | "subject">,
  { tags: filters }: ReplicationOptions,
): readonly Tag[] | undefined {
  if (filters.length === 0) return tags;
  const wanted = tags.filter((tag) => filters.some((filter) => matchesWildcard(filter, tag)));
  return wanted.length > 0 || subject !== undefined ? wanted : undefined;
}
