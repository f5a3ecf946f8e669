import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag, UploadId } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type {
  BlobId,
  BlobName,
  Generation,
  LinkTarget,
  Metadata,
  NewImage,
  Nouns,
  Repository,
  RepositorySettings,
  StagingId,
  StoredBlob,
  TagMove,
  TagStatus,
  Upload,
  UploadProgress,
} from "../../domain/registry/ports.ts";

export interface OpenedMetadata {
  readonly metadata: Metadata;
  /** Closes it, and removes what it kept. */
  dispose(): Promise<void>;
}

export interface ContractOptions {
  /** Reads outside wait for the transaction in progress, because there is only one connection. */
  readonly readsTakeTurns?: boolean;
}

const start = Date.UTC(2026, 0, 1);
const at = (seconds: number) => new Date(start + seconds * 1000);

let lastNumber = 0;
/** Never the same twice, so that tests can share a database. */
const next = () => ++lastNumber;

const newRegistry = (): Registry => ({
  account: String(next()).padStart(12, "0") as AccountId,
  region: "eu-west-1" as Region,
});
const digest = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest;
const newDigest = () => digest(next());
const repositoryName = (name: string) => name as RepositoryName;
const tag = (name: string) => name as Tag;

const mutable: RepositorySettings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false };
const layerType = "application/vnd.oci.image.layer.v1.tar+gzip";
const manifestType = "application/vnd.oci.image.manifest.v1+json";

async function create(
  nouns: Nouns,
  registry: Registry,
  name: string,
  tags: ReadonlyMap<string, string> = new Map(),
): Promise<Repository | undefined> {
  return nouns.repositories.create(
    { registry, name: repositoryName(name), createdAt: at(0), encryption: { type: "AES256" }, ...mutable },
    tags,
  );
}

async function newRepository(metadata: Metadata, registry = newRegistry(), name = "app"): Promise<Repository> {
  const repository = await metadata.transact((nouns) => create(nouns, registry, name));
  if (repository === undefined) throw new Error("the name is taken");
  return repository;
}

function newImage(repositoryId: number, facts: Partial<NewImage> = {}): NewImage {
  return {
    repositoryId,
    digest: newDigest(),
    mediaType: manifestType,
    manifestBytes: 3,
    imageBytes: 1000,
    manifest: Uint8Array.of(1, 2, 3),
    layers: [],
    children: [],
    pushedAt: at(0),
    ...facts,
  };
}

type Pushed = NewImage & { readonly id: number };

async function push(metadata: Metadata, repositoryId: number, facts: Partial<NewImage> = {}): Promise<Pushed> {
  const image = newImage(repositoryId, facts);
  const { id } = await metadata.transact((nouns) => nouns.images.put(image));
  return { ...image, id };
}

async function setTag(metadata: Metadata, repositoryId: number, name: string, image: { id: number; digest: Digest }) {
  await metadata.transact((nouns) => nouns.tags.set(repositoryId, tag(name), image, at(0)));
}

function newUpload(repositoryId: number, facts: Partial<Upload> = {}): Upload {
  return {
    id: `upload-${next()}` as UploadId,
    repositoryId,
    owner: { account: "000000000001" as AccountId, arn: "arn:aws:iam::000000000001:user/u", id: "AIDAU" },
    staging: `staging-${next()}` as StagingId,
    algorithm: "sha256",
    staged: { sizeBytes: 0, digest: undefined },
    parts: 0,
    lastPartBytes: 0,
    smallestEarlierPartBytes: undefined,
    createdAt: at(0),
    updatedAt: at(0),
    isClaimed: false,
    ...facts,
  };
}

async function begin(metadata: Metadata, repositoryId: number, facts: Partial<Upload> = {}): Promise<Upload> {
  const upload = newUpload(repositoryId, facts);
  await metadata.transact((nouns) => nouns.uploads.create(upload), { durable: false });
  return upload;
}

const claimed = (upload: Upload): Upload => ({ ...upload, isClaimed: true });

const claim = (metadata: Metadata, id: UploadId, writer: string, now: Date, until: Date) =>
  metadata.transact((nouns) => nouns.uploads.claim(id, writer, now, until), { durable: false });

const plain = (id: number): LinkTarget => ({ id, encryption: { type: "AES256" } });
const named = (digest: Digest): BlobName => ({ digest, scope: serverScope });

async function link(metadata: Metadata, repositoryId: number, blob: Digest, seconds = 0, sizeBytes = 10) {
  return metadata.transact((nouns) => nouns.layers.link(plain(repositoryId), copyOf(blob, sizeBytes), at(seconds)));
}

/** The first copy of a content. */
const copyOf = (digest: Digest, sizeBytes = 10, generation = "first"): StoredBlob => ({
  digest,
  generation: generation as Generation,
  sizeBytes,
});

/** With everything in it, as a collection does it in its own time. */
async function remove(metadata: Metadata, repositoryId: number, limit = 100): Promise<void> {
  await metadata.transact((nouns) => nouns.repositories.delete(repositoryId));
  while (!(await metadata.transact((nouns) => nouns.garbage.purge(repositoryId, limit, at(0)))));
}

/** Reads page after page to the end, and fails when a page is longer than asked. */
async function allPages<Item, Key>(
  limit: number,
  page: (after: Key | undefined) => Promise<Item[]>,
  key: (item: Item) => Key,
): Promise<Item[]> {
  const all: Item[] = [];
  for (;;) {
    const last = all.at(-1);
    const items = await page(last && key(last));
    expect(items.length).toBeLessThanOrEqual(limit);
    all.push(...items);
    if (items.length === 0) return all;
  }
}

/** What a keeper of `Metadata` promises. */
export function metadataContract(
  name: string,
  open: () => Promise<OpenedMetadata>,
  { readsTakeTurns = false }: ContractOptions = {},
): void {
  /** Tests of one noun share a database, each with a registry of its own. */
  function about(noun: string, tests: (metadata: () => Metadata) => void): void {
    describe(noun, () => {
      let opened: OpenedMetadata | undefined;
      beforeAll(async () => {
        opened = await open();
      });
      afterAll(async () => {
        await opened?.dispose();
      });
      tests(() => {
        if (opened === undefined) throw new Error("not open");
        return opened.metadata;
      });
    });
  }

  describe(name, () => {
    about("repositories", repositoriesContract);
    about("resource tags", resourceTagsContract);
    about("layers", layersContract);
    about("uploads", uploadsContract);
    about("images", imagesContract);
    about("lists of images", imageListsContract);
    about("tags", tagsContract);
    about("settings", settingsContract);
    about("transactions", (metadata) => transactionsContract(metadata, readsTakeTurns));
    about("deleting a repository", deleteRepositoryContract);
    about("records of blobs", blobRecordsContract);
    about("garbage", garbageContract);
    about("inspection", inspectionContract);

    test("a database that is whole has no damages", async () => {
      const { metadata, dispose } = await open();
      await push(metadata, (await newRepository(metadata)).id);
      expect(await metadata.damages()).toEqual([]);
      await dispose();
    });

    test("close may be called twice, and nothing works after it", async () => {
      const { metadata, dispose } = await open();
      await metadata.ping();
      await metadata.close();
      await metadata.close();
      await expect(metadata.ping()).rejects.toThrow();
      await expect(newRepository(metadata)).rejects.toThrow();
      await dispose();
    });
  });
}

function repositoriesContract(opened: () => Metadata): void {
  test("a created repository is found as it was made", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const settings: RepositorySettings = {
      tagMutability: "IMMUTABLE_WITH_EXCLUSION",
      exclusionFilters: ["dev-*", "latest"],
      scanOnPush: true,
      policy: '{ "Version": "2012-10-17",\n"Statement": [] }',
    };
    const made = await metadata.transact((nouns) =>
      nouns.repositories.create(
        {
          registry,
          name: repositoryName("team/app"),
          createdAt: new Date(start + 123),
          encryption: { type: "AES256" },
          ...settings,
        },
        new Map(),
      ),
    );
    expect(made).toEqual({
      id: expect.any(Number),
      registry,
      name: repositoryName("team/app"),
      createdAt: new Date(start + 123),
      encryption: { type: "AES256" },
      ...settings,
    });
    expect(await metadata.read.repositories.find(registry, repositoryName("team/app"))).toEqual(made);
  });

  test("a repository is not found under another name, account or region", async () => {
    const metadata = opened();
    const registry = newRegistry();
    await newRepository(metadata, registry, "app");
    const { find } = metadata.read.repositories;
    expect(await find(registry, repositoryName("ap"))).toBeUndefined();
    expect(await find(newRegistry(), repositoryName("app"))).toBeUndefined();
    expect(await find({ ...registry, region: "us-east-1" as Region }, repositoryName("app"))).toBeUndefined();
  });

  test("a taken name is refused in its registry only, and changes nothing", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const first = await newRepository(metadata, registry, "app");
    expect(await metadata.transact((nouns) => create(nouns, registry, "app", new Map([["a", "b"]])))).toBeUndefined();
    expect(await metadata.read.repositories.resourceTags(first.id)).toEqual(new Map());
    const elsewhere = await newRepository(metadata, { ...registry, region: "us-east-1" as Region }, "app");
    expect(elsewhere.id).not.toBe(first.id);
  });

  test("of 20 that create one name at once, one wins", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const results = await Promise.all(
      Array.from({ length: 20 }, () => metadata.transact((nouns) => create(nouns, registry, "app"))),
    );
    const won = results.filter((repository) => repository !== undefined);
    expect(won).toHaveLength(1);
    expect(await metadata.read.repositories.find(registry, repositoryName("app"))).toEqual(won[0]);
  });

  test("a re-created repository has another id", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const first = await newRepository(metadata, registry, "app");
    await metadata.transact((nouns) => nouns.repositories.delete(first.id));
    const second = await newRepository(metadata, registry, "app");
    expect(second.id).toBeGreaterThan(first.id);
  });

  test("lists by name, ascending by byte value, page by page", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const names = ["b", "a/b", "a", "0", "a-b", "a_b", "a.b", "ab", "B", "é"];
    await metadata.transact(async (nouns) => {
      for (const each of names) await create(nouns, registry, each);
    });
    await newRepository(metadata, { ...registry, region: "us-east-1" as Region }, "aa");
    const sorted = ["0", "B", "a", "a-b", "a.b", "a/b", "a_b", "ab", "b", "é"];
    for (const limit of [1, 3, 10, 100]) {
      const listed = await allPages(
        limit,
        (after?: RepositoryName) => metadata.read.repositories.list(registry, { after, limit }),
        (repository) => repository.name,
      );
      expect(listed.map((repository): string => repository.name)).toEqual(sorted);
    }
    const behindAbsent = await metadata.read.repositories.list(registry, { after: repositoryName("a/"), limit: 1 });
    expect(behindAbsent.map((repository): string => repository.name)).toEqual(["a/b"]);
    expect(await metadata.read.repositories.list(newRegistry(), { limit: 10 })).toEqual([]);
  });

  test("update replaces the settings that are given, and removes the policy when it is given as none", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const repository = await newRepository(metadata, registry, "app");
    const other = await newRepository(metadata, registry, "other");
    const settings: RepositorySettings = {
      tagMutability: "MUTABLE_WITH_EXCLUSION",
      exclusionFilters: ["v*"],
      scanOnPush: true,
      policy: "{}",
    };
    await metadata.transact((nouns) => nouns.repositories.update(repository.id, settings));
    expect(await metadata.read.repositories.find(registry, repository.name)).toEqual({ ...repository, ...settings });
    await metadata.transact((nouns) => nouns.repositories.update(repository.id, mutable));
    const kept = { ...repository, policy: "{}" };
    expect(await metadata.read.repositories.find(registry, repository.name)).toEqual(kept);
    await metadata.transact((nouns) => nouns.repositories.update(repository.id, { policy: undefined }));
    expect(await metadata.read.repositories.find(registry, repository.name)).toEqual(repository);
    expect(await metadata.read.repositories.find(registry, other.name)).toEqual(other);
  });
}

