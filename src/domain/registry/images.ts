import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { type Digest, digestAlgorithm, parseDigest, type RepositoryName, type Tag } from "../names.ts";
import type { AwaitedContent } from "./awaited-ports.ts";
import { confirmNotHeld, confirmTagNotHeld } from "./held.ts";
import { factsOfPush, type ImageFacts, tagPushed } from "./image-facts.ts";
import { type ImageReference, imageNotFound, resolveImage } from "./image-references.ts";
import { dropImage, forgetTag, keptUntil, type Removal } from "./image-removal.ts";
import { createManifestCache } from "./manifest-cache.ts";
import { type Manifest, manifestDigest, parseManifest } from "./manifests.ts";
import { followPush, followRestore } from "./on-push.ts";
import type {
  Image,
  ImageState,
  ImageStatusFilter,
  LayerReference,
  Metadata,
  Nouns,
  Page,
  Repository,
  StoredManifest,
  TagMove,
  TagStatus,
} from "./ports.ts";
import type { PullTimes } from "./pull-times.ts";
import { existing } from "./repositories.ts";
import type { RepositoryKeys } from "./repository-keys.ts";
import { activateForPush } from "./storage-class.ts";
import { isImmutable } from "./tag-mutability.ts";

export type { ImageReference };

export interface ImageDetail extends Image {
  readonly tags: readonly Tag[];
}

export interface NewManifest {
  readonly manifest: Uint8Array;
  /** As the client declared it. */
  readonly mediaType?: string;
  /** As the client calculated it. May be of an algorithm that is not known here: then it is not the manifest's. */
  readonly digest?: Digest | string;
  readonly tags: readonly Tag[];
  /** Whether pushing what is there already is an error, as in PutImage; over HTTP it is not. */
  readonly refuseExisting?: boolean;
  /** Whether another registry sent it here: then nothing sends it on. */
  readonly isReplica?: boolean;
  /**
   * Whether what the manifest refers to may come later, when somebody asks for it: for caches. Such an image is not sent
   * on to replicas, which would wait for the rest of it.
   */
  readonly cached?: FromUpstream;
}

/** Where a cache has a manifest from. */
export interface FromUpstream {
  /** Which repository of which registry. */
  readonly upstream: string;
  /** What its tag pointed to when the upstream was asked. One that was moved here meanwhile stays where it is. */
  readonly tagged?: Digest;
}

export interface PutManifest {
  readonly digest: Digest;
  readonly mediaType: string;
  readonly subject?: Digest;
  readonly created: boolean;
}

export interface DeletedImage {
  readonly digest: Digest;
  readonly tag?: Tag;
}

export interface Removing {
  /** What was removed elsewhere is removed here, and nothing follows from it: two registries may name each other. */
  readonly isReplica?: boolean;
}

export interface ListFilter {
  readonly tagStatus: TagStatus;
  /** Left out: active images, as everywhere in ECR. */
  readonly status?: ImageStatusFilter;
}

