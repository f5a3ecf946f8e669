import type { Facts, Granted } from "../access.ts";
import { type Digest, digestAlgorithm, parseDigest, type Tag } from "../names.ts";
import { manifestDigest, parseManifest } from "./manifests.ts";
import type { Image, Nouns } from "./ports.ts";

/** Condition keys of ours, by which policies ask about images. docs/extensions.md explains them. */
export const imageKeys = {
  /** The tag that is asked for; of an image that is asked for by digest, all its tags, and those of indexes that list it. */
  tag: "berth:imagetag",
  digest: "berth:imagedigest",
  artifactType: "berth:artifacttype",
  /** Whether a push takes a tag away from another image. */
  overwritesTag: "berth:overwritestag",
  signedBy: "berth:signedby",
  worstFindingSeverity: "berth:worstfindingseverity",
} as const;

/** What other parts of the registry find out about images: `berth:signedby` and `berth:worstfindingseverity`. */
export type AttestationsOf = (image: Pick<Image, "repositoryId" | "digest">) => Promise<Facts>;

/** More indexes than list one image anywhere. */
const maxParents = 100;

type KnownImage = Pick<Image, "id" | "repositoryId" | "digest" | "artifactType">;

export interface ImageFacts {
  /** What is known beforehand of an image that a request names. `pushed` is what the manifest of a push says. */
  before(
    repositoryId: number,
    reference: { readonly digest?: Digest; readonly tag?: Tag },
    pushed?: Facts,
  ): Promise<Facts>;
  /** Decides again with what the image is that was found: a tag may have moved since. @throws AccessDenied */
  confirmFound(granted: Granted, image: KnownImage, tag?: Tag): Promise<void>;
  /**
   * The one point that each removal of a tag or of an image passes, inside its transaction, and each move of an image
   * into the archive or out of it. Whoever removes an image must be allowed to remove each of its `tags`. @throws AccessDenied
   */
  confirmRemoval(nouns: Nouns, granted: Granted, image: KnownImage, tags: readonly Tag[]): Promise<void>;
}

/** @param attestationsOf left out: nothing is known but what is in the manifest */
export function createImageFacts(read: Nouns, attestationsOf: AttestationsOf = async () => ({})): ImageFacts {
  async function factsOf(nouns: Nouns, image: KnownImage, tags?: readonly Tag[]): Promise<Facts> {
    const meant = tags ?? (await tagsOver(nouns, image));
    return {
      ...(await attestationsOf(image)),
      [imageKeys.tag]: meant.length > 0 ? meant : undefined,
      [imageKeys.digest]: image.digest,
      [imageKeys.artifactType]: image.artifactType,
    };
  }

  return {
    async before(repositoryId, { digest, tag }, pushed) {
      const present = tag === undefined ? undefined : (await read.tags.find(repositoryId, tag))?.digest;
      if (pushed) return { ...pushed, ...tagPushed(tag, present, pushed[imageKeys.digest]) };
      const meant = tag === undefined ? digest : present;
      const image = meant && (await read.images.find(repositoryId, meant));
      if (!image) return { [imageKeys.tag]: tag, [imageKeys.digest]: digest };
      return factsOf(read, image, tag === undefined ? undefined : [tag]);
    },
    async confirmFound(granted, image, tag) {
      if (!granted.asksAboutImages) return;
      granted.confirm(await factsOf(read, image, tag === undefined ? undefined : [tag]));
    },
    async confirmRemoval(nouns, granted, image, tags) {
      if (!granted.asksAboutImages) return;
      const facts = await factsOf(nouns, image, []);
      if (tags.length === 0) granted.confirm(facts);
      for (const tag of tags) granted.confirm({ ...facts, [imageKeys.tag]: tag });
    },
  };
}

/** Who pulls an index by its tag goes on with its parts by their digests: what is decided of the tag is decided of them. */
async function tagsOver({ images, tags }: Nouns, { id, repositoryId, digest }: KnownImage): Promise<Tag[]> {
  const parents = await images.parents(repositoryId, digest, maxParents);
  const indexes = parents.length > 0 ? await images.findMany(repositoryId, parents) : [];
  const found = await tags.ofImages([id, ...indexes.map((index) => index.id)]);
  return [...new Set([...found.values()].flat())];
}

/** Of a manifest that is being pushed. @throws ManifestInvalid, ManifestTooLarge */
export function pushedFacts(manifest: Uint8Array, mediaType?: string, given?: string): Facts {
  const wanted = given === undefined ? undefined : parseDigest(given);
  return factsOfPush({
    digest: manifestDigest(manifest, wanted && digestAlgorithm(wanted)),
    artifactType: parseManifest(manifest, mediaType).artifactType,
  });
}

export function factsOfPush({ digest, artifactType }: Pick<Image, "digest" | "artifactType">): Facts {
  return { [imageKeys.digest]: digest, [imageKeys.artifactType]: artifactType };
}

/** Of the tag that a push sets, if any. `present` is the image that has it until now. */
export function tagPushed(tag: Tag | undefined, present: Digest | undefined, pushed: unknown): Facts {
  const overwrites = present !== undefined && present !== pushed;
  return { [imageKeys.tag]: tag, [imageKeys.overwritesTag]: String(overwrites) };
}
