import type { Digest } from "../../domain/names.ts";
import type { BlobStore, Bytes, StagingId } from "../../domain/registry/ports.ts";
import {
  checkDigest,
  checkedStagingId,
  checkStagedBytes,
  hashOf,
  newStagingId,
  sliceOf,
  tooFewBytes,
} from "./checks.ts";

interface Upload {
  readonly content: Uint8Array;
  readonly writtenAt: Date;
}

/** For tests: everything is gone with the process. */
export function openMemoryBlobs(): BlobStore {
  const blobs = new Map<Digest, Uint8Array>();
  const uploads = new Map<StagingId, Upload>();
  const stagedIn = (staging: StagingId) => uploads.get(checkedStagingId(staging))?.content ?? new Uint8Array();

  return {
    async stat(digest) {
      const content = blobs.get(digest);
      return content && { digest, sizeBytes: content.length };
    },
    async read(digest, range) {
      const content = blobs.get(digest);
      if (!content) return undefined;
      const { offset, sizeBytes } = sliceOf(content.length, range);
      return { kind: "stream", sizeBytes, stream: () => once(content.subarray(offset, offset + sizeBytes)) };
    },
    async begin() {
      return newStagingId();
    },
    async append(staging, offset, bytes, algorithm) {
      const before = stagedIn(staging);
      checkStagedBytes(before.length, offset);
      const chunks = [before.subarray(0, offset)];
      let interrupted: unknown;
      try {
        for await (const chunk of bytes) chunks.push(chunk.slice());
      } catch (cause) {
        interrupted = cause ?? new Error("the source of the bytes failed and did not say why");
      }
      const content = Buffer.concat(chunks);
      uploads.set(staging, { content, writtenAt: new Date() });
      return { sizeBytes: content.length, interrupted, digest: await hashOf(once(content), algorithm) };
    },
    async *staged(staging, sizeBytes) {
      const content = stagedIn(staging);
      checkStagedBytes(content.length, sizeBytes);
      yield* once(content.slice(0, sizeBytes));
    },
    async commit(staging, digest, staged) {
      const { sizeBytes } = staged;
      if (!uploads.has(staging) && sizeBytes > 0) {
        const isDone = staged.digest === digest && blobs.get(digest)?.length === sizeBytes;
        if (!isDone) throw tooFewBytes(0, sizeBytes);
        return { digest, sizeBytes };
      }
      checkStagedBytes(stagedIn(staging).length, sizeBytes);
      const content = stagedIn(staging).subarray(0, sizeBytes);
      await checkDigest(digest, staged.digest, () => once(content));
      blobs.set(digest, content);
      uploads.delete(staging);
      return { digest, sizeBytes };
    },
    async abort(staging) {
      uploads.delete(checkedStagingId(staging));
    },
    async remove(digest) {
      blobs.delete(digest);
    },
    async *list(after = "" as Digest) {
      for (const digest of [...blobs.keys()].sort()) {
        const content = blobs.get(digest);
        if (content && digest > after) yield { digest, sizeBytes: content.length };
      }
    },
    async *stale(before) {
      for (const [staging, { writtenAt }] of uploads) if (writtenAt < before) yield staging;
    },
    async close() {},
  };
}

async function* once(content: Uint8Array): Bytes {
  if (content.length > 0) yield content;
}
