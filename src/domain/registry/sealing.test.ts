import { afterEach, beforeEach, expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Region, RepositoryName } from "../names.ts";
import { collectGarbage, type Stores, sweepStrays } from "./collection.ts";
import { isSealed, serverScope } from "./encryption.ts";
import { manifestDigest } from "./manifests.ts";
import type { BlobStore, Bytes, Metadata, Repository, StagingId, StoredBlob } from "./ports.ts";
import { plainStaysMs, type SealOptions, sealBlobs } from "./sealing.ts";

const registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const dayMs = 24 * 3_600_000;
const bytes = (text: string) => new TextEncoder().encode(text);

let metadata: Metadata;
let blobs: BlobStore;
let nowMs: number;
let stores: Stores;
let repository: Repository;
/** Whether the store seals what comes into it. */
let isSealing: boolean;
/** Runs before the next copy is read. */
let beforeBytes: (() => Promise<unknown>) | undefined;

beforeEach(async () => {
  metadata = await openSqlite({ path: ":memory:" });
  const memory = openMemoryBlobs({ clock: () => new Date(nowMs) });
  blobs = {
    ...memory,
    async begin(scope) {
      return `${await memory.begin(scope)}${isSealing ? ".sealed" : ""}` as StagingId;
    },
    async *bytes(blob) {
      const before = beforeBytes;
      beforeBytes = undefined;
      await before?.();
      yield* memory.bytes(blob);
    },
  };
  nowMs = Date.UTC(2030, 0, 1);
  isSealing = false;
  beforeBytes = undefined;
  stores = { metadata, blobs, clock: () => new Date(nowMs) };
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const made = await metadata.transact(({ repositories }) =>
    repositories.create(
      {
        registry,
        name: "app" as RepositoryName,
        createdAt: new Date(nowMs),
        encryption: { type: "AES256" },
        ...settings,
      },
      new Map(),
    ),
  );
  if (!made) throw new Error("the name is taken");
  repository = made;
});
afterEach(() => metadata.close());

async function push(content: string): Promise<StoredBlob> {
  const staging = await blobs.begin(serverScope);
  const one = async function* (): Bytes {
    yield bytes(content);
  };
  const digest = manifestDigest(bytes(content));
  const staged = await blobs.append(staging, 0, one(), { scope: serverScope, algorithm: "sha256" });
  const blob = await blobs.commit(staging, digest, staged, serverScope);
  await metadata.transact(({ layers }) => layers.link(repository, blob, new Date(nowMs)));
  return blob;
}

const seal = (options: Partial<SealOptions> = {}) => sealBlobs(stores, { bytesPerSecond: 0, ...options });
const recordOf = ({ digest }: StoredBlob) => metadata.read.blobs.find({ digest, scope: serverScope });
const collect = () => collectGarbage(stores, { graceMs: dayMs });

test("what is plain gets a sealed copy, and the plain one goes when nobody can be about to read it", async () => {
  const plain = [await push("one"), await push("three")];
  isSealing = true;
  const sealed = await push("seven");
  const seen: number[][] = [];
  const counts = await seal({ progress: (done, total) => seen.push([done, total]) });
  const removedFrom = new Date(nowMs + plainStaysMs);
  expect(counts).toEqual({ blobs: 2, bytes: 8, sealedBefore: 1, leftPlain: 0, damaged: 0, removedFrom });
  expect(seen.at(-1)).toEqual([13, 13]);
  expect((await recordOf(sealed))?.generation).toBe(sealed.generation);
  for (const blob of plain) {
    const record = await recordOf(blob);
    expect(record && isSealed(record.generation)).toBe(true);
    expect(record).toMatchObject({ sizeBytes: blob.sizeBytes, quarantinedAt: undefined });
    expect(await metadata.read.layers.find(repository.id, blob.digest)).toMatchObject({
      generation: record?.generation,
    });
    expect(await blobs.stat(blob)).toEqual(blob);
  }
  await collect();
  expect(await blobs.stat(plain[0] as StoredBlob)).toBeDefined();
  nowMs += plainStaysMs;
  expect(await collect()).toMatchObject({ blobs: 2, bytes: 8 });
  for await (const blob of blobs.list()) expect(isSealed(blob.generation)).toBe(true);
  expect(await seal()).toEqual({ blobs: 0, bytes: 0, sealedBefore: 3, leftPlain: 0, damaged: 0 });
});

test("a dry run counts, and changes nothing", async () => {
  const plain = await push("one");
  isSealing = true;
  expect(await seal({ dryRun: true })).toMatchObject({ blobs: 1, bytes: 3 });
  expect(await recordOf(plain)).toMatchObject(plain);
  expect((await metadata.read.garbage.waiting()).removals).toBe(0);
});