function resourceTagsContract(opened: () => Metadata): void {
  test("are kept from the creation on, ascending by key", async () => {
    const metadata = opened();
    const given = new Map([
      ["b", "2"],
      ["a", ""],
      ["B", "3"],
      ["aws:x", "ü"],
    ]);
    const repository = await metadata.transact((nouns) => create(nouns, newRegistry(), "app", given));
    const tags = await metadata.read.repositories.resourceTags(repository?.id ?? 0);
    expect([...tags]).toEqual([
      ["B", "3"],
      ["a", ""],
      ["aws:x", "ü"],
      ["b", "2"],
    ]);
  });

  test("are added, overwritten and removed; absent keys are passed over", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const { id } = await newRepository(metadata, registry, "app");
    const other = await newRepository(metadata, registry, "other");
    await metadata.transact((nouns) => nouns.repositories.setResourceTags(other.id, new Map([["a", "other"]])));
    await metadata.transact(({ repositories }) =>
      repositories.setResourceTags(
        id,
        new Map([
          ["a", "1"],
          ["b", "2"],
          ["c", "3"],
        ]),
      ),
    );
    await metadata.transact(({ repositories }) =>
      repositories.setResourceTags(
        id,
        new Map([
          ["b", "two"],
          ["d", "4"],
        ]),
      ),
    );
    await metadata.transact(({ repositories }) => repositories.setResourceTags(id, new Map()));
    await metadata.transact(({ repositories }) => repositories.removeResourceTags(id, ["a", "absent"]));
    await metadata.transact(({ repositories }) => repositories.removeResourceTags(id, []));
    expect([...(await metadata.read.repositories.resourceTags(id))]).toEqual([
      ["b", "two"],
      ["c", "3"],
      ["d", "4"],
    ]);
    expect([...(await metadata.read.repositories.resourceTags(other.id))]).toEqual([["a", "other"]]);
  });
}

function layersContract(opened: () => Metadata): void {
  test("a link makes the blob visible in its repository only, and is safe to repeat", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    expect(await metadata.read.layers.find(id, blob)).toBeUndefined();
    expect(await link(metadata, id, blob, 0, 2 ** 40)).toMatchObject({ isNew: true });
    expect(await link(metadata, id, blob, 1, 2 ** 40)).toMatchObject({ isNew: false });
    expect(await metadata.read.layers.find(id, blob)).toEqual({
      ...copyOf(blob, 2 ** 40),
      mediaType: undefined,
      inImage: false,
      isArchived: false,
      isInArchive: false,
      unreferencedSince: at(1),
      quarantined: false,
    });
    expect(await metadata.read.layers.find(other.id, blob)).toBeUndefined();
    expect(await link(metadata, other.id, blob)).toMatchObject({ isNew: true });
  });

  test("findMany answers those that are there, also out of thousands", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const present = Array.from({ length: 30 }, newDigest);
    await metadata.transact(async ({ layers }) => {
      for (const blob of present) await layers.link(plain(id), copyOf(blob, 1), at(0));
    });
    const absent = Array.from({ length: 3000 }, newDigest);
    const found = await metadata.read.layers.findMany(id, [...absent, ...present]);
    expect(found.map((layer) => layer.digest).sort()).toEqual(present);
    expect(await metadata.read.layers.findMany(id, [])).toEqual([]);
    expect(await metadata.read.layers.findMany(id, absent)).toEqual([]);
    const repeated = await metadata.read.layers.findMany(id, [present[0] as Digest, present[0] as Digest]);
    expect(repeated).toHaveLength(1);
  });

  test("a layer is called what the newest image with it calls it", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    await link(metadata, other.id, blob);
    await push(metadata, other.id, { layers: [{ digest: blob, mediaType: "elsewhere" }] });
    await push(metadata, id, { layers: [{ digest: blob, mediaType: "older" }] });
    const newer = await push(metadata, id, {
      layers: [
        { digest: blob, mediaType: "newer" },
        { digest: blob, mediaType: "said twice" },
      ],
    });
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ mediaType: "newer", inImage: true });
    expect(await metadata.read.layers.findMany(id, [blob])).toMatchObject([{ mediaType: "newer", inImage: true }]);
    await metadata.transact((nouns) => nouns.images.delete(newer, at(0)));
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ mediaType: "older", inImage: true });
  });

  test("unlink removes the link, and fails while an image refers to the layer", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    await link(metadata, other.id, blob);
    const image = await push(metadata, id, { layers: [{ digest: blob, mediaType: layerType }] });
    const unlink = () => metadata.transact((nouns) => nouns.layers.unlink(id, blob, at(0)));
    await expect(unlink()).rejects.toThrow();
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ inImage: true });
    await metadata.transact((nouns) => nouns.images.delete(image, at(0)));
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ inImage: false });
    expect(await unlink()).toBe(true);
    expect(await unlink()).toBe(false);
    expect(await metadata.read.layers.find(id, blob)).toBeUndefined();
    expect(await metadata.read.layers.find(other.id, blob)).toBeDefined();
  });

  test("holders are the repositories of the registry with the blob, oldest link first", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const blob = newDigest();
    const [a, b, c] = [
      await newRepository(metadata, registry, "a"),
      await newRepository(metadata, registry, "b"),
      await newRepository(metadata, registry, "c"),
    ];
    const stranger = await newRepository(metadata);
    const neighbour = await newRepository(metadata, { ...registry, region: "us-east-1" as Region });
    await newRepository(metadata, registry, "without");
    for (const [repository, seconds] of [
      [stranger, 0],
      [a, 3],
      [b, 1],
      [c, 2],
      [neighbour, 0],
    ] as const) {
      await link(metadata, repository.id, blob, seconds, 77);
    }
    const holders = (limit: number) => metadata.read.layers.holders(registry, blob, serverScope, limit);
    expect(await holders(10)).toEqual([b, c, a].map((repository) => ({ repository, sizeBytes: 77 })));
    expect(await holders(2)).toEqual([b, c].map((repository) => ({ repository, sizeBytes: 77 })));
    expect(await metadata.read.layers.holders(registry, newDigest(), serverScope, 10)).toEqual([]);
  });

  test("an image cannot refer to a layer that is not linked", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, other.id, blob);
    const image = newImage(id, { layers: [{ digest: blob, mediaType: layerType }] });
    await expect(metadata.transact((nouns) => nouns.images.put(image))).rejects.toThrow();
    expect(await metadata.read.images.find(id, image.digest)).toBeUndefined();
  });

  test("a push and an unlink at once leave no image without its layer", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blobs = Array.from({ length: 20 }, newDigest);
    for (const blob of blobs) await link(metadata, id, blob);
    const outcomes = await Promise.all(
      blobs.map(async (blob) => {
        const image = newImage(id, { layers: [{ digest: blob, mediaType: layerType }] });
        const [pushed, unlinked] = await Promise.allSettled([
          metadata.transact((nouns) => nouns.images.put(image)),
          metadata.transact((nouns) => nouns.layers.unlink(id, blob, at(0))),
        ]);
        const layer = await metadata.read.layers.find(id, blob);
        const found = await metadata.read.images.find(id, image.digest);
        expect(found !== undefined).toBe(pushed.status === "fulfilled");
        expect(layer === undefined).toBe(unlinked.status === "fulfilled");
        return [pushed.status, unlinked.status].sort();
      }),
    );
    for (const outcome of outcomes) expect(outcome).toEqual(["fulfilled", "rejected"]);
  });
}

