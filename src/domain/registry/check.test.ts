import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import { metadata as createMetadata, type Engine } from "../../storage/metadata/metadata.ts";
import { openSqliteEngine } from "../../storage/metadata/sqlite.ts";
import type { AccountId, Digest, Region, RepositoryName, Tag } from "../names.ts";
import { type CheckOptions, check, type Problem } from "./check.ts";
import { StoreIsForeign } from "./check-blobs.ts";
import { sweepStrays } from "./collection.ts";
import { serverScope } from "./encryption.ts";
import { manifestDigest, mediaTypes } from "./manifests.ts";
import type { BlobStore, Bytes, Metadata, Repository, StagingId, StoredBlob } from "./ports.ts";

const registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const dayMs = 24 * 3_600_000;
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";
const bytes = (text: string) => new TextEncoder().encode(text);

/** What is wrong with some copies, by generation. */
type Damage = "gone" | "short" | "flipped" | "unreadable";

let engine: Engine;
let metadata: Metadata;
let sound: BlobStore;
let blobs: BlobStore;
let damages: Map<string, Damage>;
let now: Date;
let repository: Repository;

/** A store whose disk has lost something. */
function damaged(store: BlobStore): BlobStore {
  return {
    ...store,
    async stat(blob) {
      const found = await store.stat(blob);
      const damage = damages.get(blob.generation);
      if (damage === "gone") return undefined;
      return found && damage === "short" ? { ...found, sizeBytes: found.sizeBytes - 1 } : found;
    },
    async *bytes(blob) {
      const damage = damages.get(blob.generation);
      if (damage === "unreadable") throw Object.assign(new Error("i/o error"), { code: "EIO" });
      if (damage === undefined) yield* store.bytes(blob);
      else yield bytes("something else");
    },
    async *list(after) {
      for await (const blob of store.list(after)) {
        const found = await blobs.stat(blob);
        if (found) yield { ...blob, sizeBytes: found.sizeBytes };
      }
    },
  };
}

beforeEach(async () => {
  engine = await openSqliteEngine({ path: ":memory:" });
  metadata = createMetadata(engine);
  sound = openMemoryBlobs();
  damages = new Map();
  blobs = damaged(sound);
  now = new Date();
  repository = await newRepository("app");
});
afterEach(() => engine.close());

async function newRepository(name: string): Promise<Repository> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const made = await metadata.transact(({ repositories }) =>
    repositories.create(
      { registry, name: name as RepositoryName, createdAt: now, encryption: { type: "AES256" }, ...settings },
      new Map(),
    ),
  );
  if (!made) throw new Error("the name is taken");
  return made;
}

async function store(content: string): Promise<StoredBlob> {
  const staging = await sound.begin(serverScope);
  const one = async function* (): Bytes {
    yield bytes(content);
  };
  const staged = await sound.append(staging, 0, one(), { scope: serverScope, algorithm: "sha256" });
  return sound.commit(staging, manifestDigest(bytes(content)), staged, serverScope);
}

async function push(content: string, to = repository): Promise<StoredBlob> {
  const blob = await store(content);
  await metadata.transact(({ layers }) => layers.link(to, blob, now));
  return blob;
}

async function pushImage(tag: string, ...layers: StoredBlob[]): Promise<{ id: number; digest: Digest }> {
  const config = await push("{}");
  const descriptor = ({ digest, sizeBytes }: StoredBlob) => ({ digest, size: sizeBytes, mediaType: layerType });
  const document = { schemaVersion: 2, mediaType: mediaTypes.ociManifest, config: descriptor(config) };
  const manifest = bytes(JSON.stringify({ ...document, layers: layers.map(descriptor) }));
  const digest = manifestDigest(manifest);
  return metadata.transact(async ({ images, tags }) => {
    const { id } = await images.put({
      repositoryId: repository.id,
      digest,
      mediaType: mediaTypes.ociManifest,
      manifestBytes: manifest.length,
      imageBytes: 1,
      manifest,
      layers: [config, ...layers].map((layer) => ({ digest: layer.digest, mediaType: layerType })),
      children: [],
      pushedAt: now,
    });
    await tags.set(repository.id, tag as Tag, { id, digest }, now);
    return { id, digest };
  });
}

