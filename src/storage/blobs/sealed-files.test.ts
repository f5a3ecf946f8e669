import { afterAll, describe, expect, test } from "bun:test";
import { copyFileSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Refusal, refuse } from "../../domain/errors.ts";
import { BlobDamaged, serverScope } from "../../domain/registry/encryption.ts";
import type { BlobId, BlobStore, Generation } from "../../domain/registry/ports.ts";
import { all, bytesOf, digestFor, expectRefusal, from, sample } from "./contract.ts";
import { realDisk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { chunkBytes, headerBytes, positionOf } from "./sealed-format.ts";
import { tapped } from "./test-disk.ts";
import { testKeys } from "./test-keys.ts";
import { begun, filesIn, pathOf, pushed, sealed, sealedTwice, temporaryRoots } from "./testing.ts";

const roots = temporaryRoots();
const { newRoot } = roots;
afterAll(roots.remove);

/** What whoever asks for the content gets before it ends or breaks. */
async function seen(blobs: BlobStore, blob: BlobId): Promise<{ bytes: Buffer; error?: unknown }> {
  const parts: Uint8Array[] = [];
  try {
    const content = await blobs.read(blob);
    if (content?.kind === "bytes") parts.push(content.bytes);
    else if (content?.kind === "stream") for await (const part of content.stream()) parts.push(part);
    else throw new Error("no sealed content");
    return { bytes: Buffer.concat(parts) };
  } catch (error) {
    return { bytes: Buffer.concat(parts), error };
  }
}

describe.each([sealed, sealedTwice])("a $name file", ({ keys, scope }) => {
  async function storeWith(...contents: Buffer[]) {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root, keys });
    const copies = [];
    for (const content of contents) {
      const blob = await pushed(blobs, content, scope);
      copies.push({ blob, content, path: pathOf(root, blob) });
    }
    return { root, blobs, copies: copies as [(typeof copies)[0], (typeof copies)[0]] };
  }

  /** Nothing wrong gets to anybody: at most a beginning, and the rest is an error. */
  async function expectDamaged(blobs: BlobStore, blob: BlobId, content: Buffer, readable = content.length - 1) {
    const { bytes, error } = await seen(blobs, blob);
    expect(error).toBeInstanceOf(BlobDamaged);
    expect(bytes.length).toBeLessThanOrEqual(readable);
    expect(bytes.equals(content.subarray(0, bytes.length))).toBe(true);
    await expect(all(blobs.bytes(blob))).rejects.toThrow(BlobDamaged);
  }

  test("is not read with any byte changed", async () => {
    const { blobs, copies } = await storeWith(sample(40));
    const [{ blob, content, path }] = copies;
    const file = readFileSync(path);
    for (let at = 0; at < file.length; at++) {
      const changed = Buffer.from(file);
      changed[at] = (changed[at] ?? 0) ^ (1 + (at % 255));
      writeFileSync(path, changed);
      await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
      await expect(all(blobs.bytes(blob))).rejects.toThrow(BlobDamaged);
    }
    writeFileSync(path, file);
    expect((await seen(blobs, blob)).bytes).toEqual(content);
  });

  test("of several chunks gives what comes before the one that was changed, and no more", async () => {
    const { blobs, copies } = await storeWith(sample(3 * chunkBytes + 100));
    const [{ blob, content, path }] = copies;
    const file = readFileSync(path);
    for (const chunk of [0, 1, 2, 3]) {
      for (const at of [0, 12, 30, 56, 56 + 99]) {
        const changed = Buffer.from(file);
        changed[positionOf(chunk) + at] = (changed[positionOf(chunk) + at] ?? 0) ^ 0x80;
        writeFileSync(path, changed);
        await expectDamaged(blobs, blob, content, chunk * chunkBytes);
        // A range that has no part in it is fine.
        const other = chunk === 2 ? 1 : 2;
        const range = { first: other * chunkBytes, last: other * chunkBytes + 9 };
        const found = await blobs.read(blob, range);
        expect(found && (await bytesOf(found))).toEqual(content.subarray(range.first, range.last + 1));
      }
    }
  });

  test("is not read with its chunks in another order, or a chunk of another copy", async () => {
    const content = sample(3 * chunkBytes);
    const { blobs, copies } = await storeWith(content, sample(3 * chunkBytes));
    const [mine, theirs] = copies;
    const again = await pushed(blobs, content, scope);
    const file = readFileSync(mine.path);
    const chunkOf = (bytes: Buffer, chunk: number) => bytes.subarray(positionOf(chunk), positionOf(chunk + 1));
    const others = [
      ...[0, 1, 2].map((chunk) => chunkOf(file, chunk)),
      ...[0, 1, 2].map((chunk) => chunkOf(readFileSync(theirs.path), chunk)),
      ...[0, 1, 2].map((chunk) => chunkOf(readFileSync(pathOf(join(mine.path, "../../.."), again)), chunk)),
    ];
    for (const chunk of [0, 1, 2]) {
      for (const [index, other] of others.entries()) {
        if (index === chunk) continue;
        const changed = Buffer.from(file);
        other.copy(changed, positionOf(chunk));
        writeFileSync(mine.path, changed);
        await expectDamaged(blobs, mine.blob, content, chunk * chunkBytes);
      }
    }
  });

  test("is not read in the place of another, nor with another's header", async () => {
    const content = sample(chunkBytes + 5);
    const { root, blobs, copies } = await storeWith(content, sample(chunkBytes + 5));
    const [mine, theirs] = copies;
    const again = await pushed(blobs, content, scope);
    const file = readFileSync(mine.path);
    for (const other of [theirs.path, pathOf(root, again)]) {
      copyFileSync(other, mine.path);
      await expectDamaged(blobs, mine.blob, content, 0);
      writeFileSync(
        mine.path,
        Buffer.concat([readFileSync(other).subarray(0, headerBytes), file.subarray(headerBytes)]),
      );
      await expectDamaged(blobs, mine.blob, content, 0);
    }
    // Under the name of another content, and under that of another copy of the same.
    writeFileSync(theirs.path, file);
    await expectDamaged(blobs, theirs.blob, content, 0);
    const renamed = { digest: mine.blob.digest, generation: theirs.blob.generation };
    writeFileSync(pathOf(root, renamed), file);
    await expectDamaged(blobs, renamed, content, 0);
    const elsewhere = { digest: theirs.blob.digest, generation: mine.blob.generation };
    writeFileSync(pathOf(root, elsewhere), file);
    await expectDamaged(blobs, elsewhere, content, 0);
  });

  test("is not read when it is shorter or longer, and that is found before the first byte", async () => {
    const { blobs, copies } = await storeWith(sample(2 * chunkBytes + 1_000));
    const [{ blob, path }] = copies;
    const file = readFileSync(path);
    const edges = [0, headerBytes, positionOf(1), positionOf(2), positionOf(2) + 56, file.length];
    const lengths = edges.flatMap((edge) => [edge - 1, edge, edge + 1]);
    for (const length of lengths) {
      if (length < 0 || length === file.length) continue;
      writeFileSync(path, file);
      truncateSync(path, length);
      await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
      await expect(all(blobs.bytes(blob))).rejects.toThrow(BlobDamaged);
    }
    for (const more of [Buffer.alloc(1), Buffer.alloc(56), file.subarray(positionOf(1)), file]) {
      writeFileSync(path, Buffer.concat([file, more]));
      await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
      await expect(all(blobs.bytes(blob))).rejects.toThrow(BlobDamaged);
    }
  });

  test("of exactly some chunks is not read with one less or one more", async () => {
    const { blobs, copies } = await storeWith(sample(2 * chunkBytes));
    const [{ blob, path }] = copies;
    const file = readFileSync(path);
    for (const bytes of [file.subarray(0, positionOf(1)), Buffer.concat([file, file.subarray(positionOf(1))])]) {
      writeFileSync(path, bytes);
      await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
    }
  });

  test("has the ranges that its content has, at every edge", async () => {
    for (const sizeBytes of [3 * chunkBytes, 2 * chunkBytes + 7, 5 * chunkBytes + 1]) {
      const { blobs, copies } = await storeWith(sample(sizeBytes));
      const [{ blob, content }] = copies;
      const last = sizeBytes - 1;
      const edges = [0, 1, 2, 3, 4, 5].flatMap((chunk) => [-1, 0, 1].map((by) => chunk * chunkBytes + by));
      const places = [...new Set([...edges, last - 1, last])].filter((at) => 0 <= at && at <= last);
      for (const first of places) {
        for (const end of places.filter((at) => at >= first)) {
          const found = await blobs.read(blob, { first, last: end });
          expect(found?.sizeBytes).toBe(end - first + 1);
          expect(found && (await bytesOf(found)).equals(content.subarray(first, end + 1))).toBe(true);
        }
      }
    }
  });

  test("gives nobody who reads the folder a word of what is in it", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root, keys });
    const content = sample(2 * chunkBytes + 70_000);
    const words = new Set<string>();
    for (let at = 0; at + 16 <= content.length; at += 16) words.add(content.toString("latin1", at, at + 16));
    const leaks = (folder: string) =>
      filesIn(folder).some((name) => {
        const bytes = readFileSync(join(folder, name)).toString("latin1");
        for (let at = 0; at + 16 <= bytes.length; at++) if (words.has(bytes.slice(at, at + 16))) return true;
        return false;
      });
    const { blob, staging } = await begun(blobs, content.subarray(0, 100_000), scope);
    expect(leaks(root)).toBe(false);
    const rest = from(content.subarray(100_000));
    const staged = await blobs.append(staging, 100_000, rest, { scope, algorithm: "sha256" });
    expect(leaks(root)).toBe(false);
    await blobs.commit(staging, digestFor(content), staged, scope);
    await blobs.store(await blobs.begin(scope), digestFor(content), from(content), scope);
    expect(filesIn(root).length).toBe(2);
    expect(leaks(root)).toBe(false);
    expect(await blobs.stat({ ...blob, digest: digestFor(content) })).toMatchObject({ sizeBytes: content.length });
    // And it would be found.
    const open = newRoot();
    await pushed(await openFilesystemBlobs({ root: open }), content);
    expect(leaks(open)).toBe(true);
  });

  test("of nothing is a file all the same, and its header is checked", async () => {
    const { blobs, copies } = await storeWith(Buffer.alloc(0));
    const [{ blob, path }] = copies;
    expect(await blobs.read(blob)).toMatchObject({ kind: "bytes", sizeBytes: 0 });
    const file = readFileSync(path);
    expect(file.length).toBe(headerBytes);
    file[460] = (file[460] ?? 0) ^ 1;
    writeFileSync(path, file);
    await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
  });

  test("is of no use without its key", async () => {
    const own = testKeys();
    const blobs = await openFilesystemBlobs({ root: newRoot(), keys: own });
    const blob = await pushed(blobs, sample(100), scope);
    const { staging, staged, digest } = await begun(blobs, sample(100), scope);
    own.lose();
    await expect(blobs.read(blob)).rejects.toThrow(BlobDamaged);
    await expect(all(blobs.bytes(blob))).rejects.toThrow(BlobDamaged);
    await expect(all(blobs.staged(staging, 100))).rejects.toThrow(RangeError);
    const append = blobs.append(staging, 100, from(sample(1)), { scope, algorithm: "sha256" });
    await expect(append).rejects.toThrow(RangeError);
    await expectRefusal(blobs.commit(staging, digest, staged, scope), "LayerDigestMismatch");
    expect(await all(blobs.list())).toMatchObject([blob]);
  });

  test("whose key cannot be used leaves everything as it was", async () => {
    const own = testKeys();
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root, keys: own });
    const blob = await pushed(blobs, sample(100), scope);
    const content = sample(300);
    const { staging, staged, digest } = await begun(blobs, content.subarray(0, 100), scope);
    const before = filesIn(root).map((name) => [name, readFileSync(join(root, name)).toString("hex")]);
    const unusable: Refusal = refuse("KeyUnusable", { kmsError: "DisabledException", reason: "the key is disabled" });
    own.failure = unusable;
    const how = { scope, algorithm: "sha256" } as const;
    for (const work of [
      async () => blobs.append(await blobs.begin(scope), 0, from(sample(10)), how),
      async () => blobs.store(await blobs.begin(scope), digestFor(content), from(content), scope),
      async () => blobs.commit(await blobs.begin(scope), digestFor(sample(0)), { sizeBytes: 0 }, scope),
      async () => blobs.append(staging, 100, from(sample(10)), how),
      async () => blobs.append(staging, 0, from(sample(10)), how),
      async () => blobs.commit(staging, digest, staged, scope),
      async () => blobs.commit(staging, digest, { sizeBytes: staged.sizeBytes }, scope),
      async () => blobs.read(blob),
      async () => all(blobs.bytes(blob)),
      async () => all(blobs.staged(staging, 100)),
    ]) {
      await expectRefusal(work(), "KeyUnusable");
    }
    expect(filesIn(root).map((name) => [name, readFileSync(join(root, name)).toString("hex")])).toEqual(before);

    own.failure = undefined;
    const rest = from(content.subarray(100));
    const all300 = await blobs.append(staging, 100, rest, { ...how, acknowledged: staged.digest });
    expect(all300.digest).toBe(digestFor(content));
    const copy = await blobs.commit(staging, digestFor(content), all300, scope);
    expect((await seen(blobs, copy)).bytes).toEqual(content);
    // Facts need no key.
    own.failure = unusable;
    expect(await blobs.stat(copy)).toEqual(copy);
    expect((await all(blobs.list())).length).toBe(2);
    expect(await blobs.remove(copy)).toBeGreaterThan(300);
  });

  test("is closed again, whoever stops reading it and when", async () => {
    let opened = 0;
    const disk = tapped(realDisk, async ({ verb }, run) => {
      const result = await run();
      opened += verb === "open" ? 1 : verb === "close" ? -1 : 0;
      return result;
    });
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root, disk, keys });
    const blob = await pushed(blobs, sample(4 * chunkBytes), scope);
    const streamed = async (range?: { first: number; last: number }) => {
      const content = await blobs.read(blob, range);
      expect(opened).toBe(0);
      if (content?.kind !== "stream") throw new Error("no stream");
      return content.stream();
    };
    // Nobody comes for it.
    await streamed();
    (await streamed())[Symbol.asyncIterator]();
    expect(opened).toBe(0);
    for (const parts of [1, 2, 3]) {
      let taken = 0;
      for await (const _ of await streamed()) if (++taken === parts) break;
      expect(opened).toBe(0);
    }
    await all(await streamed({ first: 5, last: 3 * chunkBytes }));
    expect(opened).toBe(0);
    for await (const _ of blobs.bytes(blob)) break;
    await blobs.read(blob, { first: 0, last: 5 });
    await expect(blobs.read(blob, { first: 0, last: 4 * chunkBytes })).rejects.toThrow(RangeError);
    const stream = await streamed();
    const file = readFileSync(pathOf(root, blob));
    file[positionOf(2) + 100] = (file[positionOf(2) + 100] ?? 0) ^ 1;
    writeFileSync(pathOf(root, blob), file);
    await expect(all(stream)).rejects.toThrow(BlobDamaged);
    expect(opened).toBe(0);
  });
});

