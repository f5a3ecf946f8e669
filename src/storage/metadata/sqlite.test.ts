import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely, sql } from "kysely";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag, UploadId } from "../../domain/names.ts";
import type { Nouns, RepositorySettings, StagingId } from "../../domain/registry/ports.ts";
import { metadataContract } from "./contract.ts";
import { DatabaseTooNew } from "./migrations.ts";
import { nouns } from "./nouns.ts";
import type { Schema } from "./schema.ts";
import { openSqlite, openSqliteEngine, sqliteFlavour } from "./sqlite.ts";
import { SqliteConnection, sqliteDialect } from "./sqlite-driver.ts";

async function newFolder() {
  return mkdtemp(join(tmpdir(), "berth-sqlite-"));
}

/** Runs `work` with the path of a database that does not exist yet. */
async function withPath(work: (path: string) => Promise<void>): Promise<void> {
  const folder = await newFolder();
  try {
    await work(join(folder, "berth.sqlite"));
  } finally {
    await rm(folder, { recursive: true });
  }
}

metadataContract("SQLite in a file", async () => {
  const folder = await newFolder();
  const metadata = await openSqlite({ path: join(folder, "berth.sqlite") });
  return {
    metadata,
    async dispose() {
      await metadata.close();
      await rm(folder, { recursive: true });
    },
  };
});

metadataContract(
  "SQLite in memory",
  async () => {
    const metadata = await openSqlite({ path: ":memory:" });
    return { metadata, dispose: () => metadata.close() };
  },
  { readsTakeTurns: true },
);

const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const settings: RepositorySettings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false };
const digest = "sha256:00" as Digest;
const name = "app" as RepositoryName;
const tag = "v1" as Tag;
const uploadId = "upload" as UploadId;
const staging = "staging" as StagingId;
const now = new Date(0);

