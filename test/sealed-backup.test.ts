import { afterAll, afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { createKeysAtRest } from "../src/domain/blob-keys.ts";
import { refuse } from "../src/domain/errors.ts";
import { createKeyWrapper } from "../src/domain/keys/wrapping.ts";
import type { AccountId, Arn, Region, RepositoryName } from "../src/domain/names.ts";
import { check, type Problem } from "../src/domain/registry/check.ts";
import { collectGarbage } from "../src/domain/registry/collection.ts";
import { isSealed, scopeOf } from "../src/domain/registry/encryption.ts";
import { manifestDigest } from "../src/domain/registry/manifests.ts";
import type {
  BlobKeys,
  BlobName,
  BlobStore,
  Bytes,
  Encryption,
  Repository,
  StoredBlob,
} from "../src/domain/registry/ports.ts";
import { plainStaysMs, sealBlobs } from "../src/domain/registry/sealing.ts";
import { type BackedUp, backUp } from "../src/storage/backup/backup.ts";
import { openBackupFolder } from "../src/storage/backup/folder.ts";
import { type Restored, restore } from "../src/storage/backup/restore.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { type TestKeys, testKeys } from "../src/storage/blobs/test-keys.ts";
import type { AllMetadata } from "../src/storage/metadata/metadata.ts";
import { openSqlite } from "../src/storage/metadata/sqlite.ts";
import { inProcess } from "./support/berth.ts";

/** Backups of sealed blobs: sealed in the backup too, each under its own key, and read through it where that can be used. */

setDefaultTimeout(30_000);

const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
const key = "arn:aws:kms:us-east-1:000000000000:key/a" as Arn;
const root = mkdtempSync(join(tmpdir(), "berth-sealed-backup-"));
afterAll(() => rmSync(root, { recursive: true }));
let folders = 0;

interface World {
  readonly data: string;
  readonly metadata: AllMetadata;
  readonly blobs: BlobStore;
}

let keys: TestKeys;
let dir: string;
let nowMs: number;
const clock = () => new Date(nowMs);

beforeEach(() => {
  keys = testKeys();
  dir = join(root, `backup-${folders++}`);
  nowMs = Date.UTC(2030, 0, 1);
});

const opened: AllMetadata[] = [];
afterEach(async () => {
  for (const metadata of opened.splice(0)) await metadata.close();
});

const newFolder = () => {
  const data = join(root, `data-${folders++}`);
  mkdirSync(data);
  return data;
};

async function open(data = newFolder(), sealing: TestKeys | undefined = keys): Promise<World> {
  const metadata = await openSqlite({ path: join(data, "berth.sqlite") });
  opened.push(metadata);
  return { data, metadata, blobs: await openFilesystemBlobs({ root: join(data, "blobs"), keys: sealing }) };
}

async function newRepository({ metadata }: World, name: string, encryption: Encryption): Promise<Repository> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const made = await metadata.transact(({ repositories }) =>
    repositories.create(
      { registry, name: name as RepositoryName, createdAt: clock(), encryption, ...settings },
      new Map(),
    ),
  );
  if (!made) throw new Error("the name is taken");
  return made;
}
const common = (world: World) => newRepository(world, "common", { type: "AES256" });
const secret = (world: World) => newRepository(world, "secret", { type: "KMS", key, grants: [] });

type Pushed = StoredBlob & BlobName;

async function push({ metadata, blobs }: World, to: Repository, text: string): Promise<Pushed> {
  const content = contentOf(text);
  const scope = scopeOf(to.encryption);
  const bytes = (async function* (): Bytes {
    yield content;
  })();
  const { blob } = await blobs.store(await blobs.begin(scope), manifestDigest(content), bytes, scope);
  if (!blob) throw new Error("interrupted");
  await metadata.transact(({ layers }) => layers.link(to, blob, clock()));
  return { ...blob, scope };
}
const contentOf = (text: string) => Buffer.from(`in plain text: ${text} `.repeat(20_000));