async function run(options: Partial<CheckOptions> = {}, stores = { metadata, blobs }) {
  const problems: Problem[] = [];
  const counts = await check(
    { ...stores, clock: () => now },
    { rehash: false, repair: false, bytesPerSecond: 0, found: (problem) => problems.push(problem), ...options },
  );
  return { counts, problems, told: problems.map(({ kind, outcome }) => `${kind} ${outcome}`) };
}
const isOpen = async ({ digest }: StoredBlob) =>
  !(await metadata.read.blobs.find({ digest, scope: serverScope }))?.quarantinedAt;
const change = (sql: string) =>
  engine.durable.executeQuery({ sql, parameters: [], query: { kind: "RawNode" } } as never);

test("a registry that is in order is found so, and everything is looked at", async () => {
  await pushImage("v1", await push("one"), await push("two"));
  await push("nobody's yet");
  const phases = new Set<string>();
  const { counts, problems } = await run({ rehash: true, progress: ({ phase }) => phases.add(phase) });
  expect(problems).toEqual([]);
  expect(counts).toMatchObject({ images: 1, tags: 1, blobs: 4, rehashed: 4, problems: 0, remaining: 0 });
  expect(counts.rehashedBytes).toBe(counts.blobBytes);
  expect([...phases]).toEqual(["database", "images", "tags", "bytes"]);
});

describe("a damaged blob", () => {
  test.each([
    ["gone", "BlobMissing"],
    ["short", "BlobSizeWrong"],
    ["flipped", "BlobCorrupt"],
  ] as const)("that is %s is kept from everybody, and who needs it is named", async (damage, kind) => {
    const [one, two] = [await push("one"), await push("two")];
    const image = await pushImage("v1", one, two);
    const other = await newRepository("other");
    await push("one", other);
    damages.set(one.generation, damage);
    const { problems, counts } = await run({ rehash: true });
    expect(problems).toEqual([
      {
        kind,
        what: expect.stringContaining(one.digest),
        outcome: "quarantined",
        digest: one.digest,
        hurts: expect.arrayContaining([
          { registry, repository: repository.name, image: image.digest, tags: ["v1" as Tag] },
          { registry, repository: other.name },
        ]),
      },
    ]);
    expect(counts.remaining).toBe(1);
    expect([await isOpen(one), await isOpen(two)]).toEqual([false, true]);
    // It stays one until somebody pushes it.
    expect((await run()).told).toEqual([damage === "flipped" ? "BlobInQuarantine quarantined" : `${kind} quarantined`]);
    await push("one");
    expect((await run({ rehash: true })).told).toEqual([]);
  });

  test("of which only the bytes are wrong is found by hashing alone", async () => {
    const blob = await push("one");
    damages.set(blob.generation, "flipped");
    expect((await run()).told).toEqual([]);
    expect((await run({ rehash: true })).told).toEqual(["BlobCorrupt quarantined"]);
  });

  test("that cannot be read stays open, until a repair", async () => {
    const blob = await push("one");
    damages.set(blob.generation, "unreadable");
    expect((await run({ rehash: true })).told).toEqual(["BlobUnreadable remains"]);
    expect(await isOpen(blob)).toBe(true);
    expect((await run({ rehash: true, repair: true })).told).toEqual(["BlobUnreadable quarantined"]);
    expect(await isOpen(blob)).toBe(false);
  });

  test("is mended from any other copy, whatever else is damaged", async () => {
    const blob = await push("one");
    const [corrupt, whole] = [await store("one"), await store("one")];
    damages.set(blob.generation, "short");
    damages.set(corrupt.generation, "flipped");
    const { told, counts } = await run({ repair: true });
    expect(told).toEqual(["BlobSizeWrong repaired"]);
    expect(counts.remaining).toBe(0);
    const record = await metadata.read.blobs.find({ digest: blob.digest, scope: serverScope });
    expect(record?.quarantinedAt).toBeUndefined();
    expect([blob, corrupt, whole].map(({ generation }) => generation)).not.toContain(record?.generation);
    // The damaged one went as a collection would have it, and the others stay until they are strays.
    expect(await sound.stat(blob)).toBeUndefined();
    expect(await metadata.read.garbage.removals({ limit: 9 })).toEqual([]);
    expect((await run({ rehash: true })).told).toEqual([]);
    now = new Date(Date.now() + 2 * dayMs);
    expect((await run({ repair: true })).told).toEqual(["Stray repaired", "Stray repaired"]);
    expect((await run({ rehash: true })).told).toEqual([]);
  });

  test("keeps its other copies, however old, as long as they could not take its place", async () => {
    const blob = await push("one");
    const other = await store("one");
    damages.set(blob.generation, "gone");
    damages.set(other.generation, "unreadable");
    now = new Date(Date.now() + 2 * dayMs);
    await run();
    expect(await sweepStrays({ metadata, blobs, clock: () => now })).toEqual({ blobs: 0, bytes: 0 });
    expect((await run({ repair: true })).told).toEqual(["BlobMissing quarantined"]);
    damages.delete(other.generation);
    expect((await run({ repair: true })).told).toEqual(["BlobMissing repaired", "Stray repaired"]);
    expect((await run({ rehash: true })).told).toEqual([]);
  });

  test("that is sound again is opened by a repair, and only after it was hashed", async () => {
    const blob = await push("one");
    damages.set(blob.generation, "gone");
    await run();
    damages.set(blob.generation, "flipped");
    expect((await run({ repair: true })).told).toEqual(["BlobCorrupt quarantined"]);
    damages.clear();
    expect((await run()).told).toEqual(["BlobInQuarantine quarantined"]);
    expect((await run({ repair: true })).told).toEqual(["BlobInQuarantine repaired"]);
    expect(await isOpen(blob)).toBe(true);
    expect((await run()).told).toEqual([]);
  });

  test("a store with nothing of what is named is a wrong store, unless a repair says that it is not", async () => {
    const pushed = await Promise.all(Array.from({ length: 20 }, (_, index) => push(`blob ${index}`)));
    const empty = openMemoryBlobs();
    await expect(run({}, { metadata, blobs: empty })).rejects.toThrow(StoreIsForeign);
    for (const blob of pushed) expect(await isOpen(blob)).toBe(true);
    expect((await run({ repair: true }, { metadata, blobs: empty })).told).toHaveLength(20);
    expect((await run({ repair: true })).counts).toMatchObject({ problems: 20, remaining: 0 });
  });
});