describe("a store that seals", () => {
  test("has the copies that are plain, and sends them as files", async () => {
    const root = newRoot();
    const content = sample(1_000);
    const before = await openFilesystemBlobs({ root });
    const blob = await pushed(before, content);
    const { staging, staged, digest } = await begun(before, sample(50));
    const blobs = await openFilesystemBlobs({ root, keys: testKeys() });
    const found = await blobs.read(blob);
    expect(found?.kind).toBe("file");
    expect(found && (await bytesOf(found))).toEqual(content);
    // An upload that began plain ends plain.
    expect(await blobs.read(await blobs.commit(staging, digest, staged, serverScope))).toMatchObject({ kind: "file" });
    const copy = await pushed(blobs, content);
    expect(copy.generation).toEndWith(".sealed");
    expect((await all(blobs.list())).filter(({ digest }) => digest === blob.digest).length).toBe(2);
  });

  test("seals the scopes that its keys say, and no others", async () => {
    const blobs = await openFilesystemBlobs({ root: newRoot(), keys: testKeys({ seals: false }) });
    const blob = await pushed(blobs, sample(10));
    expect(blob.generation as Generation).not.toEndWith(".sealed");
    expect(await blobs.read(blob)).toMatchObject({ kind: "file" });
  });

  test("that lost its keys says so, and still has facts", async () => {
    const root = newRoot();
    const blob = await pushed(await openFilesystemBlobs({ root, keys: sealed.keys }), sample(10));
    const blobs = await openFilesystemBlobs({ root });
    expect(await blobs.stat(blob)).toMatchObject({ sizeBytes: 10 });
    await expect(blobs.read(blob)).rejects.toThrow("no key");
  });
});
