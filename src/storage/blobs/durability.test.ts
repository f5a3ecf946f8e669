import { afterAll, describe, expect, test } from "bun:test";
import { statSync } from "node:fs";
import { join } from "node:path";
import { Refusal } from "../../domain/errors.ts";
import type { Digest } from "../../domain/names.ts";
import type { Appended, StagingId } from "../../domain/registry/ports.ts";
import { all, chunked, digestFor, expectRefusal, from, noGeneration, sample } from "./contract.ts";
import { type Disk, realDisk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { type DiskCall, failure, ModelDisk, type Survivors, tapped } from "./test-disk.ts";
import { begun, filesIn, forms, pathOf, temporaryRoots } from "./testing.ts";

const roots = temporaryRoots();
const { newRoot } = roots;
afterAll(roots.remove);
const mebibyte = 1024 * 1024;

describe.each(forms)("$name blobs", ({ keys, scope, storedBytes }) => {
  describe("a crash", () => {
    const root = "/blobs";
    const content = sample(300_000);
    const digest = digestFor(content);
    interface Progress {
      staging?: StagingId;
      staged?: Appended;
      isCommitted?: boolean;
    }

    async function push(disk: Disk, progress: Progress, isWhole = false): Promise<void> {
      const blobs = await openFilesystemBlobs({ root, disk, keys });
      progress.staging = await blobs.begin(scope);
      if (isWhole) {
        progress.staged = await blobs.store(progress.staging, digest, chunked(content, [70_000]), scope);
        progress.isCommitted = true;
        return;
      }
      const first = await blobs.append(progress.staging, 0, from(content.subarray(0, 70_000)), {
        scope,
        algorithm: "sha256",
      });
      progress.staged = first;
      const rest = from(content.subarray(70_000));
      progress.staged = await blobs.append(progress.staging, first.sizeBytes, rest, {
        scope,
        algorithm: "sha256",
        acknowledged: first.digest,
      });
      await blobs.commit(progress.staging, digest, progress.staged, scope);
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
      const blobs = await openFilesystemBlobs({ root, disk, keys });
      const listed = await all(blobs.list());
      for (const blob of listed) expect(digestFor(Buffer.concat(await all(blobs.bytes(blob))))).toBe(blob.digest);
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
            const blobs = await openFilesystemBlobs({ root, disk: next, keys });
            const answer = await blobs.commit(staging, digest, staged, scope).catch((error: unknown) => error);
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
      const before = await openFilesystemBlobs({ root, disk, keys });
      const { staging, staged } = await begun(before, content, scope);
      const next = disk.after("names");
      const blobs = await openFilesystemBlobs({ root, disk: next, keys });
      expect(next.content(`${root}/staging/${staging}`).length).toBe(storedBytes(content.length));
      // Bytes that come later do not make the earlier ones better. Sealed, it is seen at once that these are lost.
      const appended = blobs.append(staging, content.length, from(sample(1)), { scope, algorithm: "sha256" });
      await appended.catch((error) => expect(error).toBeInstanceOf(RangeError));
      await expectRefusal(blobs.commit(staging, digest, staged, scope), "LayerDigestMismatch");
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
        const blobs = await openFilesystemBlobs({ root, disk, keys });
        const content = sample(4 * mebibyte + 99);
        const rest = () => chunked(content.subarray(99), [65_536]);
        for (let failingWrite = 0; failingWrite < 4; failingWrite++) {
          const staging = await blobs.begin(scope);
          const first = await blobs.append(staging, 0, from(content.subarray(0, 99)), {
            scope,
            algorithm: "sha256",
          });
          let writes = 0;
          state.fails = ({ verb }) => (verb === "write" && writes++ === failingWrite ? code : undefined);
          await expectRefusal(
            blobs.append(staging, first.sizeBytes, rest(), { scope, algorithm: "sha256" }),
            "StorageFull",
          );
          expect(statSync(join(root, "staging", staging)).size).toBe(storedBytes(99));
          expect(await all(blobs.list())).toEqual([]);

          state.fails = () => undefined;
          const staged = await blobs.append(staging, first.sizeBytes, rest(), {
            scope,
            algorithm: "sha256",
          });
          // The hash had seen bytes that are not in the file, so it was dropped.
          expect(staged.digest).toBeUndefined();
          await blobs.remove(await blobs.commit(staging, digestFor(content), staged, scope));
        }
        expect(filesIn(root)).toEqual([]);
      },
    );

    test("what did not fit gives its room back", async () => {
      const disk = new ModelDisk();
      const blobs = await openFilesystemBlobs({ root: "/blobs", disk, keys });
      const staging = await blobs.begin(scope);
      await blobs.append(staging, 0, from(sample(1_000)), { scope, algorithm: "sha256" });
      const room = storedBytes(1_000 + 1.5 * mebibyte) - storedBytes(1_000);
      disk.freeBytes = room;
      await expectRefusal(
        blobs.append(staging, 1_000, from(sample(2 * mebibyte)), { scope, algorithm: "sha256" }),
        "StorageFull",
      );
      expect(disk.freeBytes).toBe(room);
      const staged = await blobs.append(staging, 1_000, from(sample(1.5 * mebibyte)), {
        scope,
        algorithm: "sha256",
      });
      expect(staged.sizeBytes).toBe(1_000 + 1.5 * mebibyte);
      expect(disk.freeBytes).toBe(0);
      await expectRefusal(
        blobs.append(await blobs.begin(scope), 0, from(sample(1)), { scope, algorithm: "sha256" }),
        "StorageFull",
      );
    });

    test("no room for the folder of a blob is a refusal, and the commit can be repeated", async () => {
      const { state, disk } = failingDisk();
      const blobs = await openFilesystemBlobs({ root: newRoot(), disk, keys });
      const { staging, staged, digest, blob } = await begun(blobs, sample(100), scope);
      state.fails = ({ verb }) => (verb === "mkdir" ? "ENOSPC" : undefined);
      await expectRefusal(blobs.commit(staging, digest, staged, scope), "StorageFull");
      expect(await blobs.stat(blob)).toBeUndefined();
      state.fails = () => undefined;
      await blobs.commit(staging, digest, staged, scope);
      expect(await blobs.stat(blob)).toEqual({ ...blob, sizeBytes: 100 });
    });

    test("other failures are told as they are", async () => {
      const { state, disk } = failingDisk();
      const blobs = await openFilesystemBlobs({ root: newRoot(), disk, keys });
      state.fails = ({ verb }) => (verb === "write" ? "EIO" : undefined);
      await expect(
        blobs.append(await blobs.begin(scope), 0, from(sample(1)), { scope, algorithm: "sha256" }),
      ).rejects.toThrow("EIO");
      state.fails = ({ verb }) => (verb === "stat" ? "EACCES" : undefined);
      await expect(blobs.stat({ digest: digestFor(sample(1)), generation: noGeneration })).rejects.toThrow("EACCES");
    });

    test("after a failed sync nobody can publish the bytes, however often they ask", async () => {
      const root = newRoot();
      const { state, disk } = failingDisk();
      const blobs = await openFilesystemBlobs({ root, disk, keys });
      const { staging, staged, digest, blob } = await begun(blobs, sample(100), scope);
      state.fails = ({ verb }) => (verb === "sync" ? "EIO" : undefined);
      await expect(blobs.commit(staging, digest, staged, scope)).rejects.toThrow("EIO");
      state.fails = () => undefined;
      await expect(blobs.commit(staging, digest, staged, scope)).rejects.toThrow(RangeError);
      await expect(blobs.append(staging, 100, from(sample(1)), { scope, algorithm: "sha256" })).rejects.toThrow(
        RangeError,
      );
      expect(await blobs.stat(blob)).toBeUndefined();
      expect(filesIn(root)).toEqual([]);
    });

    test("a blob whose name is not synced is not acknowledged, and repeating the commit syncs it", async () => {
      const model = new ModelDisk();
      const { state, disk } = failingDisk(model);
      const blobs = await openFilesystemBlobs({ root: "/blobs", disk, keys });
      const content = sample(100);
      const { staging, staged, digest, blob } = await begun(blobs, content, scope);
      let isNamed = false;
      state.fails = ({ verb }) => {
        isNamed ||= verb === "rename";
        return isNamed && verb === "sync" ? "EIO" : undefined;
      };
      await expect(blobs.commit(staging, digest, staged, scope)).rejects.toThrow("EIO");
      expect(() => model.after("synced").content(pathOf("/blobs", blob))).toThrow("ENOENT");
      state.fails = () => undefined;
      await blobs.commit(staging, digest, staged, scope);
      const next = await openFilesystemBlobs({ root: "/blobs", disk: model.after("synced"), keys });
      expect(Buffer.concat(await all(next.bytes(blob))).equals(content)).toBe(true);
    });

    test("every file that was opened is closed again", async () => {
      let opened = 0;
      const { state, disk: failing } = failingDisk();
      const disk = tapped(failing, async ({ verb }, run) => {
        const result = await run();
        opened += verb === "open" ? 1 : verb === "close" ? -1 : 0;
        return result;
      });
      const blobs = await openFilesystemBlobs({ root: newRoot(), disk, keys });
      const { staging, staged, digest } = await begun(blobs, sample(100), scope);
      await expect(blobs.append(staging, 200, from(), { scope, algorithm: "sha256" })).rejects.toThrow(RangeError);
      for await (const _ of blobs.staged(staging, 100)) break;
      await expect(all(blobs.staged(staging, 101))).rejects.toThrow(RangeError);
      await expectRefusal(blobs.commit(staging, digestFor(sample(1)), staged, scope), "LayerDigestMismatch");
      for (const verb of ["write", "truncate", "sync", "rename", "read", "stat"]) {
        state.fails = (call) => (call.verb === verb ? "EIO" : undefined);
        await blobs.append(staging, 50, from(sample(50)), { scope, algorithm: "sha256" }).catch(() => {});
        await blobs.commit(staging, digest, staged, scope).catch(() => {});
        await blobs.store(staging, digest, from(sample(50)), scope).catch(() => {});
        expect(opened).toBe(0);
      }
    });
  });
});
