import { afterEach, beforeEach, expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import { metadata as createMetadata, type Engine } from "../../storage/metadata/metadata.ts";
import { openSqliteEngine } from "../../storage/metadata/sqlite.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Arn, Region, RepositoryName } from "../names.ts";
import { type CheckOptions, check, type Problem } from "./check.ts";
import { StoreIsForeign } from "./check-blobs.ts";
import { collectGarbage, sweepStrays } from "./collection.ts";
import { copyBlob } from "./copy.ts";
import { BlobDamaged, isSealed, scopeOf } from "./encryption.ts";
import { manifestDigest } from "./manifests.ts";
import { createPace } from "./pace.ts";
import type { BlobId, BlobStore, Bytes, Encryption, Metadata, Repository, StagingId } from "./ports.ts";

/** What a check does about one content under several keys, and about keys that cannot be used. */

const registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const dayMs = 24 * 3_600_000;
const key = "arn:aws:kms:eu-west-1:000000000001:key/one" as Arn;
const plain: Encryption = { type: "AES256" };
const keyed: Encryption = { type: "KMS", key, grants: [] };
const bytes = (text: string) => new TextEncoder().encode(text);

let engine: Engine;
let metadata: Metadata;
let sound: BlobStore;
let blobs: BlobStore;
/** Generations whose bytes were changed, and whether those under the key can be opened. */
let changed: Set<string>;
let isLocked: boolean;
/** How it fails to open then. */
let failure: Error;
/** Which scope each copy was made under. */
let scopes: Map<string, string>;
let opened: number;
let now: Date;
let [common, secret]: Repository[] = [];

/** As stores do that seal: the name of a sealed copy says so, and its key is needed to read it. */
function sealing(store: BlobStore): BlobStore {
  function unlock({ generation }: BlobId): void {
    opened++;
    if (isLocked && scopes.get(generation)) {
      throw failure;
    }
  }
  return {
    ...store,
    async read(blob, range) {
      if (!(await store.stat(blob))) return undefined;
      unlock(blob);
      return store.read(blob, range);
    },
    async *bytes(blob) {
      unlock(blob);
      if (changed.has(blob.generation)) throw new BlobDamaged("a chunk does not open");
      yield* store.bytes(blob);
    },
    async begin(scope) {
      const staging = `${await store.begin(scope)}.sealed` as StagingId;
      scopes.set(staging, scope);
      return staging;
    },
  };
}

beforeEach(async () => {
  engine = await openSqliteEngine({ path: ":memory:" });
  metadata = createMetadata(engine);
  sound = openMemoryBlobs();
  blobs = sealing(sound);
  changed = new Set();
  scopes = new Map();
  [isLocked, opened] = [false, 0];
  failure = refuse("KeyUnusable", { kmsError: "DisabledException", reason: "the key is disabled" });
  now = new Date();
  common = await newRepository("common", plain);
  secret = await newRepository("secret", keyed);
});
afterEach(() => engine.close());

async function newRepository(name: string, encryption: Encryption): Promise<Repository> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const made = await metadata.transact(({ repositories }) =>
    repositories.create({ registry, name: name as RepositoryName, createdAt: now, encryption, ...settings }, new Map()),
  );
  if (!made) throw new Error("the name is taken");
  return made;
}

async function push(content: string, to: Repository | undefined) {
  if (!to) throw new Error("no repository");
  const scope = scopeOf(to.encryption);
  const staging = await blobs.begin(scope);
  const one = async function* (): Bytes {
    yield bytes(content);
  };
  const staged = await blobs.append(staging, 0, one(), { scope, algorithm: "sha256" });
  const blob = await blobs.commit(staging, manifestDigest(bytes(content)), staged, scope);
  await metadata.transact(({ layers }) => layers.link(to, blob, now));
  return { ...blob, scope };
}

async function run(options: Partial<CheckOptions> = {}, store = blobs) {
  const problems: Problem[] = [];
  const counts = await check(
    { metadata, blobs: store, clock: () => now },
    { rehash: false, repair: false, bytesPerSecond: 0, found: (problem) => problems.push(problem), ...options },
  );
  return { counts, problems, told: problems.map(({ kind, outcome }) => `${kind} ${outcome}`) };
}

const recordOf = async (blob: Awaited<ReturnType<typeof push>>) => metadata.read.blobs.find(blob);

test("one content under two keys is two blobs, and both are looked at", async () => {
  const pair = [await push("one", common), await push("one", secret)];
  expect(pair.every(({ generation }) => isSealed(generation))).toBe(true);
  expect((await run({ rehash: true })).counts).toMatchObject({ blobs: 2, blobBytes: 6, rehashed: 2, problems: 0 });
});

test("of two copies the one that was changed is kept from those who have it, and from no others", async () => {
  const [ours, theirs] = [await push("one", common), await push("one", secret)];
  changed.add(theirs.generation);
  const { problems } = await run({ rehash: true });
  expect(problems).toMatchObject([
    { kind: "BlobCorrupt", outcome: "quarantined", hurts: [{ repository: secret?.name }] },
  ]);
  expect(problems[0]?.hurts).toHaveLength(1);
  expect((await recordOf(theirs))?.quarantinedAt).toBeDefined();
  expect((await recordOf(ours))?.quarantinedAt).toBeUndefined();
});

