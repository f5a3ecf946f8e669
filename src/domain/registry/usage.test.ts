import { Database } from "bun:sqlite";
import { expect, test } from "bun:test";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { rootPrincipal } from "../identity/credentials.ts";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName, Tag } from "../names.ts";
import { rootAccess } from "../testing.ts";
import type { Encryption, Generation, Nouns, Repository } from "./ports.ts";
import { createUsage, type UsagePlace, usageOverview } from "./usage.ts";
import { noFigures } from "./usage-count.ts";
import type { UsageArea, UsageFigures } from "./usage-ports.ts";
import { type MeasureProgress, measureUsage } from "./usage-walk.ts";

const start = Date.UTC(2026, 0, 1);
type Opened = Awaited<ReturnType<typeof openSqlite>>;

/** Numbers that look random and are the same each time (mulberry32). */
function randomFrom(seed: number) {
  let state = seed;
  return (below: number) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return Math.floor((((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296) * below);
  };
}

const digestOf = (number: number) => `sha256:${number.toString(16).padStart(64, "0")}` as Digest;
const sizeOf = (number: number) => 1_000 + number * 37;
const encryptions: Encryption[] = [
  { type: "AES256" },
  { type: "KMS", key: "arn:aws:kms:us-east-1:000000000001:key/a" as Arn, grants: [] },
  { type: "KMS_DSSE", key: "arn:aws:kms:us-east-1:000000000001:key/a" as Arn, grants: [] },
];
const registries: Registry[] = [
  { account: "000000000001" as AccountId, region: "us-east-1" as Region },
  { account: "000000000001" as AccountId, region: "eu-west-1" as Region },
  { account: "000000000002" as AccountId, region: "us-east-1" as Region },
];

function repositoryIn(
  { repositories }: Nouns,
  registry: Registry,
  name: string,
  createdAt = start,
  encryption: Encryption = { type: "AES256" },
) {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  return repositories.create(
    { registry, name: name as RepositoryName, createdAt: new Date(createdAt), encryption, ...settings },
    new Map(),
  );
}

/** Pushes, mounts, deletes, archives and collects at random, by the verbs that the registry uses. */
async function shake(metadata: Opened, random: (below: number) => number, steps: number): Promise<void> {
  const repositories: Repository[] = [];
  let numbers = 1;
  let now = start;
  const at = () => new Date(now++);
  for (let step = 0; step < steps; step++) {
    const repository = repositories[random(repositories.length)];
    const what = random(12);
    if (!repository || what === 0) {
      const registry = registries[random(registries.length)] as Registry;
      const encryption = encryptions[random(encryptions.length)];
      const made = await metadata.transact((nouns) =>
        repositoryIn(nouns, registry, `r${random(20)}`, now++, encryption),
      );
      if (made) repositories.push(made);
      continue;
    }
    const { id: repositoryId } = repository;
    const images = await metadata.read.images.list(repositoryId, "ANY", { limit: 50 });
    const image = images[random(images.length)];
    await metadata.transact(async (nouns) => {
      if (what < 6) {
        // Few layers, so that many are shared; a layer that is known is a mount.
        const layers = [...new Set(Array.from({ length: 1 + random(4) }, () => random(25)))];
        for (const layer of layers) {
          const blob = { digest: digestOf(layer), generation: `g${numbers++}` as Generation, sizeBytes: sizeOf(layer) };
          await nouns.layers.link(repository, blob, at());
        }
        if (random(5) === 0) return;
        const digest = digestOf(1_000 + numbers++);
        const manifest = new Uint8Array(1 + random(90));
        const { id } = await nouns.images.put({
          repositoryId,
          digest,
          mediaType: "m",
          manifestBytes: manifest.length,
          imageBytes: 1,
          manifest,
          layers: layers.map((layer) => ({ digest: digestOf(layer), mediaType: "l" })),
          children: [],
          pushedAt: at(),
        });
        if (random(2) === 0) await nouns.tags.set(repositoryId, `t${random(5)}` as Tag, { id, digest }, at());
      } else if (what < 8 && image) {
        const tags = await nouns.tags.ofImages([image.id]);
        for (const tag of tags.get(image.id) ?? []) await nouns.tags.delete(repositoryId, tag);
        await nouns.images.delete(image, at());
      } else if (what < 10 && image) {
        const status = (["ARCHIVED", "ACTIVATING", "ACTIVE"] as const)[random(3)] ?? "ACTIVE";
        await nouns.images.setStatus([image.id], status, at());
      } else if (what === 10) {
        const before = at();
        for (const link of await nouns.garbage.links(before, random(10))) await nouns.garbage.unlink(link, before);
        for (const blob of await nouns.garbage.blobs(before, random(10))) await nouns.garbage.forget(blob, before);
        const gone = await nouns.garbage.removals({ limit: random(3) + 1 });
        if (random(2) === 0) await nouns.garbage.removed(gone);
      } else if (random(4) === 0) {
        await nouns.repositories.delete(repositoryId);
        repositories.splice(repositories.indexOf(repository), 1);
        if (random(2) === 0) while (!(await nouns.garbage.purge(repositoryId, 3, at())));
      }
    });
  }
}

const nameOf = ({ account, region, repository }: UsageArea) => `${account}/${region}/${repository}`;

/** All that there is: the tables themselves, read as they are, and counted in the plainest way. */
function bruteForce(path: string): Map<string, UsageFigures> {
  const database = new Database(path, { readonly: true });
  const rows = <Row>(text: string) => database.prepare(text).all() as Row[];
  const repositories = rows<Area & { id: number; name: string }>("select id, account, region, name from repository");
  const links = rows<Row>("select repository_id as id, digest, key_scope as scope from layer_link");
  const blobs = rows<Row & { size: number }>("select digest, key_scope as scope, size_bytes as size from blob");
  const images = rows<{ id: number; owner: number; status: number; tags: number; bytes: number }>(
    `select id, repository_id as owner, status, manifest_bytes as bytes,
       (select count(*) from tag where tag.image_id = image.id) as tags from image`,
  );
  const layers = rows<{ image: number; digest: string }>("select image_id as image, digest from image_layer");
  const removals = sum(rows<{ size: number }>("select size_bytes as size from blob_removal").map(({ size }) => size));
  database.close();

  const living = repositories.filter(({ account }) => account !== "");
  const areas = new Map<string, UsageArea>();
  for (const { account, region, name } of living) {
    for (const [a, r, n] of [
      ["", "", ""],
      [account, "", ""],
      [account, region, ""],
      [account, region, name],
    ]) {
      const area = { account: a, region: r, repository: n } as UsageArea;
      areas.set(nameOf(area), area);
    }
  }
  const within = (area: UsageArea) =>
    living.filter(
      ({ account, region, name }) =>
        ["", account].includes(area.account) &&
        ["", region].includes(area.region) &&
        ["", name].includes(area.repository),
    );
  /** The statuses of the images that refer to the blob in the repository. */
  const needs = (id: number, blob: Row) =>
    links.some((link) => link.id === id && link.digest === blob.digest && link.scope === blob.scope)
      ? images
          .filter((image) => image.owner === id)
          .filter((image) => layers.some((layer) => layer.image === image.id && layer.digest === blob.digest))
          .map(({ status }) => status)
      : [];
  const isLinked = (id: number, { digest, scope }: Row) =>
    links.some((link) => link.id === id && link.digest === digest && link.scope === scope);

  const found = new Map<string, UsageFigures>();
  for (const [name, area] of areas) {
    const here = within(area);
    const around = area.repository === "" ? here : within({ ...area, repository: "" });
    const figures = { ...noFigures, repositories: here.length } as { -readonly [Name in keyof UsageFigures]: number };
    for (const blob of blobs) {
      const statuses = here.map(({ id }) => needs(id, blob)).filter(({ length }) => length > 0);
      const isHere = area.account === "" || here.some(({ id }) => isLinked(id, blob));
      if (statuses.length === 0) figures.waitingBytes += isHere ? blob.size : 0;
      else {
        figures.layers++;
        figures.layerBytes += blob.size;
        figures.logicalBytes += blob.size * statuses.length;
        if (statuses.flat().every((status) => status === 0)) figures.archivedBytes += blob.size;
        if (around.filter(({ id }) => needs(id, blob).length > 0).length === 1) figures.uniqueBytes += blob.size;
      }
    }
    for (const { owner, status, tags, bytes } of images) {
      if (!here.some(({ id }) => id === owner)) continue;
      figures.images++;
      figures.manifestBytes += bytes;
      if (tags > 0) figures.taggedImages++;
      if (status === 0) figures.archivedImages++;
      if (status === 0) figures.archivedManifestBytes += bytes;
    }
    if (area.account === "") figures.waitingBytes += removals;
    found.set(name, figures);
  }
  return found;
}

interface Area {
  readonly account: string;
  readonly region: string;
}

interface Row {
  readonly id: number;
  readonly digest: string;
  readonly scope: string;
}

const sum = (sizes: readonly number[]) => sizes.reduce((all, size) => all + size, 0);

async function measured(metadata: Opened, run: number): Promise<Map<string, UsageFigures>> {
  const found = new Map<string, UsageFigures>();
  const areas = await metadata.read.usage.areas(run, 1_000);
  for (const { area, figures } of areas) found.set(nameOf(area), figures);
  for (const registry of registries) {
    for (const { area, figures } of await metadata.read.usage.list(run, registry, { limit: 1_000 })) {
      found.set(nameOf(area), figures);
    }
  }
  return found;
}

const sorted = (figures: Map<string, UsageFigures>) =>
  Object.fromEntries([...figures].sort(([a], [b]) => (a < b ? -1 : 1)));

/** Runs `work` with a database in a file, and the path of it. */
async function withMetadata(work: (metadata: Opened, path: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "berth-usage-"));
  const path = join(folder, "berth.sqlite");
  const metadata = await openSqlite({ path });
  try {
    await work(metadata, path);
  } finally {
    await metadata.close();
    await rm(folder, { recursive: true });
  }
}

