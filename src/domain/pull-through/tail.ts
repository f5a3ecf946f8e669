import { Refusal } from "../errors.ts";
import type { BlobStore, ByteRange, Bytes, StagingId, StoredBlob } from "../registry/ports.ts";

/**
 * A blob that is being stored and read at the same time. Whoever comes late reads what is staged already and then follows;
 * whoever is slow reads it from there later. So the download goes as fast as it comes and can be written, and memory has a
 * short window of it, however many read.
 */
export interface Tail {
  /** The next bytes have come. They are kept for a while: nobody may change them. */
  push(bytes: Uint8Array): void;
  /** They go to this upload. */
  begun(staging: StagingId): void;
  /** So many of them can be read there. */
  written(sizeBytes: number): void;
  /** All have come, and are what the digest says. */
  verified(): void;
  /** They have their name in the store. */
  published(blob: StoredBlob): void;
  /** Whoever still reads is cut off. */
  failed(cause: unknown): void;
  /** Bytes as they come. The last ones are given only once all of the blob is verified. @throws what it failed with */
  read(range?: ByteRange): Bytes;
}

/** At least so much is kept in memory for those who keep up. More is while it is not written yet. */
const windowBytes = 4 * 1024 * 1024;

interface Piece {
  readonly offset: number;
  readonly bytes: Uint8Array;
}

export interface TailParts {
  readonly blobs: Pick<BlobStore, "staged" | "bytes">;
  readonly sizeBytes: number;
}

export function createTail({ blobs, sizeBytes }: TailParts): Tail {
  /** The window: pieces without a gap. */
  let pieces: Piece[] = [];
  let [receivedBytes, writtenBytes] = [0, 0];
  let staging: StagingId | undefined;
  let blob: StoredBlob | undefined;
  let isVerified = false;
  let failure: { readonly cause: unknown } | undefined;
  let change = Promise.withResolvers<void>();

  function changed(): void {
    change.resolve();
    change = Promise.withResolvers();
  }

  /** What is written need not be in memory, but for the last of it. */
  function forget(): void {
    const keepFrom = Math.min(writtenBytes, receivedBytes - windowBytes);
    let gone = 0;
    for (let piece = pieces[gone]; piece && piece.offset + piece.bytes.length <= keepFrom; piece = pieces[gone]) gone++;
    if (gone > 0) pieces = pieces.slice(gone);
  }

  /** The piece of the window with the byte at `offset`. */
  function pieceAt(offset: number): Piece | undefined {
    let [low, high] = [0, pieces.length - 1];
    while (low <= high) {
      const middle = (low + high) >> 1;
      const piece = pieces[middle];
      if (!piece) return undefined;
      if (offset < piece.offset) high = middle - 1;
      else if (offset >= piece.offset + piece.bytes.length) low = middle + 1;
      else return piece;
    }
    return undefined;
  }

  /** What has come from `offset` on, as far as it can be had at once. */
  async function* have(offset: number): Bytes {
    const piece = pieceAt(offset);
    if (piece) {
      yield piece.bytes.subarray(offset - piece.offset);
      return;
    }
    if (!blob && (staging === undefined || offset >= writtenBytes)) return;
    let from = offset;
    if (!blob && staging !== undefined) {
      try {
        for await (const bytes of blobs.staged(staging, writtenBytes, offset)) {
          from += bytes.length;
          yield bytes;
        }
        return;
      } catch (error) {
        if (error instanceof Refusal) throw error;
        // What is verified leaves the staging for its name, which is told a little later.
        while (isVerified && !blob && !failure) await moved();
        if (!blob) throw failure?.cause ?? error;
      }
    }
    if (blob) yield* blobs.bytes(blob, from);
  }

  /** Resolves when it may have become so that `offset` can be read. */
  async function moved(): Promise<void> {
    await change.promise;
  }

  return {
    push(bytes) {
      pieces.push({ offset: receivedBytes, bytes });
      receivedBytes += bytes.length;
      forget();
      changed();
    },
    begun(name) {
      staging = name;
    },
    written(bytes) {
      writtenBytes = bytes;
      forget();
    },
    verified() {
      isVerified = true;
      changed();
    },
    published(stored) {
      blob = stored;
      isVerified = true;
      changed();
    },
    failed(cause) {
      failure = { cause };
      pieces = [];
      changed();
    },
    async *read({ first, last } = { first: 0, last: sizeBytes - 1 }) {
      const end = last + 1;
      for (let at = first; at < end; ) {
        const before = at;
        for await (const bytes of have(at)) {
          const wanted = bytes.subarray(0, end - at);
          if (at + wanted.length === end) while (!isVerified && !failure) await moved();
          if (failure) throw failure.cause;
          yield wanted;
          at += wanted.length;
          if (at >= end) break;
        }
        if (failure) throw failure.cause;
        if (at === before) await moved();
      }
      while (!isVerified && !failure) await moved();
      if (failure) throw failure.cause;
    },
  };
}
