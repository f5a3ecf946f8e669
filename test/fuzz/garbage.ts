import { createHash, randomUUID } from "node:crypto";
import type { Granted } from "../../src/domain/access.ts";
import { Refusal } from "../../src/domain/errors.ts";
import { rootPrincipal } from "../../src/domain/identity/credentials.ts";
import {
  type AccountId,
  type Arn,
  type Digest,
  digestOf,
  type Region,
  type Registry,
  type RepositoryName,
  type Tag,
} from "../../src/domain/names.ts";
import { collectGarbage, strayAfterMs, sweepStrays } from "../../src/domain/registry/collection.ts";
import { scopeOf, sealedEnding } from "../../src/domain/registry/encryption.ts";
import { createImages } from "../../src/domain/registry/images.ts";
import { createLayers } from "../../src/domain/registry/layers.ts";
import type { BlobStore, Content, Encryption, KeyScope, StagingId } from "../../src/domain/registry/ports.ts";
import { createPullTimes } from "../../src/domain/registry/pull-times.ts";
import { createRepositories } from "../../src/domain/registry/repositories.ts";
import { sealBlobs } from "../../src/domain/registry/sealing.ts";
import { expireUploads } from "../../src/domain/registry/upload-expiry.ts";
import { decisionParts, rootAccess } from "../../src/domain/testing.ts";
import type { AllMetadata } from "../../src/storage/metadata/metadata.ts";
import { createRandom, type Random } from "../support/random.ts";

/**
 * Garbage collection against an oracle. Clients push, mount, retag, delete and pull the same few contents at random, and
 * at once, in repositories of several keys, while collections run over and over. The oracle knows nothing of the queues:
 * what is needed is what the bytes of the manifests name, read here by a parser of its own, and what a client was told of
 * within the time of grace. It notes under which key each copy was made: none may be read under another. Now and then what
 * is plain is sealed.
 */
export interface GarbageFuzz {
  readonly metadata: AllMetadata;
  /** Told the time by `clock`, because it dates what comes into the store. */
  openBlobs(clock: () => Date): BlobStore;
  readonly seed: number;
  readonly steps: number;
  /** Told now and then how many steps are done. */
  progress?(steps: number): void;
  /** Stands in for the collection, to prove that the oracle sees a wrong one. */
  readonly collect?: typeof collectGarbage;
}

export interface GarbageReport {
  readonly steps: number;
  readonly operations: ReadonlyMap<string, number>;
  readonly collections: number;
  readonly collectedBlobs: number;
  /** Times that everything stood still and the oracle compared. */
  readonly comparisons: number;
  readonly wrongDeletions: readonly string[];
  readonly leftovers: readonly string[];
  /** Where a copy was read under a key that it is not of. */
  readonly mixed: readonly string[];
}

const registry: Registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
const names = ["a", "b", "team/c", "team/d"] as readonly string[] as readonly RepositoryName[];
/** The server's own most often, so that repositories share copies. */
const encryptions: readonly Encryption[] = [
  { type: "AES256" },
  { type: "AES256" },
  { type: "KMS", key: "arn:aws:kms:us-east-1:000000000000:key/a" as Arn, grants: [] },
];
const tags = ["v1", "v2", "latest"] as readonly string[] as readonly Tag[];
/** Few enough to meet, and too many to be needed all the time. */
const contents = Array.from({ length: 120 }, (_, index) => Buffer.from(`content ${index} `.repeat(1 + (index % 30))));
const graceMs = 2 * 3_600_000;
/** Less than grace, because a layer that was asked for just before is not noted as asked for again. */
const bindingMs = graceMs - 2 * 60_000;
const uploadExpiryMs = 24 * 3_600_000;
const clients = 6;
const stepsBetweenComparisons = 1_000;
const tickMs = 60_000;
const manifestType = "application/vnd.oci.image.manifest.v1+json";
const indexType = "application/vnd.oci.image.index.v1+json";

