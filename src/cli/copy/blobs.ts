import type { Digest } from "../../domain/names.ts";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import { createVerifier, skipping, type Verifier } from "./content.ts";
import type { BlobFacts, Destination, Source } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { withRetries } from "./retries.ts";
import { createSlots } from "./slots.ts";

/** How a blob came to be where it should be. */
export type Arrival = "sent" | "mounted" | "there";

export interface BlobCopier {
  /** @returns `undefined` for one that may be missing, and is */
  copy(from: string, to: string, blob: BlobFacts & { isForeign: boolean }): Promise<Arrival | undefined>;
}

export interface BlobCopierParts {
  readonly source: Source;
  readonly destination: Destination;
  readonly parallel: number;
  readonly oneRegistry: boolean;
  readonly signal: AbortSignal;
  readonly sent: (bytes: number) => void;
  readonly again: (why: string, waitMs: number) => void;
}

/** As many blobs are remembered as have arrived somewhere; of others it is asked again, which costs little. */
const mostRemembered = 200_000;
const maxResumptions = 8;

/** Copies blobs, each once however many images and repositories want it. */
export function createBlobCopier(parts: BlobCopierParts): BlobCopier {
  const { source, destination, oneRegistry, signal, sent, again } = parts;
  const retrying = <Result>(run: () => Promise<Result>) => withRetries(run, { signal, again });
  const slots = createSlots(parts.parallel);
  /** What is on its way or has arrived, by repository and digest. */
  const arrivals = new Map<string, Promise<Arrival | undefined>>();
  /** The repository of the destination that was the first to get it, and when it has it. */
  const firsts = new Map<Digest, { repository: string; arrived: Promise<unknown> }>();

  async function bring(
    from: string,
    to: string,
    blob: BlobFacts & { isForeign: boolean },
  ): Promise<Arrival | undefined> {
    const { digest } = blob;
    if (await retrying(() => destination.hasBlob(to, blob, { signal }))) return "there";
    const mounted = (repository: string) => retrying(() => destination.mount(to, digest, repository, { signal }));
    if (oneRegistry && from !== to && (await mounted(from))) return "mounted";
    const first = firsts.get(digest);
    if (destination.mounts && first && first.repository !== to) {
      await first.arrived.catch(() => {});
      if (await mounted(first.repository)) return "mounted";
    }
    return slots.run(() => retrying(() => send(from, to, blob)), signal);
  }

  async function send(
    from: string,
    to: string,
    blob: BlobFacts & { isForeign: boolean },
  ): Promise<Arrival | undefined> {
    const { digest, sizeBytes, isForeign } = blob;
    // Whether it is there shows before an upload is begun that would come to nothing.
    const opened = await source.blob(from, digest, 0, { signal });
    if (!opened && isForeign) return undefined;
    if (!opened) throw new CopyFailed(`${source.name} does not have ${digest}`, "missing");
    if (opened.sizeBytes !== undefined && opened.sizeBytes !== sizeBytes) {
      await unread(opened.bytes);
      throw new CopyFailed(`${digest} has ${opened.sizeBytes} bytes instead of ${sizeBytes}`, "broken");
    }
    const verifier = createVerifier(blob);
    let ready: Bytes | undefined = opened.bytes;
    const open = (offset: number): Bytes => {
      const begun = ready;
      ready = undefined;
      return begun && offset === 0
        ? verifier.pass(resuming(from, digest, begun), 0)
        : later(from, blob, offset, verifier, begun);
    };
    try {
      await destination.putBlob(to, { digest, sizeBytes }, open, { signal, sent });
    } finally {
      if (ready) await unread(ready);
    }
    return "sent";
  }

  /** What a transfer goes on with. Where reading costs nothing, all of it is hashed though the first part is there. */
  async function* later(from: string, blob: BlobFacts, offset: number, verifier: Verifier, begun?: Bytes): Bytes {
    if (begun) await unread(begun);
    const start = source.isLocal && verifier.hashed() < offset ? 0 : offset;
    const bytes = verifier.pass(resuming(from, blob.digest, undefined, start), start);
    yield* start < offset ? skipping(bytes, offset) : bytes;
  }

  /** The bytes of the source, from where a connection broke on when one breaks. */
  async function* resuming(from: string, digest: Digest, begun?: Bytes, start = 0): Bytes {
    let at = start;
    let bytes = begun;
    for (let resumed = 0; ; resumed++) {
      try {
        bytes ??= await bytesAt(from, digest, at);
        for await (const chunk of bytes) {
          at += chunk.length;
          yield chunk;
        }
        return;
      } catch (error) {
        bytes = undefined;
        const isBroken = error instanceof RemoteFailure && error.problem === "unavailable";
        if (!isBroken || resumed === maxResumptions || signal.aborted) throw error;
      }
    }
  }

  async function bytesAt(repository: string, digest: Digest, offset: number): Promise<Bytes> {
    const opened = await retrying(() => source.blob(repository, digest, offset, { signal }));
    if (!opened) throw new CopyFailed(`${source.name} does not have ${digest}`, "missing");
    return opened.offset < offset ? skipping(opened.bytes, offset - opened.offset) : opened.bytes;
  }

  return {
    copy(from, to, blob) {
      const key = `${destination.mounts ? to : ""}@${blob.digest}`;
      const known = arrivals.get(key);
      if (known) return known.then((how) => how && "there");
      const arrived = bring(from, to, blob);
      arrivals.set(key, arrived);
      if (!firsts.has(blob.digest)) firsts.set(blob.digest, { repository: to, arrived });
      // Whoever wants it later tries again.
      arrived.catch(() => {
        arrivals.delete(key);
        if (firsts.get(blob.digest)?.arrived === arrived) firsts.delete(blob.digest);
      });
      forgetOldest(arrivals);
      forgetOldest(firsts);
      return arrived;
    },
  };
}

function forgetOldest(map: Map<unknown, unknown>): void {
  if (map.size <= mostRemembered) return;
  const [oldest] = map.keys();
  map.delete(oldest);
}

/** Ends a transfer that nobody reads. What was never begun would not end, so it is begun. */
async function unread(bytes: Bytes): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  await iterator.next().catch(() => {});
  await iterator.return?.();
}