/** Images and other artifacts: manifests, their tags and what they refer to. */
export interface ImageService {
  /**
   * @throws ManifestInvalid, ManifestTooLarge, ImageDigestMismatch, LayersNotFound, ReferencedImagesNotFound,
   *   ImageTagImmutable, TagHeld, ImageAlreadyExists, LimitExceeded, KeyUnusable
   */
  put(granted: Granted, name: RepositoryName, image: NewManifest): Promise<PutManifest>;
  /** Counts as a pull. Only active images can be pulled. @throws ImageNotFound, KeyUnusable */
  get(granted: Granted, name: RepositoryName, reference: ImageReference): Promise<StoredManifest>;
  /** The same without being a pull. @throws ImageNotFound */
  peek(granted: Granted, name: RepositoryName, reference: ImageReference): Promise<StoredManifest>;
  /** In the order asked, whatever their status. @throws ImageNotFound for the first that is missing */
  describe(granted: Granted, name: RepositoryName, references: readonly ImageReference[]): Promise<ImageDetail[]>;
  list(granted: Granted, name: RepositoryName, page: Page<number> & ListFilter): Promise<ImageDetail[]>;
  listIds(
    granted: Granted,
    name: RepositoryName,
    page: Page<{ imageId: number; tag?: Tag }> & ListFilter,
  ): Promise<{ imageId: number; digest: Digest; tag?: Tag }[]>;
  referrers(
    granted: Granted,
    name: RepositoryName,
    subject: Digest,
    page: Page<number> & { artifactTypes?: readonly string[]; status?: ImageStatusFilter },
  ): Promise<Image[]>;
  /** Of active images. */
  tags(granted: Granted, name: RepositoryName, page: Page<string>): Promise<Tag[]>;
  /** Newest first. */
  tagHistory(granted: Granted, name: RepositoryName, tag: Tag, limit: number): Promise<TagMove[]>;
  /** Removes a tag and leaves the image. @throws ImageNotFound, TagHeld */
  deleteTag(granted: Granted, name: RepositoryName, tag: Tag, how?: Removing): Promise<void>;
  /** Removes the image with its tags. @throws ImageNotFound, ImageReferenced, ImageHeld */
  deleteImage(granted: Granted, name: RepositoryName, digest: Digest, how?: Removing): Promise<DeletedImage[]>;
  /**
   * BatchDeleteImage for one image: a tag takes its image along when it is the last one, a digest all its tags.
   * @throws ImageNotFound, ImageReferenced, ImageHeld, TagHeld
   */
  deleteByApi(granted: Granted, name: RepositoryName, reference: ImageReference): Promise<DeletedImage[]>;
}

/** What is about to be removed. */
interface Doomed {
  readonly repository: Repository;
  readonly image: Image;
}

/** ECR's quota. */
const maxTagsOfImage = 1000;
const namedParents = 10;
/** Some ten thousand manifests of usual size. */
const manifestCacheBytes = 32 * 1024 * 1024;

export interface ImageParts<All extends Nouns> {
  readonly metadata: Metadata<All>;
  readonly keys: Pick<RepositoryKeys, "mayPush" | "mayPull">;
  readonly imageFacts: ImageFacts;
  readonly pullTimes: PullTimes;
  readonly clock: () => Date;
  /**
   * Whether a manifest may name content that is kept elsewhere: by `urls`, or as layers of the types that a push leaves
   * out. Left out: allowed, as in ECR.
   */
  readonly foreignLayers?: ForeignLayers;
  /** For how long deleted images can be brought back. Left out: they are gone at once, as in ECR. */
  readonly undeleteMs?: number;
  /** Told of each push, in its transaction. */
  readonly pushed?: (nouns: All, repository: Repository, image: PushedImage, at: Date) => Promise<void>;
  /** Told of what a cache brings, likewise. */
  readonly cached?: (nouns: All, repository: Repository, image: CachedImage, at: Date) => Promise<void>;
  /** Told of what somebody removes, likewise. */
  readonly removed?: (nouns: All, repository: Repository, removed: RemovedImage, at: Date) => Promise<void>;
}

/** What somebody removed: tags of an image, or the image with all that it had. */
export interface RemovedImage {
  readonly digest: Digest;
  readonly tags: readonly Tag[];
  readonly isWhole: boolean;
}

/** What was pushed, with the tags that it was pushed under. */
export interface PushedImage extends Pick<Image, "id" | "digest" | "subject"> {
  readonly tags: readonly Tag[];
}

/** What came from an upstream, with the tags that it has from there. */
export interface CachedImage extends Pick<FromUpstream, "upstream"> {
  readonly digest: Digest;
  readonly tags: readonly Tag[];
}

export type ForeignLayers = "allow" | "refuse";