const keep = async () => {};
const parts = (metadata: Opened, now = start, retentionMs = 0) => ({
  metadata,
  retentionMs,
  clock: () => new Date(now),
});

test.each(Array.from({ length: 12 }, (_, seed) => [seed]))(
  "a walk finds what counting finds: seed %d",
  async (seed) => {
    await withMetadata(async (metadata, path) => {
      const random = randomFrom(seed);
      await shake(metadata, random, 100 + random(200));
      const run = await measureUsage(parts(metadata), { pageSize: 1 + random(30), keep });
      expect(sorted(await measured(metadata, run))).toEqual(sorted(bruteForce(path)));
    });
  },
);

test.each(Array.from({ length: 6 }, (_, seed) => [seed]))(
  "what is cut short anywhere goes on, and counts nothing twice: seed %d",
  async (seed) => {
    await withMetadata(async (metadata, path) => {
      const random = randomFrom(1_000 + seed);
      await shake(metadata, random, 150);
      let kept: MeasureProgress | undefined;
      let lives = 40;
      for (let isOver = false; !isOver; ) {
        let left = random(4);
        const dying = async (progress: MeasureProgress) => {
          // Before the transaction commits, so that its sums are gone with it.
          if (lives > 0 && left-- === 0) {
            lives--;
            throw new Error("the power is gone");
          }
          kept = progress;
        };
        const often = { pageSize: 1 + random(5), pagesBetween: 1 + random(3) };
        const options = { ...often, areasAtOnce: 4 + random(90), keep: dying, progress: kept };
        isOver = await measureUsage(parts(metadata), options).then(
          () => true,
          () => false,
        );
      }
      expect(lives).toBeLessThan(40);
      const newest = await metadata.read.usage.newest();
      expect(sorted(await measured(metadata, newest?.id ?? 0))).toEqual(sorted(bruteForce(path)));
    });
  },
);