function uploadsContract(opened: () => Metadata): void {
  test("a session is found as it was made, until it is deleted", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const plain = await begin(metadata, id);
    const full = await begin(metadata, id, {
      algorithm: "sha512",
      staged: { sizeBytes: 2 ** 41, digest: newDigest() },
      parts: 3,
      lastPartBytes: 5,
      smallestEarlierPartBytes: 4,
      createdAt: new Date(start + 1),
      updatedAt: new Date(start + 2),
    });
    expect(await metadata.read.uploads.find(plain.id)).toEqual(plain);
    expect(await metadata.read.uploads.find(full.id)).toEqual(full);
    await metadata.transact((nouns) => nouns.uploads.delete(plain.id));
    await metadata.transact((nouns) => nouns.uploads.delete(plain.id));
    expect(await metadata.read.uploads.find(plain.id)).toBeUndefined();
    expect(await metadata.read.uploads.find(full.id)).toEqual(full);
  });

  test("an id is given once, and only in a repository that exists", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    await expect(begin(metadata, id, { id: upload.id })).rejects.toThrow();
    expect(await metadata.read.uploads.find(upload.id)).toEqual(upload);
    await expect(begin(metadata, 2 ** 40)).rejects.toThrow();
  });

  test("the sessions of a principal are counted, up to a limit", async () => {
    const metadata = opened();
    const [one, other] = [await newRepository(metadata), await newRepository(metadata)];
    const account = newRegistry().account;
    const owner = { account, arn: `arn:aws:iam::${account}:user/counted`, id: `AIDA${account}` };
    const count = (of: Upload["owner"], limit: number) => metadata.read.uploads.countOf(of, limit);
    expect(await count(owner, 10)).toBe(0);
    const upload = await begin(metadata, one.id, { owner });
    await begin(metadata, one.id, { owner });
    await begin(metadata, other.id, { owner });
    await begin(metadata, one.id, { owner: { ...owner, id: `${owner.id}TOO` } });
    await begin(metadata, one.id, { owner: { ...owner, account: newRegistry().account } });
    expect(await count(owner, 10)).toBe(3);
    expect(await count(owner, 2)).toBe(2);
    await metadata.transact((nouns) => nouns.uploads.delete(upload.id));
    expect(await count(owner, 10)).toBe(2);
  });

  test("one writer at a time", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    expect(await claim(metadata, upload.id, "one", at(0), at(60))).toEqual({
      upload: claimed(upload),
      previous: false,
    });
    expect(await claim(metadata, upload.id, "two", at(59), at(120))).toBeUndefined();
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "two"))).toBe(false);
    expect(await metadata.transact((nouns) => nouns.uploads.extend(upload.id, "two", at(500)))).toBe(false);
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "one"))).toBe(true);
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "one"))).toBe(false);
    expect(await claim(metadata, upload.id, "two", at(59), at(120))).toEqual({
      upload: claimed(upload),
      previous: false,
    });
  });

  test("nobody claims what is gone", async () => {
    expect(await claim(opened(), "absent" as UploadId, "one", at(0), at(60))).toBeUndefined();
    expect(await opened().transact((nouns) => nouns.uploads.extend("absent" as UploadId, "one", at(60)))).toBe(false);
  });

  test("of 20 that claim at once, one wins", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, writer) => claim(metadata, upload.id, `writer ${writer}`, at(0), at(60))),
    );
    expect(claims.filter((won) => won !== undefined)).toEqual([{ upload: claimed(upload), previous: false }]);
  });

  test("a claim that ran out passes on, and its writer can do nothing more", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    await claim(metadata, upload.id, "slow", at(0), at(60));
    expect(await claim(metadata, upload.id, "next", at(61), at(120))).toEqual({
      upload: claimed(upload),
      previous: true,
    });
    const late: UploadProgress = { ...upload, parts: 9, at: at(62) };
    expect(await metadata.transact((nouns) => nouns.uploads.extend(upload.id, "slow", at(200)))).toBe(false);
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "slow", late))).toBe(false);
    expect(await metadata.read.uploads.find(upload.id)).toEqual(claimed(upload));
    expect(await claim(metadata, upload.id, "third", at(119), at(200))).toBeUndefined();
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "next"))).toBe(true);
    expect(await claim(metadata, upload.id, "third", at(119), at(200))).toEqual({
      upload: claimed(upload),
      previous: false,
    });
  });

  test("of 20 that displace a writer at once, one wins", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    await claim(metadata, upload.id, "slow", at(0), at(60));
    const claims = await Promise.all(
      Array.from({ length: 20 }, (_, writer) => claim(metadata, upload.id, `writer ${writer}`, at(61), at(120))),
    );
    expect(claims.filter((won) => won !== undefined)).toEqual([{ upload: claimed(upload), previous: true }]);
  });

  test("an extended claim lasts longer, also when it had run out unnoticed", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    await claim(metadata, upload.id, "one", at(0), at(60));
    expect(await metadata.transact((nouns) => nouns.uploads.extend(upload.id, "one", at(120)))).toBe(true);
    expect(await claim(metadata, upload.id, "two", at(100), at(200))).toBeUndefined();
    expect(await metadata.transact((nouns) => nouns.uploads.extend(upload.id, "one", at(300)))).toBe(true);
    expect(await claim(metadata, upload.id, "two", at(200), at(400))).toBeUndefined();
  });

  test("release keeps what was reached", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    const first: UploadProgress = {
      staging: `staging-${next()}` as StagingId,
      staged: { sizeBytes: 100, digest: newDigest() },
      parts: 2,
      lastPartBytes: 40,
      smallestEarlierPartBytes: 60,
      at: at(30),
    };
    await claim(metadata, upload.id, "one", at(0), at(60));
    expect(await metadata.transact((nouns) => nouns.uploads.release(upload.id, "one", first))).toBe(true);
    const { at: updatedAt, ...reached } = first;
    expect(await metadata.read.uploads.find(upload.id)).toEqual({ ...upload, ...reached, updatedAt });
    expect(await metadata.read.uploads.owns(first.staging)).toBe(true);
    expect(await metadata.read.uploads.owns(upload.staging)).toBe(false);

    const second: UploadProgress = { ...upload, staged: { sizeBytes: 200, digest: undefined }, parts: 3, at: at(50) };
    expect(await claim(metadata, upload.id, "two", at(40), at(60))).toMatchObject({ upload: reached });
    await metadata.transact((nouns) => nouns.uploads.release(upload.id, "two", second));
    expect(await metadata.read.uploads.find(upload.id)).toEqual({
      ...upload,
      staged: { sizeBytes: 200, digest: undefined },
      parts: 3,
      updatedAt: at(50),
    });
  });

  test("stale sessions come oldest first; those written to since are not stale", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    // Older than anything that other tests make.
    const long = (days: number) => new Date(Date.UTC(2001, 0, days));
    const made = [];
    for (const day of [3, 1, 5, 2, 4]) made.push(await begin(metadata, id, { updatedAt: long(day) }));
    const [third, first, fifth, second, fourth] = made;
    expect(await metadata.read.uploads.stale(long(5), 10)).toEqual([first, second, third, fourth] as Upload[]);
    expect(await metadata.read.uploads.stale(long(5), 2)).toEqual([first, second] as Upload[]);
    expect(await metadata.read.uploads.stale(long(1), 10)).toEqual([]);

    await claim(metadata, (second as Upload).id, "dead", long(2), long(3));
    await claim(metadata, (third as Upload).id, "alive", long(3), long(6));
    const stale = async (days: number) =>
      (await metadata.read.uploads.stale(long(days), 10)).map((upload) => upload.id);
    const ids = (uploads: (Upload | undefined)[]) => uploads.map((upload) => upload?.id as UploadId);
    expect(await stale(5)).toEqual(ids([first, second, fourth]));
    expect(await stale(7)).toEqual(ids([first, second, third, fourth, fifth]));
  });

  test("a session says whether somebody writes to it, and a deleted one whether it was there", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    const isClaimed = async () => (await metadata.read.uploads.find(upload.id))?.isClaimed;
    expect(await isClaimed()).toBe(false);
    await claim(metadata, upload.id, "one", at(0), at(60));
    expect(await isClaimed()).toBe(true);
    await metadata.transact(({ uploads }) => uploads.release(upload.id, "one"));
    expect(await isClaimed()).toBe(false);
    const remove = () => metadata.transact(({ uploads }) => uploads.delete(upload.id));
    expect([await remove(), await remove()]).toEqual([true, false]);
  });

  test("owns tells whether any session has the staged bytes", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const upload = await begin(metadata, id);
    expect(await metadata.read.uploads.owns(upload.staging)).toBe(true);
    await metadata.transact((nouns) => nouns.uploads.delete(upload.id));
    expect(await metadata.read.uploads.owns(upload.staging)).toBe(false);
  });
}

