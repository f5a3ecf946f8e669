import type { Granted } from "../access.ts";
import { Refusal } from "../errors.ts";
import type { Digest, Registry, RepositoryName } from "../names.ts";
import type { ImageReference } from "../registry/image-references.ts";
import type { ByteRange, LayerLink, StoredManifest } from "../registry/ports.ts";
import { type CachedLayersParts, createCachedLayers, type LayerFacts, type ReadLayer } from "./cached-layers.ts";
import { type CacheParts, createCachedManifests, type ReadManifest } from "./cached-manifests.ts";
import { createCachedReferrers } from "./cached-referrers.ts";
import { uncounted } from "./counts.ts";
import { createStanding } from "./standing.ts";

/**
 * Pull-through caches (ECR user guide, "Sync an upstream registry with an Amazon ECR private registry"). Surfaces pull
 * through it whatever they pull: it does what they would have done where no rule says otherwise, and that costs one look
 * into memory. Whoever asks has shown already that they may pull; that they may bring something, is asked here.
 */
export interface PullThroughCache {
  /** @throws as `read`, and UpstreamAccessDenied, UpstreamTooManyRequests, UpstreamUnavailable, UnableToGetUpstreamImage */
  manifest(
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
    read: ReadManifest,
  ): Promise<StoredManifest>;
  /** @throws as `read`, and as `manifest` but for the last */
  layer(
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    rangeOf: (sizeBytes: number) => ByteRange | undefined,
    read: () => Promise<ReadLayer>,
  ): Promise<ReadLayer>;
  /** A layer that has not come has the size that its image says. @throws as `read` */
  statLayer(
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    read: () => Promise<LayerLink>,
  ): Promise<LayerFacts>;
  /** Whether it can be downloaded, and if it has not come, that it begins to. @throws as `read`, UnableToGetUpstreamLayer */
  downloadable(granted: Granted, name: RepositoryName, digest: Digest, read: () => Promise<LayerLink>): Promise<void>;
  /** Those of `digests` that images await. */
  awaited(granted: Granted, name: RepositoryName, digests: readonly Digest[]): Promise<readonly LayerFacts[]>;
  /** Before referrers are listed. @throws UnableToListUpstreamImageReferrers */
  referrers(granted: Granted, name: RepositoryName, subject: Digest): Promise<void>;
  /** Whether a rule is about the repository, so that a pull may make it. */
  covers(granted: Granted, name: RepositoryName): Promise<boolean>;
  /** Ends what is still on its way. */
  close(): Promise<void>;
}

export type PullThroughParts = Omit<CacheParts & CachedLayersParts, "standing" | "counts" | "pauseMs"> &
  Partial<Pick<CacheParts & CachedLayersParts, "counts" | "pauseMs">>;

const resumeAfterMs = 200;

export function createPullThroughCache(given: PullThroughParts): PullThroughCache {
  const standing = createStanding(given.clock);
  const { counts = uncounted, pauseMs = resumeAfterMs } = given;
  const parts = { ...given, counts, pauseMs, standing };
  const { upstreams, metadata } = parts;
  const manifests = createCachedManifests(parts);
  const layers = createCachedLayers(parts);
  const referrers = createCachedReferrers(parts, manifests);

  /** What `read` answers, or else what there is at the upstream. What came in between is read after all. */
  async function orElse<Found>(
    read: () => Promise<Found>,
    registry: Registry,
    name: RepositoryName,
    upstream: (match: NonNullable<Awaited<ReturnType<typeof upstreams.match>>>) => Promise<Found | undefined>,
  ): Promise<Found> {
    try {
      return await read();
    } catch (error) {
      const match = isAway(error) ? await upstreams.match(registry, name) : undefined;
      if (!match) throw error;
      return (await upstream(match)) ?? read();
    }
  }

  /** What is there and no image was told of yet. */
  async function settle({ registry }: Granted, name: RepositoryName, digest: Digest): Promise<void> {
    await metadata.transact(async ({ repositories, layers, awaited }) => {
      const repository = await repositories.keep(registry, name);
      const link = repository && (await layers.find(repository.id, digest));
      if (link && !link.inImage) await awaited.layerCame(repository.id, digest);
    });
  }

  return {
    async manifest(granted, name, reference, read) {
      const match = await upstreams.match(granted.registry, name);
      return match ? manifests.get(match, granted, name, reference, read) : read(granted);
    },
    layer: (granted, name, digest, rangeOf, read) =>
      orElse(read, granted.registry, name, (match) => layers.read(match, granted, name, digest, rangeOf)),
    statLayer: (granted, name, digest, read) =>
      orElse<LayerFacts>(read, granted.registry, name, async () => {
        const repository = await metadata.read.repositories.find(granted.registry, name);
        return repository && metadata.read.awaited.layer(repository.id, digest);
      }),
    async downloadable(granted, name, digest, read) {
      await orElse<LayerFacts>(read, granted.registry, name, async (match) => {
        await settle(granted, name, digest);
        return layers.start(match, granted, name, digest);
      });
    },
    async awaited({ registry }, name, digests) {
      if (!(await upstreams.match(registry, name))) return [];
      const repository = await metadata.read.repositories.find(registry, name);
      return repository ? metadata.read.awaited.layers(repository.id, digests) : [];
    },
    async referrers(granted, name, subject) {
      const match = await upstreams.match(granted.registry, name);
      if (match) await referrers.bring(match, granted, name, subject);
    },
    covers: async ({ registry }, name) => (await upstreams.match(registry, name)) !== undefined,
    close: layers.close,
  };
}

function isAway(error: unknown): boolean {
  const codes = ["LayerNotFound", "LayerDamaged", "LayerInaccessible"] as const;
  return error instanceof Refusal && codes.some((code) => error.is(code));
}