test.each(Array.from({ length: 5 }, (_, seed) => [seed]))("a live answer is exact: seed %d", async (seed) => {
  await withMetadata(async (metadata, path) => {
    await shake(metadata, randomFrom(2_000 + seed), 250);
    const truth = bruteForce(path);
    const usage = createUsage({ metadata, clock: () => new Date(start) });
    const answers = new Map<string, UsageFigures>();
    for (const { area } of await metadata.read.usage.repositories({ limit: 1_000 })) {
      const { account, region, repository } = area;
      const registry = { account, region } as Registry;
      const found = await usage.ofRepository(await grantedIn(registry), repository as RepositoryName);
      expect(found.accuracy).toBe("EXACT");
      answers.set(nameOf(area), found.figures);
    }
    const ofRepositories = [...truth].filter(([name]) => !name.endsWith("/"));
    expect(sorted(answers)).toEqual(sorted(new Map(ofRepositories)));
  });
});

async function grantedIn(registry: Registry) {
  const principal = rootPrincipal(registry.account);
  const caller = { principal, requestId: "test", sourceIp: "127.0.0.1", secureTransport: true, note() {} };
  return rootAccess().grant(caller, registry, [{ action: "berth:GetRepositoryUsage", resource: "*" }]);
}

async function pushed(metadata: Opened, name: string, layers: readonly number[], registry = registries[0] as Registry) {
  const repository = await metadata.transact((nouns) => repositoryIn(nouns, registry, name));
  if (!repository) throw new Error("the name is taken");
  await metadata.transact(async (nouns) => {
    for (const layer of layers) {
      const blob = { digest: digestOf(layer), generation: "g" as Generation, sizeBytes: sizeOf(layer) };
      await nouns.layers.link(repository, blob, new Date(start));
      await nouns.images.put({
        repositoryId: repository.id,
        digest: digestOf(10_000 + layer),
        mediaType: "m",
        manifestBytes: 1,
        imageBytes: 1,
        manifest: Uint8Array.of(1),
        layers: [{ digest: digestOf(layer), mediaType: "l" }],
        children: [],
        pushedAt: new Date(start),
      });
    }
  });
}

