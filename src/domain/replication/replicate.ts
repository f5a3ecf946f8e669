import type { Digest, Tag } from "../names.ts";
import { eachOf } from "../registry/each.ts";
import { parseManifest } from "../registry/manifests.ts";
import type { Nouns, StoredManifest } from "../registry/ports.ts";
import { type FailureCode, failureCodeOf, PartsFailed, ReplicationFailed } from "./failures.ts";
import type { ReplicaTarget, Source } from "./target.ts";

/** More indexes inside of indexes than anybody has. */
const maxDepth = 8;

/**
 * Brings an image to where it is to be: first what an index lists, then blobs, then the image. Whatever was published has
 * all that it refers to, so it may be stopped anywhere and begun anew. Answers `undefined` for an image that is gone.
 */
export async function bringImage(
  read: Nouns,
  source: Source,
  target: ReplicaTarget,
  digest: Digest,
  { tag, signal }: { readonly tag?: Tag; readonly signal: AbortSignal },
  depth = 0,
): Promise<StoredManifest | undefined> {
  signal.throwIfAborted();
  if (depth > maxDepth) throw new ReplicationFailed("Refused", `${digest} is an index in an index, and so on`);
  const image = await read.images.manifest(source.id, { digest });
  if (!image) return undefined;
  if (await target.has(image)) return image;
  await target.open(image, tag);
  const { layers, children } = parseManifest(image.manifest, image.mediaType);
  await bringParts(digest, children, async (child) => {
    const there = await bringImage(read, source, target, child, { tag, signal }, depth + 1);
    if (!there) throw new ReplicationFailed("ImageInaccessible", `${child}, which ${digest} lists, is gone`);
  });
  const digests = layers.map((layer) => layer.digest);
  const blobs = await read.layers.findMany(source.id, digests);
  const damaged = blobs.find(({ quarantined }) => quarantined);
  if (damaged) throw new ReplicationFailed("ImageInaccessible", `${damaged.digest} is damaged and in quarantine`);
  // A cache has an image before it has its layers, and may never be asked for them.
  const there = new Set(blobs.map((blob) => blob.digest));
  const missing = layers.find((layer) => !layer.isForeign && !there.has(layer.digest));
  if (missing) throw new ReplicationFailed("ImageInaccessible", `${missing.digest} has not been fetched yet`);
  await eachOf(blobs, (blob) => target.bring(blob));
  await target.put(image);
  return image;
}

/** All are tried, so that it is known why any of them does not arrive. */
async function bringParts(index: Digest, parts: readonly Digest[], bring: (part: Digest) => Promise<void>) {
  const codes = new Set<FailureCode>();
  let cause: unknown;
  for (const part of parts) {
    try {
      await bring(part);
    } catch (error) {
      const code = failureCodeOf(error);
      if (code === undefined) throw error;
      codes.add(code);
      cause ??= error;
    }
  }
  const [first, ...others] = [...codes].sort();
  if (first) throw new PartsFailed([first, ...others], `what ${index} lists does not arrive`, { cause });
}

/**
 * Points a tag of the destination to what it means at the source. A late one never wins over a newer one: after each change
 * it is asked what the tag means by now, and whoever moved it meanwhile has asked for another replica.
 * @returns whether the destination took it
 */
export async function bringTag(
  read: Nouns,
  source: Source,
  target: ReplicaTarget,
  image: StoredManifest,
  tag: Tag,
  signal: AbortSignal,
): Promise<boolean> {
  let meant = (await read.tags.find(source.id, tag))?.digest;
  // Moved or removed since: that is another job's affair.
  if (meant !== image.digest) return true;
  for (let current = image; ; ) {
    const taken = await target.tag(current, tag);
    const now = (await read.tags.find(source.id, tag))?.digest;
    if (!taken || now === undefined || now === meant) return taken;
    const next = await bringImage(read, source, target, now, { tag, signal });
    if (!next) return taken;
    [current, meant] = [next, now];
  }
}
