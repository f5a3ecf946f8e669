import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { JobNouns } from "../jobs/ports.ts";
import type { Digest, RepositoryName, Tag } from "../names.ts";
import { factsOfPush, tagPushed } from "./image-facts.ts";
import { repositoryOfJob, scheduleEvaluations } from "./lifecycle-jobs.ts";
import type { Image, Metadata, Nouns, Page, Repository } from "./ports.ts";
import { existing, kept } from "./repositories.ts";
import type { RepositoryKeys } from "./repository-keys.ts";
import type { RegistryResources } from "./resource-policies.ts";
import type { DeletedImage, DeletedRepository } from "./retention-ports.ts";
import { activateForPush } from "./storage-class.ts";

/** Brings back what was deleted, within its time. Each method acts in the registry that the grant is for. */
export interface UndeleteService {
  /** By the order in which they were deleted. */
  images(granted: Granted, name: RepositoryName, page: Page<number>): Promise<DeletedImage[]>;
  /** Of every name, also of those that another repository has by now. */
  repositories(granted: Granted, page: Page<number>): Promise<DeletedRepository[]>;
  /**
   * Brings an image back as it was: with what it lists, and with those of its referrers that were deleted with it or after
   * it. Tags come back that no other image has by now.
   * @throws NotDeleted, ReferencedImagesNotFound where something that it lists is gone for good, LimitExceeded, AccessDenied
   */
  undeleteImage(
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    options: { readonly withTags: boolean },
  ): Promise<ReturnedImage[]>;
  /**
   * Brings the repository back that had this name last, with all it had.
   * @throws NotDeleted, RepositoryAlreadyExists where the name has been taken, KeyUnusable
   */
  undeleteRepository(granted: Granted, name: RepositoryName): Promise<Repository>;
}

export interface ReturnedImage {
  readonly digest: Digest;
  readonly tags: readonly Tag[];
  /** Tags that another image has by now. */
  readonly taken: readonly Tag[];
}

export interface UndeleteParts<All extends Nouns & JobNouns> {
  readonly metadata: Metadata<All>;
  readonly keys: Pick<RepositoryKeys<All>, "choose">;
  /** Told of what changes decisions. */
  readonly resources: Pick<RegistryResources, "forget">;
  readonly clock: () => Date;
  /** From one evaluation of a repository's lifecycle policy to the next. */
  readonly everyMs: number;
}

/** What comes back with one image, itself included: all of it in one transaction. */
const maxTogether = 10_000;
/** ECR's quota. */
const maxTagsOfImage = 1000;

export function createUndelete<All extends Nouns & JobNouns>(parts: UndeleteParts<All>): UndeleteService {
  const { metadata, keys, resources, clock, everyMs } = parts;

  return {
    async images({ registry }, name, page) {
      const { id } = await existing(metadata.read.repositories, registry, name);
      return metadata.read.deletedImages.list(id, page, clock());
    },
    repositories: ({ registry }, page) => metadata.read.deletedRepositories.list(registry, page, clock()),

    async undeleteImage(granted, name, digest, { withTags }) {
      const { registry } = granted;
      return metadata.transact(async (nouns) => {
        const repository = await kept(nouns.repositories, registry, name);
        const at = clock();
        const image = await nouns.deletedImages.lock(repository.id, digest, at);
        if (!image) throw refuse("NotDeleted", { repository: name, registry, digest });
        const together = await withAll(nouns, repository, image, at);
        const returned: ReturnedImage[] = [];
        for (const one of together) returned.push(await bringBack(nouns, granted, repository, one, { withTags, at }));
        return returned;
      });
    },

    async undeleteRepository(granted, name) {
      const { registry } = granted;
      const found = () => metadata.transact((nouns) => nouns.deletedRepositories.lock(registry, name, clock()));
      const deleted = await found();
      if (!deleted) throw refuse("NotDeleted", { repository: name, registry });
      const { encryption } = deleted;
      // What let the registry use the key ended with the repository.
      const key = encryption.type === "AES256" ? undefined : await keys.choose(granted, name, encryption);
      const repository = await metadata.transact(async (nouns) => {
        const still = await nouns.deletedRepositories.lock(registry, name, clock());
        if (still?.id !== deleted.id) throw refuse("NotDeleted", { repository: name, registry });
        if (await nouns.repositories.find(registry, name)) {
          throw refuse("RepositoryAlreadyExists", { repository: name, registry });
        }
        await nouns.deletedRepositories.restore({ ...deleted, encryption: key?.encryption ?? encryption });
        await key?.keep(nouns);
        const restored = await existing(nouns.repositories, registry, name);
        if (await nouns.lifecyclePolicies.find(restored.id)) {
          await scheduleEvaluations(nouns, repositoryOfJob(restored), { everyMs, now: clock() });
        }
        return restored;
      });
      key?.kept();
      resources.forget(registry, name);
      return repository;
    },
  };
}

