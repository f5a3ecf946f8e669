import type { Tag } from "../names.ts";
import type { Image, Nouns } from "./ports.ts";

/** When, and by whom as the tags' history tells it. */
export interface Removal {
  readonly at: Date;
  readonly by: string;
  /** Until when an image can be brought back. Absent: it is gone at once. */
  readonly keptUntil?: Date;
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
  const { at, by, keptUntil } = removal;
  // What a cache has not fetched wholly could not be brought back wholly: the upstream has it.
  const isKept = keptUntil !== undefined && !(await nouns.awaited.isIncomplete(image.id));
  if (isKept) await nouns.deletedImages.keep(image, tags, { at, by, until: keptUntil });
  for (const tag of tags) await forgetTag(nouns, image, tag, removal);
  await nouns.images.delete(image, at);
}

/** For how long what is deleted at a time can be brought back, by the setting of the window. */
export function keptUntil(at: Date, undeleteMs: number): Date | undefined {
  return undeleteMs > 0 ? new Date(at.getTime() + undeleteMs) : undefined;
}
