import type { Digest, Tag } from "../../domain/names.ts";
import { manifestDigest } from "../../domain/registry/manifests.ts";
import type { RemoteDescriptor } from "../../domain/registry/remote-registry.ts";
import { type Arrival, createBlobCopier } from "./blobs.ts";
import { forEachOf } from "./for-each.ts";
import { type Destination, type ImageName, type Source, showIn } from "./places.ts";
import { chosenOf, type Platform, showPlatform, thisPlatform, withOnly } from "./platforms.ts";
import { CopyFailed } from "./problems.ts";
import { type ReadManifest, readManifest } from "./read-manifest.ts";
import { withRetries } from "./retries.ts";

export interface CopyOptions {
  /** None for whatever is there. */
  readonly platforms: readonly Platform[];
  readonly referrers: boolean;
  readonly parallel: number;
  /** Source and destination are one registry, which need not be sent what it has in another repository. */
  readonly oneRegistry: boolean;
  readonly signal: AbortSignal;
  /** Told of bytes that are known to be wanted, and of those that need no more sending. */
  readonly progress: { total(bytes: number): void; done(bytes: number): void };
  readonly note: (text: string) => void;
}

/** What became of one image. Bytes are those of layers and configurations. */
export interface Copied {
  readonly digest: Digest;
  readonly tally: Tally;
  /** It was there, whole and under its name. */
  readonly wasThere: boolean;
  readonly referrers: number;
}

export interface Tally {
  sentBlobs: number;
  sentBytes: number;
  mountedBlobs: number;
  thereBlobs: number;
  thereBytes: number;
  manifests: number;
}

const maxDepth = 4;
const maxManifests = 10_000;
/** Signatures of signatures, and no further. */
const maxReferrerDepth = 3;
const maxReferrers = 1_000;

/** What a copy of one image carries along. */
interface Journey {
  readonly from: string;
  readonly to: string;
  readonly tally: Tally;
  manifests: number;
  referrers: number;
}

