import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, readdirSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";
import { type Digest, digestHex } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type { BlobId, Generation, StagingId } from "../../domain/registry/ports.ts";
import { all, blobContract, digestFor, expectRefusal, from, noGeneration, sample } from "./contract.ts";
import { type Disk, realDisk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { ModelDisk, tapped } from "./test-disk.ts";
import { begun, filesIn, forms, pathOf, temporaryRoots } from "./testing.ts";

const roots = temporaryRoots();
const { newRoot } = roots;
afterAll(roots.remove);

for (const { name, keys, scope, storedBytes } of forms) {
  blobContract(
    `the blob store on disk, ${name},`,
    async () => {
      const options = { root: newRoot(), keys };
      return {
        blobs: await openFilesystemBlobs(options),
        reopen: () => openFilesystemBlobs(options),
        async dispose() {},
      };
    },
    { scope, storedBytes },
  );
}

const mebibyte = 1024 * 1024;

describe("the order of a commit", () => {
  test("bytes are synced before they have a name, and the name before anybody hears of it", async () => {
    const root = newRoot();
    const calls: string[] = [];
    let running = 0;
    const disk = tapped(realDisk, async ({ verb, path }, run) => {
      // Each call waits for the one before.
      expect(++running).toBe(1);
      const result = await run().finally(() => running--);
      if (!["open", "close", "stat"].includes(verb)) calls.push(`${verb} ${relative(root, path) || "root"}`);
      return result;
    });
    const blobs = await openFilesystemBlobs({ root, disk });
    const content = sample(100);
    const { staging, staged, digest } = await begun(blobs, content);
    const folder = `sha256/${digestHex(digest).slice(0, 2)}`;

    calls.length = 0;
    await blobs.commit(staging, digest, staged, serverScope);
    expect(calls).toEqual([
      `sync staging/${staging}`,
      "mkdir sha256",
      "sync root",
      `mkdir ${folder}`,
      "sync sha256",
      `rename staging/${staging}`,
      `sync ${folder}`,
    ]);

    calls.length = 0;
    const again = await begun(blobs, content);
    calls.length = 0;
    await blobs.commit(again.staging, digest, { sizeBytes: again.staged.sizeBytes }, serverScope);
    expect(calls).toEqual([
      `read staging/${again.staging}`,
      `sync staging/${again.staging}`,
      `rename staging/${again.staging}`,
      `sync ${folder}`,
    ]);

    calls.length = 0;
    await blobs.remove(again.blob);
    expect(calls).toEqual([`unlink ${folder}/${digestHex(digest)}.${again.staging}`]);
  });

  test("content that comes whole goes the same way, with fewer steps", async () => {
    const root = newRoot();
    const calls: string[] = [];
    const disk = tapped(realDisk, async ({ verb, path }, run) => {
      calls.push(`${verb} ${relative(root, path) || "root"}`);
      return run();
    });
    const blobs = await openFilesystemBlobs({ root, disk });
    const content = sample(100);
    const digest = digestFor(content);
    const folder = `sha256/${digestHex(digest).slice(0, 2)}`;
    const store = async () => {
      const staging = await blobs.begin(serverScope);
      calls.length = 0;
      await blobs.store(staging, digest, from(content), serverScope);
      return staging;
    };
    await store();
    const staging = await store();
    expect(calls).toEqual([
      `open staging/${staging}`,
      `write staging/${staging}`,
      `sync staging/${staging}`,
      `rename staging/${staging}`,
      `open ${folder}`,
      `sync ${folder}`,
      `close ${folder}`,
      `close staging/${staging}`,
    ]);
  });

  test("a wrong digest makes not even a folder", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const { staging, staged } = await begun(blobs, sample(100));
    await expectRefusal(blobs.commit(staging, digestFor(sample(100)), staged, serverScope), "LayerDigestMismatch");
    expect(readdirSync(root)).toEqual(["staging"]);
    expect(filesIn(root)).toEqual([`staging/${staging}`]);
  });

  test("another process's folder may not be on the disk yet, so its name is synced by each", async () => {
    const disk = new ModelDisk();
    const first = await openFilesystemBlobs({ root: "/blobs", disk });
    const content = sample(100);
    await disk.mkdir("/blobs/sha256");
    await disk.mkdir(`/blobs/sha256/${digestHex(digestFor(content)).slice(0, 2)}`);
    const { staging, staged, digest, blob } = await begun(first, content);
    await first.commit(staging, digest, staged, serverScope);
    expect(disk.after("synced").content(pathOf("/blobs", blob))).toEqual(content);
  });
});

