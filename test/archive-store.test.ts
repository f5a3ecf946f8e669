import { afterEach, beforeEach, expect, test } from "bun:test";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { BatchDeleteImageCommand, DescribeImagesCommand, UpdateImageStorageClassCommand } from "@aws-sdk/client-ecr";
import { Glob } from "bun";
import { refuse } from "../src/domain/errors.ts";
import type { Digest } from "../src/domain/names.ts";
import { type MoveOptions, moveBlobs } from "../src/domain/registry/archive-moves.ts";
import { check } from "../src/domain/registry/check.ts";
import { collectGarbage, sweepStrays } from "../src/domain/registry/collection.ts";
import type { BlobStore, Metadata, Tiers } from "../src/domain/registry/ports.ts";
import { expireUploads } from "../src/domain/registry/upload-expiry.ts";
import { digestOf, type InProcess, inProcess } from "./support/berth.ts";

const repositoryName = "archived";
const hourMs = 60 * 60_000;
let berth: InProcess;
let tiers: Tiers;
let metadata: Metadata;
beforeEach(async () => {
  berth = await inProcess({ createOnPush: true, archive: true });
  metadata = berth.stores.metadata;
  tiers = berth.stores.tiers ?? fail();
});
afterEach(() => berth.close());

function fail(): never {
  throw new Error("there is no archive");
}

async function request(imageId: object, targetStorageClass: "STANDARD" | "ARCHIVE", name = repositoryName) {
  const command = new UpdateImageStorageClassCommand({ repositoryName: name, imageId, targetStorageClass });
  return (await ecr().send(command)).imageStatus;
}
/** Signs by Berth's clock, which these tests move. */
const ecr = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const clock = () => berth.now;
const run = (options: MoveOptions = {}, parts: { metadata?: Metadata; tiers?: Tiers } = {}) =>
  moveBlobs({ metadata, tiers, clock, ...parts }, options);
const collect = () => collectGarbage({ metadata, blobs: berth.stores.blobs, clock }, { graceMs: 24 * hourMs });
const pass = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};

/** The digests that a store has, each as often as it has copies. */
async function inStore(store: BlobStore): Promise<string[]> {
  return (await Array.fromAsync(store.list())).map(({ digest }) => digest as string);
}
const copies = async (digest: string) => ({
  standard: (await inStore(tiers.standard)).filter((one) => one === digest).length,
  archive: (await inStore(tiers.archive)).filter((one) => one === digest).length,
});
async function statusOf(imageTag: string, name = repositoryName) {
  const command = new DescribeImagesCommand({ repositoryName: name, imageIds: [{ imageTag }] });
  return (await ecr().send(command)).imageDetails?.[0]?.imageStatus;
}
async function pull(layer: string, name = repositoryName): Promise<string | number> {
  const answer = await berth.oci("GET", `/v2/${name}/blobs/${layer}`);
  return answer.ok ? answer.text() : answer.status;
}
async function problemsNow() {
  const told: string[] = [];
  const found = ({ kind }: { kind: string }) => void told.push(kind);
  await check(
    { metadata, blobs: berth.stores.blobs, clock },
    { rehash: true, repair: false, bytesPerSecond: 0, found },
  );
  return told;
}

test("blobs go to the archive's store when no other image needs them, and come back with their image", async () => {
  const layer = digestOf("one");
  await berth.pushImage(repositoryName, "v1", "one");
  await berth.pushImage(repositoryName, "other", "another");
  expect(await run()).toMatchObject({ archived: 0, restored: 0 });
  await request({ imageTag: "v1" }, "ARCHIVE");
  // Its config is the other image's too.
  expect(await run()).toMatchObject({ archived: 1, restored: 0, bytes: 3 });
  expect(await run()).toMatchObject({ archived: 0, restored: 0 });
  expect(await copies(layer)).toEqual({ standard: 1, archive: 1 });
  await collect();
  expect(await copies(layer)).toEqual({ standard: 1, archive: 1 });
  pass(hourMs);
  await collect();
  expect(await copies(layer)).toEqual({ standard: 0, archive: 1 });
  expect(await copies(digestOf("{}"))).toEqual({ standard: 1, archive: 0 });
  expect(await problemsNow()).toEqual([]);

  expect(await request({ imageTag: "v1" }, "STANDARD")).toBe("ACTIVATING");
  expect(await statusOf("v1")).toBe("ACTIVATING");
  expect(await request({ imageTag: "v1" }, "STANDARD")).toBe("ACTIVATING");
  await expect(request({ imageTag: "v1" }, "ARCHIVE")).rejects.toMatchObject({
    name: "ImageStorageClassUpdateNotSupportedException",
  });
  expect((await berth.oci("GET", `/v2/${repositoryName}/manifests/v1`)).status).toBe(404);
  expect(await pull(layer)).toBe(404);
  expect(await run()).toMatchObject({ archived: 0, restored: 1, activated: 1 });
  expect(await statusOf("v1")).toBe("ACTIVE");
  expect(await pull(layer)).toBe("one");
  pass(hourMs);
  await collect();
  expect(await copies(layer)).toEqual({ standard: 1, archive: 0 });
});

