import { afterAll, describe, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, readdirSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { Refusal } from "../../domain/errors.ts";
import { type Digest, digestHex } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type { Appended, BlobId, BlobStore, Generation, KeyScope, StagingId } from "../../domain/registry/ports.ts";
import { all, blobContract, chunked, digestFor, expectRefusal, from, noGeneration, sample } from "./contract.ts";
import { type Disk, realDisk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { fileBytesOf } from "./sealed-format.ts";
import { type DiskCall, failure, ModelDisk, type Survivors, tapped } from "./test-disk.ts";
import { testKeys } from "./test-keys.ts";

const temporary = mkdtempSync(join(tmpdir(), "berth-blobs-"));
afterAll(() => rmSync(temporary, { recursive: true }));
let roots = 0;
const newRoot = () => join(temporary, String(roots++), "blobs");

blobContract("the blob store on disk", async () => {
  const root = newRoot();
  return {
    blobs: await openFilesystemBlobs({ root }),
    reopen: () => openFilesystemBlobs({ root }),
    async dispose() {},
  };
});

blobContract(
  "the blob store on disk, sealed,",
  async () => {
    const options = { root: newRoot(), keys: testKeys() };
    return {
      blobs: await openFilesystemBlobs(options),
      reopen: () => openFilesystemBlobs(options),
      async dispose() {},
    };
  },
  { storedBytes: fileBytesOf },
);

blobContract(
  "the blob store on disk, sealed twice,",
  async () => {
    const options = { root: newRoot(), keys: testKeys() };
    return {
      blobs: await openFilesystemBlobs(options),
      reopen: () => openFilesystemBlobs(options),
      async dispose() {},
    };
  },
  { scope: "KMS_DSSE:key" as KeyScope, storedBytes: fileBytesOf },
);

const mebibyte = 1024 * 1024;

function pathOf(root: string, { digest, generation }: BlobId): string {
  const hex = digestHex(digest);
  return join(root, digest.slice(0, 6), hex.slice(0, 2), `${hex}.${generation}`);
}
const files = (root: string) =>
  readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => relative(root, join(entry.parentPath, entry.name)));

async function begun(blobs: BlobStore, content: Uint8Array) {
  const staging = await blobs.begin(serverScope);
  const staged = await blobs.append(staging, 0, chunked(content, [65_536]), {
    scope: serverScope,
    algorithm: "sha256",
  });
  const digest = digestFor(content);
  return { staging, staged, digest, blob: { digest, generation: staging as string as Generation } };
}

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
    expect(files(root)).toEqual([`staging/${staging}`]);
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

describe("a crash", () => {
  const root = "/blobs";
  const content = sample(150_000);
  const digest = digestFor(content);
  interface Progress {
    staging?: StagingId;
    staged?: Appended;
    isCommitted?: boolean;
  }

  async function push(disk: Disk, progress: Progress, isWhole = false): Promise<void> {
    const blobs = await openFilesystemBlobs({ root, disk });
    progress.staging = await blobs.begin(serverScope);
    if (isWhole) {
      progress.staged = await blobs.store(progress.staging, digest, chunked(content, [70_000]), serverScope);
      progress.isCommitted = true;
      return;
    }
    const first = await blobs.append(progress.staging, 0, from(content.subarray(0, 70_000)), {
      scope: serverScope,
      algorithm: "sha256",
    });
    progress.staged = first;
    const rest = from(content.subarray(70_000));
    progress.staged = await blobs.append(progress.staging, first.sizeBytes, rest, {
      scope: serverScope,
      algorithm: "sha256",
      acknowledged: first.digest,
    });
    await blobs.commit(progress.staging, digest, progress.staged, serverScope);
    progress.isCommitted = true;
  }

  /** Pushes until the power goes at the given call. */
  async function pushUntil(callLimit: number, isWhole: boolean): Promise<{ disk: ModelDisk; progress: Progress }> {
    const disk = new ModelDisk();
    const progress: Progress = {};
    let calls = 0;
    const dying = tapped(disk, async (_, run) => {
      if (calls++ >= callLimit) throw new Error("the power is gone");
      return run();
    });
    await push(dying, progress, isWhole).catch((error) => expect(error.message).toBe("the power is gone"));
    return { disk, progress };
  }

  /** The contents, however many copies there are of each. */
  async function expectWhole(disk: ModelDisk): Promise<Digest[]> {
    const listed = await all((await openFilesystemBlobs({ root, disk })).list());
    for (const blob of listed) expect(digestFor(disk.content(pathOf(root, blob)))).toBe(blob.digest);
    return [...new Set(listed.map((blob) => blob.digest))];
  }

  test.each<[Survivors, string]>([
    ["everything", "parts"],
    ["names", "parts"],
    ["synced", "parts"],
    ["everything", "one"],
    ["names", "one"],
    ["synced", "one"],
  ])(
    "between any two steps leaves only whole blobs, and those that were acknowledged, when %s survives of a push in %s",
    async (survivors, pieces) => {
      const isWhole = pieces === "one";
      let [crashes, repeated] = [0, 0];
      for (let isOver = false; !isOver; crashes++) {
        const { disk, progress } = await pushUntil(crashes, isWhole);
        isOver = progress.isCommitted === true;
        const next = disk.after(survivors);
        const found = await expectWhole(next);
        if (progress.isCommitted) expect(found).toEqual([digest]);

        // The client asks again for what it did not hear of. A "yes" counts, whatever happens next.
        const { staging, staged } = progress;
        if (staging && staged?.sizeBytes === content.length) {
          const blobs = await openFilesystemBlobs({ root, disk: next });
          const answer = await blobs.commit(staging, digest, staged, serverScope).catch((error: unknown) => error);
          if (!(answer instanceof RangeError) && !(answer instanceof Refusal)) {
            expect(answer).toEqual({ digest, generation: staging, sizeBytes: content.length });
            expect(await expectWhole(next.after("synced"))).toEqual([digest]);
            repeated++;
          }
        }

        // And starting over always works.
        await push(next, {});
        expect(await expectWhole(next.after("synced"))).toEqual([digest]);
      }
      expect(crashes).toBeGreaterThan(isWhole ? 12 : 20);
      expect(repeated).toBeGreaterThan(0);
    },
  );

  test("before the last start of the machine makes what was hashed then worth nothing", async () => {
    const disk = new ModelDisk();
    const before = await openFilesystemBlobs({ root, disk });
    const { staging, staged } = await begun(before, content);
    const next = disk.after("names");
    const blobs = await openFilesystemBlobs({ root, disk: next });
    expect(next.content(`${root}/staging/${staging}`).length).toBe(content.length);
    // Bytes that come later do not make the earlier ones better.
    await blobs.append(staging, content.length, from(sample(1)), { scope: serverScope, algorithm: "sha256" });
    await expectRefusal(blobs.commit(staging, digest, staged, serverScope), "LayerDigestMismatch");
    expect(await expectWhole(next)).toEqual([]);
  });
});

describe("a disk that fails", () => {
  /** Fails the calls that a test names, as long as it names them. */
  function failingDisk(disk: Disk = realDisk) {
    const state = { fails: (_: DiskCall): string | undefined => undefined };
    const failing = tapped(disk, async (call, run) => {
      const code = state.fails(call);
      if (code) throw failure(code);
      return run();
    });
    return { state, disk: failing };
  }

  test.each(["ENOSPC", "EDQUOT"])(
    "%s at any write is a refusal, and the upload can go on from before",
    async (code) => {
      const root = newRoot();
      const { state, disk } = failingDisk();
      const blobs = await openFilesystemBlobs({ root, disk });
      const content = sample(4 * mebibyte + 99);
      const rest = () => chunked(content.subarray(99), [65_536]);
      for (let failingWrite = 0; failingWrite < 4; failingWrite++) {
        const staging = await blobs.begin(serverScope);
        const first = await blobs.append(staging, 0, from(content.subarray(0, 99)), {
          scope: serverScope,
          algorithm: "sha256",
        });
        let writes = 0;
        state.fails = ({ verb }) => (verb === "write" && writes++ === failingWrite ? code : undefined);
        await expectRefusal(
          blobs.append(staging, first.sizeBytes, rest(), { scope: serverScope, algorithm: "sha256" }),
          "StorageFull",
        );
        expect(statSync(join(root, "staging", staging)).size).toBe(99);
        expect(await all(blobs.list())).toEqual([]);

        state.fails = () => undefined;
        const staged = await blobs.append(staging, first.sizeBytes, rest(), {
          scope: serverScope,
          algorithm: "sha256",
        });
        // The hash had seen bytes that are not in the file, so it was dropped.
        expect(staged.digest).toBeUndefined();
        await blobs.remove(await blobs.commit(staging, digestFor(content), staged, serverScope));
      }
      expect(files(root)).toEqual([]);
    },
  );

  test("what did not fit gives its room back", async () => {
    const disk = new ModelDisk();
    const blobs = await openFilesystemBlobs({ root: "/blobs", disk });
    const staging = await blobs.begin(serverScope);
    await blobs.append(staging, 0, from(sample(1_000)), { scope: serverScope, algorithm: "sha256" });
    disk.freeBytes = 1.5 * mebibyte;
    await expectRefusal(
      blobs.append(staging, 1_000, from(sample(2 * mebibyte)), { scope: serverScope, algorithm: "sha256" }),
      "StorageFull",
    );
    expect(disk.freeBytes).toBe(1.5 * mebibyte);
    const staged = await blobs.append(staging, 1_000, from(sample(1.5 * mebibyte)), {
      scope: serverScope,
      algorithm: "sha256",
    });
    expect(staged.sizeBytes).toBe(1_000 + 1.5 * mebibyte);
    expect(disk.freeBytes).toBe(0);
    await expectRefusal(
      blobs.append(await blobs.begin(serverScope), 0, from(sample(1)), { scope: serverScope, algorithm: "sha256" }),
      "StorageFull",
    );
  });

  test("no room for the folder of a blob is a refusal, and the commit can be repeated", async () => {
    const { state, disk } = failingDisk();
    const blobs = await openFilesystemBlobs({ root: newRoot(), disk });
    const { staging, staged, digest, blob } = await begun(blobs, sample(100));
    state.fails = ({ verb }) => (verb === "mkdir" ? "ENOSPC" : undefined);
    await expectRefusal(blobs.commit(staging, digest, staged, serverScope), "StorageFull");
    expect(await blobs.stat(blob)).toBeUndefined();
    state.fails = () => undefined;
    await blobs.commit(staging, digest, staged, serverScope);
    expect(await blobs.stat(blob)).toEqual({ ...blob, sizeBytes: 100 });
  });

  test("other failures are told as they are", async () => {
    const { state, disk } = failingDisk();
    const blobs = await openFilesystemBlobs({ root: newRoot(), disk });
    state.fails = ({ verb }) => (verb === "write" ? "EIO" : undefined);
    await expect(
      blobs.append(await blobs.begin(serverScope), 0, from(sample(1)), { scope: serverScope, algorithm: "sha256" }),
    ).rejects.toThrow("EIO");
    state.fails = ({ verb }) => (verb === "stat" ? "EACCES" : undefined);
    await expect(blobs.stat({ digest: digestFor(sample(1)), generation: noGeneration })).rejects.toThrow("EACCES");
  });

  test("after a failed sync nobody can publish the bytes, however often they ask", async () => {
    const root = newRoot();
    const { state, disk } = failingDisk();
    const blobs = await openFilesystemBlobs({ root, disk });
    const { staging, staged, digest, blob } = await begun(blobs, sample(100));
    state.fails = ({ verb }) => (verb === "sync" ? "EIO" : undefined);
    await expect(blobs.commit(staging, digest, staged, serverScope)).rejects.toThrow("EIO");
    state.fails = () => undefined;
    await expect(blobs.commit(staging, digest, staged, serverScope)).rejects.toThrow(RangeError);
    await expect(
      blobs.append(staging, 100, from(sample(1)), { scope: serverScope, algorithm: "sha256" }),
    ).rejects.toThrow(RangeError);
    expect(await blobs.stat(blob)).toBeUndefined();
    expect(files(root)).toEqual([]);
  });

  test("a blob whose name is not synced is not acknowledged, and repeating the commit syncs it", async () => {
    const model = new ModelDisk();
    const { state, disk } = failingDisk(model);
    const blobs = await openFilesystemBlobs({ root: "/blobs", disk });
    const content = sample(100);
    const { staging, staged, digest, blob } = await begun(blobs, content);
    let isNamed = false;
    state.fails = ({ verb }) => {
      isNamed ||= verb === "rename";
      return isNamed && verb === "sync" ? "EIO" : undefined;
    };
    await expect(blobs.commit(staging, digest, staged, serverScope)).rejects.toThrow("EIO");
    expect(() => model.after("synced").content(pathOf("/blobs", blob))).toThrow("ENOENT");
    state.fails = () => undefined;
    await blobs.commit(staging, digest, staged, serverScope);
    expect(model.after("synced").content(pathOf("/blobs", blob))).toEqual(content);
  });

  test("every file that was opened is closed again", async () => {
    let opened = 0;
    const { state, disk: failing } = failingDisk();
    const disk = tapped(failing, async ({ verb }, run) => {
      const result = await run();
      opened += verb === "open" ? 1 : verb === "close" ? -1 : 0;
      return result;
    });
    const blobs = await openFilesystemBlobs({ root: newRoot(), disk });
    const { staging, staged, digest } = await begun(blobs, sample(100));
    await expect(blobs.append(staging, 200, from(), { scope: serverScope, algorithm: "sha256" })).rejects.toThrow(
      RangeError,
    );
    for await (const _ of blobs.staged(staging, 100)) break;
    await expect(all(blobs.staged(staging, 101))).rejects.toThrow(RangeError);
    await expectRefusal(blobs.commit(staging, digestFor(sample(1)), staged, serverScope), "LayerDigestMismatch");
    for (const verb of ["write", "truncate", "sync", "rename"]) {
      state.fails = (call) => (call.verb === verb ? "EIO" : undefined);
      await blobs.append(staging, 50, from(sample(50)), { scope: serverScope, algorithm: "sha256" }).catch(() => {});
      await blobs.commit(staging, digest, staged, serverScope).catch(() => {});
      await blobs.store(staging, digest, from(sample(50)), serverScope).catch(() => {});
      expect(opened).toBe(0);
    }
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
    expect(files(root)).toEqual([]);
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

  test.each(["", ".", "..", "../sha256", "../../etc/passwd", `${"0".repeat(8)}/..`, "A".repeat(36), "\0"])(
    "is never left by way of the id %j",
    async (text) => {
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
      expect(files(root)).toEqual([]);
    },
  );

  test.each(["..", "../x", "/etc/passwd", `${noGeneration}/..`, "\0"])(
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
      expect(files(root)).toEqual([`staging/${staging}`]);
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
  expect(opened).toEqual(expect.arrayContaining([dirname(root), temporary, "/"]));
});
