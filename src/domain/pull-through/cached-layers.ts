import type { Access, Granted } from "../access.ts";
import { Refusal, refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import type { AwaitedLayer } from "../registry/awaited-ports.ts";
import type { LayerService } from "../registry/layers.ts";
import type { BlobStore, ByteRange, Content, Metadata, Repository } from "../registry/ports.ts";
import type { RepositoryKeys } from "../registry/repository-keys.ts";
import { importNeed } from "./cached-manifests.ts";
import type { CacheCounts } from "./counts.ts";
import { type Download, startDownload } from "./download.ts";
import { failureOf, reasonOf, refusalOf } from "./failures.ts";
import { lets } from "./filters.ts";
import type { PullThroughRule, PullThroughUpstreams, RuleMatch } from "./rules.ts";
import { createSlots } from "./slots.ts";
import type { Standing } from "./standing.ts";

export interface CachedLayersParts {
  readonly metadata: Pick<Metadata, "read" | "transact">;
  readonly blobs: Pick<BlobStore, "staged" | "bytes">;
  readonly upstreams: PullThroughUpstreams;
  readonly access: Pick<Access, "grant">;
  readonly layers: Pick<LayerService, "push">;
  readonly keys: Pick<RepositoryKeys, "mayPull">;
  readonly standing: Standing;
  readonly counts: CacheCounts;
  /** Before a broken transfer goes on, longer each time. */
  readonly pauseMs: number;
}

/** What is told of a layer whose bytes may still be on their way. */
export type LayerFacts = Pick<AwaitedLayer, "digest" | "sizeBytes"> & { readonly mediaType?: string };

export interface ReadLayer {
  readonly layer: LayerFacts;
  readonly range?: ByteRange;
  readonly content: Content;
}

export interface CachedLayers {
  /**
   * The layer as it comes from the upstream. `undefined` where no image of the repository awaits it: it is there by now, or
   * nobody knows of it. @throws LayerNotFound to whoever may not import, and what became of the upstream
   */
  read(
    match: RuleMatch,
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    rangeOf: (sizeBytes: number) => ByteRange | undefined,
  ): Promise<ReadLayer | undefined>;
  /** The same without reading: the transfer has begun. @throws UnableToGetUpstreamLayer */
  start(match: RuleMatch, granted: Granted, name: RepositoryName, digest: Digest): Promise<LayerFacts | undefined>;
  /** Ends all transfers. */
  close(): Promise<void>;
}

/** Each holds some megabytes of memory. Whoever wants more waits. Of one upstream, which may hang, not all. */
const downloadsAtOnce = { atOnce: 32, atOnceEach: 16 };
/** Who pulled it may come again, and others may want it too; a whole layer of some gigabytes should come in that time. */
const unreadMs = 10 * 60_000;

export function createCachedLayers(parts: CachedLayersParts): CachedLayers {
  const { metadata, blobs, upstreams, access, layers, keys, standing, counts, pauseMs } = parts;
  const { read: nouns } = metadata;
  /** By repository and digest: what one repository gets from its upstream is nothing to another. */
  const downloads = new Map<string, Download>();
  const slots = createSlots(downloadsAtOnce);

  /** The layer that images await, or one that is damaged here: it counts as missing, and its copy is replaced. */
  async function wanted({ id }: Repository, digest: Digest): Promise<LayerFacts | undefined> {
    const awaited = await nouns.awaited.layer(id, digest);
    if (awaited) return awaited;
    const link = await nouns.layers.find(id, digest);
    return link?.quarantined && link.inImage && !link.isArchived ? link : undefined;
  }

  function begin(match: RuleMatch, importer: Granted, name: RepositoryName, layer: LayerFacts): Download {
    const { rule, upstreamRepository } = match;
    const { digest, sizeBytes } = layer;
    return startDownload({
      blobs,
      sizeBytes,
      unreadMs,
      pauseMs,
      async open(offset, signal) {
        standing.checkOpen(rule);
        const remote = await upstreams.open(rule);
        return remote.blob(upstreamRepository, digest, { signal, ...(offset > 0 && { offset }) });
      },
      store: (bytes, following) =>
        slots.with(rule.upstreamUrl, () => layers.push(importer, name, digest, bytes, following)),
      received: (bytes) => counts.received(bytes),
    });
  }

  async function following(
    match: RuleMatch,
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
  ): Promise<{ download: Download; layer: LayerFacts } | undefined> {
    const { registry, caller } = granted;
    const repository = await nouns.repositories.find(registry, name);
    const layer = repository && (await wanted(repository, digest));
    if (!layer) return undefined;
    const notFound = () => refuse("LayerNotFound", { repository: name, registry, digest });
    if (!lets(match).repository) throw notFound();
    let importer: Granted;
    try {
      importer = await access.grant(caller, registry, [importNeed(registry, name)]);
    } catch (error) {
      throw error instanceof Refusal && error.is("AccessDenied") ? notFound() : error;
    }
    await keys.mayPull(repository);
    const key = `${repository.id} ${digest}`;
    let download = downloads.get(key);
    if (!download) {
      download = begin(match, importer, name, layer);
      downloads.set(key, download);
      void download.ended.then(() => downloads.delete(key));
    }
    try {
      await download.begun;
    } catch (error) {
      throw refusalFor(match.rule, error);
    }
    return { download, layer };
  }

  function refusalFor(rule: PullThroughRule, error: unknown): unknown {
    const failure = failureOf(error);
    if (!failure) return error;
    counts.failed(failure.problem);
    standing.failed(rule, failure);
    return refusalOf(rule, failure);
  }

  return {
    async read(match, granted, name, digest, rangeOf) {
      const found = await following(match, granted, name, digest);
      if (!found) return undefined;
      const { download, layer } = found;
      granted.caller.note({ pullThrough: "miss" });
      const range = rangeOf(layer.sizeBytes);
      const sizeBytes = range ? range.last - range.first + 1 : layer.sizeBytes;
      return { layer, range, content: { kind: "stream", sizeBytes, stream: () => download.read(range) } };
    },
    async start(match, granted, name, digest) {
      try {
        return (await following(match, granted, name, digest))?.layer;
      } catch (error) {
        const facts = reasonOf(error);
        if (!facts) throw error;
        throw refuse("UnableToGetUpstreamLayer", facts, { cause: error });
      }
    },
    async close() {
      const running = [...downloads.values()];
      for (const download of running) download.stop();
      await Promise.all(running.map(({ ended }) => ended));
    },
  };
}