test("what another repository needs stays, until that one has archived it too", async () => {
  const layer = digestOf("shared");
  for (const name of [repositoryName, "elsewhere"]) await berth.pushImage(name, "v1", "shared");
  await request({ imageTag: "v1" }, "ARCHIVE");
  expect(await run()).toMatchObject({ archived: 0 });
  expect([await pull(layer), await pull(layer, "elsewhere")]).toEqual([404, "shared"]);
  await request({ imageTag: "v1" }, "ARCHIVE", "elsewhere");
  expect(await run()).toMatchObject({ archived: 2 });
  // One of them restored is enough to bring it back.
  await request({ imageTag: "v1" }, "STANDARD", "elsewhere");
  expect(await run()).toMatchObject({ restored: 2, activated: 1 });
  expect([await pull(layer), await pull(layer, "elsewhere")]).toEqual([404, "shared"]);
});

test("a deleted image frees its bytes in the archive's store too", async () => {
  await berth.pushImage(repositoryName, "v1", "to be deleted");
  await request({ imageTag: "v1" }, "ARCHIVE");
  await run();
  pass(hourMs);
  await collect();
  expect((await inStore(tiers.archive)).length).toBe(2);
  await ecr().send(new BatchDeleteImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
  pass(25 * hourMs);
  expect(await collect()).toMatchObject({ links: 2, blobs: 2 });
  expect([...(await inStore(tiers.standard)), ...(await inStore(tiers.archive))]).toEqual([]);
});

test("an index is active when all that it lists is", async () => {
  const { digest: child } = await berth.pushImage(repositoryName, "child", "child");
  const type = "application/vnd.oci.image.index.v1+json";
  const manifests = [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: child, size: 1 }];
  const index = JSON.stringify({ schemaVersion: 2, mediaType: type, manifests });
  const path = `/v2/${repositoryName}/manifests/index`;
  await berth.oci("PUT", path, { headers: { "content-type": type }, body: index });
  await request({ imageTag: "index" }, "ARCHIVE");
  await request({ imageTag: "child" }, "ARCHIVE");
  await run();
  await request({ imageTag: "index" }, "STANDARD");
  expect([await statusOf("index"), await statusOf("child")]).toEqual(["ACTIVATING", "ACTIVATING"]);
  expect(await run()).toMatchObject({ activated: 2 });
  expect([await statusOf("index"), await statusOf("child")]).toEqual(["ACTIVE", "ACTIVE"]);
});

test("a push of an archived image is active at once, with the bytes that it brought", async () => {
  const layer = digestOf("again");
  await berth.pushImage(repositoryName, "v1", "again");
  await request({ imageTag: "v1" }, "ARCHIVE");
  await run();
  pass(hourMs);
  await collect();
  expect(await copies(layer)).toEqual({ standard: 0, archive: 1 });
  await berth.pushImage(repositoryName, "v1", "again");
  expect(await statusOf("v1")).toBe("ACTIVE");
  expect(await copies(layer)).toEqual({ standard: 1, archive: 1 });
  expect(await pull(layer)).toBe("again");
  pass(hourMs);
  await collect();
  expect(await copies(layer)).toEqual({ standard: 1, archive: 0 });
  expect(await run()).toMatchObject({ archived: 0, restored: 0 });
});

