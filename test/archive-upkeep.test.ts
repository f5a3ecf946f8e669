import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { UpdateImageStorageClassCommand } from "@aws-sdk/client-ecr";
import { loadConfig } from "../src/config.ts";
import type { Digest, RepositoryName } from "../src/domain/names.ts";
import { moveBlobs } from "../src/domain/registry/archive-moves.ts";
import { collectGarbage } from "../src/domain/registry/collection.ts";
import { serverScope } from "../src/domain/registry/encryption.ts";
import type { BlobStore, Generation } from "../src/domain/registry/ports.ts";
import { openStores } from "../src/opening.ts";
import { backUp } from "../src/storage/backup/backup.ts";
import { openBackupFolder } from "../src/storage/backup/folder.ts";
import { restore } from "../src/storage/backup/restore.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { twoTiers } from "../src/storage/blobs/two-tiers.ts";
import { openSqlite } from "../src/storage/metadata/sqlite.ts";
import { account, digestOf, inProcess, region } from "./support/berth.ts";

let data: string;
beforeEach(() => {
  data = mkdtempSync(join(tmpdir(), "berth-archive-"));
});
afterEach(() => rmSync(data, { recursive: true }));

const repositoryName = "archived";
const hourMs = 60 * 60_000;
const now = new Date();

function fail(): never {
  throw new Error("there is no archive");
}

/** The digests that a store has, each as often as it has copies. */
async function inStore(store: BlobStore): Promise<string[]> {
  return (await Array.fromAsync(store.list())).map(({ digest }) => digest as string);
}

test("Berth opens both stores, and does not start without the one that has something", async () => {
  const given = (env: object) => loadConfig({ env: { BERTH_DATA: data, ...env }, cwd: data });
  const withArchive = given({ BERTH_ARCHIVE_BLOBS_URL: `file:${join(data, "archive")}` });
  {
    await using stores = await openStores(withArchive);
    expect(stores.tiers).toBeDefined();
    const copy = { digest: digestOf("x") as Digest, generation: "a" as Generation, sizeBytes: 1 };
    await stores.metadata.transact(async ({ repositories, layers, blobPlaces }) => {
      const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
      const registry = { account, region };
      const encryption = { type: "AES256" } as const;
      const repository = { registry, name: "app" as RepositoryName, createdAt: now, encryption, ...settings };
      const made = await repositories.create(repository, new Map());
      if (made) await layers.link(made, copy, now);
      const placed = { ...copy, scope: serverScope, isInArchive: false };
      await blobPlaces.move(placed, { ...copy, generation: "b" as Generation }, now);
    });
  }
  await expect(openStores(given({}))).rejects.toThrow("set BERTH_ARCHIVE_BLOBS_URL");
  await (await openStores(withArchive))[Symbol.asyncDispose]();
});

test("a backup has the blobs of both stores, and what is restored from it moves again", async () => {
  const source = join(data, "registry");
  mkdirSync(join(source, "keys"), { recursive: true });
  const other = await inProcess({ createOnPush: true, archive: true, atRest: "volume", data: source });
  try {
    const stores = other.stores;
    const clock = () => other.now;
    await other.pushImage(repositoryName, "v1", "kept for long");
    const command = { repositoryName, imageId: { imageTag: "v1" }, targetStorageClass: "ARCHIVE" } as const;
    await other.ecr().send(new UpdateImageStorageClassCommand(command));
    const parts = { metadata: stores.metadata, tiers: stores.tiers ?? fail(), clock };
    expect(await moveBlobs(parts)).toMatchObject({ archived: 2 });
    const later = () => new Date(Date.now() + 2 * hourMs);
    await collectGarbage({ ...stores, clock: later }, { graceMs: 24 * hourMs });
    expect(await inStore(parts.tiers.standard)).toEqual([]);

    await using folder = await openBackupFolder(join(data, "backup"), { make: true }).then((opened) =>
      Object.assign(opened, { [Symbol.asyncDispose]: () => opened.close() }),
    );
    const databaseUrl = `sqlite:${join(source, "berth.sqlite")}`;
    const options = { keep: 1, version: "test", bytesPerSecond: 0, clock };
    expect(await backUp({ databaseUrl, data: source, ...stores }, folder, options)).toMatchObject({
      copied: 2,
      missing: [],
    });
    const target = join(data, "restored");
    mkdirSync(target);
    const [standard, archive] = ["blobs", "archive"].map((name) => openFilesystemBlobs({ root: join(target, name) }));
    const tiers = { standard: (await standard) ?? fail(), archive: (await archive) ?? fail() };
    const blobs = twoTiers(tiers.standard, tiers.archive);
    const restoredUrl = `sqlite:${join(target, "berth.sqlite")}`;
    await restore(folder, { databaseUrl: restoredUrl, data: target, blobs }, { clock });
    expect((await inStore(tiers.standard)).length).toBe(2);
    const metadata = await openSqlite({ path: join(target, "berth.sqlite") });
    expect(await moveBlobs({ metadata, tiers, clock })).toMatchObject({ archived: 2 });
    expect((await inStore(tiers.archive)).length).toBe(2);
    await metadata.close();
    await blobs.close();
  } finally {
    await other.close();
  }
});