function imagesContract(opened: () => Metadata): void {
  test("an image is found as it was put", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    const child = await push(metadata, id);
    const facts = {
      digest: newDigest(),
      mediaType: manifestType,
      artifactType: "application/vnd.example",
      manifestBytes: 4 * 1024 * 1024,
      imageBytes: 2 ** 42,
      subject: newDigest(),
      annotations: { "org.example/ü": "\u0000 \ud83d\ude80", "": "" },
      pushedAt: new Date(start + 5),
    };
    const put = await metadata.transact((nouns) =>
      nouns.images.put({
        repositoryId: id,
        manifest: new Uint8Array(),
        layers: [{ digest: blob, mediaType: layerType }],
        children: [child.digest, child.digest],
        ...facts,
      }),
    );
    expect(put).toEqual({ id: expect.any(Number), created: true, status: "ACTIVE" });
    const found = await metadata.read.images.find(id, facts.digest);
    const inStandard = { status: "ACTIVE", lastArchivedAt: undefined, lastActivatedAt: undefined } as const;
    expect(found).toEqual({ id: put.id, repositoryId: id, lastPulledAt: undefined, ...inStandard, ...facts });
    const plain = await metadata.read.images.find(id, child.digest);
    expect(plain).toMatchObject({ artifactType: undefined, subject: undefined, annotations: undefined });
  });

  test("an image is found in its repository only", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const image = await push(metadata, id);
    await setTag(metadata, id, "v1", image);
    expect(await metadata.read.images.find(other.id, image.digest)).toBeUndefined();
    expect(await metadata.read.images.manifest(other.id, { digest: image.digest })).toBeUndefined();
    expect(await metadata.read.images.manifest(other.id, { tag: tag("v1") })).toBeUndefined();
    const again = await push(metadata, other.id, { digest: image.digest });
    expect(again.id).not.toBe(image.id);
  });

  test("findMany answers those that are there", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [a, b] = [await push(metadata, id), await push(metadata, id)];
    const found = await metadata.read.images.findMany(id, [b.digest, newDigest(), a.digest, a.digest]);
    expect(found.map((image) => image.digest).sort()).toEqual([a.digest, b.digest].sort());
    expect(await metadata.read.images.findMany(id, [])).toEqual([]);
  });

  test("the manifest is found by digest and by tag, byte for byte", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const manifest = Uint8Array.from({ length: 70_000 }, (_, index) => index % 256);
    const image = await push(metadata, id, { manifest });
    await setTag(metadata, id, "v1", image);
    const stored = { imageId: image.id, digest: image.digest, mediaType: image.mediaType, manifest };
    const byDigest = await metadata.read.images.manifest(id, { digest: image.digest });
    expect(byDigest).toEqual(stored);
    // Kept in memory as it is, it must not keep a larger buffer alive.
    expect(byDigest?.manifest.buffer.byteLength).toBe(manifest.byteLength);
    expect(await metadata.read.images.manifest(id, { tag: tag("v1") })).toEqual(stored);
    expect(await metadata.read.images.manifest(id, { digest: newDigest() })).toBeUndefined();
    expect(await metadata.read.images.manifest(id, { tag: tag("V1") })).toBeUndefined();
  });

  test("putting an image again changes nothing", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const image = await push(metadata, id, { annotations: { a: "1" } });
    await metadata.transact((nouns) => nouns.images.pulled(new Map([[image.id, at(9)]])));
    const before = await metadata.read.images.find(id, image.digest);
    const again = { ...image, annotations: {}, manifest: Uint8Array.of(9), mediaType: "other", pushedAt: at(100) };
    const present = { id: image.id, created: false, status: "ACTIVE" } as const;
    expect(await metadata.transact((nouns) => nouns.images.put(again))).toEqual(present);
    expect(await metadata.read.images.find(id, image.digest)).toEqual(before);
    expect((await metadata.read.images.manifest(id, { digest: image.digest }))?.manifest).toEqual(image.manifest);
  });

  test("of 10 that put one image at once, one creates it and all get its id", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const image = newImage(id);
    const puts = await Promise.all(
      Array.from({ length: 10 }, () => metadata.transact((nouns) => nouns.images.put(image))),
    );
    expect(puts.filter((put) => put.created)).toHaveLength(1);
    expect(new Set(puts.map((put) => put.id)).size).toBe(1);
  });

  test("a manifest may name thousands of layers and children", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blobs = Array.from({ length: 1201 }, newDigest);
    const children = await metadata.transact(async ({ layers, images }) => {
      for (const blob of blobs) await layers.link(plain(id), copyOf(blob, 1), at(0));
      const made: Digest[] = [];
      for (let child = 0; child < 501; child++) {
        const image = newImage(id);
        await images.put(image);
        made.push(image.digest);
      }
      return made;
    });
    const image = await push(metadata, id, {
      layers: blobs.map((blob) => ({ digest: blob, mediaType: layerType })),
      children,
    });
    const layers = await metadata.read.layers.findMany(id, blobs);
    expect(layers.filter((layer) => layer.inImage)).toHaveLength(blobs.length);
    expect(await metadata.read.images.parents(id, children.at(-1) as Digest, 10)).toEqual([image.digest]);
  });

  test("delete removes the image with its tags and references, and nothing else", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    const layers = [{ digest: blob, mediaType: layerType }];
    const image = await push(metadata, id, { layers });
    const other = await push(metadata, id, { layers });
    await setTag(metadata, id, "a", image);
    await setTag(metadata, id, "b", image);
    await setTag(metadata, id, "c", other);
    await metadata.transact((nouns) => nouns.images.delete(image, at(0)));
    expect(await metadata.read.images.find(id, image.digest)).toBeUndefined();
    expect(await metadata.read.images.manifest(id, { digest: image.digest })).toBeUndefined();
    expect(await metadata.read.tags.find(id, tag("a"))).toBeUndefined();
    expect(await metadata.read.tags.list(id, { limit: 10 })).toEqual([tag("c")]);
    expect(await metadata.read.images.count(id)).toBe(1);
    expect(await metadata.read.images.manifest(id, { tag: tag("c") })).toBeDefined();
    await metadata.transact((nouns) => nouns.images.delete(image, at(0)));
  });

  test("an image is located by tag and digest, in its own repository of its own registry", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const { id, name } = await newRepository(metadata, registry, "app");
    const other = await newRepository(metadata, registry, "other");
    const image = await push(metadata, id);
    await setTag(metadata, id, "v1", image);
    const { locate } = metadata.read.images;
    const encryption = { type: "AES256" } as const;
    const located = { imageId: image.id, digest: image.digest, mediaType: manifestType };
    for (const reference of [{ tag: tag("v1") }, { digest: image.digest }]) {
      expect(await locate(registry, name, reference)).toEqual({ repositoryId: id, encryption, image: located });
      expect(await locate(registry, other.name, reference)).toEqual({ repositoryId: other.id, encryption });
      expect(await locate(newRegistry(), name, reference)).toBeUndefined();
      expect(await locate(registry, repositoryName("none"), reference)).toBeUndefined();
    }
    expect(await locate(registry, name, { tag: tag("v2") })).toEqual({ repositoryId: id, encryption });
    expect(await locate(registry, name, { digest: newDigest() })).toEqual({ repositoryId: id, encryption });
    await metadata.transact((nouns) => nouns.repositories.delete(id));
    expect(await locate(registry, name, { tag: tag("v1") })).toBeUndefined();
  });

  test("an image deleted and put again has another id", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const image = await push(metadata, id);
    await metadata.transact((nouns) => nouns.images.delete(image, at(0)));
    expect((await push(metadata, id, { digest: image.digest })).id).toBeGreaterThan(image.id);
  });

  test("an image that an index lists cannot be deleted, and an index cannot list what is absent", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const child = await push(metadata, id);
    await setTag(metadata, id, "child", child);
    const index = await push(metadata, id, { children: [child.digest] });
    const remove = () => metadata.transact((nouns) => nouns.images.delete(child, at(0)));
    await expect(remove()).rejects.toThrow();
    expect(await metadata.read.tags.find(id, tag("child"))).toMatchObject({ digest: child.digest });
    await metadata.transact(async ({ images }) => {
      await images.delete(index, at(0));
      await images.delete(child, at(0));
    });
    expect(await metadata.read.images.isEmpty(id)).toBe(true);
    await expect(push(metadata, id, { children: [child.digest] })).rejects.toThrow();
    expect(await metadata.read.images.isEmpty(id)).toBe(true);
  });

  test("parents are the indexes that list the image, in their order", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const child = await push(metadata, id);
    await push(metadata, other.id, { digest: child.digest });
    await push(metadata, other.id, { children: [child.digest] });
    const parents = [];
    for (let index = 0; index < 3; index++) parents.push(await push(metadata, id, { children: [child.digest] }));
    const digests = parents.map((parent) => parent.digest);
    expect(await metadata.read.images.parents(id, child.digest, 10)).toEqual(digests);
    expect(await metadata.read.images.parents(id, child.digest, 2)).toEqual(digests.slice(0, 2));
    expect(await metadata.read.images.parents(id, digests[0] as Digest, 2)).toEqual([]);
  });

  test("an index put while its child is deleted leaves no index without its child", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const children = [];
    for (let child = 0; child < 20; child++) children.push(await push(metadata, id));
    await Promise.all(
      children.map(async (child) => {
        const index = newImage(id, { children: [child.digest] });
        const [put, deleted] = await Promise.allSettled([
          metadata.transact((nouns) => nouns.images.put(index)),
          metadata.transact((nouns) => nouns.images.delete(child, at(0))),
        ]);
        expect([put.status, deleted.status].sort()).toEqual(["fulfilled", "rejected"]);
        const present = await metadata.read.images.findMany(id, [index.digest, child.digest]);
        expect(present).toHaveLength(put.status === "fulfilled" ? 2 : 0);
      }),
    );
  });

  test("a pull time never moves back, and images that are gone are passed over", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [a, b, c] = [await push(metadata, id), await push(metadata, id), await push(metadata, id)];
    const pulled = (times: [number, Date][]) =>
      metadata.transact((nouns) => nouns.images.pulled(new Map(times)), { durable: false });
    const times = async () =>
      (await metadata.read.images.list(id, "ANY", { limit: 10 })).map((image) => image.lastPulledAt);
    await pulled([]);
    await pulled([
      [a.id, at(10)],
      [2 ** 50, at(10)],
      [b.id, at(20)],
    ]);
    expect(await times()).toEqual([at(10), at(20), undefined]);
    await pulled([
      [c.id, at(5)],
      [b.id, at(30)],
      [a.id, at(9)],
    ]);
    expect(await times()).toEqual([at(10), at(30), at(5)]);
    const many = new Map(Array.from({ length: 1200 }, (_, index) => [2 ** 50 + index, at(40)] as [number, Date]));
    await pulled([...many, [a.id, at(40)]]);
    expect((await times())[0]).toEqual(at(40));
  });

  test("pull times recorded by many at once end at the latest", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const images: Pushed[] = [];
    for (let image = 0; image < 5; image++) images.push(await push(metadata, id));
    await Promise.all(
      Array.from({ length: 10 }, (_, seconds) =>
        metadata.transact((nouns) => nouns.images.pulled(new Map(images.map((image) => [image.id, at(seconds)]))), {
          durable: false,
        }),
      ),
    );
    const found = await metadata.read.images.list(id, "ANY", { limit: 10 });
    for (const image of found) expect(image.lastPulledAt).toEqual(at(9));
  });

  test("count and isEmpty look at one repository", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    await push(metadata, other.id);
    expect(await metadata.read.images.count(id)).toBe(0);
    expect(await metadata.read.images.isEmpty(id)).toBe(true);
    await push(metadata, id);
    await push(metadata, id);
    expect(await metadata.read.images.count(id)).toBe(2);
    expect(await metadata.read.images.isEmpty(id)).toBe(false);
  });
}