async function backup(world: World, { keep = 7, source = world.blobs } = {}): Promise<BackedUp> {
  const folder = await openBackupFolder(dir, { make: true });
  nowMs += 1000;
  try {
    const databaseUrl = `sqlite:${join(world.data, "berth.sqlite")}`;
    const options = { keep, version: "test", bytesPerSecond: 0, clock };
    return await backUp({ databaseUrl, data: world.data, metadata: world.metadata, blobs: source }, folder, options);
  } finally {
    await folder.close();
  }
}

async function restoreInto(
  data: string,
  { sealing = keys as TestKeys | undefined, change = (blobs: BlobStore) => blobs } = {},
): Promise<Restored> {
  const folder = await openBackupFolder(dir);
  try {
    const blobs = change(await openFilesystemBlobs({ root: join(data, "blobs"), keys: sealing }));
    return await restore(folder, { databaseUrl: `sqlite:${join(data, "berth.sqlite")}`, data, blobs }, { clock });
  } finally {
    await folder.close();
  }
}

/** Everything in a folder, as one text. */
const filesIn = (path: string) =>
  readdirSync(path, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name));
const isPlainIn = (path: string) => filesIn(path).some((file) => readFileSync(file).includes("in plain text"));
const copiesOf = ({ digest }: StoredBlob) =>
  filesIn(join(dir, "blobs")).filter((file) => file.includes(digest.slice(7)));

async function read({ metadata, blobs }: World, name: BlobName): Promise<string> {
  const record = await metadata.read.blobs.find(name);
  if (!record) return "nothing";
  if (record.quarantinedAt) return "in quarantine";
  return Buffer.concat(await Array.fromAsync(blobs.bytes(record))).toString();
}

async function problemsIn({ metadata, blobs }: World): Promise<string[]> {
  const problems: Problem[] = [];
  const found = (problem: Problem) => problems.push(problem);
  await check({ metadata, blobs, clock }, { rehash: true, repair: false, bytesPerSecond: 0, found });
  return problems.map(({ kind, outcome }) => `${kind} ${outcome}`);
}

test("one content under two keys is in the backup twice, sealed, and comes back under each", async () => {
  const world = await open();
  const [one, two] = [await common(world), await secret(world)];
  const pair = [await push(world, one, "a"), await push(world, two, "a")];
  await push(world, two, "b");
  const made = await backup(world);
  expect(made).toMatchObject({ blobs: 3, copied: 3, sealed: 3, missing: [], unverified: [] });
  expect(isPlainIn(dir)).toBe(false);
  expect(await backup(world)).toMatchObject({ blobs: 3, copied: 0, sealed: 3 });

  const data = newFolder();
  expect(await restoreInto(data)).toMatchObject({ blobs: 3, copied: 3, missing: [], unverified: [] });
  expect(isPlainIn(data)).toBe(false);
  const back = await open(data);
  for (const blob of pair) {
    expect(await read(back, blob)).toBe(contentOf("a").toString());
    // The same copy under the same key.
    expect(await back.metadata.read.blobs.find(blob)).toMatchObject({ generation: blob.generation });
  }
  expect(await problemsIn(back)).toEqual([]);
});

test("a key that cannot be used keeps nothing out of a backup or a restore, and it is said what nobody looked into", async () => {
  const world = await open();
  const [one, two] = [await common(world), await secret(world)];
  const [open1, locked1] = [await push(world, one, "a"), await push(world, two, "b")];
  await push(world, two, "c");
  const lock = () => {
    keys.openable = (scope) => scope !== locked1.scope;
  };
  lock();
  const unverified = [{ key, because: "the key is disabled", blobs: 2 }];
  expect(await backup(world)).toMatchObject({ copied: 3, missing: [], unverified });

  const data = newFolder();
  expect(await restoreInto(data)).toMatchObject({ copied: 3, missing: [], unverified });
  const back = await open(data);
  expect(await read(back, open1)).toBe(contentOf("a").toString());
  await expect(read(back, locked1)).rejects.toThrow("disabled");
  expect(await problemsIn(back)).toEqual(["KeyUnusable remains"]);
  keys.openable = () => true;
  expect(await read(back, locked1)).toBe(contentOf("b").toString());
  expect(await problemsIn(back)).toEqual([]);
});

