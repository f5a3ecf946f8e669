import { constants } from "node:fs";
import type { BlobId, BlobKey, BlobKeys, Bytes, Generation, StagingId } from "../../domain/registry/ports.ts";
import type { BlobFiles } from "./blob-files.ts";
import { sliceOf } from "./checks.ts";
import { closing, type Disk, type DiskFile, ifExists, keeping, openFile } from "./disk.ts";
import { openChunks, readAt, type SealedContent, type Slice } from "./sealed-chunks.ts";
import {
  checkHeader,
  checkKeys,
  chunkAt,
  chunkBytes,
  contentBytesOf,
  damaged,
  fileBytesOf,
  type Header,
  headerBytes,
  newHeader,
  parseHeader,
  positionOf,
} from "./sealed-format.ts";
import { stagedSealed } from "./sealed-staging.ts";

const { O_RDONLY, O_RDWR, O_CREAT, O_TRUNC } = constants;

/** What lies in so many chunks is read before the answer: a stream would hold as much in memory. */
const wholeChunks = 2;

interface Opened extends SealedContent {
  /** What was read of the file on the way. */
  readonly firstChunk?: Buffer;
}

/** Content that is sealed with a key of its own (sealed-format.ts). */
export function sealedFiles(disk: Disk, blobKeys: BlobKeys): BlobFiles {
  async function keysOf(bytes: Buffer, generation: Generation): Promise<{ header: Header; keys: BlobKey["keys"] }> {
    const header = parseHeader(bytes);
    if (!header) throw damaged("the header", { generation });
    const keys = await blobKeys.open(header.wrapped, generation as string as StagingId);
    checkKeys(header, keys, { generation });
    return { header, keys };
  }

  /** @throws BlobDamaged unless header and size are those of this copy */
  async function opened(file: DiskFile, blob: BlobId, withFirstChunk: boolean): Promise<Opened> {
    const { generation } = blob;
    const wanted = Buffer.allocUnsafeSlow(withFirstChunk ? positionOf(1) : headerBytes);
    const [{ size }, found] = await Promise.all([file.stat(), readAt(file, wanted, 0)]);
    const { header, keys } = await keysOf(found.subarray(0, headerBytes), generation);
    const contentBytes = checkHeader(header, keys, blob);
    if (fileBytesOf(contentBytes) !== size) throw damaged("the length", blob);
    const firstChunk = withFirstChunk ? found.subarray(headerBytes) : undefined;
    return { file, generation, keys, contentBytes, firstChunk };
  }

  /** Opens the copy again: whoever asks for content may never come to read it, and would leave a file open. */
  async function* goOn(path: string, copy: SealedContent, begun: { first?: Uint8Array }, rest: Slice): Bytes {
    if (begun.first) yield begun.first;
    begun.first = undefined;
    const file = await openFile(disk, path, O_RDONLY);
    try {
      yield* openChunks({ ...copy, file }, rest);
    } finally {
      await file.close();
    }
  }

  return {
    contentBytes: contentBytesOf,
    async begin(path, staging, scope) {
      const key = await blobKeys.make(scope, staging);
      const header = newHeader(key);
      const file = await openFile(disk, path, O_RDWR | O_CREAT | O_TRUNC);
      return stagedSealed(file, { header, keys: key.keys, generation: staging as string as Generation }, 0);
    },
    async resume(path, staging) {
      const file = await ifExists(openFile(disk, path, O_RDWR));
      if (!file) return undefined;
      return keeping(file, async () => {
        const generation = staging as string as Generation;
        const wanted = Buffer.allocUnsafeSlow(headerBytes);
        const [{ size }, found] = await Promise.all([file.stat(), readAt(file, wanted, 0)]);
        // Nothing was staged before the header was.
        if (size < headerBytes) return void (await file.close());
        return stagedSealed(file, { ...(await keysOf(found, generation)), generation }, size);
      });
    },
    async read(path, blob, range) {
      const file = await ifExists(openFile(disk, path, O_RDONLY));
      if (!file) return undefined;
      return closing(file, async () => {
        const { firstChunk, ...copy } = await opened(file, blob, chunkAt(range?.first ?? 0) === 0);
        const { offset, sizeBytes } = sliceOf(copy.contentBytes, range);
        const restOfChunk = chunkBytes - (offset % chunkBytes);
        const isSmall = sizeBytes <= restOfChunk + (wholeChunks - 1) * chunkBytes;
        const readBytes = isSmall ? sizeBytes : restOfChunk;
        const bytes = Buffer.concat(
          await Array.fromAsync(openChunks(copy, { offset, sizeBytes: readBytes }, firstChunk)),
        );
        if (isSmall) return { kind: "bytes", bytes, sizeBytes };
        const rest = { offset: offset + readBytes, sizeBytes: sizeBytes - readBytes };
        const begun = { first: bytes };
        return { kind: "stream", sizeBytes, stream: () => goOn(path, copy, begun, rest), isGivenAway: true };
      });
    },
    async *bytes(path, blob, from = 0) {
      const file = await openFile(disk, path, O_RDONLY);
      try {
        const copy = await opened(file, blob, chunkAt(from) === 0);
        yield* openChunks(copy, { offset: from, sizeBytes: copy.contentBytes - from }, copy.firstChunk);
      } finally {
        await file.close();
      }
    },
  };
}