function imageListsContract(opened: () => Metadata): void {
  /** Six images: 1, 3 and 4 have tags. Another repository has tags and images of its own in between. */
  async function sixImages(metadata: Metadata) {
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const images = [];
    for (let image = 0; image < 6; image++) {
      images.push(await push(metadata, id));
      await setTag(metadata, other.id, `v${image}`, await push(metadata, other.id));
    }
    const tagged: Record<number, string[]> = { 1: ["b", "B", "_", "0", "a"], 3: ["3"], 4: ["x-2", "x.2", "x_2"] };
    for (const [image, names] of Object.entries(tagged)) {
      for (const each of names) await setTag(metadata, id, each, images[Number(image)] as Pushed);
    }
    return { id, other, images, ids: images.map((image) => image.id) };
  }
  const pick = (ids: number[], indexes: number[]) => indexes.map((index) => ids[index] as number);
  const expected: Record<TagStatus, number[]> = { ANY: [0, 1, 2, 3, 4, 5], TAGGED: [1, 3, 4], UNTAGGED: [0, 2, 5] };

  test("list is in order of the first push, by status, page by page", async () => {
    const metadata = opened();
    const { id, ids, images } = await sixImages(metadata);
    for (const [filter, indexes] of Object.entries(expected) as [TagStatus, number[]][]) {
      for (const limit of [1, 2, 3, 50]) {
        const listed = await allPages(
          limit,
          (after?: number) => metadata.read.images.list(id, filter, { after, limit }),
          (image) => image.id,
        );
        expect(listed.map((image) => image.id)).toEqual(pick(ids, indexes));
      }
    }
    const [first] = await metadata.read.images.list(id, "ANY", { limit: 1 });
    expect(first).toEqual(await metadata.read.images.find(id, images[0]?.digest as Digest));
    expect(await metadata.read.images.list(2 ** 40, "ANY", { limit: 10 })).toEqual([]);
  });

  test("listIds has one entry per tag and one per untagged image, by image, then tag", async () => {
    const metadata = opened();
    const { id, ids } = await sixImages(metadata);
    const entries: Record<TagStatus, [number, string | undefined][]> = {
      ANY: [
        [0, undefined],
        [1, "0"],
        [1, "B"],
        [1, "_"],
        [1, "a"],
        [1, "b"],
        [2, undefined],
        [3, "3"],
        [4, "x-2"],
        [4, "x.2"],
        [4, "x_2"],
        [5, undefined],
      ],
      TAGGED: [
        [1, "0"],
        [1, "B"],
        [1, "_"],
        [1, "a"],
        [1, "b"],
        [3, "3"],
        [4, "x-2"],
        [4, "x.2"],
        [4, "x_2"],
      ],
      UNTAGGED: [
        [0, undefined],
        [2, undefined],
        [5, undefined],
      ],
    };
    for (const [filter, all] of Object.entries(entries) as [TagStatus, [number, string | undefined][]][]) {
      for (const limit of [1, 2, 3, 5, 50]) {
        const listed = await allPages(
          limit,
          (after?: { imageId: number; tag?: Tag }) => metadata.read.images.listIds(id, filter, { after, limit }),
          (entry) => entry,
        );
        expect(listed.map((entry) => [entry.imageId, entry.tag])).toEqual(
          all.map(([index, name]) => [ids[index] as number, name as Tag | undefined]),
        );
      }
    }
  });

  test("listIds goes on where it was when the image of the last entry has changed since", async () => {
    const metadata = opened();
    const { id, ids, images } = await sixImages(metadata);
    const second = images[1] as Pushed;
    const after = { imageId: second.id, tag: tag("B") };
    await metadata.transact((nouns) => nouns.tags.delete(id, tag("B")));
    expect(await metadata.read.images.listIds(id, "ANY", { after, limit: 1 })).toEqual([
      { imageId: second.id, digest: second.digest, tag: tag("_") },
    ]);
    await metadata.transact((nouns) => nouns.images.delete(second, at(0)));
    const [entry] = await metadata.read.images.listIds(id, "ANY", { after, limit: 1 });
    expect(entry?.imageId).toBe(ids[2] as number);
    // A key of another repository's image opens nothing of that repository.
    const { other } = await sixImages(metadata);
    const strangers = await metadata.read.images.list(other.id, "ANY", { limit: 1 });
    const key = { imageId: strangers[0]?.id as number, tag: tag("!") };
    expect(await metadata.read.images.listIds(id, "ANY", { after: key, limit: 10 })).toEqual([]);
  });

  test("the status follows the tags as they are set, moved and deleted", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [a, b] = [await push(metadata, id), await push(metadata, id)];
    const tagged = async () => (await metadata.read.images.list(id, "TAGGED", { limit: 9 })).map((image) => image.id);
    const untagged = async () =>
      (await metadata.read.images.list(id, "UNTAGGED", { limit: 9 })).map((image) => image.id);
    expect(await untagged()).toEqual([a.id, b.id]);
    await setTag(metadata, id, "one", a);
    await setTag(metadata, id, "two", a);
    await setTag(metadata, id, "two", a);
    expect([await tagged(), await untagged()]).toEqual([[a.id], [b.id]]);
    await setTag(metadata, id, "one", b);
    expect([await tagged(), await untagged()]).toEqual([[a.id, b.id], []]);
    await metadata.transact((nouns) => nouns.tags.delete(id, tag("two")));
    await metadata.transact((nouns) => nouns.tags.delete(id, tag("two")));
    expect([await tagged(), await untagged()]).toEqual([[b.id], [a.id]]);
    await metadata.transact((nouns) => nouns.images.delete(b, at(0)));
    expect([await tagged(), await untagged()]).toEqual([[], [a.id]]);
  });

  test("the status is right after many moved tags at once without a lock", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const images = [await push(metadata, id), await push(metadata, id), await push(metadata, id)];
    await Promise.all(
      Array.from({ length: 30 }, (_, move) => setTag(metadata, id, `tag${move % 4}`, images[move % 3] as Pushed)),
    );
    await Promise.all(
      ["tag0", "tag1", "tag1"].map((each) => metadata.transact((nouns) => nouns.tags.delete(id, tag(each)))),
    );
    const tags = await metadata.read.tags.ofImages(images.map((image) => image.id));
    expect([...tags.values()].flat().sort()).toEqual([tag("tag2"), tag("tag3")]);
    const tagged = await metadata.read.images.list(id, "TAGGED", { limit: 9 });
    expect(tagged.map((image) => image.id)).toEqual([...tags.keys()]);
    const untagged = await metadata.read.images.list(id, "UNTAGGED", { limit: 9 });
    expect(untagged).toHaveLength(3 - tags.size);
  });

  test("referrers are the manifests with the subject, by id, page by page", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    // The subject may come later, or never.
    const subject = newDigest();
    const made = [];
    for (const artifactType of ["sbom", "signature", undefined, "sbom"]) {
      made.push(await push(metadata, id, { subject, artifactType }));
      await push(metadata, id, { subject: newDigest(), artifactType });
      await push(metadata, other.id, { subject, artifactType });
    }
    const ids = made.map((image) => image.id);
    const referrers = async (types: string[] | undefined, limit: number) => {
      const found = await allPages(
        limit,
        (after?: number) => metadata.read.images.referrers(id, subject, types, { after, limit }),
        (image) => image.id,
      );
      return found.map((image) => image.id);
    };
    for (const limit of [1, 3, 50]) {
      expect(await referrers(undefined, limit)).toEqual(ids);
      expect(await referrers(["sbom"], limit)).toEqual(pick(ids, [0, 3]));
      expect(await referrers(["signature", "sbom"], limit)).toEqual(pick(ids, [0, 1, 3]));
      expect(await referrers(["other"], limit)).toEqual([]);
      expect(await referrers([], limit)).toEqual([]);
    }
    const [first] = await metadata.read.images.referrers(id, subject, ["sbom"], { limit: 1 });
    expect(first).toMatchObject({ digest: made[0]?.digest, subject, artifactType: "sbom" });
  });
}

function tagsContract(opened: () => Metadata): void {
  test("a tag is created, found, moved and deleted", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [a, b] = [await push(metadata, id), await push(metadata, id)];
    expect(await metadata.read.tags.find(id, tag("v1"))).toBeUndefined();
    await setTag(metadata, id, "v1", a);
    expect(await metadata.read.tags.find(id, tag("v1"))).toEqual({ tag: tag("v1"), imageId: a.id, digest: a.digest });
    await setTag(metadata, id, "v1", b);
    expect(await metadata.read.tags.find(id, tag("v1"))).toEqual({ tag: tag("v1"), imageId: b.id, digest: b.digest });
    expect(await metadata.read.tags.countOfImage(a.id)).toBe(0);
    expect(await metadata.read.tags.countOfImage(b.id)).toBe(1);
    await metadata.transact((nouns) => nouns.tags.delete(id, tag("v1")));
    expect(await metadata.read.tags.find(id, tag("v1"))).toBeUndefined();
    expect(await metadata.read.images.find(id, b.digest)).toBeDefined();
  });

  test("a tag cannot name an image that is not there", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    await expect(setTag(metadata, id, "v1", { id: 2 ** 40, digest: newDigest() })).rejects.toThrow();
    expect(await metadata.read.tags.find(id, tag("v1"))).toBeUndefined();
  });

  test("lists ascend by byte value, page by page", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const image = await push(metadata, id);
    await setTag(metadata, other.id, "other", await push(metadata, other.id));
    for (const each of ["b", "a", "B", "_", "0", "a-", "a.", "aa", "a_"]) await setTag(metadata, id, each, image);
    const sorted = ["0", "B", "_", "a", "a-", "a.", "a_", "aa", "b"];
    for (const limit of [1, 2, 9, 50]) {
      const listed = await allPages(
        limit,
        (after?: Tag) => metadata.read.tags.list(id, { after, limit }),
        (each) => each,
      );
      expect(listed as string[]).toEqual(sorted);
    }
    expect((await metadata.read.tags.list(id, { after: "-", limit: 1 })) as string[]).toEqual(["0"]);
    expect(await metadata.read.tags.list(id, { after: "~", limit: 9 })).toEqual([]);
    expect([...(await metadata.read.tags.ofImages([image.id]))]).toEqual([[image.id, sorted as Tag[]]]);
  });

  test("ofImages answers the tags of each image, and nothing for images without", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [a, b, c] = [await push(metadata, id), await push(metadata, id), await push(metadata, id)];
    await setTag(metadata, id, "z", a);
    await setTag(metadata, id, "y", a);
    await setTag(metadata, id, "x", c);
    const tags = await metadata.read.tags.ofImages([c.id, b.id, a.id, 2 ** 40]);
    expect(tags).toEqual(
      new Map([
        [a.id, [tag("y"), tag("z")]],
        [c.id, [tag("x")]],
      ]),
    );
    expect(await metadata.read.tags.ofImages([])).toEqual(new Map());
    expect(await metadata.read.tags.countOfImage(a.id)).toBe(2);
  });

  test("the history is newest first, and survives the tag and the image", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const image = await push(metadata, id);
    await setTag(metadata, id, "v1", image);
    const moves: TagMove[] = [
      { repositoryId: id, tag: tag("v1"), from: undefined, to: image.digest, at: at(3), by: "arn:one" },
      { repositoryId: id, tag: tag("v1"), from: image.digest, to: undefined, at: at(1), by: "arn:two" },
      { repositoryId: id, tag: tag("v1"), from: undefined, to: image.digest, at: at(2), by: "arn:three" },
    ];
    await metadata.transact(async ({ tags }) => {
      for (const move of moves) await tags.record(move);
      await tags.record({ repositoryId: id, tag: tag("v2"), to: image.digest, at: at(9), by: "arn:four" });
    });
    await metadata.transact(async ({ tags, images }) => {
      await tags.delete(id, tag("v1"));
      await images.delete(image, at(0));
    });
    const newestFirst = moves.toReversed();
    expect(await metadata.read.tags.history(id, tag("v1"), 10)).toEqual(newestFirst);
    expect(await metadata.read.tags.history(id, tag("v1"), 2)).toEqual(newestFirst.slice(0, 2));
    expect(await metadata.read.tags.history(id, tag("v3"), 10)).toEqual([]);
  });

  test("tags set at once under the lock leave a history without gaps", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const images = [];
    for (let image = 0; image < 10; image++) images.push(await push(metadata, id));
    await Promise.all(
      images.map((image) =>
        metadata.transact(async ({ tags }) => {
          await tags.lock(id, tag("latest"));
          const before = await tags.find(id, tag("latest"));
          await tags.set(id, tag("latest"), image, at(0));
          await tags.record({
            repositoryId: id,
            tag: tag("latest"),
            from: before?.digest,
            to: image.digest,
            at: at(0),
            by: "arn",
          });
        }),
      ),
    );
    const history = (await metadata.read.tags.history(id, tag("latest"), 100)).reverse();
    expect(history).toHaveLength(10);
    expect(history.map((move) => move.from)).toEqual([undefined, ...history.slice(0, -1).map((move) => move.to)]);
    expect((await metadata.read.tags.find(id, tag("latest")))?.digest).toBe(history.at(-1)?.to as Digest);
  });
}

