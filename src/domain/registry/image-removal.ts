import type { Tag } from "../names.ts";
import type { Image, Nouns } from "./ports.ts";

/** When, and by whom as the tags' history tells it. */
export interface Removal {
  readonly at: Date;
  readonly by: string;
}

type Removed = Pick<Image, "id" | "repositoryId" | "digest">;

/** Takes a tag away from its image, in a transaction of the caller's. Asks nobody for permission. */
export async function forgetTag(
  { tags }: Pick<Nouns, "tags">,
  { repositoryId, digest: from }: Removed,
  tag: Tag,
  { at, by }: Removal,
): Promise<void> {
  await tags.delete(repositoryId, tag);
  await tags.record({ repositoryId, tag, from, at, by });
}

/**
 * Removes an image with its `tags`, which are all that it has, likewise. Fails, and rolls back, when an index lists it:
 * ask for its parents before.
 */
export async function dropImage(nouns: Nouns, image: Removed, tags: readonly Tag[], removal: Removal): Promise<void> {
  for (const tag of tags) await forgetTag(nouns, image, tag, removal);
  await nouns.images.delete(image, removal.at);
}