export function createImages<All extends Nouns>(parts: ImageParts<All>): ImageService {
  const { metadata, keys, imageFacts, pullTimes, clock, foreignLayers = "allow", undeleteMs = 0 } = parts;
  const manifests = createManifestCache(manifestCacheBytes);

  /** One question to the database, whatever the bytes: what a tag means, and whether there is a repository, may change. */
  async function stored(
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
    isPull: boolean,
  ): Promise<StoredManifest> {
    const { registry } = granted;
    const { digest, tag } = reference;
    const key = tag !== undefined ? { tag } : digest !== undefined ? { digest } : undefined;
    const located = key && (await metadata.read.images.locate(registry, name, key));
    if (!located) throw await notThere(granted, name, reference);
    const { repositoryId, encryption, image } = located;
    if (!image || (digest !== undefined && image.digest !== digest)) throw imageNotFound(registry, name, reference);
    if (granted.asksAboutImages) await confirmFound(granted, repositoryId, image.digest, tag);
    if (isPull) await keys.mayPull({ registry, name, encryption });
    const known = manifests.get(image.imageId);
    if (known) return { ...image, manifest: known };
    const found = await metadata.read.images.manifest(repositoryId, { digest: image.digest });
    // Deleted since, and perhaps pushed anew.
    if (!found) throw imageNotFound(registry, name, reference);
    manifests.set(found.imageId, found.manifest);
    return found;
  }

  /** Keys are asked outside of transactions: of a repository that needs one, there is a look before the one that counts. */
  async function pushing<Result>(
    { registry }: Granted,
    name: RepositoryName,
    work: (nouns: All, repository: Repository) => Promise<Result>,
  ): Promise<Result> {
    for (let asked: number | undefined; ; ) {
      const done = await metadata.transact(async (nouns): Promise<{ result: Result } | { ask: Repository }> => {
        const repository = await existing(nouns.repositories, registry, name);
        const isFree = repository.encryption.type === "AES256" || repository.id === asked;
        return isFree ? { result: await work(nouns, repository) } : { ask: repository };
      });
      if ("result" in done) return done.result;
      await keys.mayPush(done.ask);
      asked = done.ask.id;
    }
  }

  async function confirmFound(granted: Granted, repositoryId: number, digest: Digest, tag?: Tag): Promise<void> {
    const image = await metadata.read.images.find(repositoryId, digest);
    if (image) await imageFacts.confirmFound(granted, image, tag);
  }

  async function notThere({ registry }: Granted, name: RepositoryName, reference: ImageReference) {
    await existing(metadata.read.repositories, registry, name);
    return imageNotFound(registry, name, reference);
  }

  async function withTags(images: Image[]): Promise<ImageDetail[]> {
    const tags = await metadata.read.tags.ofImages(images.map(({ id }) => id));
    return images.map((image) => ({ ...image, tags: tags.get(image.id) ?? [] }));
  }

  async function removeTag(
    nouns: All,
    granted: Granted,
    { repository, image }: Doomed,
    tag: Tag,
    { isReplica = false }: Removing = {},
  ): Promise<void> {
    await imageFacts.confirmRemoval(nouns, granted, image, [tag]);
    await confirmTagNotHeld(nouns, repository, tag, clock());
    await forgetTag(nouns, image, tag, removal(granted));
    if (isReplica) return;
    await parts.removed?.(nouns, repository, { digest: image.digest, tags: [tag], isWhole: false }, clock());
  }

  function removal({ caller }: Granted): Removal {
    const at = clock();
    return { at, by: caller.principal.arn, keptUntil: keptUntil(at, undeleteMs) };
  }

  async function removeImage(
    nouns: All,
    granted: Granted,
    { repository, image }: Doomed,
    { isReplica = false }: Removing = {},
  ): Promise<DeletedImage[]> {
    const tags = (await nouns.tags.ofImages([image.id])).get(image.id) ?? [];
    await imageFacts.confirmRemoval(nouns, granted, image, tags);
    const parents = await nouns.images.parents(image.repositoryId, image.digest, namedParents);
    if (parents.length > 0) throw refuse("ImageReferenced", { parents });
    await confirmNotHeld(nouns, image, tags, clock());
    await dropImage(nouns, image, tags, removal(granted));
    if (!isReplica) await parts.removed?.(nouns, repository, { digest: image.digest, tags, isWhole: true }, clock());
    return tags.length > 0 ? tags.map((tag) => ({ digest: image.digest, tag })) : [{ digest: image.digest }];
  }

  /**
   * The image that a delete means, locked, with its repository's incarnation. Whoever would hold it waits.
   * @throws ImageNotFound
   */
  async function doomed(
    nouns: Nouns,
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
  ): Promise<Doomed> {
    const repository = await existing(nouns.repositories, granted.registry, name);
    if (reference.tag !== undefined) await nouns.tags.lock(repository.id, reference.tag);
    const found = await resolveImage(nouns, repository.id, reference);
    const image = found && (await nouns.images.lock(repository.id, found.digest));
    if (!image) throw imageNotFound(granted.registry, name, reference);
    return { repository, image };
  }

  return {
    async put(granted, name, put) {
      const { manifest, mediaType, digest: given, tags, refuseExisting = false } = put;
      const { isReplica = false, cached } = put;
      const isCached = cached !== undefined;
      const parsed = admitted(parseManifest(manifest, mediaType), foreignLayers);
      const wanted = given === undefined ? undefined : parseDigest(given);
      const digest = manifestDigest(manifest, wanted && digestAlgorithm(wanted));
      if (given !== undefined && given !== digest) {
        throw refuse("ImageDigestMismatch", { repository: name, registry: granted.registry, given });
      }
      const facts = factsOfPush({ digest, artifactType: parsed.artifactType });
      if (granted.asksAboutImages && tags.length === 0) {
        granted.confirm({ ...facts, ...tagPushed(undefined, undefined, digest) });
      }
      const stored = await pushing(granted, name, async (nouns, repository) => {
        const layers = await presentLayers(nouns, repository, parsed, clock(), isCached);
        const children = await presentChildren(nouns, repository, parsed, isCached);
        const largestChild = Math.max(0, ...children.map((child) => child.imageBytes));
        const imageBytes = parsed.contentBytes + largestChild;
        const now = clock();
        const image = await nouns.images.put({
          repositoryId: repository.id,
          digest,
          mediaType: parsed.mediaType,
          artifactType: parsed.artifactType,
          manifestBytes: manifest.length,
          imageBytes,
          subject: parsed.subject,
          annotations: parsed.annotations,
          manifest,
          layers,
          children: isCached ? children.map((child) => child.digest) : parsed.children,
          awaited: isCached ? awaitedOf(parsed, layers, children) : undefined,
          pushedAt: now,
        });
        if (isCached) await nouns.awaited.childCame(repository.id, { digest, imageBytes });
        const wasActive = image.status === "ACTIVE";
        await activateForPush(nouns, inactive(repository, { ...image, digest, ...parsed }, children), now);
        if (image.created) await followPush(nouns, repository, { ...parsed, id: image.id }, { at: now, isReplica });
        else if (!wasActive) await followRestore(nouns, repository, [{ digest }], now);
        if (!image.created && wasActive && refuseExisting && tags.length === 0) {
          throw refuse("ImageAlreadyExists", { repository: name, registry: granted.registry, digest });
        }
        // In one order everywhere, so that two pushes of the same tags never wait for each other.
        const fromUpstream: Tag[] = [];
        for (const tag of [...new Set(tags)].sort()) {
          const found = cached && (await foundTag(nouns, repository, tag));
          if (cached && found !== digest && found !== cached.tagged) continue;
          fromUpstream.push(tag);
          // Another process was faster: an immutable tag would refuse even the same again.
          if (cached && found === digest) continue;
          const by = granted.caller.principal.arn;
          const confirm = (present?: Digest) => {
            if (granted.asksAboutImages) granted.confirm({ ...facts, ...tagPushed(tag, present, digest) });
          };
          const options = { at: now, by, refuseExisting, wasActive, confirm };
          await moveTag(nouns, repository, tag, { id: image.id, digest }, options);
        }
        if (tags.length > 0 && (await nouns.tags.countOfImage(image.id)) > maxTagsOfImage) {
          throw refuse("LimitExceeded", { reason: `An image can have at most ${maxTagsOfImage} tags` });
        }
        if (cached) await parts.cached?.(nouns, repository, { ...cached, digest, tags: fromUpstream }, now);
        if (!isReplica && !isCached)
          await parts.pushed?.(nouns, repository, { ...image, digest, subject: parsed.subject, tags }, now);
        // The same bytes can be pushed as two types; the first one stays.
        const known = image.created ? parsed : await nouns.images.find(repository.id, digest);
        return { created: image.created, mediaType: known?.mediaType ?? parsed.mediaType };
      });
      return { digest, subject: parsed.subject, ...stored };
    },
    async get(granted, name, reference) {
      const found = await stored(granted, name, reference, true);
      await pullTimes.note(granted, found.imageId);
      return found;
    },
    peek: (granted, name, reference) => stored(granted, name, reference, false),
    async describe(granted, name, references) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      const found: Image[] = [];
      for (const reference of references) {
        const image = await resolveImage(metadata.read, repository.id, reference);
        if (!image) throw imageNotFound(granted.registry, name, reference);
        await imageFacts.confirmFound(granted, image, reference.tag);
        found.push(image);
      }
      return withTags([...new Map(found.map((image) => [image.id, image])).values()]);
    },
    async list(granted, name, { tagStatus, status = "ACTIVE", ...page }) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return withTags(await metadata.read.images.list(repository.id, tagStatus, page, status));
    },
    async listIds(granted, name, { tagStatus, status = "ACTIVE", ...page }) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return metadata.read.images.listIds(repository.id, tagStatus, page, status);
    },
    async referrers(granted, name, subject, { artifactTypes, status = "ACTIVE", ...page }) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return metadata.read.images.referrers(repository.id, subject, artifactTypes, page, status);
    },
    async tags(granted, name, page) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return metadata.read.tags.list(repository.id, page);
    },
    async tagHistory(granted, name, tag, limit) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return metadata.read.tags.history(repository.id, tag, limit);
    },
    async deleteTag(granted, name, tag, how) {
      await metadata.transact(async (nouns) => {
        await removeTag(nouns, granted, await doomed(nouns, granted, name, { tag }), tag, how);
      });
    },
    async deleteImage(granted, name, digest, how) {
      return metadata.transact(async (nouns) =>
        removeImage(nouns, granted, await doomed(nouns, granted, name, { digest }), how),
      );
    },
    async deleteByApi(granted, name, reference) {
      return metadata.transact(async (nouns) => {
        const found = await doomed(nouns, granted, name, reference);
        const { image } = found;
        const { tag, digest } = reference;
        if (tag === undefined || digest !== undefined) return removeImage(nouns, granted, found);
        const isLast = (await nouns.tags.countOfImage(image.id)) === 1;
        // A part of an index outlives its last tag: the index still needs it.
        const isChild = (await nouns.images.parents(image.repositoryId, image.digest, 1)).length > 0;
        if (isLast && !isChild) return removeImage(nouns, granted, found);
        await removeTag(nouns, granted, found, tag);
        return [{ digest: image.digest, tag }];
      });
    },
  };
}

