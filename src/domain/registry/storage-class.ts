import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import type { ImageFacts } from "./image-facts.ts";
import { type ImageReference, imageNotFound, resolveImage } from "./image-references.ts";
import { followRestore } from "./on-push.ts";
import type { Image, ImageState, ImageStatus, Metadata, Nouns, Repository } from "./ports.ts";
import { existing } from "./repositories.ts";
import type { StoredHold } from "./retention-ports.ts";

/**
 * Images in the archive and out of it. Nobody pulls an archived image; its tags stay, and so does all that is said of it.
 *
 * Three rules keep graphs together. Referrers follow their subject, both ways. What an index lists goes after the index,
 * and comes back with it. And nothing that is active lists what is not.
 */

export type StorageClass = "STANDARD" | "ARCHIVE";

export interface StorageClassService {
  /**
   * Archives an image, or restores it. Answers the status that it has then; what comes back from the archive is not
   * active yet. An image that is in the class already stays as it is.
   * @throws ImageNotFound, ImageHeld, StorageClassNotSupported
   */
  update(
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
    target: StorageClass,
  ): Promise<{ readonly digest: Digest; readonly status: ImageStatus }>;
}

/** Why an image keeps its storage class, for whoever asked. */
export type KeepsClass =
  | { readonly code: "absent" }
  | { readonly code: "referrer"; readonly subject: Digest }
  | { readonly code: "listed"; readonly parents: readonly Digest[] }
  | { readonly code: "activating" }
  | { readonly code: "held"; readonly hold: StoredHold }
  | { readonly code: "too-many" };

export type Moved =
  /** All that moved: the image first, then what went with it. Empty when it was there already. */
  { readonly images: readonly ImageState[] } | { readonly kept: KeepsClass };

/** What goes with one image, itself included. It all happens in one transaction. */
const maxTogether = 10_000;
const namedParents = 10;

export interface StorageClassParts<All extends Nouns> {
  readonly metadata: Metadata<All>;
  readonly imageFacts: ImageFacts;
  readonly clock: () => Date;
  /** Told of each image that is brought back, in its transaction: it counts as a push. */
  readonly restored?: (nouns: All, repository: Repository, image: ImageState, at: Date) => Promise<void>;
}

export function createStorageClasses<All extends Nouns>(parts: StorageClassParts<All>): StorageClassService {
  const { metadata, imageFacts, clock, restored } = parts;

  async function confirmEach(nouns: Nouns, granted: Granted, images: readonly ImageState[]): Promise<void> {
    if (!granted.asksAboutImages) return;
    const tags = await nouns.tags.ofImages(images.map(({ id }) => id));
    for (const image of images) await imageFacts.confirmRemoval(nouns, granted, image, tags.get(image.id) ?? []);
  }

  return {
    async update(granted, name, reference, target) {
      return metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, granted.registry, name);
        const image = await resolveImage(nouns, repository.id, reference);
        if (!image) throw imageNotFound(granted.registry, name, reference);
        const { digest } = image;
        // Whoever moves an image must be allowed to for each of its tags, and for what goes with it.
        await confirmEach(nouns, granted, [image]);
        const move = target === "ARCHIVE" ? archiveImage : restoreImage;
        const moved = await move(nouns, repository.id, digest, clock());
        if ("kept" in moved) {
          if (moved.kept.code === "absent") throw imageNotFound(granted.registry, name, reference);
          if (moved.kept.code === "held") throw refuse("ImageHeld", moved.kept.hold);
          throw refuse("StorageClassNotSupported", { reason: sentenceOf(moved.kept) });
        }
        await confirmEach(nouns, granted, moved.images.slice(1));
        if (target === "STANDARD") await followRestore(nouns, repository, moved.images, clock());
        for (const one of target === "STANDARD" ? moved.images : []) await restored?.(nouns, repository, one, clock());
        if (target === "ARCHIVE") return { digest, status: "ARCHIVED" as const };
        return { digest, status: moved.images.length > 0 ? ("ACTIVATING" as const) : image.status };
      });
    },
  };
}

function sentenceOf(kept: Exclude<KeepsClass, { code: "absent" | "held" }>): string {
  switch (kept.code) {
    case "referrer":
      return `The image refers to ${kept.subject} and is archived and restored together with it`;
    case "listed":
      return `The image is referenced by manifest list: [${kept.parents.join(", ")}]`;
    case "activating":
      return "The image is being restored";
    case "too-many":
      return `More than ${maxTogether} images would move together`;
  }
}

/**
 * Archives an image with its referrers, in a transaction of the caller's: for the API, and for rules of a lifecycle
 * policy. Asks nobody for permission.
 */