test("a byte that was changed in a backup is found by the restore, and costs its own copy only", async () => {
  const world = await open();
  const [one, two] = [await common(world), await secret(world)];
  const pair = [await push(world, one, "a"), await push(world, two, "a")];
  const [, theirs] = pair;
  await backup(world);
  const [file = ""] = copiesOf(pair[0] as Pushed).filter((path) => path.includes(theirs?.generation ?? "none"));
  const bytes = readFileSync(file);
  bytes[70_000] = (bytes[70_000] ?? 0) ^ 1;
  writeFileSync(file, bytes);

  const data = newFolder();
  const { missing, copied } = await restoreInto(data);
  expect(missing).toMatchObject([{ digest: theirs?.digest, because: expect.stringContaining("damaged") }]);
  expect(copied).toBe(1);
  const back = await open(data);
  expect(await read(back, pair[0] as Pushed)).toBe(contentOf("a").toString());
  expect(await read(back, pair[1] as Pushed)).toBe("in quarantine");
  // The copy under the other key mends it.
  const found: string[] = [];
  const options = { rehash: false, repair: true, bytesPerSecond: 0 };
  await check({ ...back, clock }, { ...options, found: ({ kind, outcome }) => found.push(`${kind} ${outcome}`) });
  expect(found).toEqual(["BlobMissing repaired"]);
  expect(await read(back, pair[1] as Pushed)).toBe(contentOf("a").toString());
});

test("what is damaged in the registry is not in the backup, and named", async () => {
  const world = await open();
  const one = await common(world);
  const [damaged, short, sound] = [
    await push(world, one, "a"),
    await push(world, one, "b"),
    await push(world, one, "c"),
  ];
  const fileOf = ({ digest, generation }: Pushed) =>
    join(world.data, "blobs", "sha256", digest.slice(7, 9), `${digest.slice(7)}.${generation}`);
  const bytes = readFileSync(fileOf(damaged));
  bytes[1000] = (bytes[1000] ?? 0) ^ 1;
  writeFileSync(fileOf(damaged), bytes);
  writeFileSync(fileOf(short), readFileSync(fileOf(short)).subarray(0, 5000));
  const { missing, copied } = await backup(world);
  expect(missing.map(({ digest }) => digest).sort()).toEqual([damaged.digest, short.digest].sort());
  expect(copied).toBe(1);
  expect(copiesOf(damaged)).toEqual([]);
  expect(copiesOf(sound)).toHaveLength(1);
  // Also where nobody can look into it, a copy of another length is not the one that was meant.
  keys.openable = () => false;
  expect((await backup(world)).missing.map(({ digest }) => digest)).toContain(short.digest);
});

test("what was plain and is sealed leaves no plain text in later backups", async () => {
  const data = newFolder();
  let world = await open(data, testKeys({ seals: false }));
  const blob = await push(world, await common(world), "a");
  expect(isSealed(blob.generation)).toBe(false);
  expect(await backup(world)).toMatchObject({ copied: 1, sealed: 0 });
  expect(isPlainIn(dir)).toBe(true);
  world = await open(data);
  await sealBlobs({ ...world, clock }, { bytesPerSecond: 0 });
  nowMs += plainStaysMs;
  await collectGarbage({ ...world, clock }, { graceMs: 24 * 3_600_000 });
  expect(isPlainIn(join(data, "blobs"))).toBe(false);
  // As long as a snapshot from before is there, so is what it names.
  expect(await backup(world, { keep: 2 })).toMatchObject({ copied: 1, sealed: 1, blobsRemoved: 0 });
  expect(copiesOf(blob)).toHaveLength(2);
  expect(await backup(world, { keep: 2 })).toMatchObject({ copied: 0, snapshotsRemoved: 1, blobsRemoved: 1 });
  expect(isPlainIn(dir)).toBe(false);
  const restored = newFolder();
  await restoreInto(restored);
  expect(await read(await open(restored), blob)).toBe(contentOf("a").toString());
});

