import type { Digest, Region, RepositoryName } from "../names.ts";
import { scopeOf } from "../registry/encryption.ts";
import { type Pace, paced } from "../registry/pace.ts";
import type { BlobStore, Bytes, LayerLink, Metadata } from "../registry/ports.ts";
import { RemoteFailure, type RemoteRegistry } from "../registry/remote-registry.ts";
import type { RepositoryKeys } from "../registry/repository-keys.ts";
import { inTurns } from "../turns.ts";
import { formatReplicates, replicateHeader } from "./header.ts";
import { nameOf } from "./jobs.ts";
import type { Destination } from "./ports.ts";
import type { OpenTarget, Source } from "./target.ts";
import type { ReplicatingNouns } from "./trigger.ts";

/** Regions that other servers keep. */
export interface Peers {
  has(region: Region): boolean;
  /** @param headers of every request @throws RemoteFailure for a region that has none */
  open(region: Region, headers: Readonly<Record<string, string>>): RemoteRegistry;
}

export interface PeerTargetParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  readonly blobs: BlobStore;
  readonly keys: Pick<RepositoryKeys, "mayPull">;
  readonly peers: Peers;
  readonly pace: Pace;
  readonly clock: () => Date;
}

/** An upload of less is not worth going on with. */
const keptUploadBytes = 1024 * 1024;
/** No registry keeps an upload that nobody goes on with for longer. */
const uploadsKeptMs = 30 * 24 * 60 * 60_000;
/** Repositories that a blob is looked for in at the peer before it is sent. */
const holdersAtMost = 32;
/** Blobs of which it is remembered where the peer has them. */
const rememberedAtMost = 10_000;
const firstPauseMs = 1_000;
const longestPauseMs = 60_000;

/**
 * A registry of another server, spoken to as any client speaks to a registry; a Berth also learns who sends, and for whom.
 * Only what is missing there travels.
 */
export function peerTargets(parts: PeerTargetParts): OpenTarget {
  const { metadata, blobs, keys, peers, pace, clock } = parts;
  const sending = createSending();
  const rests = new Map<string, { failures: number; untilMs: number }>();

  /** While a peer is away, not every image finds that out by itself. */
  async function unlessAway<Result>(destination: Destination, ask: () => Promise<Result>): Promise<Result> {
    const peer = nameOf(destination);
    const rest = rests.get(peer);
    if (rest && performance.now() < rest.untilMs) throw new RemoteFailure("unavailable", "it was away a moment ago");
    try {
      const result = await ask();
      rests.delete(peer);
      return result;
    } catch (error) {
      if (error instanceof RemoteFailure && (error.problem === "unavailable" || error.problem === "throttled")) {
        const failures = (rest?.failures ?? 0) + 1;
        const pauseMs = Math.min(longestPauseMs, firstPauseMs * 2 ** Math.min(failures - 1, 10));
        const askedMs = Math.min(error.facts.retryAfterMs ?? 0, longestPauseMs);
        rests.set(peer, { failures, untilMs: performance.now() + Math.max(pauseMs, askedMs) });
      }
      throw error;
    }
  }

  return (source, destination, { signal }) => {
    const { name, registry: from } = source;
    const headers = { [replicateHeader]: formatReplicates({ from, to: destination }) };
    const remote = peers.open(destination.region, headers);
    const ask = <Result>(work: () => Promise<Result>) => unlessAway(destination, work);
    const place = (digest: Digest) => ({ destination, repositoryId: source.id, digest });

    /** From another repository of the peer that is known to have it, or may have it. */
    async function mounted({ digest }: LayerLink): Promise<boolean> {
      const known = sending.holderOf(destination, digest);
      const others = await holdersOf(metadata, source, digest);
      for (const holder of new Set(known === undefined ? others : [known, ...others])) {
        if (holder === name || !(await remote.statBlob(holder, digest, { signal }))) continue;
        if (await remote.mountBlob(name, digest, holder, { signal })) return true;
      }
      return false;
    }

    async function send(blob: LayerLink): Promise<void> {
      const { digest, sizeBytes } = blob;
      const { replication } = metadata.read;
      const isKept = sizeBytes > keptUploadBytes;
      const begun = isKept ? await replication.upload(place(digest)) : undefined;
      const keep = (location: string) =>
        metadata.transact(
          async (nouns) => {
            const now = clock();
            await nouns.replication.keepUpload(place(digest), location, now);
            await nouns.replication.pruneUploads(new Date(now.getTime() - uploadsKeptMs));
          },
          { durable: false },
        );
      await remote.putBlob(name, { digest, sizeBytes }, (offset) => paced(bytesFrom(blobs, blob, offset), pace), {
        signal,
        upload: isKept ? { begun, keep } : undefined,
      });
      if (isKept) await metadata.transact((nouns) => nouns.replication.dropUpload(place(digest)), { durable: false });
    }

    return {
      async has({ digest }) {
        const there = await ask(() => remote.statManifest(name, { digest }, { signal }));
        return there !== undefined && (there.digest ?? digest) === digest;
      },
      // Whether it may come, and into what, is the peer's affair.
      open: () => keys.mayPull(source),
      bring: (blob) =>
        sending.inTurn(destination, blob.digest, () =>
          ask(async () => {
            signal.throwIfAborted();
            const isThere = (await remote.statBlob(name, blob.digest, { signal })) || (await mounted(blob));
            if (!isThere) await send(blob);
            sending.remember(destination, blob.digest, name);
          }),
        ),
      put: ({ digest, mediaType, manifest: bytes }) =>
        ask(() => remote.putManifest(name, { digest }, { mediaType, bytes }, { signal })),
      async untag(digest, tag) {
        const there = await ask(() => remote.statManifest(name, { tag }, { signal }));
        if (there?.digest === digest) await ask(() => remote.deleteManifest(name, { tag }, { signal }));
      },
      async remove(digest) {
        await ask(() => remote.deleteManifest(name, { digest }, { signal }));
      },
      async tag({ mediaType, manifest: bytes }, tag) {
        try {
          await ask(() => remote.putManifest(name, { tag }, { mediaType, bytes }, { signal }));
          return true;
        } catch (error) {
          // What a registry that is no Berth says of an immutable tag.
          if (error instanceof RemoteFailure && error.facts.code === "TAG_INVALID") return false;
          throw error;
        }
      },
    };
  };
}

