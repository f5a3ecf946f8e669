import type { Digest } from "../../domain/names.ts";
import type { Bytes } from "../../domain/registry/ports.ts";
import { RemoteFailure } from "../../domain/registry/remote-registry.ts";
import { createSlots } from "../../domain/turns.ts";
import { createVerifier, skipping, type Verifier } from "./content.ts";
import type { BlobFacts, Destination, Source } from "./places.ts";
import { CopyFailed } from "./problems.ts";
import { withRetries } from "./retries.ts";

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
/** Connections in a row that brought nothing. */
const maxFailures = 5;

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
    if (blob.isForeign && !(await isAt(from, blob.digest))) return undefined;
    const { digest, sizeBytes } = blob;
    const verifier = createVerifier(blob);
    const open = (offset: number) => verified(from, blob, offset, verifier);
    await destination.putBlob(to, { digest, sizeBytes }, open, { signal, sent });
    return "sent";
  }

  async function isAt(repository: string, digest: Digest): Promise<boolean> {
    const opened = await source.blob(repository, digest, 0, { signal });
    if (opened) await unread(opened.bytes);
    return opened !== undefined;
  }

  /** Where reading costs nothing, all of it is hashed though the destination has the first part. */
  async function* verified(from: string, blob: BlobFacts, offset: number, verifier: Verifier): Bytes {
    const start = source.isLocal && verifier.hashed() < offset ? 0 : offset;
    const bytes = verifier.pass(resuming(from, blob, start), start);
    yield* start < offset ? skipping(bytes, offset) : bytes;
  }

  /** The bytes of the source, from where a connection broke on when one breaks. */
  async function* resuming(from: string, blob: BlobFacts, start: number): Bytes {
    let at = start;
    for (let failures = 0; ; ) {
      try {
        for await (const chunk of await bytesAt(from, blob, at)) {
          at += chunk.length;
          failures = 0;
          yield chunk;
        }
        return;
      } catch (error) {
        const isBroken = error instanceof RemoteFailure && error.problem === "unavailable";
        if (!isBroken || ++failures > maxFailures || signal.aborted) throw error;
      }
    }
  }

  async function bytesAt(repository: string, { digest, sizeBytes }: BlobFacts, offset: number): Promise<Bytes> {
    if (offset === sizeBytes && sizeBytes > 0) return none();
    const opened = await retrying(() => source.blob(repository, digest, offset, { signal }));
    if (!opened) throw new CopyFailed(`${source.name} does not have ${digest}`, "missing");
    if (opened.sizeBytes !== undefined && opened.sizeBytes !== sizeBytes) {
      await unread(opened.bytes);
      throw new CopyFailed(`${digest} has ${opened.sizeBytes} bytes instead of ${sizeBytes}`, "broken");
    }
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

async function* none(): Bytes {}

/** Ends a transfer that nobody reads. What was never begun would not end, so it is begun. */
async function unread(bytes: Bytes): Promise<void> {
  const iterator = bytes[Symbol.asyncIterator]();
  await iterator.next().catch(() => {});
  await iterator.return?.();
}