describe("copies that nothing names", () => {
  test("are counted while they are young, and strays after a day", async () => {
    const [stray, known] = [await store("stray"), await push("known")];
    const { told, counts } = await run({ repair: true });
    expect([told, counts.youngCopies]).toEqual([[], 1]);
    now = new Date(Date.now() + dayMs + 1000);
    expect((await run()).told).toEqual(["Stray remains"]);
    expect(await sound.stat(stray)).toBeDefined();
    const repaired = await run({ repair: true });
    expect(repaired.told).toEqual(["Stray repaired"]);
    expect(repaired.counts.freedBytes).toBe(5);
    expect(await sound.stat(stray)).toBeUndefined();
    expect(await sound.stat(known)).toBeDefined();
  });

  test("are no strays when a collection is about to remove them, and a repair does it for it", async () => {
    const blob = await push("one");
    await metadata.transact(async ({ layers, garbage }) => {
      await layers.unlink(repository.id, blob.digest, new Date(0));
      await garbage.forget({ ...blob, since: new Date(0) }, now);
    });
    now = new Date(Date.now() + 2 * dayMs);
    expect(await run()).toMatchObject({ told: [], counts: { awaitingRemoval: 1 } });
    expect(await run({ repair: true })).toMatchObject({ told: [], counts: { freedBytes: 3 } });
    expect(await sound.stat(blob)).toBeUndefined();
    expect((await metadata.read.garbage.waiting()).removals).toBe(0);
  });

  test("of abandoned uploads go by their age, unless a session owns them", async () => {
    const staged = ["1", "2"].map((digit) => `0000000${digit}-0000-7000-8000-000000000000` as StagingId);
    const dropped: string[] = [];
    const uploads: BlobStore = {
      ...blobs,
      async *stale(before) {
        expect(before.getTime()).toBe(now.getTime() - dayMs);
        yield* staged;
      },
      async abort(staging) {
        dropped.push(staging);
      },
    };
    await change(
      `insert into upload (id, repository_id, owner_account, owner_arn, owner_id, staging, algorithm, staged_bytes, parts, last_part_bytes, created_at, updated_at) values ('u', ${repository.id}, '', '', '', '${staged[1]}', 'sha256', 0, 0, 0, 0, 0)`,
    );
    expect((await run({}, { metadata, blobs: uploads })).told).toEqual(["AbandonedUpload remains"]);
    expect((await run({ repair: true }, { metadata, blobs: uploads })).told).toEqual(["AbandonedUpload repaired"]);
    expect(dropped).toEqual(staged.slice(0, 1));
  });
});