test("a damaged copy is mended from one under another key, and sealed under its own", async () => {
  const [ours, theirs] = [await push("one", common), await push("one", secret)];
  await blobs.remove(theirs);
  const { told, counts } = await run({ repair: true });
  expect([told, counts.remaining]).toEqual([["BlobMissing repaired"], 0]);
  const record = await recordOf(theirs);
  expect(record?.generation).not.toBe(theirs.generation);
  expect(scopes.get(record?.generation ?? "")).toBe(theirs.scope);
  expect((await recordOf(ours))?.generation).toBe(ours.generation);
  expect((await run({ rehash: true })).told).toEqual([]);
});

test("a key that cannot be used is one problem, and what it seals is left alone", async () => {
  const locked = [await push("one", secret), await push("two", secret), await push("three", secret)];
  const open = await push("one", common);
  changed.add(open.generation);
  isLocked = true;
  for (const options of [{ rehash: true }, { rehash: true, repair: true }]) {
    const { problems, counts } = await run(options);
    const found = problems.filter(({ kind }) => kind === "KeyUnusable");
    expect(found).toEqual([
      {
        kind: "KeyUnusable",
        what: expect.stringMatching(new RegExp(`${key} cannot be used: the key is disabled .*3 blobs`)),
        outcome: "remains",
        key,
        hurts: [{ registry, repository: secret?.name as RepositoryName }],
      },
    ]);
    // The rest of the check goes on.
    expect(problems.map(({ kind }) => kind)).toContain("BlobCorrupt");
    expect(counts).toMatchObject({ problems: 2, remaining: 2 });
    for (const blob of locked) expect(await recordOf(blob)).toMatchObject({ ...blob, quarantinedAt: undefined });
  }
  isLocked = false;
  expect((await run({ repair: true })).counts.remaining).toBe(0);
  expect((await run({ rehash: true })).told).toEqual([]);
});

test("a key that fails in a way that nobody foresaw costs no blob either", async () => {
  const blob = await push("one", secret);
  isLocked = true;
  failure = new Error("the master key is elsewhere");
  expect((await run({ rehash: true, repair: true })).told).toEqual(["KeyUnusable remains"]);
  expect(await recordOf(blob)).toMatchObject({ ...blob, quarantinedAt: undefined });
});

test("a key that cannot be used is found without reading every blob", async () => {
  for (const content of ["one", "two", "three"]) await push(content, secret);
  for (const content of ["one", "two", "three"]) await push(content, common);
  expect((await run()).told).toEqual([]);
  expect(opened).toBe(2);
  isLocked = true;
  const { problems, told } = await run();
  expect(told).toEqual(["KeyUnusable remains"]);
  expect(problems[0]?.what).toContain("3 blobs");
  // One for each key, and the locked one once more to learn why.
  expect(opened).toBe(5);
});

test("what is in quarantine under a key that cannot be used stays there, with every copy that may mend it", async () => {
  const [damaged, other] = [await push("one", secret), await push("one", secret)];
  changed.add(damaged.generation);
  await run({ rehash: true });
  changed.clear();
  isLocked = true;
  now = new Date(Date.now() + 2 * dayMs);
  expect((await run({ repair: true })).told).toEqual(["BlobInQuarantine quarantined", "KeyUnusable remains"]);
  expect(await sweepStrays({ metadata, blobs, clock: () => now })).toEqual({ blobs: 0, bytes: 0 });
  expect(await blobs.stat(other)).toBeDefined();
  isLocked = false;
  expect((await run({ repair: true })).told).toEqual(["BlobInQuarantine repaired", "Stray repaired"]);
});

test("a store is ours when it has the copy of any key", async () => {
  for (let number = 0; number < 20; number++) {
    await blobs.remove(await push(`blob ${number}`, common));
    await push(`blob ${number}`, secret);
  }
  expect((await run()).told).toEqual(Array.from({ length: 20 }, () => "BlobMissing quarantined"));
  await expect(run({}, sealing(openMemoryBlobs()))).rejects.toThrow(StoreIsForeign);
});

test("a copy that was replaced is removed when that is due, by a collection or a repair, and not before", async () => {
  const [first, second] = [await push("one", common), await push("two", common)];
  now = new Date(Date.now() + 2 * dayMs);
  const removeAt = new Date(now.getTime() + 1000);
  for (const old of [first, second]) {
    const made = { ...(await copyBlob(old, old.scope, blobs, blobs, createPace(0))), scope: old.scope };
    expect(await metadata.transact((nouns) => nouns.blobs.replace(old, made, removeAt))).toBe(true);
  }
  const collect = () => collectGarbage({ metadata, blobs, clock: () => now }, { graceMs: 30 * dayMs });
  expect((await collect()).blobs).toBe(0);
  expect((await sweepStrays({ metadata, blobs, clock: () => now })).blobs).toBe(0);
  expect((await run({ repair: true })).counts).toMatchObject({ awaitingRemoval: 2, freedBytes: 0 });
  expect([await blobs.stat(first), await blobs.stat(second)].every(Boolean)).toBe(true);
  now = new Date(removeAt.getTime() + 1);
  expect((await collect()).blobs).toBe(2);
  expect(await blobs.stat(first)).toBeUndefined();
  expect((await metadata.read.garbage.waiting()).removals).toBe(0);
});