test("a manifest over archived layers is read from the archive's store until they are back", async () => {
  const layer = digestOf("needed again");
  const { manifest, digest } = await berth.pushImage(repositoryName, "v1", "needed again");
  await request({ imageTag: "v1" }, "ARCHIVE");
  await run();
  pass(hourMs);
  await collect();
  // By the manifest alone, without its layers.
  const type = "application/vnd.oci.image.manifest.v1+json";
  const path = `/v2/${repositoryName}/manifests/${digest}`;
  const pushed = await berth.oci("PUT", path, { headers: { "content-type": type }, body: manifest });
  expect(pushed.status).toBe(201);
  expect(await copies(layer)).toEqual({ standard: 0, archive: 1 });
  expect(await pull(layer)).toBe("needed again");
  const range = await berth.oci("GET", `/v2/${repositoryName}/blobs/${layer}`, { headers: { range: "bytes=0-5" } });
  expect([range.status, await range.text()]).toEqual([206, "needed"]);
  expect(await run()).toMatchObject({ restored: 2 });
  expect(await pull(layer)).toBe("needed again");
});

test("a run that is cut off anywhere loses nothing, and the next one finishes", async () => {
  for (const target of ["ARCHIVE", "STANDARD"] as const) {
    for (let step = 0; ; step++) {
      const tag = `${target}-${step}`.toLowerCase();
      const content = `content of ${tag}`;
      const layer = digestOf(content);
      await berth.pushImage(repositoryName, tag, content);
      await request({ imageTag: tag }, "ARCHIVE");
      if (target === "STANDARD") {
        await run();
        await request({ imageTag: tag }, "STANDARD");
      }
      const isWhole = await run({}, cutOff(step)).then(
        () => true,
        (error) => {
          if (!(error instanceof CutOff)) throw error;
          return false;
        },
      );
      const expected = target === "ARCHIVE" ? "ARCHIVED" : "ACTIVE";
      if (!isWhole) {
        // The content is somewhere, in a copy that is named.
        const record = await metadata.read.blobs.find({ digest: layer as Digest, scope: "" as never });
        expect(record && (await berth.stores.blobs.stat(record))?.sizeBytes).toBe(content.length);
        // What failed waits; the clock brings it back.
        pass(hourMs);
        await run();
      }
      expect(await statusOf(tag)).toBe(expected);
      pass(2 * hourMs);
      await collect();
      pass(48 * hourMs);
      await sweepStrays({ metadata, blobs: berth.stores.blobs, clock: () => new Date(Date.now() + 30 * 24 * hourMs) });
      const where = target === "ARCHIVE" ? { standard: 0, archive: 1 } : { standard: 1, archive: 0 };
      expect({ step, ...(await copies(layer)) }).toEqual({ step, ...where });
      if (target === "STANDARD") expect(await pull(layer)).toBe(content);
      if (isWhole) {
        expect(step).toBeGreaterThan(4);
        break;
      }
    }
  }
  await expireUploads({ metadata, blobs: berth.stores.blobs, clock }, berth.now);
  expect(await problemsNow()).toEqual([]);
});

class CutOff extends Error {}

/** Metadata and stores that work `steps` times, and then no more: as if the process had ended there. */
function cutOff(steps: number): { metadata: Metadata; tiers: Tiers } {
  let left = steps;
  const step = () => {
    if (left-- <= 0) throw new CutOff();
  };
  const store = (real: BlobStore): BlobStore => ({
    ...real,
    async begin(scope) {
      step();
      return real.begin(scope);
    },
    async append(...input) {
      step();
      return real.append(...input);
    },
    async commit(...input) {
      step();
      const stored = await real.commit(...input);
      step();
      return stored;
    },
    async remove(blob) {
      step();
      return real.remove(blob);
    },
    async abort(staging) {
      step();
      return real.abort(staging);
    },
  });
  const cut: Metadata = {
    ...metadata,
    async transact(work, options) {
      step();
      const result = await metadata.transact(work, options);
      step();
      return result;
    },
  };
  return { metadata: cut, tiers: { standard: store(tiers.standard), archive: store(tiers.archive) } };
}

test("a push that needs a blob while it is carried away finds it, and it comes back", async () => {
  const layer = digestOf("raced");
  const { manifest, digest } = await berth.pushImage(repositoryName, "v1", "raced");
  await request({ imageTag: "v1" }, "ARCHIVE");
  const type = "application/vnd.oci.image.manifest.v1+json";
  const archive: BlobStore = {
    ...tiers.archive,
    async commit(...input) {
      const stored = await tiers.archive.commit(...input);
      const path = `/v2/${repositoryName}/manifests/${digest}`;
      await berth.oci("PUT", path, { headers: { "content-type": type }, body: manifest });
      return stored;
    },
  };
  await run({}, { tiers: { ...tiers, archive } });
  expect(await pull(layer)).toBe("raced");
  pass(2 * hourMs);
  await run();
  await collect();
  pass(2 * hourMs);
  await collect();
  expect(await copies(layer)).toEqual({ standard: 1, archive: 0 });
  expect(await pull(layer)).toBe("raced");
});

