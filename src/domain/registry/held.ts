import { refuse } from "../errors.ts";
import type { Tag } from "../names.ts";
import type { Image, Nouns, Repository } from "./ports.ts";

/** What holds and protection keep from happening. */

/**
 * To be asked in the transaction that takes an image away, once the image is locked.
 * @param tags all that it has
 * @throws ImageHeld
 */
export async function confirmNotHeld(
  { holds }: Pick<Nouns, "holds">,
  { repositoryId, digest }: Pick<Image, "repositoryId" | "digest">,
  tags: readonly Tag[],
  at: Date,
): Promise<void> {
  const [hold] = await holds.on(repositoryId, [digest, ...tags], at);
  if (hold) throw refuse("ImageHeld", hold);
}

/**
 * To be asked in the transaction that takes a tag away from its image, once the tag is locked.
 * @throws TagHeld
 */
export async function confirmTagNotHeld(
  { holds }: Pick<Nouns, "holds">,
  { id, name }: Pick<Repository, "id" | "name">,
  tag: Tag,
  at: Date,
): Promise<void> {
  const [hold] = await holds.on(id, [tag], at);
  if (hold) throw refuse("TagHeld", { repository: name, ...hold });
}

/**
 * To be asked in the transaction that deletes a repository with all it has, once the repository is locked.
 * @throws RepositoryProtected, RepositoryHeld
 */
export async function confirmMayGo(
  { holds, retentions }: Pick<Nouns, "holds" | "retentions">,
  { id, name, registry }: Repository,
  at: Date,
): Promise<void> {
  const { isProtected } = await retentions.find(id);
  if (isProtected) throw refuse("RepositoryProtected", { repository: name, registry });
  const [hold] = await holds.list(id, { limit: 1 }, at);
  if (hold) throw refuse("RepositoryHeld", { repository: name, registry, ...hold });
}