export async function archiveImage(nouns: Nouns, repositoryId: number, digest: Digest, at: Date): Promise<Moved> {
  const { images } = nouns;
  const image = await images.lock(repositoryId, digest);
  if (!image) return { kept: { code: "absent" } };
  if (image.status === "ARCHIVED") return { images: [] };
  if (image.status === "ACTIVATING") return { kept: { code: "activating" } };
  const subject = image.subject && (await images.lock(repositoryId, image.subject));
  if (subject && subject.status !== "ARCHIVED") return { kept: { code: "referrer", subject: subject.digest } };
  const parents = await images.openParents(repositoryId, digest, namedParents);
  if (parents.length > 0) return { kept: { code: "listed", parents } };
  const together = await gather([image], async (found) => {
    const subjects = found.map((one) => one.digest);
    const referrers = await images.referrersOf(repositoryId, subjects, "ACTIVE", maxTogether + 1);
    const listed: ImageState[] = [];
    for (const one of referrers) {
      if ((await images.openParents(repositoryId, one.digest, 1)).length === 0) listed.push(one);
    }
    return listed;
  });
  if (!together) return { kept: { code: "too-many" } };
  const hold = await holdOnAny(nouns, repositoryId, together, at);
  if (hold) return { kept: { code: "held", hold } };
  await images.setStatus(idsOf(together), "ARCHIVED", at);
  return { images: together };
}

/** Keeps the images first: whoever places a hold comes before, or waits until they are archived. */
async function holdOnAny({ images, tags, holds }: Nouns, repositoryId: number, some: readonly ImageState[], at: Date) {
  const digests = some.map(({ digest }) => digest);
  await images.keepMany(repositoryId, digests);
  const held = [...(await tags.ofImages(idsOf(some))).values()].flat();
  const [hold] = await holds.on(repositoryId, [...digests, ...held], at);
  return hold;
}

/** Brings an image back, with its referrers and what it lists, in a transaction of the caller's. */
async function restoreImage(nouns: Nouns, repositoryId: number, digest: Digest, at: Date): Promise<Moved> {
  const { images } = nouns;
  const image = await images.lock(repositoryId, digest);
  if (!image) return { kept: { code: "absent" } };
  if (image.status !== "ARCHIVED") return { images: [] };
  const subject = image.subject && (await images.lock(repositoryId, image.subject));
  if (subject?.status === "ARCHIVED") return { kept: { code: "referrer", subject: subject.digest } };
  const together = await withAllBelow(nouns, repositoryId, [image]);
  if (!together) return { kept: { code: "too-many" } };
  // What is in no other store is there at once.
  const isAway = (await nouns.blobPlaces.archivedOf(idsOf(together), 1)).length > 0;
  await images.setStatus(idsOf(together), isAway ? "ACTIVATING" : "ACTIVE", at);
  return { images: together };
}

/** Makes an image active that is on its way, when its blobs are there and all that it lists is active. Answers whether. */
export async function activateIfThere(
  { images, blobPlaces }: Nouns,
  { id, repositoryId, digest }: Pick<Image, "id" | "repositoryId" | "digest">,
  at: Date,
): Promise<boolean> {
  const image = await images.lock(repositoryId, digest);
  if (image?.id !== id || image.status !== "ACTIVATING") return false;
  if ((await blobPlaces.archivedOf([id], 1)).length > 0) return false;
  for (const status of ["ARCHIVED", "ACTIVATING"] as const) {
    if ((await images.childrenOf([id], status, 1)).length > 0) return false;
  }
  await images.setStatus([id], "ACTIVE", at);
  return true;
}

/**
 * Makes images active that a push brings or relies on, with all that comes back with them.
 * @throws LimitExceeded
 */
export async function activateForPush(nouns: Nouns, archived: readonly ImageState[], at: Date): Promise<void> {
  const [first] = archived;
  if (!first) return;
  const together = await withAllBelow(nouns, first.repositoryId, archived);
  if (!together)
    throw refuse("LimitExceeded", { reason: `More than ${maxTogether} images would be restored together` });
  await nouns.images.setStatus(idsOf(together), "ACTIVE", at);
}

function withAllBelow({ images }: Nouns, repositoryId: number, first: readonly ImageState[]) {
  return gather(first, async (found) => {
    const subjects = found.map(({ digest }) => digest);
    const below: ImageState[] = [];
    for (const status of ["ARCHIVED", "ACTIVATING"] as const) {
      below.push(...(await images.referrersOf(repositoryId, subjects, status, maxTogether + 1)));
      below.push(...(await images.childrenOf(idsOf(found), status, maxTogether + 1)));
    }
    return below;
  });
}

/** `first` and all that `next` leads to from there, each once. `undefined` when that is too much. */
async function gather(
  first: readonly ImageState[],
  next: (found: readonly ImageState[]) => Promise<readonly ImageState[]>,
): Promise<readonly ImageState[] | undefined> {
  const all = new Map(first.map((image) => [image.id, image]));
  for (let found = [...all.values()]; found.length > 0; ) {
    const further = (await next(found)).filter(({ id }) => !all.has(id));
    found = [...new Map(further.map((image) => [image.id, image])).values()];
    for (const image of found) all.set(image.id, image);
    if (all.size > maxTogether) return undefined;
  }
  return [...all.values()];
}

const idsOf = (images: readonly ImageState[]) => images.map(({ id }) => id);
