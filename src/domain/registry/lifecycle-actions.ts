import type { LifecycleRepository, Retention } from "../lifecycle/ports.ts";
import type { LifecycleDecision, LifecycleImage, LifecyclePlan } from "../lifecycle/types.ts";
import type { Digest, Tag } from "../names.ts";
import { dropImage } from "./image-removal.ts";
import type { ActedImage, FailedImage } from "./lifecycle-events.ts";
import type { ImageStatus, Nouns } from "./ports.ts";
import { archiveImage } from "./storage-class.ts";

/** Whose doing it is, in the history of tags: no caller's. */
export const lifecycleActor = "ecr.amazonaws.com";

/** What one transaction did, and could not do. */
export interface Outcome {
  readonly actions: ActedImage[];
  readonly failures: FailedImage[];
}

export interface Acting {
  readonly repository: LifecycleRepository;
  readonly plan: LifecyclePlan;
  readonly retention: Retention<Nouns>;
  readonly at: Date;
  /** Until when what is deleted now can be brought back. Absent: it is gone at once. */
  readonly keptUntil?: Date;
}

/** What goes with one image, as in `storage-class.ts`: it all happens in one transaction. */
const maxTogether = 10_000;
const namedParents = 10;
const statuses: readonly ImageStatus[] = ["ACTIVE", "ACTIVATING", "ARCHIVED"];

/**
 * Acts on an image and on what follows it, in a transaction of the caller's, as far as the plan still stands for the
 * images as they are now. Asks nobody for permission: whoever set the policy had it.
 */
export async function actOnGroup(
  nouns: Nouns,
  acting: Acting,
  group: readonly LifecycleDecision[],
  outcome: Outcome,
): Promise<void> {
  const [head, ...followers] = group;
  const image = head && (await standing(nouns, acting, head));
  if (!image) return;
  if (group.length > maxTogether) {
    const reason = `More than ${maxTogether} images would go together`;
    outcome.failures.push({ ...acted(image, head), code: "TooManyReferrers", reason });
  } else if (head.action === "transition") await archive(nouns, acting, head, image, outcome);
  else await expire(nouns, acting, { head, image, followers }, outcome);
}

/** The image of a decision, locked, if the decision is still the right one. */
async function standing(
  nouns: Nouns,
  { repository, plan, retention, at }: Acting,
  { digest }: LifecycleDecision,
): Promise<LifecycleImage | undefined> {
  const image = await nouns.lifecycleImages.lock(repository.id, digest);
  if (!image) return undefined;
  const holds = await retention.holdsOn(nouns, repository, image);
  return plan.stands(image, at.getTime(), holds) ? image : undefined;
}

interface Group {
  readonly head: LifecycleDecision;
  readonly image: LifecycleImage;
  readonly followers: readonly LifecycleDecision[];
}

async function expire(nouns: Nouns, acting: Acting, { head, image, followers }: Group, outcome: Outcome) {
  const parents = await nouns.images.parents(acting.repository.id, image.digest, namedParents);
  if (parents.length > 0) {
    outcome.failures.push({ ...acted(image, head), ...referenced(parents) });
    return;
  }
  // Somebody has just signed it, say: it is in use, and what was pushed must not lose its subject.
  if (await hasNewReferrers(nouns, acting, [head, ...followers])) return;
  await drop(nouns, acting, head, image, outcome);
  for (const follower of followers) {
    const one = await standing(nouns, acting, follower);
    if (!one) continue;
    const listing = await nouns.images.parents(acting.repository.id, one.digest, namedParents);
    if (listing.length === 0) await drop(nouns, acting, follower, one, outcome);
    else outcome.failures.push({ ...acted(one, follower), ...referenced(listing) });
  }
}

async function hasNewReferrers({ images }: Nouns, { repository, plan }: Acting, group: readonly LifecycleDecision[]) {
  const subjects = group.map(({ digest }) => digest);
  for (const status of statuses) {
    const referrers = await images.referrersOf(repository.id, subjects, status, maxTogether);
    if (referrers.some(({ id, digest }) => plan.decision(digest)?.id !== id)) return true;
  }
  return false;
}

async function drop(
  nouns: Nouns,
  { repository, at, keptUntil }: Acting,
  decision: LifecycleDecision,
  image: LifecycleImage,
  outcome: Outcome,
): Promise<void> {
  const { id, digest, tags } = image;
  await dropImage(nouns, { id, repositoryId: repository.id, digest }, tags as readonly Tag[], {
    at,
    by: lifecycleActor,
    keptUntil,
  });
  outcome.actions.push(acted(image, decision));
}

/** Its referrers go with it, also those that the plan does not know. */
async function archive(
  nouns: Nouns,
  { repository, at }: Acting,
  decision: LifecycleDecision,
  image: LifecycleImage,
  outcome: Outcome,
): Promise<void> {
  const moved = await archiveImage(nouns, repository.id, image.digest, at);
  if ("kept" in moved) {
    const { kept } = moved;
    if (kept.code === "listed") outcome.failures.push({ ...acted(image, decision), ...referenced(kept.parents) });
    return;
  }
  const others = moved.images.map(({ digest }) => digest).filter((digest) => digest !== image.digest);
  if (moved.images.length > 0) outcome.actions.push(acted(image, decision));
  const images = await nouns.images.findMany(repository.id, others);
  const tags = await nouns.tags.ofImages(images.map(({ id }) => id));
  for (const { id, digest, pushedAt } of images) {
    const { priority } = decision;
    outcome.actions.push({ digest, pushedAt: pushedAt.getTime(), tags: tags.get(id) ?? [], priority });
  }
}

function acted({ digest, tags, pushedAt }: LifecycleImage, { priority }: LifecycleDecision): ActedImage {
  return { digest, tags, pushedAt, priority };
}

/** As BatchDeleteImage says it. */
export function referenced(parents: readonly Digest[]): Pick<FailedImage, "code" | "reason"> {
  const reason = `Requested image referenced by manifest list: [${parents.join(", ")}]`;
  return { code: "ImageReferencedByManifestList", reason };
}
