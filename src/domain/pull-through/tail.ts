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

/** Pieces that are much smaller are put together: the window of an upstream that sends single bytes would be a huge list. */
const gatheredBytes = 16 * 1024;

interface Piece {
  readonly offset: number;
  /** Grows, where small ones are put together: what it has stays where it is. */
  bytes: Uint8Array;
}

export interface TailParts {
  readonly blobs: Pick<BlobStore, "staged" | "bytes">;
  readonly sizeBytes: number;
}

export function createTail({ blobs, sizeBytes }: TailParts): Tail {
  /** The window: pieces without a gap. */
  let pieces: Piece[] = [];
  /** Room for the last piece to grow. */
  let gathering: Uint8Array | undefined;
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

  /** Whether it was small enough to go to the end of the last piece. */
  function gather(bytes: Uint8Array): boolean {
    const piece = pieces.at(-1);
    if (!piece || !gathering || piece.bytes.buffer !== gathering.buffer) return false;
    const { length } = piece.bytes;
    if (length + bytes.length > gathering.length) return false;
    gathering.set(bytes, length);
    piece.bytes = gathering.subarray(0, length + bytes.length);
    return true;
  }

  /** As a piece of its own. */
  function begin(bytes: Uint8Array): void {
    gathering = bytes.length * 4 <= gatheredBytes ? new Uint8Array(gatheredBytes) : undefined;
    gathering?.set(bytes);
    pieces.push({ offset: receivedBytes, bytes: gathering?.subarray(0, bytes.length) ?? bytes });
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
    if (blob) {
      yield* blobs.bytes(blob, offset);
      return;
    }
    if (staging === undefined || offset >= writtenBytes) return;
    try {
      yield* blobs.staged(staging, writtenBytes, offset);
    } catch (error) {
      // It gets its name just now, and is there then.
      while (isVerified && !blob && !failure) await change.promise;
      if (!blob || error instanceof Refusal) throw error;
    }
  }

  return {
    push(bytes) {
      if (!gather(bytes)) begin(bytes);
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
        // Taken before the look: what changes during it is not waited for.
        const next = change.promise;
        for await (const bytes of have(at)) {
          const wanted = bytes.subarray(0, end - at);
          if (at + wanted.length === end) while (!isVerified && !failure) await change.promise;
          if (failure) throw failure.cause;
          yield wanted;
          at += wanted.length;
          if (at >= end) break;
        }
        if (failure) throw failure.cause;
        if (at === before) await next;
      }
      while (!isVerified && !failure) await change.promise;
      if (failure) throw failure.cause;
    },
  };
}
