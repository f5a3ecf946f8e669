import type { BlobKey, Bytes, Generation } from "../../domain/registry/ports.ts";
import { readCached } from "./cached-reads.ts";
import type { DiskFile } from "./disk.ts";
import { chunkAt, chunkBytes, damaged, openChunk, positionOf, sealChunk, sealedBytesOf } from "./sealed-format.ts";
import { type Encoder, heldBack } from "./transfer.ts";

/** A file whose header is known to go with these keys, and to count so many bytes of content. */
export interface SealedContent {
  readonly file: DiskFile;
  readonly generation: Generation;
  readonly keys: BlobKey["keys"];
  readonly contentBytes: number;
}

export interface Slice {
  readonly offset: number;
  readonly sizeBytes: number;
}

/** After so many chunks that needed no waiting, others get their turn: about as much as a socket takes at once. */
const chunksPerTurn = 4;

/** What lies there, short at the end of the file. */
export async function readAt(file: DiskFile, buffer: Buffer, position: number): Promise<Buffer> {
  let done = 0;
  while (done < buffer.length) {
    const { bytesRead } = await file.read(buffer, done, buffer.length - done, position + done);
    if (bytesRead === 0) break;
    done += bytesRead;
  }
  return buffer.subarray(0, done);
}

/**
 * A part of the content, chunk by chunk, none before it is known to be what was sealed; each is the reader's to keep.
 * What the kernel has in memory is read at once; else the next is read while one is in use.
 * @param read the first chunk as it lies in the file, if somebody has read it
 * @throws BlobDamaged
 */
export async function* openChunks(
  { file, generation, keys, contentBytes }: SealedContent,
  { offset, sizeBytes }: Slice,
  read?: Buffer,
): Bytes {
  if (sizeBytes === 0) return;
  const end = offset + sizeBytes;
  const [first, last] = [chunkAt(offset), chunkAt(end - 1)];
  /** Used in turn. */
  let [reading, other]: (Buffer | undefined)[] = [];
  const sealed = (chunk: number) => {
    const bytes = sealedBytesOf(Math.min(chunkBytes, contentBytes - chunk * chunkBytes));
    // The last chunk alone can be shorter, so what is there is large enough.
    reading ??= Buffer.allocUnsafeSlow(bytes);
    const target = reading.subarray(0, bytes);
    [reading, other] = [other, reading];
    const position = positionOf(chunk);
    const done = readCached(file, target, position);
    if (done === bytes) return target;
    return heldBack(
      readAt(file, target.subarray(done), position + done).then((more) => target.subarray(0, done + more.length)),
    );
  };
  let next: Buffer | Promise<Buffer> = read ?? sealed(first);
  try {
    for (let chunk = first; chunk <= last; chunk++) {
      if (chunk % chunksPerTurn === 0) await nextTurn();
      const found = await next;
      if (chunk < last) next = sealed(chunk + 1);
      const plain = openChunk(keys, chunk, found);
      if (!plain) throw damaged(`chunk ${chunk}`, { generation });
      const start = chunk * chunkBytes;
      yield plain.subarray(Math.max(0, offset - start), end - start);
    }
  } finally {
    // Nothing may be read into these buffers, or from a file that is about to be closed.
    await Promise.resolve(next).catch(() => {});
  }
}

/** Promises that are kept already would never let the event loop go on. */
function nextTurn(): Promise<void> {
  return new Promise((resolve) => setImmediate(resolve));
}

/**
 * Seals what is added, from a chunk's beginning on.
 * @param options.head what is written before it
 * @param options.tail content that is sealed before it, less than a chunk
 */
export function createSealer(
  keys: BlobKey["keys"],
  options: { readonly chunk: number; readonly head?: Uint8Array; readonly tail?: Uint8Array },
): Encoder {
  let { chunk, head = new Uint8Array(), tail: waiting = new Uint8Array() } = options;
  /** Used in turn, so that one can be written while the other is filled. */
  let [filling, other]: (Buffer | undefined)[] = [];

  /** With room for so many bytes, and the head in it. */
  function output(sealedBytes: number): Buffer {
    const bytes = head.length + sealedBytes;
    const buffer = filling && filling.length >= bytes ? filling : Buffer.allocUnsafeSlow(bytes);
    [filling, other] = [other, buffer];
    buffer.set(head);
    return buffer;
  }

  return {
    add(batch) {
      const chunks = chunkAt(waiting.length + batch.length);
      if (chunks === 0) {
        waiting = Buffer.concat([waiting, batch]);
        return new Uint8Array();
      }
      const target = output(chunks * sealedBytesOf(chunkBytes));
      let [from, at] = [0, head.length];
      head = new Uint8Array();
      for (let count = 0; count < chunks; count++) {
        const part = batch.subarray(from, from + chunkBytes - waiting.length);
        from += part.length;
        at = sealChunk(keys, chunk++, waiting.length > 0 ? Buffer.concat([waiting, part]) : part, target, at);
        waiting = new Uint8Array();
      }
      waiting = Buffer.concat([waiting, batch.subarray(from)]);
      return target.subarray(0, at);
    },
    rest() {
      if (waiting.length === 0) return head;
      const target = output(sealedBytesOf(waiting.length));
      return target.subarray(0, sealChunk(keys, chunk, waiting, target, head.length));
    },
  };
}
