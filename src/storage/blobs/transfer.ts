import type { Bytes } from "../../domain/registry/ports.ts";
import { tooFewBytes } from "./checks.ts";
import type { DiskFile } from "./disk.ts";

/** Large enough to make system calls rare, small enough that a few per upload do not matter. */
const batchBytes = 1024 * 1024;
/** So much may wait in the page cache. On 1 GiB: the last sync takes a tenth of the time, the push a seventh less. */
const writeBackBytes = 64 * 1024 * 1024;

/** Runs one sync at a time: each blocks a thread of the pool, and there are as few threads as processors. */
export interface WriteBack {
  readonly isBusy: boolean;
  run(sync: () => Promise<void>): Promise<void>;
}

export function createWriteBack(): WriteBack {
  let isBusy = false;
  return {
    get isBusy() {
      return isBusy;
    },
    async run(sync) {
      isBusy = true;
      await sync().finally(() => {
        isBusy = false;
      });
    },
  };
}

/** Between what is hashed and what lies on the disk. */
export interface Encoder {
  /** What there is to write now. It holds until the one after the next is asked for. */
  add(batch: Uint8Array): Uint8Array;
  /** What there is to write at the end. */
  rest(): Uint8Array;
}

const asItIs: Encoder = { add: (batch) => batch, rest: () => new Uint8Array() };

export interface Target {
  readonly file: DiskFile;
  readonly position: number;
  /** Fed with every byte of the source. */
  readonly hasher: Bun.CryptoHasher | undefined;
  /** Left out: the bytes are written as they are. */
  readonly encoder?: Encoder;
  readonly writeBack: WriteBack;
  /** Told how many bytes of the source are in the file, whenever another batch is. */
  readonly written?: (sizeBytes: number) => void;
  /** Brings what is written to the disk early, so that little is left for the commit. */
  sync(): Promise<void>;
}

export interface Written {
  /** Of the source. */
  readonly sizeBytes: number;
  /** What the source threw, if it did. What came before it is written. */
  readonly interrupted?: unknown;
}

/**
 * Writes and hashes in one pass. While the thread pool writes one batch, the next is gathered and hashed; so the slower
 * of the two sets the pace, and an upload never has more than two batches in memory, or four of which two are encoded. Throws only what the target throws,
 * and then nothing is being written any more.
 */
export async function writeHashed(bytes: Bytes, target: Target): Promise<Written> {
  const { file, hasher, encoder = asItIs, writeBack } = target;
  const source = untilInterrupted(bytes);
  let { position } = target;
  let [sizeBytes, unsyncedBytes] = [0, 0];
  let [writing, syncing] = [Promise.resolve(), Promise.resolve()];
  const write = (encoded: Uint8Array) => {
    writing = heldBack(writeAll(file, encoded, position));
    position += encoded.length;
  };
  try {
    for await (const batch of batches(source.bytes)) {
      hasher?.update(batch);
      const encoded = encoder.add(batch);
      await writing;
      target.written?.(sizeBytes);
      if (unsyncedBytes >= writeBackBytes && !writeBack.isBusy) {
        const before = syncing;
        syncing = heldBack(writeBack.run(target.sync));
        unsyncedBytes = 0;
        // It has ended, or another could not have begun. If it failed, this is where it is told.
        await before;
      }
      write(encoded);
      sizeBytes += batch.length;
      unsyncedBytes += batch.length;
    }
    const rest = encoder.rest();
    await writing;
    write(rest);
    await writing;
  } finally {
    await syncing;
  }
  return { sizeBytes, interrupted: source.interrupted };
}

/** The first `sizeBytes` bytes of the file, from `from` on. Each batch is the reader's to keep. */
export async function* readBatches(file: DiskFile, sizeBytes: number, from = 0): Bytes {
  for (let position = from; position < sizeBytes; ) {
    const batch = Buffer.allocUnsafeSlow(Math.min(batchBytes, sizeBytes - position));
    const { bytesRead } = await file.read(batch, 0, batch.length, position);
    if (bytesRead === 0) throw tooFewBytes(position, sizeBytes);
    yield batch.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** The bytes up to the end or an error, which is kept aside: errors of source and target mean different things. */
function untilInterrupted(bytes: Bytes): { readonly bytes: Bytes; readonly interrupted: unknown } {
  let interrupted: unknown;
  async function* pass(): Bytes {
    try {
      yield* bytes;
    } catch (cause) {
      interrupted = cause ?? new Error("the source of the bytes failed and did not say why");
    }
  }
  return {
    bytes: pass(),
    get interrupted() {
      return interrupted;
    },
  };
}

/** Full batches of what comes, and a last one. A batch holds until the one after the next is asked for. */
async function* batches(bytes: Bytes): Bytes {
  const gathered = createGatherer();
  /** A copy of the first chunk, as long as it is the only one: most bodies are small and need no buffer. */
  let only: Uint8Array | undefined;
  let isFirst = true;
  for await (const chunk of bytes) {
    if (isFirst && chunk.length <= batchBytes) {
      only = chunk.slice();
    } else {
      if (only) yield* gathered.add(only);
      only = undefined;
      yield* gathered.add(chunk);
    }
    isFirst = false;
  }
  if (only) yield only;
  else yield* gathered.rest();
}

/**
 * Copies chunks into two buffers in turn, so that what is hashed is what is written, whatever the source does with its
 * memory. Large chunks go in pieces too: hashing one at once would hold up every other request.
 */
function createGatherer() {
  let [filling, other]: (Buffer | undefined)[] = [];
  let filledBytes = 0;
  return {
    *add(chunk: Uint8Array): Iterable<Uint8Array> {
      for (let at = 0; at < chunk.length; ) {
        filling ??= Buffer.allocUnsafeSlow(batchBytes);
        const part = chunk.subarray(at, at + batchBytes - filledBytes);
        filling.set(part, filledBytes);
        filledBytes += part.length;
        at += part.length;
        if (filledBytes < batchBytes) continue;
        yield filling;
        [filling, other, filledBytes] = [other, filling, 0];
      }
    },
    *rest(): Iterable<Uint8Array> {
      if (filling && filledBytes > 0) yield filling.subarray(0, filledBytes);
    },
  };
}

/** Carries on with a promise whose failure is met at a later `await`, perhaps long after, as the source may be slow. */
export function heldBack<Result>(promise: Promise<Result>): Promise<Result> {
  promise.catch(() => {});
  return promise;
}

/** A disk that fills up cuts a write short before it fails the next one. */
export async function writeAll(file: DiskFile, batch: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < batch.length; ) {
    done += (await file.write(batch, done, batch.length - done, position + done)).bytesWritten;
  }
}
