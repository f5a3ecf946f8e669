import type { BlobStore, ByteRange, Bytes, StoredBlob } from "../registry/ports.ts";
import type { RemoteBlob } from "../registry/remote-registry.ts";
import { RemoteFailure } from "../registry/remote-registry.ts";
import type { Following } from "../registry/uploads.ts";
import { createTail } from "./tail.ts";

/** One transfer of a blob from an upstream, however many read it. */
export interface Download {
  readonly sizeBytes: number;
  /** Its first bytes have come. Rejects with what it failed with before. */
  readonly begun: Promise<void>;
  /** It is stored, or it failed: never rejects. */
  readonly ended: Promise<void>;
  /** Bytes as they come. Whoever stops reading leaves the transfer to others. */
  read(range?: ByteRange): Bytes;
  stop(): void;
}

export interface DownloadParts {
  readonly blobs: Pick<BlobStore, "staged" | "bytes">;
  /** As the manifest says. Another size is a failure. */
  readonly sizeBytes: number;
  /** The bytes at the upstream from an offset on, or from before it. @throws RemoteFailure */
  open(offset: number, signal: AbortSignal): Promise<RemoteBlob | undefined>;
  /** Stores, verifies and publishes what comes. */
  store(bytes: Bytes, following: Following): Promise<StoredBlob>;
  /** How long it goes on while nobody reads. */
  readonly unreadMs: number;
  /** Before a broken transfer goes on, longer each time. */
  readonly pauseMs: number;
  /** How many bytes have come, each time some do. */
  received?(bytes: number): void;
}

/** How often a transfer that breaks goes on from where it was. */
const maxResumes = 5;

export function startDownload(parts: DownloadParts): Download {
  const { blobs, sizeBytes, unreadMs } = parts;
  const tail = createTail({ blobs, sizeBytes });
  const begun = Promise.withResolvers<void>();
  // Whoever started it may not wait for it.
  begun.promise.catch(() => {});
  const control = new AbortController();
  let readers = 0;
  let isEnded = false;
  let giveUp: ReturnType<typeof setTimeout> | undefined;

  function left(): void {
    // A timer would hold on to the window long after the last reader.
    if (readers > 0 || isEnded) return;
    giveUp = setTimeout(() => control.abort(new Error("nobody reads the download")), unreadMs);
    giveUp.unref?.();
  }

  async function run(): Promise<void> {
    try {
      const source = received(parts, control.signal, (bytes) => {
        tail.push(bytes);
        begun.resolve();
        parts.received?.(bytes.length);
      });
      const { begun: named, written, verified } = tail;
      tail.published(await parts.store(source, { begun: named, written, verified }));
      begun.resolve();
    } catch (error) {
      const cause = control.signal.aborted ? control.signal.reason : error;
      begun.reject(cause);
      tail.failed(cause);
    } finally {
      isEnded = true;
      clearTimeout(giveUp);
    }
  }

  left();
  return {
    sizeBytes,
    begun: begun.promise,
    ended: run(),
    async *read(range) {
      readers++;
      clearTimeout(giveUp);
      try {
        yield* tail.read(range);
      } finally {
        readers--;
        left();
      }
    },
    stop: () => control.abort(new Error("the server stops")),
  };
}

/** All bytes of the blob once, over as many transfers as it takes. @throws RemoteFailure */
async function* received(
  { open, sizeBytes, pauseMs }: DownloadParts,
  signal: AbortSignal,
  came: (bytes: Uint8Array) => void,
): Bytes {
  let at = 0;
  for (let resumes = 0; at < sizeBytes; resumes++) {
    try {
      const found = await open(at, signal);
      if (!found) throw new RemoteFailure("nonsense", "it does not have the blob that its manifest names");
      for await (const bytes of behind(found, at)) {
        if (at + bytes.length > sizeBytes) throw otherSize();
        if (found.sizeBytes !== undefined && found.sizeBytes !== sizeBytes) throw otherSize();
        at += bytes.length;
        came(bytes);
        yield bytes;
      }
      if (at < sizeBytes && found.sizeBytes === undefined) throw otherSize();
      if (at < sizeBytes) throw new RemoteFailure("unavailable", "it stopped in the middle of a blob");
    } catch (error) {
      const isPassing = error instanceof RemoteFailure && error.problem === "unavailable";
      if (!isPassing || signal.aborted || resumes >= maxResumes) throw error;
      await pause(pauseMs * 2 ** resumes, signal);
    }
  }
}

const otherSize = () => new RemoteFailure("nonsense", "a blob has another size than its manifest says");

/** What comes from `at` on, of a transfer that may begin before it. */
async function* behind({ offset, bytes }: RemoteBlob, at: number): Bytes {
  let skip = at - offset;
  for await (const chunk of bytes) {
    const rest = chunk.subarray(Math.min(skip, chunk.length));
    skip -= chunk.length - rest.length;
    if (rest.length > 0) yield rest;
  }
}

async function pause(ms: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, ms);
  signal.addEventListener("abort", () => resolve(), { once: true });
  await promise;
  clearTimeout(timer);
  signal.throwIfAborted();
}