test("what is left to a volume stays as it is", async () => {
  const plain = await push("one");
  expect(await seal()).toEqual({ blobs: 0, bytes: 0, sealedBefore: 0, leftPlain: 1, damaged: 0 });
  expect(await recordOf(plain)).toMatchObject(plain);
});

test("one that was interrupted leaves nothing in doubt, and the next one goes on", async () => {
  const plain = await Promise.all(Array.from({ length: 20 }, (_, index) => push(`blob ${index}`)));
  isSealing = true;
  const stop = new AbortController();
  let done = 0;
  const progress = () => ++done === 5 && stop.abort(new Error("enough"));
  await expect(seal({ signal: stop.signal, progress })).rejects.toThrow("enough");
  const records = await Promise.all(plain.map(recordOf));
  const before = records.filter((record) => record && isSealed(record.generation)).length;
  expect(before).toBeGreaterThanOrEqual(5);
  expect(before).toBeLessThan(20);
  expect(await seal()).toMatchObject({ blobs: 20 - before, sealedBefore: before });
  nowMs += plainStaysMs;
  await collect();
  expect(await Array.fromAsync(blobs.list())).toHaveLength(20);
});

test("a crash between the copy and its row leaves a stray, and the plain copy as it was", async () => {
  const plain = await push("one");
  isSealing = true;
  const crashing = { ...metadata, transact: () => Promise.reject(new Error("the power is cut")) };
  await expect(sealBlobs({ ...stores, metadata: crashing }, { bytesPerSecond: 0 })).rejects.toThrow("cut");
  expect(await recordOf(plain)).toMatchObject(plain);
  nowMs += 2 * dayMs;
  expect(await sweepStrays(stores)).toMatchObject({ blobs: 1 });
  expect(await blobs.stat(plain)).toBeDefined();
  expect(await seal()).toMatchObject({ blobs: 1 });
});

test("what is damaged stays for a check, and the rest is sealed", async () => {
  const [lost, quarantined, sound] = [await push("lost"), await push("quarantined"), await push("sound")];
  await blobs.remove(lost);
  await metadata.transact((nouns) => nouns.blobs.quarantine(quarantined, new Date(nowMs)));
  isSealing = true;
  const failed: string[] = [];
  const counts = await seal({ failed: (digest, because) => failed.push(`${digest} ${because}`) });
  expect(counts).toMatchObject({ blobs: 1, damaged: 2 });
  expect(failed).toEqual([expect.stringContaining(`${lost.digest} it cannot be read`)]);
  expect(await recordOf(quarantined)).toMatchObject(quarantined);
  expect((await recordOf(sound))?.generation).not.toBe(sound.generation);
});

test("what others do to a blob meanwhile holds", async () => {
  isSealing = true;
  const cases: Record<string, [(plain: StoredBlob) => Promise<unknown>, object]> = {
    "sealed by another": [() => seal(), { blobs: 0, sealedBefore: 1 }],
    collected: [
      async (plain) => {
        await metadata.transact(({ layers }) => layers.unlink(repository.id, plain.digest, new Date(0)));
        await collect();
      },
      { blobs: 0, sealedBefore: 0, damaged: 0 },
    ],
    "put into quarantine": [
      (plain) => metadata.transact((nouns) => nouns.blobs.quarantine(plain, new Date(nowMs))),
      { blobs: 0, damaged: 1 },
    ],
    "mended by a push": [
      async (plain) => {
        await metadata.transact((nouns) => nouns.blobs.quarantine(plain, new Date(nowMs)));
        await push("content");
        await collect();
      },
      { blobs: 0, sealedBefore: 1 },
    ],
  };
  for (const [what, [meanwhile, expected]] of Object.entries(cases)) {
    isSealing = false;
    const plain = await push("content");
    isSealing = true;
    beforeBytes = () => meanwhile(plain);
    expect({ [what]: await seal() }).toMatchObject({ [what]: expected });
    // Nothing is left of the copy that came too late.
    nowMs += plainStaysMs;
    await collect();
    const record = await recordOf(plain);
    const left = (await Array.fromAsync(blobs.list())).map(({ generation }) => generation);
    expect(left).toEqual(record ? [record.generation] : []);
    await metadata.transact(({ layers }) => layers.unlink(repository.id, plain.digest, new Date(0)));
    await collect();
    expect(await Array.fromAsync(blobs.list())).toEqual([]);
  }
});

test("a key that cannot be used ends it, with nothing changed", async () => {
  const plain = await push("one");
  isSealing = true;
  const locked: BlobStore = {
    ...blobs,
    async append() {
      throw refuse("KeyUnusable", { kmsError: "DisabledException", reason: "the key is disabled" });
    },
  };
  await expect(sealBlobs({ ...stores, blobs: locked }, { bytesPerSecond: 0 })).rejects.toThrow("disabled");
  expect(await recordOf(plain)).toMatchObject(plain);
});
