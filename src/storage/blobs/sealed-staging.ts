import type { BlobKey, Generation } from "../../domain/registry/ports.ts";
import type { StagedFile } from "./blob-files.ts";
import type { DiskFile } from "./disk.ts";
import { createSealer, openChunks, readAt } from "./sealed-chunks.ts";
import {
  chunkAt,
  chunkBytes,
  contentBytesOf,
  damaged,
  endHeader,
  fileBytesOf,
  type Header,
  notedLength,
  noteLength,
  openChunk,
  positionOf,
  sealChunk,
  sealedBytesOf,
} from "./sealed-format.ts";
import { writeAll, writeHashed } from "./transfer.ts";

interface Parts {
  readonly header: Header;
  readonly keys: BlobKey["keys"];
  readonly generation: Generation;
}

/**
 * An upload whose bytes are sealed. Its last chunk grows, and is sealed anew each time, in its place. Until that is done,
 * a spare of what was acknowledged lies behind it, where the next chunk will be: a process that is killed in between
 * tears the one or the other.
 */
export function stagedSealed(
  file: DiskFile,
  { header, keys, generation }: Parts,
  fileBytesAtFirst: number,
): StagedFile {
  let fileBytes = fileBytesAtFirst;

  async function truncate(sizeBytes: number): Promise<void> {
    await file.truncate(sizeBytes);
    fileBytes = sizeBytes;
  }

  /**
   * The chunk that has the byte at `offset`, from its beginning to there or further, and whether the spare had to be
   * asked. With a spare behind it the file's size does not say how long the chunk is: it ends at `offset`, or where the
   * header notes it. @throws BlobDamaged
   */
  async function tailOf(offset: number): Promise<{ tail: Uint8Array; isSpare: boolean }> {
    const [chunk, tailBytes] = [chunkAt(offset), offset % chunkBytes];
    const [here, behind] = [positionOf(chunk), positionOf(chunk + 1)];
    const found = await readAt(file, Buffer.allocUnsafeSlow(Math.max(0, Math.min(fileBytes, behind) - here)), here);
    for (const plainBytes of [chunkBytes, tailBytes, notedLength(header) - chunk * chunkBytes]) {
      if (plainBytes < tailBytes) continue;
      const tail = openChunk(keys, chunk, found.subarray(0, sealedBytesOf(plainBytes)));
      if (tail && tail.length >= tailBytes) return { tail, isSpare: false };
    }
    const spare = await readAt(file, Buffer.allocUnsafeSlow(sealedBytesOf(tailBytes)), behind);
    const tail = openChunk(keys, chunk, spare);
    if (tail?.length !== tailBytes) throw damaged(`chunk ${chunk}`, { generation });
    return { tail, isSpare: true };
  }

  /** Makes sure that nothing before `offset` can be lost, and answers how the file is made to end there. */
  async function hold(offset: number): Promise<{ tail?: Uint8Array; cut(): Promise<void> }> {
    const here = offset === 0 && fileBytes === 0 ? 0 : positionOf(chunkAt(offset));
    if (offset % chunkBytes === 0) {
      if (fileBytes > here) await truncate(here);
      return { cut: () => truncate(here) };
    }
    const chunk = chunkAt(offset);
    const { tail: found, isSpare } = await tailOf(offset);
    const tail = found.subarray(0, offset % chunkBytes);
    const spare = Buffer.allocUnsafeSlow(sealedBytesOf(tail.length));
    sealChunk(keys, chunk, tail, spare, 0);
    const behind = positionOf(chunk + 1);
    const cut = async () => {
      await writeAll(file, spare, here);
      await truncate(here + spare.length);
    };
    try {
      if (found.length > tail.length) {
        const { changed, position } = noteLength(header, chunk * chunkBytes + found.length);
        await writeAll(file, changed, position);
      }
      if (!isSpare) await writeAll(file, spare, behind);
      await truncate(behind + spare.length);
    } catch (error) {
      await cut().catch(() => {});
      throw error;
    }
    return { tail, cut };
  }

  return {
    get sizeBytes() {
      return contentBytesOf(fileBytes);
    },
    async append(offset, bytes, how) {
      const isNew = fileBytes === 0;
      const { tail, cut } = await hold(offset);
      const chunk = chunkAt(offset);
      const encoder = createSealer(keys, { chunk, tail, head: isNew ? header.bytes : undefined });
      try {
        const written = await writeHashed(bytes, { ...how, file, position: isNew ? 0 : positionOf(chunk), encoder });
        const endBytes = fileBytesOf(offset + written.sizeBytes);
        if (tail) await truncate(endBytes);
        fileBytes = endBytes;
        return written;
      } catch (error) {
        await cut().catch(() => {});
        throw error;
      }
    },
    async *read(sizeBytes, from = 0) {
      const fullBytes = chunkAt(sizeBytes) * chunkBytes;
      const slice = { offset: from, sizeBytes: Math.max(0, fullBytes - from) };
      yield* openChunks({ file, generation, keys, contentBytes: fullBytes }, slice);
      const start = Math.max(0, from - fullBytes);
      if (sizeBytes > fullBytes) yield (await tailOf(sizeBytes)).tail.subarray(start, sizeBytes - fullBytes);
    },
    async finish(blob, sizeBytes) {
      // Also when the size is right: of all chunks only the last one was ever written twice.
      if (sizeBytes % chunkBytes > 0) await tailOf(sizeBytes);
      if (fileBytes !== fileBytesOf(sizeBytes)) await (await hold(sizeBytes)).cut();
      endHeader(header, keys, sizeBytes, blob);
      await writeAll(file, header.bytes, 0);
      fileBytes = fileBytesOf(sizeBytes);
    },
    sync: () => file.sync(),
    datasync: () => file.datasync(),
    close: () => file.close(),
  };
}