test("two runs at once move each blob once", async () => {
  for (let index = 0; index < 20; index++) {
    await berth.pushImage(repositoryName, `v${index}`, `content ${index}`);
    await request({ imageTag: `v${index}` }, "ARCHIVE");
  }
  const [first, second] = await Promise.all([run(), run()]);
  expect(first.archived + second.archived).toBe(21);
  pass(hourMs);
  await run();
  await collect();
  expect((await inStore(tiers.standard)).length).toBe(0);
  expect(new Set(await inStore(tiers.archive)).size).toBe((await inStore(tiers.archive)).length);
  expect((await inStore(tiers.archive)).length).toBe(21);
});

test("a blob whose bytes are damaged stays, is kept from everybody, and holds up nobody", async () => {
  const layer = digestOf("damaged");
  await berth.pushImage(repositoryName, "v1", "damaged");
  await request({ imageTag: "v1" }, "ARCHIVE");
  const [file] = new Glob(`sha256/*/${layer.slice("sha256:".length)}*`).scanSync({ cwd: berth.stores.root });
  const path = join(berth.stores.root, file ?? fail());
  const bytes = readFileSync(path);
  bytes[bytes.length - 20] = (bytes.at(-20) ?? 0) ^ 1;
  writeFileSync(path, bytes);
  const failed: string[] = [];
  expect(await run({ failed: ({ digest }) => void failed.push(digest) })).toMatchObject({ archived: 1 });
  expect(failed).toEqual([layer]);
  expect(await metadata.read.blobs.quarantined({ limit: 9 })).toMatchObject([{ digest: layer }]);
  await request({ imageTag: "v1" }, "STANDARD");
  await run();
  expect(await statusOf("v1")).toBe("ACTIVE");
  expect(await pull(layer)).toBe(404);
  await berth.pushImage(repositoryName, "v1", "damaged");
  expect(await pull(layer)).toBe("damaged");
});

test("a restore waits for a store that is away, and is done when it is back", async () => {
  const layer = digestOf("away");
  await berth.pushImage(repositoryName, "v1", "away");
  await request({ imageTag: "v1" }, "ARCHIVE");
  await run();
  await request({ imageTag: "v1" }, "STANDARD");
  const away: BlobStore = {
    ...tiers.archive,
    bytes: () => {
      throw new Error("the disk is not mounted");
    },
  };
  const failed: unknown[] = [];
  const parts = { tiers: { ...tiers, archive: away } };
  expect(await run({ failed: (_, error) => void failed.push(error) }, parts)).toMatchObject({ activated: 0 });
  expect(failed.length).toBeGreaterThan(0);
  expect(await statusOf("v1")).toBe("ACTIVATING");
  expect(await run()).toMatchObject({ activated: 1 });
  expect(await pull(layer)).toBe("away");
});

test("a full disk ends a run, and nothing is lost", async () => {
  const layer = digestOf("no room");
  await berth.pushImage(repositoryName, "v1", "no room");
  await request({ imageTag: "v1" }, "ARCHIVE");
  const full = { ...tiers.archive, append: () => Promise.reject(refuse("StorageFull")) };
  await expect(run({}, { tiers: { ...tiers, archive: full } })).rejects.toMatchObject({ code: "StorageFull" });
  expect(await copies(layer)).toEqual({ standard: 1, archive: 0 });
  expect(await run()).toMatchObject({ archived: 2 });
});

test("a store that has lost everything is not taken for damage", async () => {
  await berth.pushImage(repositoryName, "v1", "lost");
  await request({ imageTag: "v1" }, "ARCHIVE");
  await run();
  await request({ imageTag: "v1" }, "STANDARD");
  rmSync(join(berth.stores.root, "archive", "sha256"), { recursive: true });
  await run();
  expect(await statusOf("v1")).toBe("ACTIVATING");
  expect(await metadata.read.blobs.quarantined({ limit: 9 })).toEqual([]);
});
