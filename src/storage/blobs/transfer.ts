import type { Bytes } from "../../domain/registry/ports.ts";
import type { DiskFile } from "./disk.ts";

/** Large enough to make system calls rare, small enough that two per upload do not matter. */
const batchBytes = 1024 * 1024;
/** How much may wait in the page cache for the final sync. */
export const knob = globalThis as any; //TEMP

export interface Written {
  readonly sizeBytes: number;
  /** What the source threw, if it did. What came before it is written. */
  readonly interrupted?: unknown;
}

/**
 * Writes what comes to `file`, from `position` on, and into `hasher`. While the thread pool writes one batch, the next is
 * gathered and hashed; so the slower of the two sets the pace, and an upload never has more than two batches in memory.
 * Throws only what the file throws, and then nothing is being written any more.
 */
export async function writeHashed(
  file: DiskFile,
  position: number,
  bytes: Bytes,
  hasher: Bun.CryptoHasher | undefined,
): Promise<Written> {
  let interrupted: unknown;
  async function* source(): Bytes {
    try {
      yield* bytes;
    } catch (cause) {
      interrupted = cause ?? new Error("the source of the bytes failed and did not say why");
    }
  }
  let sizeBytes = 0;
  let writing: Promise<void> = Promise.resolve();
  let syncing: Promise<void>|undefined; let unsynced=0;
  for await (const batch of batches(source())) {
    hasher?.update(batch);
    await writing;
    if (knob.FLUSH && unsynced >= knob.FLUSH && !syncing) { unsynced=0; syncing = file.datasync().finally(()=>{syncing=undefined}); }
    writing = writeAll(file, batch, position + sizeBytes);
    // The failure is met at the next `await`, which may be a while when the source is slow.
    writing.catch(() => {});
    sizeBytes += batch.length; unsynced += batch.length;
  }
  await writing;
  await syncing;
  return { sizeBytes, interrupted };
}

/** The first `sizeBytes` bytes of the file. Each batch is the reader's to keep. */
export async function* readBatches(file: DiskFile, sizeBytes: number): Bytes {
  for (let position = 0; position < sizeBytes; ) {
    const batch = Buffer.allocUnsafeSlow(Math.min(batchBytes, sizeBytes - position));
    const { bytesRead } = await file.read(batch, 0, batch.length, position);
    if (bytesRead === 0) throw new RangeError(`${position} bytes are staged, not ${sizeBytes}`);
    yield batch.subarray(0, bytesRead);
    position += bytesRead;
  }
}

/** Full batches of what comes, and a last one. A batch holds until the one after the next is asked for. */
async function* batches(bytes: Bytes): Bytes {
  let [filling, other]: (Buffer | undefined)[] = [];
  let filled = 0;
  /** The first chunk, as long as it is the only one: most bodies are small, and need no buffer. */
  let only: Uint8Array | undefined;
  for await (const next of bytes) {
    if (!filling && !only && next.length <= batchBytes) {
      only = next;
      continue;
    }
    for (const chunk of only ? [only, next] : [next]) {
      for (let at = 0; at < chunk.length; ) {
        filling ??= Buffer.allocUnsafeSlow(batchBytes);
        const part = chunk.subarray(at, at + batchBytes - filled);
        filling.set(part, filled);
        filled += part.length;
        at += part.length;
        if (filled < batchBytes) continue;
        yield filling;
        [filling, other, filled] = [other ?? Buffer.allocUnsafeSlow(batchBytes), filling, 0];
      }
    }
    only = undefined;
  }
  if (only) yield only;
  else if (filling && filled > 0) yield filling.subarray(0, filled);
}

/** A full disk and a signal cut a write short without an error. */
async function writeAll(file: DiskFile, batch: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < batch.length; ) {
    done += (await file.write(batch, done, batch.length - done, position + done)).bytesWritten;
  }
}