export async function fuzzGarbage(options: GarbageFuzz): Promise<GarbageReport> {
  const { metadata, seed, steps, progress, collect = collectGarbage } = options;
  let nowMs = Date.UTC(2026, 0, 1);
  const clock = () => new Date(nowMs);
  /** Under which key each copy was made. */
  const scopes = new Map<string, KeyScope>();
  const opened = options.openBlobs(clock);
  const sealing = createRandom(`${seed}/sealing`);
  const begin = async (scope: KeyScope, isSealed: boolean) => {
    const staging = `${await opened.begin(scope)}${isSealed ? sealedEnding : ""}` as StagingId;
    scopes.set(staging, scope);
    return staging;
  };
  // Half of what comes is plain, as from before, and waits to be sealed.
  const blobs: BlobStore = { ...opened, begin: (scope) => begin(scope, sealing.chance(1 / 2)) };
  const stores = { metadata, blobs, clock };
  const granted = await grantedToAll();
  const repositories = createRepositories({ metadata, ...decisionParts(metadata), clock });
  const layers = createLayers({ metadata, blobs, ...decisionParts(metadata), clock });
  const images = createImages({
    metadata,
    ...decisionParts(metadata),
    pullTimes: createPullTimes({ metadata, clock }),
    clock,
  });

  const operations = new Map<string, number>();
  const wrongDeletions: string[] = [];
  const leftovers: string[] = [];
  const mixed: string[] = [];
  let [collections, collectedBlobs, comparisons, done] = [0, 0, 0, 0];

  /** What a client was told last of a layer: when it began to ask, and how many deletes had ended by then. */
  const promises = new Map<string, { sinceMs: number; began: number }>();
  const keyOf = (name: RepositoryName, digest?: Digest) => `${name} ${digest ?? "all"}`;
  /** Ends of deletes, by what they deleted; without an end while one is running. */
  const deletes = new Map<string, { running: number; ended: number }>();
  let ended = 0;
  async function deleting(key: string, work: () => Promise<unknown>): Promise<void> {
    const facts = deletes.get(key) ?? { running: 0, ended: 0 };
    deletes.set(key, facts);
    facts.running++;
    try {
      await work();
    } finally {
      facts.running--;
      facts.ended = ++ended;
    }
  }
  function isBinding(name: RepositoryName, digest: Digest): boolean {
    const promise = promises.get(keyOf(name, digest));
    if (!promise || nowMs - promise.sinceMs > bindingMs) return false;
    return [keyOf(name), keyOf(name, digest)].every((key) => {
      const { running, ended } = deletes.get(key) ?? { running: 0, ended: 0 };
      return running === 0 && ended <= promise.began;
    });
  }

  // ── What clients do ───────────────────────────────────────────────────────────────────────────────────────────────

  async function pushLayer(random: Random, name: RepositoryName, content: Buffer): Promise<Digest> {
    const digest = sha256(content);
    const promise = { sinceMs: nowMs, began: ended };
    const way = random.below(5);
    if (way === 0) {
      const [present] = await layers.present(granted, name, [digest]);
      if (present) return told();
    }
    if (way === 1) {
      const mounted = await layers.mount(granted, name, digest, { mayRead: async () => true });
      if (mounted) return told();
    }
    if (way <= 2) {
      await layers.push(granted, name, digest, bytes(content));
      return told();
    }
    const upload = await layers.begin(granted, name);
    const middle = random.below(content.length);
    await layers.append(granted, name, upload.id, bytes(content.subarray(0, middle)));
    // Some clients go away in the middle.
    if (random.chance(1 / 10)) return digest;
    await layers.complete(granted, name, upload.id, [digest], { bytes: bytes(content.subarray(middle)) });
    return told();

    function told(): Digest {
      promises.set(keyOf(name, digest), promise);
      return digest;
    }
  }

  async function makeRepository(random: Random, name: RepositoryName): Promise<void> {
    const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
    const made = { registry, name, createdAt: clock(), encryption: random.pick(encryptions), ...settings };
    await metadata.transact((nouns) => nouns.repositories.create(made, new Map()));
  }

  const operationsByName: Record<string, (random: Random, name: RepositoryName) => Promise<unknown>> = {
    async pushImage(random, name) {
      const chosen = Array.from({ length: 1 + random.below(4) }, () => random.pick(contents));
      for (const content of chosen) await pushLayer(random, name, content);
      const [config, ...rest] = chosen.map((content) => ({
        mediaType: "application/octet-stream",
        digest: sha256(content),
        size: content.length,
      }));
      const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: manifestType, config, layers: rest }));
      const relied = chosen.map(sha256).filter((digest) => isBinding(name, digest));
      try {
        await images.put(granted, name, {
          manifest,
          mediaType: manifestType,
          tags: random.chance(1 / 3) ? [] : [random.pick(tags)],
        });
      } catch (error) {
        if (!(error instanceof Refusal) || !error.is("LayersNotFound")) throw error;
        for (const digest of error.facts.digests) {
          if (relied.includes(digest) && isBinding(name, digest)) {
            wrongDeletions.push(`${name} was told of ${digest} and then that it is missing`);
          }
        }
        throw error;
      }
    },
    async pushIndex(random, name) {
      const children = await images.list(granted, name, { tagStatus: "ANY", limit: 3 });
      const manifests = children.map(({ digest, mediaType, manifestBytes: size }) => ({ digest, mediaType, size }));
      const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: indexType, manifests }));
      await images.put(granted, name, { manifest, mediaType: indexType, tags: [random.pick(tags)] });
    },
    pushLayer: (random, name) => pushLayer(random, name, random.pick(contents)),
    deleteTag: (random, name) => images.deleteTag(granted, name, random.pick(tags)),
    async deleteImage(random, name) {
      const found = await images.list(granted, name, { tagStatus: "ANY", limit: 20 });
      if (found.length > 0) await images.deleteImage(granted, name, random.pick(found).digest);
    },
    async deleteLayer(random, name) {
      const digest = sha256(random.pick(contents));
      await deleting(keyOf(name, digest), () => layers.delete(granted, name, digest));
    },
    async deleteRepository(random, name) {
      if (!random.chance(1 / 4)) return;
      await deleting(keyOf(name), () => repositories.delete(granted, name, { force: true }));
      await makeRepository(random, name);
    },
    async pull(random, name) {
      const [tag] = [random.pick(tags)];
      const { digest, manifest, imageId } = await images.get(granted, name, { tag });
      for (const layer of layersIn(manifest)) {
        const isThere = await layers.read(granted, name, layer).then(
          async ({ content }) => sha256(await bytesOf(content)) === layer,
          () => false,
        );
        if (isThere) continue;
        // Unless the image was deleted meanwhile, it must have its layers.
        const now = await images.peek(granted, name, { digest }).catch(() => undefined);
        if (now?.imageId === imageId) wrongDeletions.push(`${name} has the image ${digest} without its ${layer}`);
      }
    },
    async collect() {
      const { blobs: removed } = await collect(stores, { graceMs });
      collections++;
      collectedBlobs += removed;
    },
    seal: () =>
      sealBlobs(
        { ...stores, blobs: { ...blobs, begin: (scope) => begin(scope, true) } },
        {
          bytesPerSecond: 0,
          failed: (digest, because) => wrongDeletions.push(`${digest} could not be sealed: ${because}`),
        },
      ),
    sweep: () => sweepStrays(stores),
    expire: () => expireUploads(stores, new Date(nowMs - uploadExpiryMs)),
  };
  const frequent = ["pushImage", "pushImage", "pushLayer", "pull", "pull", "deleteImage", "deleteImage", "deleteImage"];
  const rare = [
    "pushIndex",
    "deleteTag",
    "deleteLayer",
    "deleteRepository",
    "collect",
    "collect",
    "sweep",
    "expire",
    "seal",
  ];

  async function client(random: Random, until: number): Promise<void> {
    while (done < until) {
      done++;
      nowMs += random.below(tickMs);
      const operation = random.chance(1 / 3) ? random.pick(rare) : random.pick(frequent);
      operations.set(operation, (operations.get(operation) ?? 0) + 1);
      try {
        await operationsByName[operation]?.(random, random.pick(names));
      } catch (error) {
        // Clients meet, and are told so.
        if (!(error instanceof Refusal)) throw error;
      }
    }
  }

  // ── What the oracle sees ──────────────────────────────────────────────────────────────────────────────────────────

  /** Layers by repository, out of the manifests' bytes. */
  async function needed(): Promise<Map<RepositoryName, Set<Digest>>> {
    const all = new Map<RepositoryName, Set<Digest>>();
    for (const name of names) {
      const found = new Set<Digest>();
      all.set(name, found);
      for (let after = 0; ; ) {
        const page = await images.list(granted, name, { tagStatus: "ANY", after, limit: 100 });
        for (const { digest } of page) {
          const { manifest } = await images.peek(granted, name, { digest });
          for (const layer of layersIn(manifest)) found.add(layer);
        }
        after = page.at(-1)?.id ?? 0;
        if (after === 0) break;
      }
    }
    return all;
  }

  async function compare(): Promise<void> {
    comparisons++;
    const expected = await needed();
    for (const key of promises.keys()) {
      const [name, digest] = key.split(" ") as [RepositoryName, Digest];
      if (isBinding(name, digest)) expected.get(name)?.add(digest);
      else promises.delete(key);
    }
    for (const [name, digests] of expected) {
      const scope = await scopeIn(name);
      for (const digest of digests) {
        const read = await layers.read(granted, name, digest).catch(() => undefined);
        if (!read || sha256(await bytesOf(read.content)) !== digest) wrongDeletions.push(`${name} lacks ${digest}`);
        else if (scopes.get(read.layer.generation) !== scope) mixed.push(`${name} reads ${digest} of another key`);
      }
    }
  }

  async function scopeIn(name: RepositoryName): Promise<KeyScope | undefined> {
    const repository = await metadata.read.repositories.find(registry, name);
    return repository && scopeOf(repository.encryption);
  }

  /** When everybody has gone and every time of grace is over, nothing may be left but what is needed. */
  async function compareWhenQuiet(): Promise<void> {
    // Twice, because the grace of what a deleted repository had begins when the repository is emptied.
    for (let round = 0; round < 2; round++) {
      nowMs += Math.max(graceMs, uploadExpiryMs, strayAfterMs) + tickMs;
      await expireUploads(stores, new Date(nowMs - uploadExpiryMs));
      await collect(stores, { graceMs });
      await sweepStrays(stores);
    }
    promises.clear();
    await compare();
    const expected = await needed();
    const wanted = new Set<string>();
    for (const [name, digests] of expected) {
      const scope = await scopeIn(name);
      for (const digest of digests) wanted.add(`${digest} under ${scope}`);
    }
    for await (const { digest, generation } of blobs.list()) {
      const isWanted = wanted.delete(`${digest} under ${scopes.get(generation)}`);
      if (!isWanted) leftovers.push(`the store has ${digest}.${generation}`);
    }
    for (const copy of wanted) wrongDeletions.push(`the store lacks ${copy}`);
    for (const [name, digests] of expected) {
      const links = await layers.present(granted, name, contents.map(sha256));
      for (const { digest } of links) if (!digests.has(digest)) leftovers.push(`${name} has a link to ${digest}`);
    }
    for await (const staging of blobs.stale(new Date(nowMs + 1))) leftovers.push(`the store has the upload ${staging}`);
    const { links, blobs: unlinked, removals } = await metadata.read.garbage.waiting();
    if (links + unlinked + removals > 0) leftovers.push(`${links}, ${unlinked} and ${removals} in the queues`);
  }

  for (const name of names) await makeRepository(createRandom(`${seed}/${name}`), name);
  for (let round = 1; done < steps; round++) {
    const until = Math.min(steps, round * stepsBetweenComparisons);
    await Promise.all(
      Array.from({ length: clients }, (_, index) => client(createRandom(`${seed}/${round}/${index}`), until)),
    );
    if (round % 5 === 0 || done >= steps) await compareWhenQuiet();
    else await compare();
    progress?.(done);
    if (wrongDeletions.length + leftovers.length + mixed.length > 0) break;
  }
  return { steps: done, operations, collections, collectedBlobs, comparisons, wrongDeletions, leftovers, mixed };
}

/** Config and layers of an image's manifest. Written for this oracle: the registry's own parser is not asked. */
function layersIn(manifest: Uint8Array): Digest[] {
  const { config, layers } = JSON.parse(new TextDecoder().decode(manifest));
  return config ? [config.digest, ...layers.map((layer: { digest: Digest }) => layer.digest)] : [];
}

function sha256(content: Uint8Array): Digest {
  return digestOf("sha256", createHash("sha256").update(content).digest("hex"));
}

async function* bytes(content: Uint8Array) {
  if (content.length > 0) yield content;
}

async function bytesOf(content: Content): Promise<Uint8Array> {
  if (content.kind === "file")
    return Bun.file(content.path)
      .slice(content.offset, content.offset + content.sizeBytes)
      .bytes();
  if (content.kind === "bytes") return content.bytes;
  return Buffer.concat(await Array.fromAsync(content.stream()));
}

function grantedToAll(): Promise<Granted> {
  const caller = {
    principal: rootPrincipal(registry.account),
    requestId: randomUUID(),
    sourceIp: "127.0.0.1",
    secureTransport: true,
    note() {},
  };
  return rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
}