test("what is sealed while a backup is made is in it, and comes back", async () => {
  const data = newFolder();
  const before = await open(data, testKeys({ seals: false }));
  const blob = await push(before, await common(before), "a");
  const world = { ...before, blobs: await openFilesystemBlobs({ root: join(data, "blobs"), keys }) };
  const source: BlobStore = {
    ...world.blobs,
    async *bytes(named) {
      // The snapshot is taken; now the plain copy gives its place away and goes.
      if (!isSealed(named.generation)) {
        await sealBlobs({ ...world, clock }, { bytesPerSecond: 0 });
        nowMs += plainStaysMs;
        await collectGarbage({ ...world, clock }, { graceMs: 24 * 3_600_000 });
      }
      yield* world.blobs.bytes(named);
    },
  };
  expect(await backup(world, { source })).toMatchObject({ copied: 1, missing: [] });
  expect(isPlainIn(dir)).toBe(false);
  const restored = newFolder();
  expect(await restoreInto(restored)).toMatchObject({ copied: 1, missing: [] });
  expect(await read(await open(restored), blob)).toBe(contentOf("a").toString());
});

test("a backup of before is restored, and sealed where blobs are sealed", async () => {
  const world = await open(newFolder(), testKeys({ seals: false }));
  const blob = await push(world, await common(world), "a");
  await backup(world);
  const plain = newFolder();
  expect(await restoreInto(plain, { sealing: testKeys({ seals: false }) })).toMatchObject({ copied: 1 });
  expect(isPlainIn(join(plain, "blobs"))).toBe(true);
  const sealed = newFolder();
  expect(await restoreInto(sealed)).toMatchObject({ copied: 1, unverified: [] });
  expect(isPlainIn(join(sealed, "blobs"))).toBe(false);
  const back = await open(sealed);
  expect(await read(back, blob)).toBe(contentOf("a").toString());
  expect(await problemsIn(back)).toEqual([]);
});

test("what a key seals is not restored in plain text, from another repository's copy, where the key cannot seal it", async () => {
  const data = newFolder();
  const plain = await open(data, testKeys({ seals: false }));
  await push(plain, await common(plain), "a");
  const world: World = { ...plain, blobs: (await open(data)).blobs };
  const kept = await push(world, await secret(world), "a");
  await backup(world);
  for (const file of copiesOf(kept)) if (file.endsWith(".sealed")) rmSync(file);
  const locked = testKeys();
  locked.failure = refuse("KeyUnusable", { kmsError: "DisabledException", reason: "the key is disabled" });
  locked.seals = (scope) => scope === kept.scope;
  for (const sealing of [{}, { keys: locked }]) {
    const restored = newFolder();
    const blobs = await openFilesystemBlobs({ root: join(restored, "blobs"), ...sealing });
    expect(await restoreInto(restored, { change: () => blobs })).toMatchObject({
      copied: 1,
      missing: [{ digest: kept.digest, because: expect.stringContaining("cannot be sealed") }],
    });
    const { metadata } = await open(restored);
    expect(await metadata.read.blobs.find(kept)).toMatchObject({ quarantinedAt: expect.any(Date) });
    expect(filesIn(join(restored, "blobs")).length).toBe(1);
  }
});

test("a restore that was interrupted looks into what it had not looked into", async () => {
  const world = await open();
  const one = await common(world);
  for (let number = 0; number < 12; number++) await push(world, one, `blob ${number}`);
  await backup(world);
  const data = newFolder();
  let adopted = 0;
  const failing = restoreInto(data, {
    change: (blobs) => ({
      ...blobs,
      async adopt(blob, stored) {
        if (++adopted > 5) throw refuse("StorageFull", undefined);
        return blobs.adopt(blob, stored);
      },
    }),
  });
  await expect(failing).rejects.toThrow();
  // Of what is there, one turns out to be damaged.
  const [file = ""] = filesIn(join(data, "blobs")).filter((path) => path.endsWith(".sealed"));
  const bytes = readFileSync(file);
  bytes[2000] = (bytes[2000] ?? 0) ^ 1;
  writeFileSync(file, bytes);
  expect(await restoreInto(data)).toMatchObject({ blobs: 12, missing: [], unverified: [] });
  expect(await problemsIn(await open(data))).toEqual([]);
});