test("too much to count at once is answered by the newest measurement, or by what was counted", async () => {
  await withMetadata(async (metadata) => {
    await pushed(metadata, "large", [1, 2, 3]);
    const usage = createUsage({ metadata, clock: () => new Date(start + 5), most: 2 });
    const granted = await grantedIn(registries[0] as Registry);
    const name = "large" as RepositoryName;
    expect(await usage.ofRepository(granted, name)).toMatchObject({ accuracy: "LOWER_BOUND", figures: { layers: 3 } });
    await measureUsage(parts(metadata, start + 1), { keep });
    expect(await usage.ofRepository(granted, name)).toEqual({
      accuracy: "MEASURED",
      measuredAt: new Date(start + 1),
      figures: expect.objectContaining({ layers: 3, images: 3, manifestBytes: 3 }),
    });
    // Made anew, it is another one.
    await metadata.transact(async ({ repositories }) => {
      await repositories.delete((await repositories.find(registries[0] as Registry, name))?.id ?? 0);
    });
    await metadata.transact((nouns) => repositoryIn(nouns, registries[0] as Registry, name, start + 2));
    expect(await usage.ofRepository(granted, name)).toMatchObject({ accuracy: "EXACT", figures: { layers: 0 } });
  });
});

test("others who have a layer do not show, and very many of them make an estimate", async () => {
  await withMetadata(async (metadata) => {
    for (let number = 0; number < 64; number++) await pushed(metadata, `r${number}`, [1], registries[2]);
    await pushed(metadata, "app", [1]);
    const usage = createUsage({ metadata, clock: () => new Date(start) });
    const granted = await grantedIn(registries[0] as Registry);
    const name = "app" as RepositoryName;
    const ofApp = { layerBytes: sizeOf(1), uniqueBytes: 0 };
    expect(await usage.ofRepository(granted, name)).toMatchObject({ accuracy: "LOWER_BOUND", figures: ofApp });
    await measureUsage(parts(metadata), { keep });
    const measured = { ...ofApp, uniqueBytes: sizeOf(1) };
    expect(await usage.ofRepository(granted, name)).toMatchObject({ accuracy: "MEASURED", figures: measured });
  });
});

