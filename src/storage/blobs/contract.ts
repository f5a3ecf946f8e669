import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { Refusal } from "../../domain/errors.ts";
import { type Digest, type DigestAlgorithm, digestOf } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type {
  Appended,
  BlobId,
  BlobStore,
  Bytes,
  Content,
  Generation,
  KeyScope,
  StagingId,
  StoredBlob,
} from "../../domain/registry/ports.ts";

const mebibyte = 1024 * 1024;
/** Of the form of a generation, and nobody's. */
export const noGeneration = "00000000-0000-7000-8000-000000000000" as Generation;

/** What every blob store promises. Each test has blobs of its own, so that one store can serve them all. */
export function blobContract(
  name: string,
  open: () => Promise<{
    blobs: BlobStore;
    /** A second process over the same bytes. Without it, that case is not tested. */
    reopen?: () => Promise<BlobStore>;
    dispose(): Promise<void>;
  }>,
  {
    scope = serverScope,
    storedBytes = (contentBytes) => contentBytes,
  }: {
    scope?: KeyScope;
    /** How many bytes there are of a copy with so much content. */
    storedBytes?: (contentBytes: number) => number;
  } = {},
) {
  describe(`${name} keeps the port of blob stores`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let blobs: BlobStore;
    beforeAll(async () => {
      opened = await open();
      blobs = noting(opened.blobs);
    });
    afterAll(async () => {
      await blobs.close();
      await opened.dispose();
    });

    async function push(content: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Promise<Digest> {
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, from(content), { scope, algorithm });
      const digest = digestFor(content, algorithm);
      await blobs.commit(staging, digest, staged, scope);
      return digest;
    }
    /** The newest copy of each content. */
    const copies = new Map<Digest, StoredBlob>();
    function noting(store: BlobStore): BlobStore {
      return {
        ...store,
        async commit(...upload) {
          const blob = await store.commit(...upload);
          copies.set(blob.digest, blob);
          return blob;
        },
        async store(...upload) {
          const stored = await store.store(...upload);
          if (stored.blob) copies.set(stored.blob.digest, stored.blob);
          return stored;
        },
      };
    }
    const copyOf = (digest: Digest): BlobId => copies.get(digest) ?? { digest, generation: noGeneration };
    async function pulled(digest: Digest): Promise<Buffer | undefined> {
      const content = await blobs.read(copyOf(digest));
      return content && bytesOf(content);
    }
    const published = async (digest: Digest) => (await all(blobs.list())).some((blob) => blob.digest === digest);

    test("a blob that is not there is an answer for every verb", async () => {
      const absent = digestFor(sample(7));
      expect(await published(absent)).toBe(false);
      expect(await blobs.stat(copyOf(absent))).toBeUndefined();
      expect(await blobs.read(copyOf(absent))).toBeUndefined();
      expect(await blobs.read(copyOf(absent), { first: 0, last: 1 })).toBeUndefined();
      expect(await blobs.remove(copyOf(absent))).toBe(0);
      await blobs.abort(await blobs.begin(scope));
    });

    test("an upload is begun without being there, and no two are the same", async () => {
      const stagings = await Promise.all(Array.from({ length: 20 }, () => blobs.begin(scope)));
      expect(new Set(stagings).size).toBe(20);
      const stale = new Set(await all(blobs.stale(soon())));
      expect(stagings.filter((staging) => stale.has(staging))).toEqual([]);
    });

    test.each(["sha256", "sha512"] as const)("what was pushed under %s is pulled", async (algorithm) => {
      const content = sample(100_000);
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, from(content), { scope, algorithm });
      const digest = digestFor(content, algorithm);
      expect(staged).toEqual({ sizeBytes: content.length, digest });
      expect(await published(digest)).toBe(false);
      const blob = await blobs.commit(staging, digest, staged, scope);
      expect(blob).toEqual({ digest, generation: expect.any(String), sizeBytes: content.length });
      expect(await blobs.stat(blob)).toEqual(blob);
      expect(await pulled(digest)).toEqual(content);
    });

    test.each([
      ["the first byte", 0, 0],
      ["the last byte", 9_999, 9_999],
      ["all", 0, 9_999],
      ["a part", 1_000, 2_345],
    ])("a range can be read: %s", async (_, first, last) => {
      const content = sample(10_000);
      const found = await blobs.read(copyOf(await push(content)), { first, last });
      expect(found?.sizeBytes).toBe(last - first + 1);
      expect(found && (await bytesOf(found))).toEqual(content.subarray(first, last + 1));
    });

    test.each([
      [0, 10],
      [10, 10],
      [-1, 3],
      [5, 4],
      [0.5, 3],
      [0, Number.NaN],
    ])("a range from %p to %p is not in 10 bytes", async (first, last) => {
      const digest = await push(sample(10));
      await expect(blobs.read(copyOf(digest), { first, last })).rejects.toThrow(RangeError);
    });

    test.each(["sha256", "sha512"] as const)("the empty blob is a blob, %s", async (algorithm) => {
      const digest = digestFor(new Uint8Array(), algorithm);
      const ways: ((staging: StagingId) => Promise<Appended>)[] = [
        (staging) => blobs.append(staging, 0, from(), { scope, algorithm }),
        (staging) => blobs.append(staging, 0, from(new Uint8Array()), { scope, algorithm }),
        async () => ({ sizeBytes: 0 }),
      ];
      for (const way of ways) {
        const staging = await blobs.begin(scope);
        const staged = await way(staging);
        expect(await blobs.commit(staging, digest, staged, scope)).toMatchObject({ digest, sizeBytes: 0 });
        expect(await pulled(digest)).toEqual(Buffer.alloc(0));
        await blobs.remove(copyOf(digest));
      }
    });

    test("an upload of nothing does not have the digest of something", async () => {
      const staging = await blobs.begin(scope);
      await expectMismatch(blobs.commit(staging, digestFor(sample(5)), { sizeBytes: 0 }, scope));
      expect(await published(digestFor(sample(5)))).toBe(false);
      await blobs.abort(staging);
    });

    test.each([
      ["the digest that came with the bytes", true],
      ["the bytes, read again", false],
    ])("a wrong digest publishes nothing and keeps the upload, by %s", async (_, isKnown) => {
      const content = sample(50_000);
      const staging = await blobs.begin(scope);
      const appended = await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
      const staged = isKnown ? appended : { sizeBytes: appended.sizeBytes };
      const wrong = digestFor(sample(50_000));
      await expectMismatch(blobs.commit(staging, wrong, staged, scope));
      expect(await published(wrong)).toBe(false);
      expect(await published(digestFor(content))).toBe(false);
      await blobs.commit(staging, digestFor(content), staged, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("the digest asked for at the end may be of another algorithm", async () => {
      const content = sample(30_000);
      for (const [begun, ended] of [
        ["sha256", "sha512"],
        ["sha512", "sha256"],
      ] as const) {
        const staging = await blobs.begin(scope);
        const staged = await blobs.append(staging, 0, from(content), { scope, algorithm: begun });
        await expectMismatch(blobs.commit(staging, digestFor(sample(30_000), ended), staged, scope));
        await blobs.commit(staging, digestFor(content, ended), staged, scope);
        expect(await pulled(digestFor(content, ended))).toEqual(content);
        expect(await published(digestFor(content, begun))).toBe(false);
        await blobs.remove(copyOf(digestFor(content, ended)));
      }
    });

    test.each([
      ["bytes one by one", 3_001, [1]],
      ["small primes", 100_003, [2, 3, 5, 7, 11, 13]],
      ["prime sizes around the network's", 3 * mebibyte + 17, [65_521, 65_537]],
      ["large primes", 5 * mebibyte + 1, [1_048_573, 1_048_583]],
      ["some empty", 10_007, [0, 1_009, 0, 0, 13]],
      ["an empty one first", 300, [0, 300]],
      ["one chunk", 70_001, [70_001]],
      ["one chunk of several mebibytes", 3 * mebibyte + 1, [4 * mebibyte]],
      ["one mebibyte less one byte", mebibyte - 1, [mebibyte - 1]],
      ["one mebibyte", mebibyte, [mebibyte]],
      ["one mebibyte and a byte", mebibyte + 1, [mebibyte + 1]],
      ["one mebibyte in two chunks", mebibyte, [mebibyte / 2]],
      ["two mebibytes less one byte, then more", 2 * mebibyte + 5, [2 * mebibyte - 1, 1, 5]],
      ["a small one before two mebibytes", 2 * mebibyte + 9, [9, 2 * mebibyte]],
    ])("chunks come out as they came in: %s", async (_, sizeBytes, sizes) => {
      const content = sample(sizeBytes);
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, chunked(content, sizes), {
        scope,
        algorithm: "sha256",
      });
      expect(staged).toEqual({ sizeBytes, digest: digestFor(content) });
      // Read again, so that the bytes are checked and not what was hashed on the way.
      await blobs.commit(staging, digestFor(content), { sizeBytes }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("a source may use its memory again", async () => {
      const content = sample(300_000);
      async function* recycling(): Bytes {
        const memory = new Uint8Array(1_000);
        for (let at = 0; at < content.length; at += memory.length) {
          memory.set(content.subarray(at, at + memory.length));
          yield memory;
        }
      }
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, recycling(), { scope, algorithm: "sha256" });
      expect(staged).toEqual({ sizeBytes: content.length, digest: digestFor(content) });
      await blobs.commit(staging, digestFor(content), { sizeBytes: content.length }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("an upload goes on where it stands, in several appends", async () => {
      const content = sample(2 * mebibyte + 123);
      const staging = await blobs.begin(scope);
      let offset = 0;
      let before: Digest | undefined;
      for (const end of [1, 1, 70_000, mebibyte, mebibyte + 70_000, content.length]) {
        const part = content.subarray(offset, end);
        const { sizeBytes, digest } = await blobs.append(staging, offset, chunked(part, [60_013]), {
          scope,
          algorithm: "sha256",
          acknowledged: before,
        });
        expect(sizeBytes).toBe(end);
        expect(digest).toBe(digestFor(content.subarray(0, end)));
        before = digest;
        offset = end;
      }
      const staged = { sizeBytes: offset, digest: digestFor(content) };
      await blobs.commit(staging, digestFor(content), staged, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("an append with another algorithm than before answers no digest, or the right one", async () => {
      const content = sample(20_000);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(content.subarray(0, 9_000)), { scope, algorithm: "sha256" });
      const staged = await blobs.append(staging, 9_000, from(content.subarray(9_000)), {
        scope,
        algorithm: "sha512",
      });
      expect([undefined, digestFor(content, "sha512")]).toContain(staged.digest);
      await blobs.commit(staging, digestFor(content, "sha512"), staged, scope);
      expect(await pulled(digestFor(content, "sha512"))).toEqual(content);
    });

    test.each([
      ["shorter than the junk", 5_000],
      ["longer than the junk", 50_000],
    ])("what is staged behind the offset is dropped: the rest is %s", async (_, restBytes) => {
      const content = sample(10_000 + restBytes);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(content.subarray(0, 10_000), sample(20_000)), {
        scope,
        algorithm: "sha256",
      });
      const staged = await blobs.append(staging, 10_000, from(content.subarray(10_000)), {
        scope,
        algorithm: "sha256",
      });
      expect(staged.sizeBytes).toBe(content.length);
      expect([undefined, digestFor(content)]).toContain(staged.digest);
      await blobs.commit(staging, digestFor(content), { sizeBytes: content.length }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("an upload can start over", async () => {
      const content = sample(4_000);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(sample(9_000)), { scope, algorithm: "sha256" });
      const staged = await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
      expect(staged).toEqual({ sizeBytes: 4_000, digest: digestFor(content) });
      await blobs.commit(staging, digestFor(content), { sizeBytes: 4_000 }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("only the bytes that are counted are published", async () => {
      const content = sample(10_000);
      for (const sizeBytes of [0, 1, 6_000]) {
        const kept = content.subarray(0, sizeBytes);
        const staging = await blobs.begin(scope);
        await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
        const staged = { sizeBytes, digest: digestFor(kept) };
        const blob = await blobs.commit(staging, digestFor(kept), staged, scope);
        expect(blob).toMatchObject({ digest: digestFor(kept), sizeBytes });
        expect(await pulled(digestFor(kept))).toEqual(kept);
      }
    });

    test("bytes cannot follow on ones that are not there", async () => {
      const staging = await blobs.begin(scope);
      await expect(blobs.append(staging, 1, from(sample(10)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      await blobs.append(staging, 0, from(sample(10)), { scope, algorithm: "sha256" });
      await expect(blobs.append(staging, 11, from(sample(10)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      await expect(blobs.append(staging, -1, from(sample(10)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      await expect(blobs.append(staging, 0.5, from(sample(10)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      await blobs.abort(staging);
    });

    test("an upload that has fewer bytes than are counted is not published", async () => {
      const content = sample(10);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(content.subarray(0, 9)), { scope, algorithm: "sha256" });
      const staged = { sizeBytes: 10, digest: digestFor(content) };
      await expect(blobs.commit(staging, digestFor(content), staged, scope)).rejects.toThrow(RangeError);
      expect(await published(digestFor(content))).toBe(false);
      await blobs.abort(staging);
      await expect(blobs.commit(staging, digestFor(content), staged, scope)).rejects.toThrow(RangeError);
      await expect(all(blobs.staged(staging, 10))).rejects.toThrow(RangeError);
    });

    test.each([
      ["before the first byte", 0],
      ["in the first chunk", 10],
      ["after some chunks", 200_003],
      ["after more than a mebibyte", mebibyte + 200_003],
    ])("what came before a failure of the source is kept: %s", async (_, receivedBytes) => {
      const content = sample(receivedBytes + 1_000);
      const cause = new Error("the connection broke");
      async function* broken(): Bytes {
        yield* chunked(content.subarray(0, receivedBytes), [65_536]);
        throw cause;
      }
      const staging = await blobs.begin(scope);
      const { interrupted, ...received } = await blobs.append(staging, 0, broken(), {
        scope,
        algorithm: "sha256",
      });
      expect(interrupted).toBe(cause);
      expect(received).toEqual({ sizeBytes: receivedBytes, digest: digestFor(content.subarray(0, receivedBytes)) });
      const rest = from(content.subarray(receivedBytes));
      const staged = await blobs.append(staging, receivedBytes, rest, {
        scope,
        algorithm: "sha256",
        acknowledged: received.digest,
      });
      expect(staged).toEqual({ sizeBytes: content.length, digest: digestFor(content) });
      await blobs.commit(staging, digestFor(content), { sizeBytes: staged.sizeBytes }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("a source that fails with nothing to say has failed all the same", async () => {
      const staging = await blobs.begin(scope);
      const mute: Bytes = { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(undefined) }) };
      const appended = await blobs.append(staging, 0, mute, { scope, algorithm: "sha256" });
      expect(appended.interrupted).toBeInstanceOf(Error);
      await blobs.abort(staging);
    });

    test("staged bytes can be moved to another upload", async () => {
      const content = sample(mebibyte + 4_321);
      const [before, after] = [await blobs.begin(scope), await blobs.begin(scope)];
      await blobs.append(before, 0, from(content, sample(500)), { scope, algorithm: "sha256" });
      const staged = await blobs.append(after, 0, blobs.staged(before, content.length), {
        scope,
        algorithm: "sha256",
      });
      expect(staged).toEqual({ sizeBytes: content.length, digest: digestFor(content) });
      await blobs.abort(before);
      await blobs.commit(after, digestFor(content), staged, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
      expect(await all(blobs.staged(await blobs.begin(scope), 0))).toEqual([]);
    });

    test("what comes can be read while it comes, from wherever one is", async () => {
      const content = sample(5 * mebibyte + 777);
      const staging = await blobs.begin(scope);
      let [writtenBytes, isVerified] = [0, false];
      const reads: boolean[] = [];
      async function* source() {
        for (let at = 0; at < content.length; at += 100_000) {
          yield content.subarray(at, at + 100_000);
          if (writtenBytes < mebibyte) continue;
          const from = Math.max(0, writtenBytes - mebibyte - 10);
          const staged = Buffer.concat(await Array.fromAsync(blobs.staged(staging, writtenBytes, from)));
          reads.push(staged.equals(content.subarray(from, writtenBytes)));
        }
        expect(isVerified).toBe(false);
      }
      const digest = digestFor(content);
      const { blob } = await blobs.store(staging, digest, source(), scope, {
        written: (sizeBytes) => {
          writtenBytes = sizeBytes;
        },
        verified: () => {
          isVerified = true;
        },
      });
      expect(isVerified).toBe(true);
      expect(reads.every((isRight) => isRight)).toBe(true);
      for (const from of [0, 1, mebibyte, content.length - 1]) {
        const rest = blob && Buffer.concat(await Array.fromAsync(blobs.bytes(blob, from)));
        expect(rest?.equals(content.subarray(from))).toBe(true);
      }
    });

    test("the same content can be committed again", async () => {
      const content = sample(8_000);
      const digest = await push(content);
      expect(await push(content)).toBe(digest);
      expect(await pulled(digest)).toEqual(content);
    });

    test("a commit can be repeated when nobody heard of its success", async () => {
      const content = sample(8_000);
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
      const done = await blobs.commit(staging, digestFor(content), staged, scope);
      expect(await blobs.commit(staging, digestFor(content), staged, scope)).toEqual(done);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("an upload that is gone opens no blob that it did not have", async () => {
      const [mine, theirs] = [sample(8_000), sample(8_000)];
      const secret = await push(theirs);
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, from(mine), { scope, algorithm: "sha256" });
      await blobs.commit(staging, digestFor(mine), staged, scope);
      await expect(blobs.commit(staging, secret, staged, scope)).rejects.toThrow(RangeError);
      await expect(blobs.commit(staging, secret, { sizeBytes: staged.sizeBytes }, scope)).rejects.toThrow(RangeError);
    });

    test.each([
      ["sha256", 0],
      ["sha256", 1],
      ["sha512", 70_000],
      ["sha256", 3 * mebibyte + 1],
    ] as const)("content that comes whole is stored at once, %s, %d bytes", async (algorithm, sizeBytes) => {
      const content = sample(sizeBytes);
      const digest = digestFor(content, algorithm);
      const staging = await blobs.begin(scope);
      const stored = await blobs.store(staging, digest, chunked(content, [65_537]), scope);
      expect(stored).toMatchObject({ sizeBytes, digest, blob: { digest, sizeBytes } });
      expect(stored.interrupted).toBeUndefined();
      expect(await pulled(digest)).toEqual(content);
      // As after a crash that nobody was told of.
      const again = await blobs.store(staging, digest, from(content), scope);
      expect(again.blob).toEqual(stored.blob);
      expect(await blobs.commit(staging, digest, stored, scope)).toEqual(copyOf(digest) as StoredBlob);
      expect(await pulled(digest)).toEqual(content);
    });

    test("content that comes whole and is something else is not published, and stays staged", async () => {
      const content = sample(9_000);
      const staging = await blobs.begin(scope);
      const wrong = digestFor(sample(9_000));
      await expectMismatch(blobs.store(staging, wrong, from(content), scope));
      expect(await published(wrong)).toBe(false);
      await blobs.commit(staging, digestFor(content), { sizeBytes: 9_000 }, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("what came before a whole content broke off is staged, and can go on", async () => {
      const content = sample(200_000);
      const cause = new Error("the connection broke");
      async function* broken(): Bytes {
        yield content.subarray(0, 120_000);
        throw cause;
      }
      const staging = await blobs.begin(scope);
      const stored = await blobs.store(staging, digestFor(content), broken(), scope);
      expect(stored.blob).toBeUndefined();
      expect(stored).toMatchObject({ interrupted: cause, sizeBytes: 120_000 });
      expect(await published(digestFor(content))).toBe(false);
      const rest = content.subarray(120_000);
      const staged = await blobs.append(staging, 120_000, from(rest), {
        scope,
        algorithm: "sha256",
        acknowledged: stored.digest,
      });
      await blobs.commit(staging, digestFor(content), staged, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("what was staged before does not count when content comes whole", async () => {
      const content = sample(1_000);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(sample(5_000)), { scope, algorithm: "sha256" });
      await blobs.store(staging, digestFor(content), from(content), scope);
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("an upload that was dropped is gone, and dropping it again is fine", async () => {
      const content = sample(3_000);
      const staging = await blobs.begin(scope);
      const staged = await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
      await blobs.abort(staging);
      await blobs.abort(staging);
      await expect(blobs.append(staging, 3_000, from(sample(1)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      await expect(blobs.commit(staging, digestFor(content), staged, scope)).rejects.toThrow(RangeError);
      expect(await published(digestFor(content))).toBe(false);
    });

    test("a blob that was removed is gone, and can come back", async () => {
      const content = sample(3_000);
      const digest = await push(content);
      const before = copyOf(digest);
      expect(await blobs.remove(before)).toBe(storedBytes(3_000));
      expect(await blobs.remove(before)).toBe(0);
      expect(await blobs.stat(before)).toBeUndefined();
      expect(await blobs.read(before)).toBeUndefined();
      expect(await push(content)).toBe(digest);
      expect(await pulled(digest)).toEqual(content);
      // Whoever was late with the removal of the one copy does not meet the other.
      expect(await blobs.remove(before)).toBe(0);
      expect(await pulled(digest)).toEqual(content);
    });

    test("each commit is a copy of its own", async () => {
      const content = sample(1_000);
      const first = copyOf(await push(content));
      const second = copyOf(await push(content));
      expect(second.generation).not.toBe(first.generation);
      expect(await blobs.remove(first)).toBe(storedBytes(1_000));
      expect(await pulled(second.digest)).toEqual(content);
    });

    test("uploads of the same content at once each succeed", async () => {
      const content = sample(2 * mebibyte + 1);
      const digests = await Promise.all(Array.from({ length: 4 }, () => push(content)));
      expect(new Set(digests)).toEqual(new Set([digestFor(content)]));
      expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("fifty uploads at once do not get into each other's way", async () => {
      const contents = Array.from({ length: 50 }, (_, index) => sample(1_000 + index * 6_007));
      async function inParts(content: Uint8Array): Promise<void> {
        const staging = await blobs.begin(scope);
        const middle = content.length >> 1;
        const first = await blobs.append(staging, 0, chunked(content.subarray(0, middle), [4_099]), {
          scope,
          algorithm: "sha256",
        });
        const rest = chunked(content.subarray(middle), [9_973]);
        const staged = await blobs.append(staging, middle, rest, {
          scope,
          algorithm: "sha256",
          acknowledged: first.digest,
        });
        await blobs.commit(staging, digestFor(content), staged, scope);
      }
      await Promise.all(contents.map(inParts));
      for (const content of contents) expect(await pulled(digestFor(content))).toEqual(content);
    });

    test("every blob is listed in the order of digests, from anywhere on", async () => {
      const pushed: Digest[] = [];
      const began = Date.now() - 1_000;
      const twice = sample(50);
      for (let index = 0; index < 12; index++) pushed.push(await push(sample(50), index % 3 ? "sha256" : "sha512"));
      pushed.push(await push(twice), await push(twice));
      const listed = await all(blobs.list());
      const names = listed.map(({ digest, generation }) => `${digest}.${generation}`);
      expect(names).toEqual([...names].sort());
      expect(listed.map(({ digest }) => digest)).toEqual(expect.arrayContaining(pushed));
      expect(listed.filter(({ digest }) => digest === digestFor(twice)).length).toBe(2);
      for (const [index, after] of listed.entries()) {
        expect(await all(blobs.list(after))).toEqual(listed.slice(index + 1));
      }
      for (const { committedAt, ...blob } of listed) {
        expect(await blobs.stat(blob)).toEqual(blob);
        if (pushed.includes(blob.digest)) expect(committedAt.getTime()).toBeGreaterThan(began);
      }
    });

    test("a list goes on after a blob that was removed meanwhile", async () => {
      for (let index = 0; index < 4; index++) await push(sample(60));
      const [first, second, ...rest] = await all(blobs.list());
      if (!first || !second) throw new Error("four were pushed");
      await blobs.remove(first);
      await blobs.remove(second);
      expect(await all(blobs.list(first))).toEqual(rest);
    });

    test("uploads are stale by their last write, and neither blobs nor dropped uploads are", async () => {
      const [left, dropped, done] = [await blobs.begin(scope), await blobs.begin(scope), await blobs.begin(scope)];
      const content = sample(100);
      for (const staging of [left, dropped, done])
        await blobs.append(staging, 0, from(content), { scope, algorithm: "sha256" });
      await blobs.abort(dropped);
      await blobs.commit(done, digestFor(content), { sizeBytes: 100 }, scope);
      const stale = await all(blobs.stale(soon()));
      expect(stale).toContain(left);
      expect(stale).not.toContain(dropped);
      expect(stale).not.toContain(done);
      expect(await all(blobs.stale(new Date(0)))).toEqual([]);
      await blobs.abort(left);
      expect(await all(blobs.stale(soon()))).not.toContain(left);
    });

    test("a hash of bytes that were never acknowledged says nothing about those that another process put in their place", async () => {
      if (!opened.reopen) return;
      const [dropped, kept, rest] = [sample(1_000), sample(1_000), sample(500)];
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(dropped), { scope, algorithm: "sha256" });
      const other = await opened.reopen();
      const acknowledged = await other.append(staging, 0, from(kept), { scope, algorithm: "sha256" });
      const staged = await blobs.append(staging, 1_000, from(rest), {
        scope,
        algorithm: "sha256",
        acknowledged: acknowledged.digest,
      });
      expect([undefined, digestFor(Buffer.concat([kept, rest]))]).toContain(staged.digest);
      await expectMismatch(blobs.commit(staging, digestFor(Buffer.concat([dropped, rest])), staged, scope));
      await blobs.commit(staging, digestFor(Buffer.concat([kept, rest])), staged, scope);
      await other.close();
    });

    test("all bytes of a blob can be had, and of one that is not there none", async () => {
      for (const sizeBytes of [0, 1, 3 * mebibyte + 1]) {
        const content = sample(sizeBytes);
        await push(content);
        const blob = copies.get(digestFor(content));
        if (!blob) throw new Error("not pushed");
        expect(Buffer.concat(await all(blobs.bytes(blob))).equals(content)).toBe(true);
      }
      await expect(all(blobs.bytes({ digest: digestFor(sample(77)), generation: noGeneration }))).rejects.toThrow();
    });

    test("another process goes on with an upload and finds what was committed", async () => {
      if (!opened.reopen) return;
      const content = sample(mebibyte + 70_001);
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(content.subarray(0, 70_000)), { scope, algorithm: "sha256" });
      const other = noting(await opened.reopen());
      const staged = await other.append(staging, 70_000, from(content.subarray(70_000)), {
        scope,
        algorithm: "sha256",
      });
      expect(staged.sizeBytes).toBe(content.length);
      expect([undefined, digestFor(content)]).toContain(staged.digest);
      // This process has a hash of the first part, which must not be taken for one of the whole.
      const junk = sample(5);
      const more = await blobs.append(staging, content.length, from(junk), {
        scope,
        algorithm: "sha256",
        acknowledged: staged.digest,
      });
      expect([undefined, digestFor(Buffer.concat([content, junk]))]).toContain(more.digest);
      await expectMismatch(other.commit(staging, digestFor(sample(9)), staged, scope));
      await other.commit(staging, digestFor(content), staged, scope);
      expect(await pulled(digestFor(content))).toEqual(content);
      await other.close();
    });
  });
}

/** No two are the same, and every run has the same ones. */
let samples = 0;
export function sample(sizeBytes: number): Buffer {
  let state = ++samples * 0x9e3779b9;
  const words = new Uint32Array(Math.ceil(sizeBytes / 4));
  for (let index = 0; index < words.length; index++) {
    // xorshift32, Marsaglia 2003.
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[index] = state;
  }
  return Buffer.from(words.buffer, 0, sizeBytes);
}

export function digestFor(content: Uint8Array, algorithm: DigestAlgorithm = "sha256"): Digest {
  return digestOf(algorithm, createHash(algorithm).update(content).digest("hex"));
}

export async function* from(...chunks: Uint8Array[]): Bytes {
  yield* chunks;
}

/** In chunks of these sizes, over and over. */
export async function* chunked(content: Uint8Array, sizes: readonly number[]): Bytes {
  for (let at = 0, index = 0; at < content.length; index++) {
    const size = sizes[index % sizes.length] ?? content.length;
    yield content.subarray(at, at + size);
    at += size;
  }
}

export async function all<Item>(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

export async function bytesOf(content: Content): Promise<Buffer> {
  if (content.kind === "stream") return Buffer.concat(await all(content.stream()));
  if (content.kind === "bytes") return Buffer.from(content.bytes);
  const { path, offset, sizeBytes } = content;
  return Buffer.from(
    await Bun.file(path)
      .slice(offset, offset + sizeBytes)
      .arrayBuffer(),
  );
}

export async function expectRefusal(work: Promise<unknown>, code: Refusal["code"]): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: unknown) => thrown,
  );
  if (!(error instanceof Refusal)) throw error ?? new Error(`expected ${code}, and it succeeded`);
  expect(error.code).toBe(code);
}

const expectMismatch = (work: Promise<unknown>) => expectRefusal(work, "LayerDigestMismatch");

function soon(): Date {
  return new Date(Date.now() + 60_000);
}
