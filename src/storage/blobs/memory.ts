import { digestAlgorithm } from "../../domain/names.ts";
import type { BlobId, BlobStore, Bytes, Generation, StagingId } from "../../domain/registry/ports.ts";
import {
  checkDigest,
  checkedStagingId,
  checkSealed,
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
export function openMemoryBlobs({ clock = () => new Date() }: { clock?: () => Date } = {}): BlobStore {
  const blobs = new Map<string, { id: BlobId; content: Uint8Array; committedAt: Date }>();
  const keyOf = ({ digest, generation }: BlobId) => `${digest}.${generation}`;
  const uploads = new Map<StagingId, Upload>();
  const stagedIn = (staging: StagingId) => uploads.get(checkedStagingId(staging))?.content ?? new Uint8Array();

  const store: BlobStore = {
    async stat({ digest, generation }) {
      const content = blobs.get(keyOf({ digest, generation }))?.content;
      return content && { digest, generation, sizeBytes: content.length };
    },
    async read(blob, range) {
      const content = blobs.get(keyOf(blob))?.content;
      if (!content) return undefined;
      const { offset, sizeBytes } = sliceOf(content.length, range);
      return { kind: "stream", sizeBytes, stream: () => once(content.subarray(offset, offset + sizeBytes)) };
    },
    async *bytes(blob, from = 0) {
      const content = blobs.get(keyOf(blob))?.content;
      if (!content) throw new Error(`no copy of ${blob.digest}`);
      yield* once(content.subarray(from));
    },
    async begin() {
      return newStagingId();
    },
    async append(staging, offset, bytes, { algorithm }) {
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
      uploads.set(staging, { content, writtenAt: clock() });
      return { sizeBytes: content.length, interrupted, digest: await hashOf(once(content), algorithm) };
    },
    async *staged(staging, sizeBytes, from = 0) {
      const content = stagedIn(staging);
      checkStagedBytes(content.length, sizeBytes);
      yield* once(content.slice(from, sizeBytes));
    },
    async commit(staging, digest, staged) {
      const { sizeBytes } = staged;
      const id = { digest, generation: staging as string as Generation };
      if (!uploads.has(staging) && sizeBytes > 0) {
        if (blobs.get(keyOf(id))?.content.length !== sizeBytes) throw tooFewBytes(0, sizeBytes);
        return { ...id, sizeBytes };
      }
      checkStagedBytes(stagedIn(staging).length, sizeBytes);
      const content = stagedIn(staging).subarray(0, sizeBytes);
      await checkDigest(digest, staged.digest, () => once(content));
      blobs.set(keyOf(id), { id, content, committedAt: clock() });
      uploads.delete(staging);
      return { ...id, sizeBytes };
    },
    async store(staging, digest, bytes, scope, { verified } = {}) {
      const appended = await store.append(staging, 0, bytes, { scope, algorithm: digestAlgorithm(digest) });
      if (appended.interrupted !== undefined) return appended;
      const blob = await store.commit(staging, digest, appended, scope);
      verified?.();
      return { ...appended, blob };
    },
    async abort(staging) {
      uploads.delete(checkedStagingId(staging));
    },
    async remove(blob) {
      const freedBytes = blobs.get(keyOf(blob))?.content.length ?? 0;
      blobs.delete(keyOf(blob));
      return freedBytes;
    },
    async *stored(blob) {
      yield* store.bytes(blob);
    },
    async adopt({ digest, generation }, stored) {
      const id = checkSealed({ digest, generation });
      const content = Buffer.concat(await Array.fromAsync(stored));
      blobs.set(keyOf(id), { id, content, committedAt: clock() });
      return { ...id, sizeBytes: content.length };
    },
    async *list(after) {
      for (const key of [...blobs.keys()].sort()) {
        const blob = blobs.get(key);
        if (!blob || (after && key <= keyOf(after))) continue;
        yield { ...blob.id, sizeBytes: blob.content.length, committedAt: blob.committedAt };
      }
    },
    async *stale(before) {
      for (const [staging, { writtenAt }] of uploads) if (writtenAt < before) yield staging;
    },
    async close() {},
  };
  return store;
}

async function* once(content: Uint8Array): Bytes {
  if (content.length > 0) yield content;
}
