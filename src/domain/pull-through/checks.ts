import type { CachedImage } from "../registry/images.ts";
import type { Nouns, Repository } from "../registry/ports.ts";
import type { CacheNouns } from "./cache-ports.ts";

/** In the transaction that moves the tags: one that moves alone would count as moved by somebody here, for good. */
export async function noteTags(
  { upstreamChecks }: Nouns & CacheNouns,
  { id }: Repository,
  { upstream, digest, tags }: CachedImage,
  at: Date,
): Promise<void> {
  for (const tag of tags) await upstreamChecks.put(id, `tag:${tag}`, { upstream, digest, at });
}