/**
 * What comes back, in the order in which it has to: what an index lists before the index.
 * @throws ReferencedImagesNotFound, LimitExceeded
 */
async function withAll(nouns: Nouns, repository: Repository, first: DeletedImage, at: Date): Promise<DeletedImage[]> {
  const { id, name, registry } = repository;
  const seen = new Set<Digest>();
  const ordered: DeletedImage[] = [];

  async function add(image: DeletedImage): Promise<void> {
    if (seen.has(image.digest)) return;
    seen.add(image.digest);
    if (seen.size > maxTogether) {
      throw refuse("LimitExceeded", { reason: `More than ${maxTogether} images would come back together` });
    }
    const present = await nouns.images.keepMany(id, image.children);
    const there = new Set(present.map(({ digest }) => digest));
    const missing: Digest[] = [];
    for (const child of image.children.filter((digest) => !there.has(digest))) {
      const deleted = await nouns.deletedImages.lock(id, child, at);
      if (deleted) await add(deleted);
      else missing.push(child);
    }
    if (missing.length > 0) {
      throw refuse("ReferencedImagesNotFound", { repository: name, registry, digests: missing });
    }
    ordered.push(image);
  }

  await add(first);
  for (let from = 0; from < ordered.length; ) {
    const subjects = ordered.slice(from);
    from = ordered.length;
    const deletedAt = new Map(subjects.map(({ digest, deletion }) => [digest, deletion.at]));
    const referrers = await nouns.deletedImages.referrersOf(id, [...deletedAt.keys()], maxTogether + 1, at);
    for (const referrer of referrers) {
      // One that was deleted before its subject, somebody wanted to be rid of.
      const since = referrer.subject && deletedAt.get(referrer.subject);
      if (since === undefined || referrer.deletion.at < since) continue;
      const locked = await nouns.deletedImages.lock(id, referrer.digest, at);
      if (locked) await add(locked);
    }
  }
  return ordered;
}

interface Return {
  readonly withTags: boolean;
  readonly at: Date;
}

/** @throws AccessDenied for a tag that whoever asks may not set */
async function bringBack(
  nouns: Nouns,
  granted: Granted,
  repository: Repository,
  image: DeletedImage,
  { withTags, at }: Return,
): Promise<ReturnedImage> {
  const { id: repositoryId } = repository;
  const { digest, children } = image;
  const { manifest, layers } = await nouns.deletedImages.content(image.id);
  await nouns.deletedImages.remove(image, at);
  const put = await nouns.images.put({ ...image, repositoryId, manifest, layers, children });
  // Else it was pushed again meanwhile, and is as it is now.
  if (put.created) {
    await nouns.deletedImages.setTimes(put.id, image);
    if (image.scan) await nouns.imageScans.put(put.id, image.scan);
    if (image.signings.length > 0) await nouns.imageSignings.put(put.id, image.signings);
  }
  if (put.created && image.status === "ACTIVE") {
    const listed = (await nouns.images.findMany(repositoryId, children)).filter(({ status }) => status !== "ACTIVE");
    await activateForPush(nouns, listed, at);
  }
  const set: Tag[] = [];
  const taken: Tag[] = [];
  for (const tag of withTags ? [...image.tags].sort() : []) {
    const isSet = await setFreeTag(nouns, granted, { image, id: put.id, tag, at });
    (isSet ? set : taken).push(tag);
  }
  if (put.created && image.status !== "ACTIVE") {
    await nouns.images.setStatus([put.id], "ARCHIVED", image.lastArchivedAt ?? at);
  }
  return { digest, tags: set, taken };
}

interface FreeTag {
  readonly image: DeletedImage;
  readonly id: Image["id"];
  readonly tag: Tag;
  readonly at: Date;
}

async function setFreeTag({ tags }: Nouns, granted: Granted, { image, id, tag, at }: FreeTag): Promise<boolean> {
  const { repositoryId, digest } = image;
  await tags.lock(repositoryId, tag);
  const present = await tags.find(repositoryId, tag);
  if (present) return present.digest === digest;
  if ((await tags.countOfImage(id)) >= maxTagsOfImage) return false;
  if (granted.asksAboutImages) granted.confirm({ ...factsOfPush(image), ...tagPushed(tag, undefined, digest) });
  await tags.set(repositoryId, tag, { id, digest }, at);
  await tags.record({ repositoryId, tag, to: digest, at, by: granted.caller.principal.arn });
  return true;
}