describe("what the tables say of an image", () => {
  const unsafely = async (sql: string) => {
    await change("pragma foreign_keys = off");
    await change(sql);
    await change("pragma foreign_keys = on");
  };

  test.each([
    ["update image_manifest set bytes = x'7b7d'", ["ManifestCorrupt remains"]],
    ["delete from image_manifest", ["ManifestMissing remains"]],
    ["update image set subject = 'sha256:00'", ["ReferencesDiffer remains"]],
    ["delete from image_layer where digest = (select min(digest) from image_layer)", ["ReferencesDiffer remains"]],
    ["update image set tag_count = 7", ["TagCountWrong remains"]],
    ["update image set status = 0", ["StatusDiffers remains"]],
    ["update image_layer set image_status = 1", ["StatusDiffers remains"]],
    [
      "delete from layer_link where digest = (select min(digest) from image_layer)",
      ["DatabaseDamaged remains", "ReferenceMissing remains"],
    ],
    ["delete from image", ["DatabaseDamaged remains", "TagWithoutImage remains"]],
  ])("%s", async (sql, expected) => {
    await pushImage("v1", await push("one"));
    await unsafely(sql);
    expect([...new Set((await run()).told)]).toEqual(expected);
  });

  test("a wrong count of tags is counted anew", async () => {
    await pushImage("v1", await push("one"));
    await unsafely("update image set tag_count = 7");
    expect((await run({ repair: true })).told).toEqual(["TagCountWrong repaired"]);
    expect((await run()).told).toEqual([]);
  });

  test("tags and layers get the status of their image", async () => {
    const { digest } = await pushImage("v1", await push("one"));
    await unsafely("update image set status = 0");
    expect((await run({ repair: true })).told).toEqual(["StatusDiffers repaired"]);
    expect((await run()).told).toEqual([]);
    expect(await metadata.read.tags.list(repository.id, { limit: 9 })).toEqual([]);
    expect((await metadata.read.images.find(repository.id, digest))?.status).toBe("ARCHIVED");
  });

  test("what cannot be repaired names the image and its tags", async () => {
    const { digest } = await pushImage("v1", await push("one"));
    await unsafely("delete from image_manifest");
    const { problems } = await run({ repair: true });
    expect(problems).toMatchObject([
      { digest, outcome: "remains", hurts: [{ repository: repository.name, image: digest, tags: ["v1" as Tag] }] },
    ]);
  });
});

describe("beside a running registry", () => {
  test("a push between the two listings is no difference", async () => {
    let late: StoredBlob | undefined;
    const busy: BlobStore = {
      ...blobs,
      async *list(after) {
        // The store is listed as it was; then somebody pushes, and the records are read.
        const listed = await Array.fromAsync(blobs.list(after));
        late ??= await push("late");
        yield* listed;
      },
    };
    expect((await run({}, { metadata, blobs: busy })).told).toEqual([]);
    expect(late && (await isOpen(late))).toBe(true);
  });

  test("a blob that is collected or pushed anew while it is looked at is no difference", async () => {
    const [collected, renewed] = [await push("collected"), await push("renewed")];
    const busy: BlobStore = {
      ...blobs,
      async stat(blob) {
        if (blob.generation === collected.generation) {
          await metadata.transact(async ({ layers, garbage }) => {
            await layers.unlink(repository.id, collected.digest, new Date(0));
            await garbage.forget({ ...collected, since: new Date(0) }, now);
          });
        }
        if (blob.generation === renewed.generation) {
          await metadata.transact((nouns) => nouns.blobs.quarantine(renewed, now));
          await push("renewed");
        }
        return blobs.stat(blob);
      },
    };
    damages.set(collected.generation, "gone");
    damages.set(renewed.generation, "gone");
    expect((await run({}, { metadata, blobs: busy })).told).toEqual([]);
  });

  test("an image that is deleted while it is looked at is no difference", async () => {
    const image = await pushImage("v1", await push("one"));
    const read: Metadata["read"] = {
      ...metadata.read,
      inspection: {
        ...metadata.read.inspection,
        async manifest() {
          await metadata.transact(({ images }) => images.delete({ ...image, repositoryId: repository.id }, now));
          return undefined;
        },
      },
    };
    expect((await run({}, { metadata: { ...metadata, read }, blobs })).told).toEqual([]);
  });
});

test("reading is held to the rate", async () => {
  for (let index = 0; index < 4; index++) await push(`${index}`.repeat(10_000));
  const began = performance.now();
  await run({ rehash: true, bytesPerSecond: 100_000 });
  const tookMs = performance.now() - began;
  expect(tookMs).toBeGreaterThan(150);
  expect(tookMs).toBeLessThan(2_000);
});