test("the master key may be in its place before a restore, and nothing else", async () => {
  const world = await open();
  await push(world, await common(world), "a");
  await backup(world);
  const data = newFolder();
  mkdirSync(join(data, "keys"));
  writeFileSync(join(data, "keys", "master-key"), "the master key");
  writeFileSync(join(data, "keys", "sealing.key"), "another");
  await expect(restoreInto(data)).rejects.toThrow(join("keys", "sealing.key"));
  rmSync(join(data, "keys", "sealing.key"));
  expect(await restoreInto(data)).toMatchObject({ copied: 1 });
  expect(readFileSync(join(data, "keys", "master-key"), "utf8")).toBe("the master key");
});

test("a registry with keys of its own is pulled from on another machine, as far as its keys allow", async () => {
  const data = newFolder();
  const berth = await inProcess({ data });
  const client = berth.client(KMSClient);
  const repositories: string[] = [];
  for (const encryptionType of ["AES256", "KMS", "KMS_DSSE", "KMS"] as const) {
    const name = `app-${repositories.length}`;
    const kmsKey =
      encryptionType === "AES256" ? undefined : (await client.send(new CreateKeyCommand({}))).KeyMetadata?.Arn;
    const encryptionConfiguration = { encryptionType, kmsKey };
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: name, encryptionConfiguration }));
    await berth.pushImage(name, "v1", "in plain text");
    repositories.push(kmsKey ?? "");
  }
  const [, , , disabled = ""] = repositories;
  await client.send(new DisableKeyCommand({ KeyId: disabled }));
  // Half a second later everybody knows.
  await Bun.sleep(1000);
  const made = await backup({ data, metadata: berth.stores.metadata, blobs: berth.stores.blobs });
  expect(made).toMatchObject({
    blobs: 8,
    copied: 8,
    sealed: 8,
    missing: [],
    unverified: [{ key: disabled, blobs: 2 }],
  });
  await berth.close();
  expect(isPlainIn(dir)).toBe(false);

  const elsewhere = newFolder();
  const { restored, again } = await restoredWithKeys(elsewhere);
  expect(restored).toMatchObject({ copied: 8, missing: [], unverified: [{ key: disabled, blobs: 2 }] });
  const statuses = async () => {
    const digest = `sha256:${createHash("sha256").update("in plain text").digest("hex")}`;
    const answers = await Promise.all(
      repositories.map((_, index) => again.oci("GET", `/v2/app-${index}/blobs/${digest}`)),
    );
    return answers.map(({ status }) => status);
  };
  expect(await statuses()).toEqual([200, 200, 200, 403]);
  await again.client(KMSClient).send(new EnableKeyCommand({ KeyId: disabled }));
  expect(await statuses()).toEqual([200, 200, 200, 200]);
  const problems: Problem[] = [];
  const options = {
    rehash: true,
    repair: false,
    bytesPerSecond: 0,
    found: (problem: Problem) => problems.push(problem),
  };
  expect(await check({ ...again.stores, clock }, options)).toMatchObject({ rehashed: 8, problems: 0 });
  await again.close();
});

/** As `berth restore` does it: the keys that open the store are those of the metadata that is restored. */
async function restoredWithKeys(data: string) {
  let found: BlobKeys | undefined;
  const known = () => {
    if (!found) throw new Error("not yet");
    return found;
  };
  const late: BlobKeys = {
    seals: (scope) => known().seals(scope),
    make: (...of) => known().make(...of),
    open: (...of) => known().open(...of),
  };
  const folder = await openBackupFolder(dir);
  const blobs = await openFilesystemBlobs({ root: join(data, "blobs"), keys: late });
  const restored = await restore(
    folder,
    {
      databaseUrl: `sqlite:${join(data, "berth.sqlite")}`,
      data,
      blobs,
      async useKeysOf(metadata) {
        const masterKeys = [new Uint8Array(32).fill(8)];
        const wrapper = createKeyWrapper({ known: async () => masterKeys, refreshed: async () => masterKeys });
        found = createKeysAtRest({ metadata, wrapper, clock, atRest: "sealed" }).blobKeys;
      },
    },
    { clock },
  );
  await folder.close();
  return { restored, again: await inProcess({ data }) };
}