/** @throws ManifestInvalid */
function admitted(manifest: Manifest, foreignLayers: ForeignLayers): Manifest {
  const { elsewhere, layers } = manifest;
  if (foreignLayers === "allow") return manifest;
  if (elsewhere !== undefined) {
    const reason = `The image manifest is invalid: '${elsewhere}' has 'urls', and this registry takes no content that is kept elsewhere`;
    throw refuse("ManifestInvalid", { reason });
  }
  return { ...manifest, layers: layers.map((layer) => ({ ...layer, isForeign: false })) };
}

/**
 * The layers that the repository has: these belong to the image from now on, foreign ones too.
 * @throws LayersNotFound naming every layer that should be there and is not
 */
async function presentLayers(
  { layers, blobPlaces }: Nouns,
  repository: Repository,
  manifest: Manifest,
  at: Date,
  mayBeMissing: boolean,
): Promise<LayerReference[]> {
  const found = await layers.findMany(
    repository.id,
    manifest.layers.map(({ digest }) => digest),
  );
  const have = new Set(found.filter(({ quarantined }) => !quarantined).map(({ digest }) => digest));
  const missing = manifest.layers.filter(({ digest, isForeign }) => !isForeign && !have.has(digest));
  if (missing.length > 0 && !mayBeMissing) {
    const { name, registry } = repository;
    throw refuse("LayersNotFound", { repository: name, registry, digests: missing.map(({ digest }) => digest) });
  }
  const away = found.filter(({ isInArchive }) => isInArchive).map(({ digest }) => digest);
  if (away.length > 0) await blobPlaces.want(repository.id, away, at);
  return manifest.layers.filter(({ digest }) => have.has(digest));
}

