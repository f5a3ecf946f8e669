import { describe, expect, test } from "bun:test";
import type { BlobStore, StagingId } from "../../domain/registry/ports.ts";
import { all, bytesOf, chunked, digestFor, expectRefusal, from, sample } from "./contract.ts";
import type { Disk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { openMemoryBlobs } from "./memory.ts";
import { chunkBytes, positionOf, sealedBytesOf } from "./sealed-format.ts";
import { ModelDisk, tapped } from "./test-disk.ts";
import { sealed, sealedTwice } from "./testing.ts";

const root = "/blobs";
const pathOf = (staging: StagingId) => `${root}/staging/${staging}`;

/** A process that is killed at its nth call. A write may have got half-way. */
function dying(disk: Disk, callLimit: number, tears: boolean): Disk {
  let calls = 0;
  const isOver = () => calls++ >= callLimit;
  const killed = tapped(disk, async (_, run) => {
    if (isOver()) throw new Error("killed");
    return run();
  });
  return {
    ...killed,
    async open(path, flags, mode) {
      const file = await killed.open(path, flags, mode);
      const torn = await disk.open(path, 0, mode);
      return {
        ...file,
        async write(buffer, offset, length, position) {
          if (tears && calls === callLimit) await torn.write(buffer, offset, length >> 1, position);
          return file.write(buffer, offset, length, position);
        },
      };
    },
  };
}

describe.each([sealed, sealedTwice])("an upload that is $name", ({ keys, scope }) => {
  const how = { scope, algorithm: "sha256" } as const;
  const open = (disk: Disk) => openFilesystemBlobs({ root, disk, keys });
  const stagedIn = async (blobs: BlobStore, staging: StagingId, sizeBytes: number) =>
    Buffer.concat(await all(blobs.staged(staging, sizeBytes)));

  /** An upload with these bytes, acknowledged, on a disk of its own. */
  async function uploadOf(content: Uint8Array) {
    const disk = new ModelDisk();
    const blobs = await open(disk);
    const staging = await blobs.begin(scope);
    await blobs.append(staging, 0, from(content), how);
    return { disk, staging };
  }

  test.each([
    ["within its last chunk", 70_000, 50],
    ["to the end of its last chunk", 70_000, chunkBytes - 70_000],
    ["over its last chunk", 70_000, chunkBytes],
    ["over several chunks", chunkBytes + 1, 5 * chunkBytes],
    ["from the end of a chunk on", chunkBytes, 1_000],
    ["by nothing", 70_000, 0],
  ])("keeps what was acknowledged when the process is killed while it grows %s", async (_, before, more) => {
    const content = sample(before + more);
    for (const tears of [false, true]) {
      for (let callLimit = 2; ; callLimit++) {
        const { disk, staging } = await uploadOf(content.subarray(0, before));
        const grow = async (limit: number) => {
          const blobs = await open(dying(disk, limit, tears)).catch(() => undefined);
          return blobs?.append(staging, before, from(content.subarray(before)), how).catch((error: Error) => {
            expect(error.message).toBe("killed");
          });
        };
        const isDone = (await grow(callLimit)) !== undefined;
        // The one who comes next may be killed as well, at any call.
        if (!isDone) await grow(2 + ((callLimit * 7) % 25));
        const blobs = await open(disk);
        expect((await stagedIn(blobs, staging, before)).equals(content.subarray(0, before))).toBe(true);
        // What is committed without going on is what was acknowledged.
        const [digest, whole] = [digestFor(content.subarray(0, before)), digestFor(content)];
        if (callLimit % 2 === 0) {
          const copy = await blobs.commit(staging, digest, { sizeBytes: before, digest }, scope);
          const found = await blobs.read(copy);
          expect(found && digestFor(await bytesOf(found))).toBe(digest);
        } else {
          const staged = await blobs.append(staging, before, from(content.subarray(before)), how);
          const copy = await blobs.commit(staging, whole, staged, scope);
          const found = await blobs.read(copy);
          expect(found && digestFor(await bytesOf(found))).toBe(whole);
        }
        if (isDone) break;
      }
    }
  });

  test("keeps what was acknowledged when whoever comes to put it in order is killed too", async () => {
    const before = sample(70_000);
    const append = (disk: Disk, staging: StagingId) =>
      open(disk)
        .then((blobs) => blobs.append(staging, before.length, from(sample(50)), how))
        .catch((error: Error) => expect(error.message).toBe("killed"));
    for (let first = 8; first < 24; first++) {
      for (let second = 8; second < 24; second++) {
        const { disk, staging } = await uploadOf(before);
        await append(dying(disk, first, true), staging);
        await append(dying(disk, second, true), staging);
        expect((await stagedIn(await open(disk), staging, before.length)).equals(before)).toBe(true);
      }
    }
  });

  test.each([
    ["is torn", 0],
    ["is torn, and so is what was put aside", 1],
  ])("whose last chunk %s is refused, and never published", async (_, spares) => {
    const content = sample(chunkBytes + 1_000);
    const { disk, staging } = await uploadOf(content);
    const blobs = await open(disk);
    const file = await disk.open(pathOf(staging), 0);
    await file.write(Buffer.alloc(600, 7), 0, 600, positionOf(1) + 300);
    if (spares > 0) await file.write(Buffer.alloc(1_056, 7), 0, 1_056, positionOf(2));
    const staged = { sizeBytes: content.length, digest: digestFor(content) };
    await expect(stagedIn(blobs, staging, content.length)).rejects.toThrow(RangeError);
    await expect(blobs.append(staging, content.length, from(sample(5)), how)).rejects.toThrow(RangeError);
    await expectRefusal(blobs.commit(staging, staged.digest, staged, scope), "LayerDigestMismatch");
    const { sizeBytes } = staged;
    await expectRefusal(blobs.commit(staging, staged.digest, { sizeBytes }, scope), "LayerDigestMismatch");
    expect(await all(blobs.list())).toEqual([]);
    // What lies before it is still there, and the upload can start over.
    expect((await stagedIn(blobs, staging, chunkBytes)).equals(content.subarray(0, chunkBytes))).toBe(true);
    await blobs.append(staging, 0, from(content), how);
    await blobs.commit(staging, staged.digest, staged, scope);
  });

  test("never seals two things with one nonce", async () => {
    const disk = new ModelDisk();
    const seals: string[] = [];
    const watched: Disk = {
      ...tapped(disk, (_, run) => run()),
      async open(path, flags) {
        const file = await disk.open(path, flags);
        return {
          ...file,
          async write(buffer, offset, length, position) {
            // Chunks begin where chunks lie, in a write that begins with a chunk or with the header.
            const bytes = Buffer.from(buffer.subarray(offset, offset + length));
            for (let at = position === 0 ? positionOf(0) : 0; at < length; at += sealedBytesOf(chunkBytes)) {
              if (at + 56 < length)
                seals.push(`${bytes.toString("hex", at, at + 12)} ${digestFor(bytes.subarray(at))}`);
            }
            return file.write(buffer, offset, length, position);
          },
        };
      },
    };
    const blobs = await open(watched);
    const staging = await blobs.begin(scope);
    for (let offset = 0; offset < 12 * 50_000; offset += 50_000) {
      await blobs.append(staging, offset, from(sample(50_000)), how);
    }
    const nonceOf = (seal: string) => seal.slice(0, 24);
    expect(seals.length).toBeGreaterThan(20);
    expect(new Set(seals.map(nonceOf)).size).toBe(new Set(seals).size);
  });

  test.each([1, 2, 3, 4, 5, 6])("holds what the store in memory holds, whatever is done to it (%i)", async (seed) => {
    let state = seed * 0x9e3779b9;
    const below = (limit: number) => {
      // xorshift32, Marsaglia 2003.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      return (state >>> 0) % limit;
    };
    const disk = new ModelDisk();
    const stores = [await open(disk), openMemoryBlobs()];
    const both = <Result>(work: (blobs: BlobStore, index: number) => Promise<Result>) =>
      Promise.all(stores.map((blobs, index) => work(blobs, index)));
    const lengths = () => [below(300), below(chunkBytes), chunkBytes, chunkBytes - 56, below(700_000)][below(5)] ?? 0;
    for (let upload = 0; upload < 4; upload++) {
      const stagings = await both((blobs) => blobs.begin(scope));
      const of = (index: number) => stagings[index] as StagingId;
      let content = Buffer.alloc(0);
      for (let step = 0; step < 8; step++) {
        // Mostly where it stands, sometimes from a chunk's edge or from anywhere before.
        const offsets = [content.length, content.length, below(content.length + 1), content.length & -chunkBytes];
        const offset = offsets[below(4)] ?? 0;
        const more = sample(lengths());
        const sizes = [1 + below(100_000), 1 + below(70_000)];
        const answers = await both((blobs, index) => blobs.append(of(index), offset, chunked(more, sizes), how));
        content = Buffer.concat([content.subarray(0, offset), more]);
        expect(answers.map(({ sizeBytes }) => sizeBytes)).toEqual([content.length, content.length]);
        if (answers[0]?.digest) expect(answers[0].digest).toBe(digestFor(content));
        if (below(3) === 0) stores[0] = await open(disk);
        const some = below(content.length + 1);
        const staged = await both((blobs, index) => stagedIn(blobs, of(index), some));
        for (const bytes of staged) expect(bytes.equals(content.subarray(0, some))).toBe(true);
      }
      const sizeBytes = below(3) === 0 ? below(content.length + 1) : content.length;
      const digest = digestFor(content.subarray(0, sizeBytes));
      const copies = await both((blobs, index) => blobs.commit(of(index), digest, { sizeBytes }, scope));
      const first = below(Math.max(1, sizeBytes));
      const range = sizeBytes > 0 ? { first, last: first + below(sizeBytes - first) } : undefined;
      const read = await both(async (blobs, index) => {
        const copy = copies[index];
        const found = copy && (await blobs.read(copy, range));
        return found && digestFor(await bytesOf(found));
      });
      expect(read[0]).toBe(read[1] as NonNullable<(typeof read)[0]>);
      const listed = await both(async (blobs) =>
        (await all(blobs.list())).map(({ sizeBytes: size, digest: of }) => [of, size]),
      );
      expect(listed[0]).toEqual(listed[1] as NonNullable<(typeof listed)[0]>);
    }
  });
});