/** Where the source has it: the peer may have it there too, since a time that nobody remembers. */
async function holdersOf(
  { read }: Metadata<ReplicatingNouns>,
  { registry, encryption }: Source,
  digest: Digest,
): Promise<RepositoryName[]> {
  const holders = await read.layers.holders(registry, digest, scopeOf(encryption), holdersAtMost);
  return holders.map(({ repository }) => repository.name);
}

async function* bytesFrom(blobs: BlobStore, blob: LayerLink, offset: number): Bytes {
  let skipped = 0;
  for await (const chunk of blobs.bytes(blob)) {
    const from = Math.min(chunk.length, offset - skipped);
    skipped += from;
    if (from < chunk.length) yield from === 0 ? chunk : chunk.subarray(from);
  }
}

/** Whoever wants to send a blob that is just being sent waits, and finds it there. */
function createSending() {
  const turns = new Map<string, { waiting: number; run: ReturnType<typeof inTurns> }>();
  const holders = new Map<string, RepositoryName>();
  const keyOf = (destination: Destination, digest: Digest) => `${nameOf(destination)}/${digest}`;

  return {
    async inTurn(destination: Destination, digest: Digest, work: () => Promise<void>): Promise<void> {
      const key = keyOf(destination, digest);
      const turn = turns.get(key) ?? { waiting: 0, run: inTurns() };
      turns.set(key, turn);
      turn.waiting++;
      try {
        await turn.run(work);
      } finally {
        if (--turn.waiting === 0) turns.delete(key);
      }
    },
    holderOf: (destination: Destination, digest: Digest) => holders.get(keyOf(destination, digest)),
    remember(destination: Destination, digest: Digest, name: RepositoryName) {
      const key = keyOf(destination, digest);
      holders.delete(key);
      holders.set(key, name);
      if (holders.size > rememberedAtMost) holders.delete(holders.keys().next().value ?? "");
    },
  };
}