/** Every verb, each with arguments that reach every statement of it. */
const verbs: Record<string, (nouns: Nouns) => Promise<unknown>> = {
  "repositories.create": ({ repositories }) =>
    repositories.create({ registry, name, createdAt: now, ...settings }, new Map([["a", "b"]])),
  "repositories.find": ({ repositories }) => repositories.find(registry, name),
  "repositories.list": ({ repositories }) => repositories.list(registry, { limit: 9 }),
  "repositories.update": ({ repositories }) => repositories.update(1, settings),
  "repositories.resourceTags": ({ repositories }) => repositories.resourceTags(1),
  "repositories.removeResourceTags": ({ repositories }) => repositories.removeResourceTags(1, ["b", "c"]),
  "layers.link": ({ layers }) => layers.link(1, { digest, sizeBytes: 1 }, now),
  "layers.find": ({ layers }) => layers.find(1, digest),
  "layers.findMany": ({ layers }) => layers.findMany(1, [digest]),
  "layers.holders": ({ layers }) => layers.holders(registry, digest, 9),
  "uploads.create": ({ uploads }) =>
    uploads.create({
      id: uploadId,
      repositoryId: 1,
      owner: { account: registry.account, arn: "arn" },
      staging,
      algorithm: "sha256",
      staged: { sizeBytes: 0 },
      parts: 0,
      lastPartBytes: 0,
      createdAt: now,
      updatedAt: now,
    }),
  "uploads.find": ({ uploads }) => uploads.find(uploadId),
  "uploads.claim": ({ uploads }) => uploads.claim(uploadId, "writer", now, now),
  "uploads.extend": ({ uploads }) => uploads.extend(uploadId, "writer", now),
  "uploads.release": ({ uploads }) => uploads.release(uploadId, "writer"),
  "uploads.release with progress": ({ uploads }) =>
    uploads.release(uploadId, "writer", { staging, staged: { sizeBytes: 1 }, parts: 1, lastPartBytes: 1, at: now }),
  "uploads.stale": ({ uploads }) => uploads.stale(now, 9),
  "uploads.owns": ({ uploads }) => uploads.owns(staging),
  "uploads.delete": ({ uploads }) => uploads.delete(uploadId),
  "images.put": ({ images }) =>
    images.put({
      repositoryId: 1,
      digest,
      mediaType: "type",
      manifestBytes: 1,
      imageBytes: 1,
      manifest: Uint8Array.of(1),
      layers: [{ digest, mediaType: "type" }],
      children: [digest],
      pushedAt: now,
    }),
  "images.find": ({ images }) => images.find(1, digest),
  "images.findMany": ({ images }) => images.findMany(1, [digest]),
  "images.manifest by digest": ({ images }) => images.manifest(1, { digest }),
  "images.manifest by tag": ({ images }) => images.manifest(1, { tag }),
  "images.parents": ({ images }) => images.parents(1, digest, 9),
  "images.list any": ({ images }) => images.list(1, "ANY", { after: 1, limit: 9 }),
  "images.list tagged": ({ images }) => images.list(1, "TAGGED", { after: 1, limit: 9 }),
  "images.list untagged": ({ images }) => images.list(1, "UNTAGGED", { after: 1, limit: 9 }),
  "images.listIds any": ({ images }) => images.listIds(1, "ANY", { after: { imageId: 1, tag }, limit: 9 }),
  "images.listIds tagged": ({ images }) => images.listIds(1, "TAGGED", { after: { imageId: 1, tag }, limit: 9 }),
  "images.listIds untagged": ({ images }) => images.listIds(1, "UNTAGGED", { after: { imageId: 1 }, limit: 9 }),
  "images.referrers": ({ images }) => images.referrers(1, digest, undefined, { after: 1, limit: 9 }),
  "images.referrers by type": ({ images }) => images.referrers(1, digest, ["type"], { after: 1, limit: 9 }),
  "images.count": ({ images }) => images.count(1),
  "images.isEmpty": ({ images }) => images.isEmpty(1),
  "images.pulled": ({ images }) => images.pulled(new Map([[1, now]])),
  "tags.lock": ({ tags }) => tags.lock(1, tag),
  "tags.set": ({ tags }) => tags.set(1, tag, { id: 1, digest }, now),
  "tags.set again": ({ tags }) => tags.set(1, tag, { id: 1, digest }, now),
  "tags.find": ({ tags }) => tags.find(1, tag),
  "tags.ofImages": ({ tags }) => tags.ofImages([1]),
  "tags.countOfImage": ({ tags }) => tags.countOfImage(1),
  "tags.list": ({ tags }) => tags.list(1, { limit: 9 }),
  "tags.record": ({ tags }) => tags.record({ repositoryId: 1, tag, to: digest, at: now, by: "arn" }),
  "tags.history": ({ tags }) => tags.history(1, tag, 9),
  "tags.delete": ({ tags }) => tags.delete(1, tag),
  "settings.set": ({ settings }) => settings.set(registry, "a", "b"),
  "settings.get": ({ settings }) => settings.get(registry, "a"),
  "images.delete": ({ images }) => images.delete({ id: 1, repositoryId: 1 }),
  "layers.unlink": ({ layers }) => layers.unlink(1, digest),
  "repositories.delete": ({ repositories }) => repositories.delete(1),
};

test("plans", async () => {
  await withPath(async (path) => {
    await (await openSqlite({ path })).close();
    const connection = await SqliteConnection.open(path);
    let ran: { sql: string; parameters: readonly unknown[] }[] = [];
    const db = new Kysely<Schema>({
      dialect: sqliteDialect({ connection, synchronous: "NORMAL", reads: false }),
      log: ({ query }) => {
        ran.push(query);
      },
    });
    const explain = new Database(path);
    for (const [verb, run] of Object.entries(verbs)) {
      ran = [];
      await run(nouns(db, sqliteFlavour)).catch((e) => console.log(verb, String(e)));
      for (const { sql: text, parameters } of ran) {
        const plan = explain.prepare(`explain query plan ${text}`).all(...(parameters as string[])) as { detail: string }[];
        console.log(verb.padEnd(30), plan.map((p) => p.detail).join(" | "));
      }
    }
    explain.close();
    connection.close();
  });
});