describe("the folder", () => {
  test("is for its owner only, and so is all in it", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const { staging, staged, digest, blob } = await begun(blobs, sample(100));
    const modeOf = (path: string) => statSync(path).mode & 0o777;
    expect(modeOf(join(root, "staging", staging))).toBe(0o600);
    await blobs.commit(staging, digest, staged, serverScope);
    expect(modeOf(pathOf(root, blob))).toBe(0o600);
    for (const path of [root, join(root, "staging"), join(root, "sha256")]) expect(modeOf(path)).toBe(0o700);
  });

  test("has nothing left of uploads that were dropped", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    for (const content of [sample(0), sample(10), sample(2 * mebibyte)]) {
      const { staging } = await begun(blobs, content);
      await blobs.abort(staging);
    }
    await blobs.begin(serverScope);
    expect(filesIn(root)).toEqual([]);
  });

  test("has no bytes of an upload that do not count", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const { staging } = await begun(blobs, sample(1_000));
    await blobs.append(staging, 100, from(sample(50)), { scope: serverScope, algorithm: "sha256" });
    expect(statSync(join(root, "staging", staging)).size).toBe(150);
  });

  test("is listed no further than asked for", async () => {
    const disk = new ModelDisk();
    const read: string[] = [];
    const counting = tapped(disk, async ({ verb, path }, run) => {
      if (verb === "readdir") read.push(path);
      return run();
    });
    const blobs = await openFilesystemBlobs({ root: "/blobs", disk: counting });
    for (let index = 0; index < 20; index++) {
      const { staging, staged, digest } = await begun(blobs, sample(10));
      await blobs.commit(staging, digest, staged, serverScope);
    }
    for await (const _ of blobs.list()) break;
    expect(read.length).toBe(2);
    const last = (await all(blobs.list())).at(-1);
    read.length = 0;
    await all(blobs.list(last));
    expect(read).toEqual(["/blobs/sha256", dirname(pathOf("/blobs", last as BlobId)), "/blobs/sha512"]);
  });

  test("may have strangers in it", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const { staging, staged, digest, blob } = await begun(blobs, sample(100));
    await blobs.commit(staging, digest, staged, serverScope);
    const hex = digestHex(digest);
    for (const path of [
      "readme",
      "staging/readme",
      "sha256/readme",
      `sha256/${hex.slice(0, 2)}/readme`,
      `sha256/${hex.slice(0, 2)}/${hex}.`,
      `sha256/${hex.slice(0, 2)}/${hex}.txt`,
      `sha256/${hex.slice(0, 2)}/${hex}.${staging}.tmp`,
      `sha256/${hex.slice(0, 2)}/${hex}.sealed`,
      `sha256/${hex.slice(0, 2)}/${hex}.${staging}.sealed.sealed`,
    ]) {
      writeFileSync(join(root, path), "hello");
    }
    expect(await all(blobs.list())).toMatchObject([{ ...blob, sizeBytes: 100 }]);
    expect(await all(blobs.stale(new Date(Date.now() + 60_000)))).toEqual([]);
  });

  test("tells the age of uploads by their last write", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const { staging: old } = await begun(blobs, sample(10));
    const { staging: young } = await begun(blobs, sample(10));
    utimesSync(join(root, "staging", old), 1_000, 1_000);
    utimesSync(join(root, "staging", young), 3_000, 3_000);
    expect(await all(blobs.stale(new Date(2_000_000)))).toEqual([old]);
    await blobs.append(old, 10, from(sample(1)), { scope: serverScope, algorithm: "sha256" });
    expect(await all(blobs.stale(new Date(4_000_000)))).toEqual([young]);
  });

  test.each([
    "",
    ".",
    "..",
    "../sha256",
    "../../etc/passwd",
    `${"0".repeat(8)}/..`,
    "A".repeat(36),
    ".sealed",
    `../${noGeneration}.sealed`,
    "\0",
  ])("is never left by way of the id %j", async (text) => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const staging = text as StagingId;
    const digest = digestFor(sample(1));
    const verbs = [
      () => blobs.append(staging, 0, from(sample(1)), { scope: serverScope, algorithm: "sha256" }),
      () => blobs.commit(staging, digest, { sizeBytes: 0 }, serverScope),
      () => blobs.commit(staging, digest, { sizeBytes: 1, digest }, serverScope),
      () => all(blobs.staged(staging, 1)),
      () => blobs.abort(staging),
    ];
    for (const verb of verbs) await expect(verb()).rejects.toThrow(/^not the id of/);
    expect(filesIn(root)).toEqual([]);
  });

  test.each(["..", "../x", "/etc/passwd", `${noGeneration}/..`, `${noGeneration}.sealed/..`, "\0"])(
    "is never left by way of the generation %j",
    async (text) => {
      const blobs = await openFilesystemBlobs({ root: newRoot() });
      const blob = { digest: digestFor(sample(1)), generation: text as Generation };
      for (const verb of [blobs.stat, blobs.read, blobs.remove])
        await expect(verb(blob)).rejects.toThrow(/^not the id/);
    },
  );

  test("has the blobs of before there were generations", async () => {
    const root = newRoot();
    const blobs = await openFilesystemBlobs({ root });
    const content = sample(100);
    const blob = { digest: digestFor(content), generation: "" as Generation };
    const hex = digestHex(blob.digest);
    mkdirSync(join(root, "sha256", hex.slice(0, 2)), { recursive: true });
    writeFileSync(join(root, "sha256", hex.slice(0, 2), hex), content);
    expect(await blobs.stat(blob)).toEqual({ ...blob, sizeBytes: 100 });
    const { staging, staged } = await begun(blobs, content);
    const copy = await blobs.commit(staging, blob.digest, staged, serverScope);
    expect((await all(blobs.list())).map(({ generation }) => generation)).toEqual([blob.generation, copy.generation]);
    expect(await all(blobs.list(blob))).toMatchObject([copy]);
    expect(await blobs.remove(blob)).toBe(100);
    expect(await blobs.stat(copy)).toEqual(copy);
  });

  test.each(["", "sha256:", "sha256:../../../../etc/passwd", `sha256:${"A".repeat(64)}`, `md5:${"0".repeat(32)}`])(
    "is never left by way of the digest %j",
    async (text) => {
      const root = newRoot();
      const blobs = await openFilesystemBlobs({ root });
      const digest = text as Digest;
      const { staging, staged } = await begun(blobs, sample(1));
      const verbs = [
        () => blobs.stat({ digest, generation: noGeneration }),
        () => blobs.read({ digest, generation: noGeneration }),
        () => blobs.remove({ digest, generation: noGeneration }),
        () => blobs.commit(staging, digest, { ...staged, digest }, serverScope),
      ];
      for (const verb of verbs) await expect(verb()).rejects.toThrow(/^not a digest/);
      expect(filesIn(root)).toEqual([`staging/${staging}`]);
    },
  );
});

test("the names of the folders above are on the disk too: a start that was killed may have made them and no more", async () => {
  const root = newRoot();
  await (await openFilesystemBlobs({ root })).close();
  const opened: string[] = [];
  const disk: Disk = {
    ...realDisk,
    open(path, ...rest) {
      opened.push(path);
      return realDisk.open(path, ...rest);
    },
  };
  await (await openFilesystemBlobs({ root, disk })).close();
  expect(opened).toEqual(expect.arrayContaining([dirname(root), dirname(dirname(root)), "/"]));
});
