import { refuse } from "../errors.ts";
import type { Digest, Registry, RepositoryName, Tag } from "../names.ts";
import type { Image, Nouns } from "./ports.ts";

/** How a client names an image: by digest, by tag, or by both, which then must belong together. */
export interface ImageReference {
  readonly digest?: Digest;
  readonly tag?: Tag;
}

/** The image that is meant, of whatever status. */
export async function resolveImage(
  { images, tags }: Pick<Nouns, "images" | "tags">,
  repositoryId: number,
  { digest, tag }: ImageReference,
): Promise<Image | undefined> {
  if (tag === undefined) return digest && images.find(repositoryId, digest);
  const record = await tags.find(repositoryId, tag);
  if (!record || (digest !== undefined && record.digest !== digest)) return undefined;
  return images.find(repositoryId, record.digest);
}

export function imageNotFound(registry: Registry, repository: RepositoryName, { digest, tag }: ImageReference) {
  return refuse("ImageNotFound", { repository, registry, digest, tag });
}