function settingsContract(opened: () => Metadata): void {
  test("are absent until set, replaced when set again, and apart by registry and name", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const elsewhere = { ...registry, region: "us-east-1" as Region };
    const set = (where: Registry, name: string, value: string) =>
      metadata.transact((nouns) => nouns.settings.set(where, name, value));
    expect(await metadata.read.settings.get(registry, "scan")).toBeUndefined();
    await set(registry, "scan", "one");
    await set(registry, "other", "two");
    await set(elsewhere, "scan", "three");
    await set(registry, "scan", "");
    expect(await metadata.read.settings.get(registry, "scan")).toBe("");
    expect(await metadata.read.settings.get(registry, "other")).toBe("two");
    expect(await metadata.read.settings.get(elsewhere, "scan")).toBe("three");
    expect(await metadata.read.settings.get(newRegistry(), "scan")).toBeUndefined();
  });
}

function transactionsContract(opened: () => Metadata, readsTakeTurns: boolean): void {
  class Refused extends Error {}

  test("work that throws changes nothing, and throws on", async () => {
    const metadata = opened();
    const registry = newRegistry();
    for (const durable of [true, false]) {
      const work = metadata.transact(
        async (nouns) => {
          const repository = await create(nouns, registry, "app");
          await nouns.settings.set(registry, "a", "b");
          await nouns.images.put(newImage(repository?.id as number));
          throw new Refused();
        },
        { durable },
      );
      await expect(work).rejects.toThrow(Refused);
      expect(await metadata.read.repositories.find(registry, repositoryName("app"))).toBeUndefined();
      expect(await metadata.read.settings.get(registry, "a")).toBeUndefined();
    }
  });

  test("work sees what it wrote, and reads see it once it is committed", async () => {
    const metadata = opened();
    const registry = newRegistry();
    for (const durable of [true, false]) {
      const name = `app-${durable}`;
      const [made, seen] = await metadata.transact(
        async (nouns) => {
          const repository = await create(nouns, registry, name);
          return [repository, await nouns.repositories.find(registry, repositoryName(name))];
        },
        { durable },
      );
      expect(made).toBeDefined();
      expect(seen).toEqual(made);
      expect(await metadata.read.repositories.find(registry, repositoryName(name))).toEqual(made);
    }
  });

  test("a failed statement fails the transaction, even if the work does not mind", async () => {
    const metadata = opened();
    const { id, registry } = await newRepository(metadata);
    const work = metadata.transact(async (nouns) => {
      await nouns.settings.set(registry, "before", "1");
      await nouns.tags.set(id, tag("v1"), { id: 2 ** 40, digest: newDigest() }, at(0)).catch(() => {});
      await nouns.settings.set(registry, "after", "1").catch(() => {});
    });
    await expect(work).rejects.toThrow("transaction");
    expect(await metadata.read.settings.get(registry, "before")).toBeUndefined();
    expect(await metadata.read.settings.get(registry, "after")).toBeUndefined();
  });

  test("a transaction's nouns are of no use after it", async () => {
    const metadata = opened();
    const registry = newRegistry();
    let kept: Nouns | undefined;
    await metadata.transact(async (nouns) => {
      kept = nouns;
    });
    await expect(kept?.settings.set(registry, "late", "1")).rejects.toThrow();
    await metadata
      .transact(async (nouns) => {
        kept = nouns;
        throw new Refused();
      })
      .catch(() => {});
    await expect(kept?.settings.set(registry, "late", "1")).rejects.toThrow();
    expect(await metadata.read.settings.get(registry, "late")).toBeUndefined();
  });

  test("nothing changes outside of a transaction", async () => {
    const metadata = opened();
    const { id, registry } = await newRepository(metadata);
    const image = await push(metadata, id);
    const { read } = metadata;
    const changes = [
      () => create(read, registry, "other"),
      () => read.repositories.update(id, { ...mutable, scanOnPush: true }),
      () => read.repositories.delete(id),
      () => read.layers.link(plain(id), copyOf(newDigest(), 1), at(0)),
      () => read.uploads.create(newUpload(id)),
      () => read.images.put(newImage(id)),
      () => read.images.delete(image, at(0)),
      () => read.images.pulled(new Map([[image.id, at(0)]])),
      () => read.tags.set(id, tag("v1"), image, at(0)),
      () => read.settings.set(registry, "a", "b"),
    ];
    for (const change of changes) await expect(change()).rejects.toThrow("transaction");
    expect(await read.repositories.list(registry, { limit: 9 })).toMatchObject([{ id, scanOnPush: false }]);
    expect(await read.images.list(id, "ANY", { limit: 9 })).toMatchObject([{ id: image.id, lastPulledAt: undefined }]);
  });

  test("many transactions at once all commit", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const results = await Promise.all(
      Array.from({ length: 100 }, (_, index) =>
        metadata.transact(
          async (nouns) => {
            const { id: imageId } = await nouns.images.put(newImage(id));
            await nouns.tags.set(id, tag(`t${index}`), { id: imageId, digest: newDigest() }, at(0));
            return imageId;
          },
          { durable: index % 2 === 0 },
        ),
      ),
    );
    expect(new Set(results).size).toBe(100);
    expect(await metadata.read.images.count(id)).toBe(100);
    expect(await metadata.read.tags.list(id, { limit: 1000 })).toHaveLength(100);
  });

  if (readsTakeTurns) {
    test("a read outside waits for the open transaction and then sees it", async () => {
      const metadata = opened();
      const registry = newRegistry();
      let waiting: Promise<string | undefined> | undefined;
      await metadata.transact(async (nouns) => {
        waiting = metadata.read.settings.get(registry, "a");
        await nouns.settings.set(registry, "a", "b");
      });
      expect(await waiting).toBe("b");
    });
  } else {
    test("reads neither wait for an open transaction nor see into it", async () => {
      const metadata = opened();
      const { id, registry } = await newRepository(metadata);
      const image = await push(metadata, id);
      const committed = await metadata.transact(async (nouns) => {
        await nouns.settings.set(registry, "a", "b");
        await nouns.tags.set(id, tag("v1"), image, at(0));
        await nouns.images.put(newImage(id));
        const { read } = metadata;
        return [
          await read.settings.get(registry, "a"),
          await read.tags.find(id, tag("v1")),
          await read.images.count(id),
          (await read.repositories.find(registry, repositoryName("app")))?.id,
        ];
      });
      expect(committed).toEqual([undefined, undefined, 1, id]);
      expect(await metadata.read.settings.get(registry, "a")).toBe("b");
    });
  }

  test("ping answers", async () => {
    await opened().ping();
  });
}

function deleteRepositoryContract(opened: () => Metadata): void {
  /** A repository with some of everything. */
  async function fullRepository(metadata: Metadata, registry: Registry, name: string, blob: Digest) {
    const repository = await newRepository(metadata, registry, name);
    const { id } = repository;
    await link(metadata, id, blob);
    const child = await push(metadata, id, { layers: [{ digest: blob, mediaType: layerType }] });
    const index = await push(metadata, id, { children: [child.digest], subject: child.digest });
    const upload = await begin(metadata, id);
    await metadata.transact(async ({ tags, repositories }) => {
      await tags.set(id, tag("v1"), index, at(0));
      await tags.record({ repositoryId: id, tag: tag("v1"), to: index.digest, at: at(0), by: "arn" });
      await repositories.setResourceTags(id, new Map([["a", "b"]]));
    });
    return { repository, id, child, index, upload };
  }

  async function everythingIn(metadata: Metadata, { id, child, upload }: Awaited<ReturnType<typeof fullRepository>>) {
    const { read } = metadata;
    return {
      images: await read.images.count(id),
      tags: await read.tags.list(id, { limit: 9 }),
      history: (await read.tags.history(id, tag("v1"), 9)).length,
      upload: (await read.uploads.find(upload.id))?.id,
      staging: await read.uploads.owns(upload.staging),
      resourceTags: (await read.repositories.resourceTags(id)).size,
      parents: (await read.images.parents(id, child.digest, 9)).length,
      referrers: (await read.images.referrers(id, child.digest, undefined, { limit: 9 })).length,
    };
  }

  test("takes everything in it along, and nothing else", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const blob = newDigest();
    const gone = await fullRepository(metadata, registry, "gone", blob);
    const kept = await fullRepository(metadata, registry, "kept", blob);
    const before = await everythingIn(metadata, kept);
    await metadata.transact((nouns) => nouns.repositories.delete(gone.id));
    expect(await metadata.read.repositories.list(registry, { limit: 9 })).toEqual([kept.repository]);
    expect(await metadata.read.layers.holders(registry, blob, serverScope, 9)).toMatchObject([
      { repository: { id: kept.id } },
    ]);
    expect(await metadata.read.garbage.deleted(1000)).toContain(gone.id);
    await remove(metadata, gone.id);
    expect(await metadata.read.garbage.deleted(1000)).not.toContain(gone.id);
    expect(await everythingIn(metadata, gone)).toEqual({
      images: 0,
      tags: [],
      history: 0,
      upload: undefined,
      staging: false,
      resourceTags: 0,
      parents: 0,
      referrers: 0,
    });
    expect(await metadata.read.repositories.list(registry, { limit: 9 })).toEqual([kept.repository]);
    expect(await metadata.read.layers.find(gone.id, blob)).toBeUndefined();
    expect(await metadata.read.layers.holders(registry, blob, serverScope, 9)).toMatchObject([
      { repository: { id: kept.id } },
    ]);
    expect(await everythingIn(metadata, kept)).toEqual(before);
    await remove(metadata, gone.id);
  });

  test("frees the name at once, and two of one name go side by side", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const first = await fullRepository(metadata, registry, "app", newDigest());
    await metadata.transact((nouns) => nouns.repositories.delete(first.id));
    const second = await fullRepository(metadata, registry, "app", newDigest());
    await metadata.transact((nouns) => nouns.repositories.delete(second.id));
    const third = await newRepository(metadata, registry, "app");
    expect(await metadata.read.repositories.list(registry, { limit: 9 })).toEqual([third]);
    await remove(metadata, first.id);
    await remove(metadata, second.id);
    expect(await metadata.read.repositories.find(registry, repositoryName("app"))).toEqual(third);
  });

  test("removes no more than a batch at a time", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    for (let image = 0; image < 5; image++) await push(metadata, id);
    await metadata.transact((nouns) => nouns.repositories.delete(id));
    const purge = () => metadata.transact((nouns) => nouns.garbage.purge(id, 2, at(0)));
    const left = [];
    for (let isGone = false; !isGone; ) {
      isGone = await purge();
      left.push(await metadata.read.images.count(id));
    }
    expect(left.slice(0, 3)).toEqual([3, 1, 0]);
  });

  test("is undone with its transaction", async () => {
    const metadata = opened();
    const full = await fullRepository(metadata, newRegistry(), "app", newDigest());
    const before = await everythingIn(metadata, full);
    const work = metadata.transact(async (nouns) => {
      await nouns.repositories.delete(full.id);
      throw new Error("changed my mind");
    });
    await expect(work).rejects.toThrow("changed my mind");
    expect(await everythingIn(metadata, full)).toEqual(before);
  });

  test("succeeds while others push into it, and they find it gone", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const { id } = await newRepository(metadata, registry, "app");
    const pushes = Array.from({ length: 20 }, () =>
      metadata.transact(async (nouns) => {
        if ((await nouns.repositories.find(registry, repositoryName("app"))) === undefined) return "gone";
        const layer = newDigest();
        await nouns.layers.link(plain(id), copyOf(layer, 1), at(0));
        await nouns.images.put(newImage(id, { layers: [{ digest: layer, mediaType: layerType }] }));
        return "pushed";
      }),
    );
    await Promise.all([...pushes, metadata.transact((nouns) => nouns.repositories.delete(id))]);
    for (const outcome of await Promise.all(pushes)) expect(["gone", "pushed"]).toContain(outcome);
    expect(await metadata.read.repositories.find(registry, repositoryName("app"))).toBeUndefined();
    await remove(metadata, id);
    expect(await metadata.read.images.isEmpty(id)).toBe(true);
  });
}