test("a list by size has pages, and goes on by size in a newer measurement", async () => {
  await withMetadata(async (metadata) => {
    for (let number = 0; number < 7; number++) await pushed(metadata, `r${number}`, [number < 2 ? 50 : number]);
    await pushed(metadata, "elsewhere", [99], registries[1]);
    const usage = createUsage({ metadata, clock: () => new Date(start) });
    const granted = await grantedIn(registries[0] as Registry);
    expect(await usage.list(granted, { limit: 3 })).toEqual({ run: undefined, entries: [] });
    expect(await usage.totals(granted)).toBeUndefined();
    await measureUsage(parts(metadata), { keep });
    const names: string[] = [];
    for (let after: UsagePlace | undefined; ; ) {
      const { entries } = await usage.list(granted, { after, limit: 3 });
      names.push(...entries.map(({ area }) => area.repository));
      after = entries.at(-1)?.place;
      if (!after) break;
      await measureUsage(parts(metadata), { keep });
    }
    expect(names).toEqual(["r1", "r0", "r6", "r5", "r4", "r3", "r2"]);
    const totals = await usage.totals(granted);
    expect(totals?.registry).toMatchObject({ repositories: 7, layers: 6 });
    expect(totals?.account).toMatchObject({ repositories: 8, layers: 7 });
  });
});

test("days are kept for as long as they shall be, the newest run of each, and those of what is gone", async () => {
  await withMetadata(async (metadata) => {
    const day = 86_400_000;
    const granted = await grantedIn(registries[0] as Registry);
    const usage = createUsage({ metadata, clock: () => new Date(start) });
    const days = async (name?: string) =>
      (await usage.history(granted, name as RepositoryName | undefined, { limit: 9 })).map(
        ({ day, figures }) => `${day} ${figures.layers}`,
      );
    await pushed(metadata, "first", [1]);
    await measureUsage(parts(metadata, start, 3 * day), { keep });
    await pushed(metadata, "second", [2]);
    await measureUsage(parts(metadata, start + 1, 3 * day), { keep });
    expect(await days()).toEqual(["2026-01-01 2"]);
    await metadata.transact(async ({ repositories }) => {
      const repository = await repositories.find(registries[0] as Registry, "first" as RepositoryName);
      await repositories.delete(repository?.id ?? 0);
    });
    await measureUsage(parts(metadata, start + day, 3 * day), { keep });
    expect(await days()).toEqual(["2026-01-02 1", "2026-01-01 2"]);
    expect(await days("first")).toEqual(["2026-01-01 1"]);
    expect(days("third")).rejects.toMatchObject({ code: "RepositoryNotFound" });
    await measureUsage(parts(metadata, start + 2 * day, 3 * day), { keep });
    await measureUsage(parts(metadata, start + 3 * day, 3 * day), { keep });
    expect(await days()).toEqual(["2026-01-04 1", "2026-01-03 1", "2026-01-02 1"]);
    expect(days("first")).rejects.toMatchObject({ code: "RepositoryNotFound" });
  });
});

test("metrics have totals, and names only of as many as were asked for", async () => {
  await withMetadata(async (metadata) => {
    for (let number = 0; number < 4; number++) await pushed(metadata, `r${number}`, [number], registries[number % 2]);
    expect(await usageOverview(metadata, 9)).toBeUndefined();
    const run = await measureUsage(parts(metadata), { keep });
    expect(await usageOverview(metadata, 9, run)).toBeUndefined();
    const overview = await usageOverview(metadata, 2);
    expect(overview?.total).toMatchObject({ repositories: 4, layers: 4 });
    expect(overview?.registries.length).toBe(2);
    expect(overview?.repositories.map(({ area }) => area.repository)).toEqual(["r3", "r2"] as RepositoryName[]);
    expect((await usageOverview(metadata, 0))?.repositories).toEqual([]);
  });
});