/** Copies images: blobs first, then manifests from the leaves on, and the tag at the very end. */
export function createCopier(source: Source, destination: Destination, options: CopyOptions) {
  const { signal, progress, note } = options;
  const again = (why: string, waitMs: number) => note(`again in ${(waitMs / 1000).toFixed(1)} s: ${why}`);
  const retrying = <Result>(run: () => Promise<Result>) => withRetries(run, { signal, again });
  const blobs = createBlobCopier({
    source,
    destination,
    parallel: options.parallel,
    oneRegistry: options.oneRegistry,
    signal,
    again,
    sent: (bytes) => progress.done(bytes),
  });

  async function readAt(image: ImageName, sizeBytes?: number): Promise<ReadManifest> {
    const expected = "digest" in image.reference ? image.reference.digest : undefined;
    return retrying(async () => {
      const found = await source.manifest(image, { signal });
      if (!found) throw new CopyFailed(`there is no ${showIn(source, image)}`, "missing");
      return readManifest(found, expected, sizeBytes);
    });
  }

  async function copyImage(from: ImageName, to: ImageName): Promise<Copied> {
    const found = await readAt(from);
    const root = await chosenFrom(found, from.repository);
    const tally = { sentBlobs: 0, sentBytes: 0, mountedBlobs: 0, thereBlobs: 0, thereBytes: 0, manifests: 0 };
    const journey: Journey = { from: from.repository, to: to.repository, tally, manifests: 0, referrers: 0 };
    // A digest that was asked for is gone where one platform of it was chosen.
    const target: ImageName = "tag" in to.reference ? to : { ...to, reference: { digest: root.digest } };
    await retrying(() => destination.prepare(to.repository, { signal }));
    const there = await statAt(target);
    if (!root.isIndex && destination.checksManifests && (there === root.digest || (await isThere(root, journey)))) {
      countAsThere(root, journey);
    } else await copyParts(root, journey, 0);
    if (options.referrers && destination.referrers) await copyReferrersOf(root, journey, target);
    if (there !== root.digest) await put(target, root, journey, true);
    const wasThere = there === root.digest && tally.sentBlobs + tally.mountedBlobs + tally.manifests === 0;
    return { digest: root.digest, tally, wasThere, referrers: journey.referrers };
  }

  /** One platform is that image by itself; some of them are another index, with another digest. */
  async function chosenFrom(found: ReadManifest, repository: string): Promise<ReadManifest> {
    let { platforms } = options;
    if (!found.isIndex) return found;
    if (platforms.length === 0 && destination.onePlatform) {
      platforms = [thisPlatform];
      note(
        `${found.digest} is for several platforms: only ${showPlatform(thisPlatform)} has a place in ${destination.name}`,
      );
    }
    if (platforms.length === 0) return found;
    const chosen = chosenOf(found.bytes, platforms);
    const [first] = chosen;
    if (first && (chosen.length === 1 || destination.onePlatform)) {
      const { digest, size } = first as { digest: Digest; size: number };
      return readAt({ repository, reference: { digest } }, size);
    }
    const bytes = withOnly(found.bytes, chosen);
    return readManifest({ mediaType: found.mediaType, bytes }, manifestDigest(bytes));
  }

  /** Everything that a manifest refers to. */
  async function copyParts(manifest: ReadManifest, journey: Journey, depth: number): Promise<void> {
    if (depth > maxDepth) throw new CopyFailed(`an index in an index, more than ${maxDepth} deep`);
    if (++journey.manifests > maxManifests) throw new CopyFailed(`more than ${maxManifests} manifests`);
    await forEachOf(manifest.children, options.parallel, async ({ digest, sizeBytes }) => {
      const child = await readAt({ repository: journey.from, reference: { digest } }, sizeBytes);
      await copyWhole(child, journey, depth + 1);
    });
    await copyBlobs(manifest, journey);
  }

  async function copyBlobs(manifest: ReadManifest, journey: Journey): Promise<void> {
    const { tally } = journey;
    progress.total(bytesOf(manifest));
    await forEachOf(manifest.blobs, options.parallel, async (blob) => {
      const how: Arrival | undefined = await blobs.copy(journey.from, journey.to, blob);
      if (how === "sent") {
        tally.sentBlobs++;
        tally.sentBytes += blob.sizeBytes;
        return;
      }
      progress.done(blob.sizeBytes);
      if (how === "mounted") tally.mountedBlobs++;
      else if (how === "there") {
        tally.thereBlobs++;
        tally.thereBytes += blob.sizeBytes;
      } else note(`left out: ${blob.digest}, a layer that is not distributed and that ${source.name} does not have`);
    });
  }

  function countAsThere(manifest: ReadManifest, { tally }: Journey): void {
    tally.thereBlobs += manifest.blobs.length;
    tally.thereBytes += bytesOf(manifest);
  }

  async function put(image: ImageName, manifest: ReadManifest, { tally }: Journey, isRoot: boolean): Promise<void> {
    await retrying(() => destination.putManifest(image, manifest, { signal, isRoot }));
    tally.manifests++;
  }

  /** Signatures are there before the tag: whoever checks them finds them as soon as there is something to check. */
  async function copyReferrersOf(root: ReadManifest, journey: Journey, target: ImageName): Promise<void> {
    const tags = await copyReferrers(root.digest, journey, 0, async () => {
      if ("digest" in target.reference || (await isThere(root, journey))) return;
      await put({ repository: journey.to, reference: { digest: root.digest } }, root, journey, false);
    });
    for (const tag of tags) await copySignatureTag(tag, journey);
    for (const { digest } of root.children) await copyReferrers(digest, journey, 0);
  }

  /**
   * @param first done before the first is put
   * @returns the tags that stand for referrers
   */
  async function copyReferrers(
    subject: Digest,
    journey: Journey,
    depth: number,
    first?: () => Promise<void>,
  ): Promise<readonly Tag[]> {
    if (depth === maxReferrerDepth) return [];
    const found = await retrying(() => source.referrers(journey.from, subject, { signal }));
    const copied: RemoteDescriptor[] = [];
    for (const descriptor of found.manifests) {
      if (++journey.referrers > maxReferrers) throw new CopyFailed(`more than ${maxReferrers} manifests refer to it`);
      const read = await readAt({ repository: journey.from, reference: { digest: descriptor.digest } });
      // What a registry lists may be anything: only what says so itself refers to it.
      if (read.subject !== subject) continue;
      if (copied.length === 0) await first?.();
      await copyWhole(read, journey);
      const { digest, mediaType, artifactType } = read;
      copied.push({ ...descriptor, digest, mediaType, artifactType, sizeBytes: read.bytes.length });
      await copyReferrers(digest, journey, depth + 1);
    }
    if (copied.length > 0) await retrying(() => destination.linkReferrers(journey.to, subject, copied, { signal }));
    return found.tags;
  }

  /** Tags such as `sha256-….sig`, which cosign makes. */
  async function copySignatureTag(tag: Tag, journey: Journey): Promise<void> {
    const read = await readAt({ repository: journey.from, reference: { tag } });
    const to: ImageName = { repository: journey.to, reference: { tag } };
    journey.referrers++;
    if ((await statAt(to)) === read.digest && destination.checksManifests) return countAsThere(read, journey);
    await copyParts(read, journey, 1);
    await put(to, read, journey, true);
  }

  const statAt = (image: ImageName) => retrying(() => destination.statManifest(image, { signal }));

  async function isThere({ digest }: ReadManifest, { to }: Journey): Promise<boolean> {
    return (await statAt({ repository: to, reference: { digest } })) === digest;
  }

  /** With everything it refers to, by its digest. */
  async function copyWhole(manifest: ReadManifest, journey: Journey, depth = 1): Promise<void> {
    const known = await isThere(manifest, journey);
    if (known && !manifest.isIndex && destination.checksManifests) return countAsThere(manifest, journey);
    await copyParts(manifest, journey, depth);
    const { digest } = manifest;
    if (!known) await put({ repository: journey.to, reference: { digest } }, manifest, journey, false);
  }

  return { copyImage };
}

function bytesOf(manifest: ReadManifest): number {
  return manifest.blobs.reduce((sum, { sizeBytes }) => sum + sizeBytes, 0);
}