function blobRecordsContract(opened: () => Metadata): void {
  test("the copy that was linked first counts, also for those who come with another", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    const linkCopy = (repositoryId: number, generation: string) =>
      metadata.transact((nouns) => nouns.layers.link(plain(repositoryId), copyOf(blob, 10, generation), at(0)));
    expect(await linkCopy(id, "a")).toEqual({ isNew: true, generation: "a" as Generation });
    expect(await linkCopy(other.id, "b")).toEqual({ isNew: true, generation: "a" as Generation });
    expect(await linkCopy(other.id, "c")).toEqual({ isNew: false, generation: "a" as Generation });
    expect(await metadata.read.layers.find(other.id, blob)).toMatchObject({ generation: "a" });
    const strays = await metadata.read.blobs.strays([
      copyOf(blob, 10, "a"),
      copyOf(blob, 10, "b"),
      copyOf(newDigest(), 10, "a"),
    ]);
    expect(strays.map(({ generation }) => generation)).toEqual(["b", "a"] as Generation[]);
    expect(await metadata.read.blobs.strays([])).toEqual([]);
  });

  test("pushes of one content at once agree on one copy", async () => {
    const metadata = opened();
    const blob = newDigest();
    const repositories = await Promise.all(Array.from({ length: 12 }, () => newRepository(metadata)));
    const linked = await Promise.all(
      repositories.map(({ id }, index) =>
        metadata.transact((nouns) => nouns.layers.link(plain(id), copyOf(blob, 10, `copy-${index}`), at(0))),
      ),
    );
    expect(new Set(linked.map(({ generation }) => generation)).size).toBe(1);
    const [kept] = linked;
    for (const { id } of repositories) {
      expect(await metadata.read.layers.find(id, blob)).toMatchObject({ generation: kept?.generation });
    }
  });

  test("are listed by digest, with their repositories", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const first = newDigest();
    const second = newDigest();
    for (const blob of [first, second]) await link(metadata, id, blob);
    await link(metadata, other.id, second);
    const page = await metadata.read.blobs.list({ after: named(digest(Number(`0x${first.slice(-8)}`) - 1)), limit: 2 });
    expect(page).toEqual([
      { ...copyOf(first), scope: serverScope, quarantinedAt: undefined },
      { ...copyOf(second), scope: serverScope, quarantinedAt: undefined },
    ]);
    const holders = await metadata.read.blobs.holders(named(second), 9);
    expect(holders.map((repository) => repository.id)).toEqual([id, other.id]);
    expect(await metadata.read.blobs.holders(named(second), 1)).toHaveLength(1);
  });

  test("a damaged copy is kept from everybody until another takes its place", async () => {
    const metadata = opened();
    const registry = newRegistry();
    const { id } = await newRepository(metadata, registry);
    const blob = newDigest();
    await link(metadata, id, blob);
    const quarantine = (copy: BlobId) => metadata.transact((nouns) => nouns.blobs.quarantine(copy, at(5)));
    expect(await quarantine(copyOf(blob, 10, "another"))).toBe(false);
    expect(await quarantine(copyOf(blob))).toBe(true);
    expect(await quarantine(copyOf(blob))).toBe(false);
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ quarantined: true });
    expect(await metadata.read.layers.holders(registry, blob, serverScope, 9)).toEqual([]);
    const after = named(digest(Number(`0x${blob.slice(-8)}`) - 1));
    expect(await metadata.read.blobs.quarantined({ after, limit: 1 })).toEqual([
      { ...copyOf(blob), scope: serverScope, quarantinedAt: at(5) },
    ]);
    // What may take its place is no stray.
    const strays = () => metadata.read.blobs.strays([copyOf(blob), copyOf(blob, 11, "sound")]);
    expect(await strays()).toEqual([]);
    // The damaged copy again, as from a mount, heals nothing.
    expect(await link(metadata, id, blob)).toMatchObject({ isNew: false });
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ quarantined: true });

    const healed = await metadata.transact((nouns) => nouns.layers.link(plain(id), copyOf(blob, 11, "sound"), at(6)));
    expect(healed).toEqual({ isNew: true, generation: "sound" as Generation });
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ quarantined: false, sizeBytes: 11 });
    const removals = await metadata.read.garbage.removals({ limit: 1000 });
    expect(removals).toContainEqual(copyOf(blob));
    expect(await strays()).toEqual([]);
    await metadata.transact((nouns) => nouns.garbage.removed([copyOf(blob)]));
    expect(await strays()).toEqual([copyOf(blob)]);
  });

  test("another copy takes the place of a damaged one, and of no other", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    const other = copyOf(blob, 11, "other");
    const heal = (copy = other) => metadata.transact((nouns) => nouns.blobs.heal({ ...copy, scope: serverScope }));
    expect(await heal()).toBe(false);
    expect(await metadata.read.blobs.find(named(blob))).toEqual({
      ...copyOf(blob),
      scope: serverScope,
      quarantinedAt: undefined,
    });
    await metadata.transact((nouns) => nouns.blobs.quarantine(copyOf(blob), at(5)));
    expect(await metadata.read.blobs.find(named(blob))).toEqual({
      ...copyOf(blob),
      scope: serverScope,
      quarantinedAt: at(5),
    });
    expect(await heal(copyOf(blob))).toBe(false);
    expect(await heal(copyOf(newDigest()))).toBe(false);
    expect(await heal()).toBe(true);
    expect(await metadata.read.blobs.find(named(blob))).toEqual({
      ...other,
      scope: serverScope,
      quarantinedAt: undefined,
    });
    expect(await metadata.read.blobs.find(named(newDigest()))).toBeUndefined();
    const removals = (await metadata.read.garbage.removals({ limit: 1000 })).filter(({ digest }) => digest === blob);
    expect(removals).toEqual([copyOf(blob)]);
  });

  test("of many who heal a blob at once, one does", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    await metadata.transact((nouns) => nouns.blobs.quarantine(copyOf(blob), at(5)));
    const copies = Array.from({ length: 8 }, (_, index) => copyOf(blob, 10, `healer-${index}`));
    const healed = await Promise.all(
      copies.map((copy) => metadata.transact((nouns) => nouns.blobs.heal({ ...copy, scope: serverScope }))),
    );
    expect(healed.filter(Boolean)).toHaveLength(1);
    const winner = copies[healed.indexOf(true)];
    expect((await metadata.read.blobs.find(named(blob)))?.generation).toBe(winner?.generation);
  });

  test("a copy that turned out to be sound is opened again", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob);
    await metadata.transact((nouns) => nouns.blobs.quarantine(copyOf(blob), at(5)));
    const acquit = () => metadata.transact((nouns) => nouns.blobs.acquit(copyOf(blob)));
    expect(await acquit()).toBe(true);
    expect(await acquit()).toBe(false);
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ quarantined: false });
  });
}