/** They stay as they are until the transaction ends. @throws ReferencedImagesNotFound */
async function presentChildren(
  { images }: Nouns,
  repository: Repository,
  { children }: Manifest,
  mayBeMissing: boolean,
): Promise<Image[]> {
  const found = await images.keepMany(repository.id, children);
  const missing = without(children, found);
  if (missing.length > 0 && !mayBeMissing) {
    const { name, registry } = repository;
    throw refuse("ReferencedImagesNotFound", { repository: name, registry, digests: missing });
  }
  return found;
}

/** What the manifest refers to and the repository has not. Foreign layers are for clients to fetch. */
function awaitedOf(
  { layers, children, childBytes }: Manifest,
  presentLayers: readonly LayerReference[],
  presentChildren: readonly Image[],
): AwaitedContent[] {
  const have = new Set([...presentLayers, ...presentChildren].map(({ digest }) => digest));
  const listed = children.map((digest, index) => ({ digest, sizeBytes: childBytes[index] ?? 0 }));
  return [...layers.filter(({ isForeign }) => !isForeign), ...listed].filter(({ digest }) => !have.has(digest));
}

/** What a push brings back from the archive: the image, pushed again, and what it lists. */
function inactive(
  { id: repositoryId }: Repository,
  image: Omit<ImageState, "repositoryId">,
  children: readonly Image[],
): readonly ImageState[] {
  const { id, digest, artifactType, subject, status } = image;
  return [{ id, repositoryId, digest, artifactType, subject, status }, ...children].filter(
    (one) => one.status !== "ACTIVE",
  );
}