function garbageContract(opened: () => Metadata): void {
  const layersOf = (...digests: Digest[]) => digests.map((digest) => ({ digest, mediaType: layerType }));

  /** One round of what a collection asks for, over everything that is due. Answers the digests that were forgotten. */
  async function collect(metadata: Metadata, before: Date): Promise<Digest[]> {
    for (const due of await metadata.read.garbage.links(before, 1000)) {
      await metadata.transact((nouns) => nouns.garbage.unlink(due, before));
    }
    const forgotten: Digest[] = [];
    for (const due of await metadata.read.garbage.blobs(before, 1000)) {
      if (await metadata.transact((nouns) => nouns.garbage.forget(due, before))) forgotten.push(due.digest);
    }
    return forgotten;
  }
  const forecast = async (metadata: Metadata, before: Date) =>
    (await metadata.read.garbage.forecast(before, { limit: 1000 })).map(({ digest }) => digest);

  test("a layer that no image came for goes after its time of grace, and not before", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob, 100);
    expect(await forecast(metadata, at(100))).not.toContain(blob);
    expect(await collect(metadata, at(100))).not.toContain(blob);
    expect(await metadata.read.layers.find(id, blob)).toBeDefined();
    expect(await forecast(metadata, at(101))).toContain(blob);
    expect(await collect(metadata, at(101))).toContain(blob);
    expect(await metadata.read.layers.find(id, blob)).toBeUndefined();
    expect(await metadata.read.garbage.removals({ limit: 1000 })).toContainEqual(copyOf(blob));
    expect(await collect(metadata, at(101))).toEqual([]);
  });

  test("a layer stays as long as any image of its repository refers to it, and grace begins with the end of the last", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob, 0);
    const first = await push(metadata, id, { layers: layersOf(blob) });
    const second = await push(metadata, id, { layers: layersOf(blob) });
    expect(await metadata.read.garbage.links(at(10_000), 1000)).not.toContainEqual(
      expect.objectContaining({ digest: blob }),
    );
    await metadata.transact((nouns) => nouns.images.delete(first, at(200)));
    expect(await forecast(metadata, at(10_000))).not.toContain(blob);
    expect(await collect(metadata, at(10_000))).not.toContain(blob);
    // Found referenced, so it is in the queue no more.
    expect((await metadata.read.layers.find(id, blob))?.unreferencedSince).toBeUndefined();
    await metadata.transact((nouns) => nouns.images.delete(second, at(300)));
    expect(await collect(metadata, at(300))).not.toContain(blob);
    expect(await collect(metadata, at(301))).toContain(blob);
  });

  test("a push that uses a waiting layer rescues it: by link, by image, by asking", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const [byLink, byImage, byTouch, left] = [newDigest(), newDigest(), newDigest(), newDigest()];
    const all = [byLink, byImage, byTouch, left];
    for (const blob of all) await link(metadata, id, blob, 0);
    await link(metadata, id, byLink, 500);
    await push(metadata, id, { layers: layersOf(byImage) });
    await metadata.transact((nouns) => nouns.layers.touch(id, [byTouch, byImage], at(500)));
    const collected = await collect(metadata, at(500));
    expect(all.filter((blob) => collected.includes(blob))).toEqual([left]);
    const later = await collect(metadata, at(501));
    expect(all.filter((blob) => later.includes(blob))).toEqual([byLink, byTouch]);
    expect(await metadata.read.layers.find(id, byImage)).toMatchObject({ inImage: true });
  });

  test("a blob stays as long as any repository has it, and waits from the end of the last link", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blob = newDigest();
    for (const repositoryId of [id, other.id]) {
      await link(metadata, repositoryId, blob, 0);
      await push(metadata, repositoryId, { layers: layersOf(blob) });
    }
    const third = await newRepository(metadata);
    await link(metadata, third.id, blob, 0);
    await metadata.transact((nouns) => nouns.layers.unlink(third.id, blob, at(50)));
    expect(await collect(metadata, at(10_000))).not.toContain(blob);
    await metadata.transact((nouns) => nouns.repositories.delete(id));
    while (!(await metadata.transact((nouns) => nouns.garbage.purge(id, 100, at(60)))));
    expect(await collect(metadata, at(10_000))).not.toContain(blob);
    await metadata.transact((nouns) => nouns.repositories.delete(other.id));
    while (!(await metadata.transact((nouns) => nouns.garbage.purge(other.id, 100, at(70)))));
    expect(await forecast(metadata, at(70))).not.toContain(blob);
    expect(await collect(metadata, at(70))).not.toContain(blob);
    expect(await collect(metadata, at(71))).toContain(blob);
  });

  test("a blob whose last link was collected does not wait a second time, unless another link ended later", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const [once, twice] = [newDigest(), newDigest()];
    for (const blob of [once, twice]) await link(metadata, id, blob, 0);
    await link(metadata, other.id, twice, 0);
    await metadata.transact((nouns) => nouns.layers.unlink(other.id, twice, at(100)));
    const collected = await collect(metadata, at(50));
    expect(collected).toContain(once);
    expect(collected).not.toContain(twice);
    expect(await metadata.read.layers.find(id, twice)).toBeUndefined();
    expect(await collect(metadata, at(101))).toContain(twice);
  });

  test("what was collected can be pushed again at once, as another copy", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const blob = newDigest();
    await link(metadata, id, blob, 0);
    await collect(metadata, at(10));
    const again = await metadata.transact((nouns) => nouns.layers.link(plain(id), copyOf(blob, 10, "second"), at(20)));
    expect(again).toEqual({ isNew: true, generation: "second" as Generation });
    const removals = async () =>
      (await metadata.read.garbage.removals({ limit: 1000 })).filter((copy) => copy.digest === blob);
    expect(await removals()).toEqual([copyOf(blob)]);
    await metadata.transact((nouns) => nouns.garbage.removed([copyOf(blob)]));
    expect(await removals()).toEqual([]);
    expect(await metadata.read.layers.find(id, blob)).toMatchObject({ generation: "second" });
  });

  test("removals come in pages", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    for (let blob = 0; blob < 5; blob++) await link(metadata, id, newDigest(), 0);
    await collect(metadata, at(10));
    const all = await metadata.read.garbage.removals({ limit: 1000 });
    const paged = await allPages(
      2,
      (after?: BlobId) => metadata.read.garbage.removals({ after, limit: 2 }),
      (copy) => copy,
    );
    expect(paged).toEqual(all);
    expect(all.length).toBeGreaterThanOrEqual(5);
    const waiting = await metadata.read.garbage.waiting();
    expect(waiting.removals).toBe(all.length);
  });

  test("collecting while others push and delete the same layers leaves no image without its layers, and forgets nothing", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const other = await newRepository(metadata);
    const blobs = Array.from({ length: 16 }, newDigest);
    for (let round = 0; round < 4; round++) {
      const before = at(1_000);
      const pushes = blobs.map(async (blob, index) => {
        const repositoryId = index % 2 ? id : other.id;
        const image = newImage(repositoryId, { layers: layersOf(blob) });
        const put = await metadata.transact(async (nouns) => {
          await nouns.layers.link(plain(repositoryId), copyOf(blob, 10, `${round}`), at(round));
          return nouns.images.put(image);
        });
        if ((index + round) % 3 === 0) {
          await metadata.transact((nouns) => nouns.images.delete({ id: put.id, repositoryId }, at(round)));
          return undefined;
        }
        return { repositoryId, blob, id: put.id };
      });
      const collects = [collect(metadata, before), collect(metadata, before)];
      const images = (await Promise.all(pushes)).filter((image) => image !== undefined);
      await Promise.all(collects);
      for (const image of images) {
        expect(await metadata.read.layers.find(image.repositoryId, image.blob)).toMatchObject({ inImage: true });
        await metadata.transact((nouns) => nouns.images.delete(image, at(round)));
      }
    }
    for (let round = 0; round < 2; round++) await collect(metadata, at(1_000));
    expect(await metadata.read.layers.findMany(id, blobs)).toEqual([]);
    expect(await metadata.read.layers.findMany(other.id, blobs)).toEqual([]);
    expect(await metadata.read.blobs.strays(blobs.map((blob) => copyOf(blob)))).toHaveLength(blobs.length);
  });
}

function inspectionContract(opened: () => Metadata): void {
  const layersOf = (...digests: Digest[]) => digests.map((digest) => ({ digest, mediaType: layerType }));
  const nameOf = ({ id, registry, name }: Repository) => ({ id, registry, name });

  test("images of all repositories come by id, with what they refer to and their tags", async () => {
    const metadata = opened();
    const [first, second] = [await newRepository(metadata), await newRepository(metadata)];
    const [one, two] = [newDigest(), newDigest()];
    for (const blob of [one, two]) await link(metadata, first.id, blob);
    const image = await push(metadata, first.id, { layers: layersOf(one, two), subject: one });
    const index = await push(metadata, first.id, { children: [image.digest] });
    const other = await push(metadata, second.id);
    for (const name of ["a", "b"]) await setTag(metadata, first.id, name, image);
    const all = await allPages(
      2,
      (after?: number) => metadata.read.inspection.images({ after, limit: 2 }),
      ({ id }) => id,
    );
    const found = all.filter(({ id }) => [image.id, index.id, other.id].includes(id));
    expect(found.map(({ id }) => id)).toEqual([image.id, index.id, other.id]);
    const counts = { countedTags: 0, tags: 0, strayStatuses: 0 };
    const facts = { mediaType: manifestType, subject: undefined, layers: [], children: [], awaited: [], ...counts };
    expect(found[0]).toEqual({
      ...facts,
      id: image.id,
      repository: nameOf(first),
      digest: image.digest,
      subject: one,
      layers: expect.arrayContaining([
        { digest: one, isThere: true },
        { digest: two, isThere: true },
      ]),
      countedTags: 2,
      tags: 2,
    });
    expect(found[1]?.children).toEqual([{ digest: image.digest, isThere: true }]);
    expect(found[2]).toEqual({ ...facts, id: other.id, repository: nameOf(second), digest: other.digest });
    expect(await metadata.read.inspection.manifest(image.id)).toEqual(image.manifest);
    expect(await metadata.read.inspection.manifest(image.id + 1_000_000)).toBeUndefined();
    await metadata.transact((nouns) => nouns.inspection.recount(image.id));
    expect((await metadata.read.inspection.images({ after: image.id - 1, limit: 1 }))[0]).toEqual(found[0]);
  });

  test("tags come by repository and name, each with whether it has an image", async () => {
    const metadata = opened();
    const [first, second] = [await newRepository(metadata), await newRepository(metadata)];
    for (const { id } of [second, first]) {
      const image = await push(metadata, id);
      for (const name of ["b", "a", "B"]) await setTag(metadata, id, name, image);
    }
    const all = await allPages(
      2,
      (after?: { repositoryId: number; tag: Tag }) => metadata.read.inspection.tags({ after, limit: 2 }),
      ({ repository, tag }) => ({ repositoryId: repository.id, tag }),
    );
    const found = all.filter(({ repository }) => [first.id, second.id].includes(repository.id));
    expect(found).toEqual(
      [first, second].flatMap((repository) =>
        ["B", "a", "b"].map((name) => ({ repository: nameOf(repository), tag: tag(name), hasImage: true })),
      ),
    );
  });

  test("who needs a blob is named: images, and repositories that have it for no image", async () => {
    const metadata = opened();
    const [first, second] = [await newRepository(metadata), await newRepository(metadata)];
    const blob = newDigest();
    for (const { id } of [first, second]) await link(metadata, id, blob);
    const images = [];
    for (let count = 0; count < 2; count++) images.push(await push(metadata, first.id, { layers: layersOf(blob) }));
    const found = await metadata.read.inspection.dependents(named(blob), 9);
    const names = found.map(({ repository, image }) => `${repository.id} ${image?.id} ${image?.digest}`);
    const expected = images.map((image) => `${first.id} ${image.id} ${image.digest}`);
    expect(names.sort()).toEqual([...expected, `${second.id} undefined undefined`].sort());
    expect(await metadata.read.inspection.dependents(named(blob), 2)).toHaveLength(2);
    expect(await metadata.read.inspection.dependents(named(newDigest()), 2)).toEqual([]);
  });

  test("deleted repositories are passed over, and everything is counted", async () => {
    const metadata = opened();
    const { id } = await newRepository(metadata);
    const before = await metadata.read.inspection.totals();
    const blob = newDigest();
    await link(metadata, id, blob, 0, 1234);
    const image = await push(metadata, id, { layers: layersOf(blob) });
    await setTag(metadata, id, "a", image);
    expect(await metadata.read.inspection.totals()).toEqual({
      images: before.images + 1,
      tags: before.tags + 1,
      blobs: before.blobs + 1,
      blobBytes: before.blobBytes + 1234,
    });
    await metadata.transact((nouns) => nouns.repositories.delete(id));
    const images = await metadata.read.inspection.images({ after: image.id - 1, limit: 1 });
    expect(images.map((other) => other.id)).not.toContain(image.id);
    const tags = await metadata.read.inspection.tags({ limit: 1000 });
    expect(tags.map(({ repository }) => repository.id)).not.toContain(id);
    expect(await metadata.read.inspection.dependents(named(blob), 9)).toEqual([]);
  });
}