function without(wanted: readonly Digest[], found: readonly { digest: Digest }[]): Digest[] {
  const have = new Set(found.map(({ digest }) => digest));
  return wanted.filter((digest) => !have.has(digest));
}

/** Where a tag points to, and stays until the transaction ends. */
async function foundTag({ tags }: Nouns, { id: repositoryId }: Repository, tag: Tag): Promise<Digest | undefined> {
  await tags.lock(repositoryId, tag);
  return (await tags.find(repositoryId, tag))?.digest;
}

interface TagMoveOptions {
  readonly at: Date;
  readonly by: string;
  readonly refuseExisting: boolean;
  /** Whether the image could be pulled before this push. */
  readonly wasActive: boolean;
  /** Decides with the image that has the tag until now. @throws AccessDenied */
  confirm(present?: Digest): void;
}

/** @throws ImageTagImmutable, TagHeld, ImageAlreadyExists, AccessDenied */
async function moveTag(
  nouns: Nouns,
  repository: Repository,
  tag: Tag,
  image: Pick<Image, "id" | "digest">,
  { at, by, refuseExisting, wasActive, confirm }: TagMoveOptions,
): Promise<void> {
  const { tags } = nouns;
  const { id: repositoryId, name, registry } = repository;
  await tags.lock(repositoryId, tag);
  const present = await tags.find(repositoryId, tag);
  confirm(present?.digest);
  // Pushed again to bring it back, under the name that it still has.
  if (present?.digest === image.digest && !wasActive) return;
  // As ECR has it, even the same image under an immutable tag is a refusal.
  if (present && isImmutable(tag, repository)) throw refuse("ImageTagImmutable", { repository: name, tag });
  if (present?.digest === image.digest) {
    if (refuseExisting) throw refuse("ImageAlreadyExists", { repository: name, registry, digest: image.digest, tag });
    return;
  }
  if (present) await confirmTagNotHeld(nouns, repository, tag, at);
  await tags.set(repositoryId, tag, image, at);
  await tags.record({ repositoryId, tag, from: present?.digest, to: image.digest, at, by });
}
