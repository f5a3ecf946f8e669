import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely, sql } from "kysely";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag, UploadId } from "../../domain/names.ts";
import type { Generation, Nouns, RepositorySettings, StagingId } from "../../domain/registry/ports.ts";
import { metadataContract } from "./contract.ts";
import { metadata as createMetadata } from "./metadata.ts";
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
const blob = { digest, generation: "g" as Generation, sizeBytes: 1, since: now };

/** Every verb, each with arguments that reach every statement of it. */
const verbs: Record<string, (nouns: Nouns) => Promise<unknown>> = {
  "repositories.create": ({ repositories }) =>
    repositories.create({ registry, name, createdAt: now, ...settings }, new Map([["a", "b"]])),
  "repositories.find": ({ repositories }) => repositories.find(registry, name),
  "repositories.list": ({ repositories }) => repositories.list(registry, { limit: 9 }),
  "repositories.update": ({ repositories }) => repositories.update(1, settings),
  "repositories.resourceTags": ({ repositories }) => repositories.resourceTags(1),
  "repositories.removeResourceTags": ({ repositories }) => repositories.removeResourceTags(1, ["b", "c"]),
  "layers.link": ({ layers }) => layers.link(1, blob, now),
  "layers.find": ({ layers }) => layers.find(1, digest),
  "layers.findMany": ({ layers }) => layers.findMany(1, [digest]),
  "layers.holders": ({ layers }) => layers.holders(registry, digest, 9),
  "uploads.create": ({ uploads }) =>
    uploads.create({
      id: uploadId,
      repositoryId: 1,
      owner: { account: registry.account, arn: "arn", id: "id" },
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
  "images.locate by digest": ({ images }) => images.locate(registry, name, { digest }),
  "images.locate by tag": ({ images }) => images.locate(registry, name, { tag }),
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
  "images.delete": ({ images }) => images.delete({ id: 1, repositoryId: 1 }, now),
  "layers.unlink": ({ layers }) => layers.unlink(1, digest, now),
  "layers.touch": ({ layers }) => layers.touch(1, [digest], now),
  "blobs.find": ({ blobs }) => blobs.find(digest),
  "blobs.list": ({ blobs }) => blobs.list({ limit: 9 }),
  "blobs.quarantined": ({ blobs }) => blobs.quarantined({ limit: 9 }),
  "blobs.holders": ({ blobs }) => blobs.holders(digest, 9),
  "blobs.quarantine": ({ blobs }) => blobs.quarantine(blob, now),
  "blobs.acquit": ({ blobs }) => blobs.acquit(blob),
  "blobs.heal": async ({ blobs, layers }) => {
    await layers.link(1, blob, now);
    await blobs.quarantine(blob, now);
    await blobs.heal({ ...blob, generation: "h" as Generation });
  },
  "blobs.strays": ({ blobs }) => blobs.strays([blob]),
  "garbage.links": ({ garbage }) => garbage.links(now, 9),
  "garbage.unlink": ({ garbage }) => garbage.unlink({ repositoryId: 1, digest, since: now }, now),
  "garbage.blobs": ({ garbage }) => garbage.blobs(now, 9),
  "garbage.forget": ({ garbage }) => garbage.forget(blob, now),
  "garbage.removals": ({ garbage }) => garbage.removals({ after: blob, limit: 9 }),
  "garbage.removed": ({ garbage }) => garbage.removed([blob]),
  "garbage.forecast": ({ garbage }) => garbage.forecast(now, { limit: 9 }),
  "garbage.waiting": ({ garbage }) => garbage.waiting(),
  "garbage.deleted": ({ garbage }) => garbage.deleted(9),
  "garbage.purge": ({ garbage }) => garbage.purge(1, 9, now),
  "inspection.totals": ({ inspection }) => inspection.totals(),
  "inspection.images": ({ inspection }) => inspection.images({ after: 1, limit: 9 }),
  "inspection.manifest": ({ inspection }) => inspection.manifest(1),
  "inspection.tags": ({ inspection }) => inspection.tags({ after: { repositoryId: 1, tag }, limit: 9 }),
  "inspection.dependents": ({ inspection }) => inspection.dependents(digest, 9),
  "inspection.recount": ({ inspection }) => inspection.recount(1),
  "repositories.delete": ({ repositories }) => repositories.delete(1),
};

test("every statement finds its rows by an index, in the order asked for", async () => {
  await withPath(async (path) => {
    await (await openSqlite({ path })).close();
    const connection = await SqliteConnection.open(path);
    const ran: { verb: string; sql: string; parameters: readonly unknown[] }[] = [];
    let verb = "";
    const db = new Kysely<Schema>({
      dialect: sqliteDialect({ connection, synchronous: "NORMAL", reads: false }),
      log: ({ query }) => {
        ran.push({ verb, sql: query.sql, parameters: query.parameters });
      },
    });
    for (const [name, run] of Object.entries(verbs)) {
      verb = name;
      await run(nouns(db, sqliteFlavour));
    }
    const planned = ran.flatMap(({ verb, sql: text, parameters }) => {
      const rows = connection.explain(text, parameters);
      return rows.map((step) => `${verb}: ${step}`);
    });
    connection.close();

    // What came with the statement, or is a page already, or a short queue, may be read from end to end; tables may not,
    // but by who asks how large they are.
    const isSmall =
      /SCAN (?:json_each VIRTUAL TABLE|CONSTANT ROW|pulled|page|blob_removal)|images.listIds.*TEMP B-TREE|^inspection.totals/;
    const bad = planned.filter((step) => /SCAN|TEMP B-TREE|AUTOMATIC/.test(step) && !isSmall.test(step));
    expect(bad).toEqual([]);
    expect(planned.filter((step) => step.includes("SEARCH")).length).toBeGreaterThan(60);
  });
});

test("every foreign key has an index that begins with it", async () => {
  await withPath(async (path) => {
    await (await openSqlite({ path })).close();
    const database = new Database(path, { readonly: true });
    const all = <Row>(text: string) => database.prepare(text).all() as Row[];
    const uncovered: string[] = [];
    let keys = 0;
    for (const { name: table } of all<{ name: string }>("select name from sqlite_schema where type = 'table'")) {
      const indexes = all<{ name: string }>(`pragma index_list(${table})`).map(({ name }) =>
        all<{ name: string }>(`pragma index_info(${name})`).map((column) => column.name),
      );
      // An integer primary key is the table itself and has no entry in the list.
      indexes.push(
        all<{ name: string; pk: number }>(`pragma table_info(${table})`)
          .filter(({ pk }) => pk)
          .map((c) => c.name),
      );
      const columns = Map.groupBy(
        all<{ id: number; seq: number; from: string }>(`pragma foreign_key_list(${table})`),
        ({ id }) => id,
      );
      for (const key of columns.values()) {
        keys++;
        const from = key.sort((a, b) => a.seq - b.seq).map((column) => column.from);
        if (!indexes.some((index) => from.every((column, at) => index[at] === column)))
          uncovered.push(`${table}(${from})`);
      }
    }
    database.close();
    expect(uncovered).toEqual([]);
    expect(keys).toBeGreaterThan(10);
  });
});

describe("a file", () => {
  test("keeps everything when it is closed and opened again, and is whole without its log", async () => {
    await withPath(async (path) => {
      const first = await openSqlite({ path });
      await first.transact(({ settings }) => settings.set(registry, "a", "b"), { durable: false });
      await first.close();
      expect(await readdir(join(path, ".."))).toEqual(["berth.sqlite"]);
      const second = await openSqlite({ path });
      expect(await second.read.settings.get(registry, "a")).toBe("b");
      await second.close();
    });
  });

  test("answers a durable transaction after its sync, and another at once", async () => {
    await withPath(async (path) => {
      const engine = await openSqliteEngine({ path });
      const sync = Promise.withResolvers<void>();
      const held = createMetadata({ ...engine, settle: () => sync.promise });
      const set = (value: string, durable: boolean) =>
        held.transact(({ settings }) => settings.set(registry, "a", value), { durable });
      await set("relaxed", false);
      let answered = false;
      const durable = set("durable", true).then(() => {
        answered = true;
      });
      await Bun.sleep(20);
      // Committed, so that others go on; not acknowledged, so that nobody counts on it.
      expect(await held.read.settings.get(registry, "a")).toBe("durable");
      expect(answered).toBe(false);
      sync.resolve();
      await durable;
      await engine.settle();
      await engine.close();
    });
  });

  test("syncs by itself in every durable commit where the log cannot be synced beside it", async () => {
    const connection = await SqliteConnection.open(":memory:");
    const synchronousOf = async (synchronous: "FULL" | "NORMAL") => {
      const db = new Kysely<Schema>({ dialect: sqliteDialect({ connection, synchronous, reads: false }) });
      const transaction = await db.startTransaction().execute();
      const { rows } = await sql<{ synchronous: number }>`pragma synchronous`.execute(transaction);
      await transaction.commit().execute();
      return rows[0]?.synchronous;
    };
    const normal = 1;
    const full = 2;
    expect(await synchronousOf("FULL")).toBe(full);
    expect(await synchronousOf("NORMAL")).toBe(normal);
    expect(await synchronousOf("FULL")).toBe(full);
    connection.close();
  });

  test("that is full keeps nothing of the transaction, even if the work does not mind", async () => {
    await withPath(async (path) => {
      const engine = await openSqliteEngine({ path });
      const metadata = createMetadata(engine);
      const { rows } = await sql<{ page_count: number }>`pragma page_count`.execute(engine.durable);
      await sql`pragma max_page_count = ${sql.lit(rows[0]?.page_count ?? 0)}`.execute(engine.durable);
      const work = metadata.transact(async ({ settings }) => {
        await settings.set(registry, "before", "1");
        await settings.set(registry, "large", "x".repeat(100_000)).catch(() => {});
        await settings.set(registry, "after", "1").catch(() => {});
      });
      await expect(work).rejects.toThrow("transaction");
      expect(await metadata.read.settings.get(registry, "before")).toBeUndefined();
      expect(await metadata.read.settings.get(registry, "after")).toBeUndefined();
      await metadata.transact(({ settings }) => settings.set(registry, "small", "1"));
      await metadata.close();
    });
  });

  test("from a newer Berth is refused by name and left alone", async () => {
    await withPath(async (path) => {
      await (await openSqlite({ path })).close();
      const newer = new Database(path);
      const insert = newer.prepare("insert into kysely_migration (name, timestamp) values (?, '2099-01-01')");
      insert.run("9998_future");
      insert.run("9999_far_future");
      newer.close();
      const opening = openSqlite({ path });
      await expect(opening).rejects.toThrow(DatabaseTooNew);
      await expect(opening).rejects.toMatchObject({ migrations: ["9998_future", "9999_far_future"] });
    });
  });

  test("that is no database is refused", async () => {
    await withPath(async (path) => {
      await Bun.write(path, "not a database, but long enough to have a header of its own".repeat(20));
      await expect(openSqlite({ path })).rejects.toThrow("not a database");
    });
  });

  test("that another process is writing to is waited for, and read meanwhile", async () => {
    await withPath(async (path) => {
      const metadata = await openSqlite({ path });
      const other = new Database(path);
      other.run("begin immediate");
      other.run("insert into account_setting values ('000000000001', 'eu-west-1', 'a', 'theirs')");
      const writing = metadata.transact(async ({ settings }) => {
        const theirs = await settings.get(registry, "a");
        await settings.set(registry, "a", "ours");
        return theirs;
      });
      for (let reads = 0; reads < 20; reads++) {
        expect(await metadata.read.settings.get(registry, "a")).toBeUndefined();
        await Bun.sleep(1);
      }
      other.run("commit");
      expect(await writing).toBe("theirs");
      expect(await metadata.read.settings.get(registry, "a")).toBe("ours");
      other.close();
      await metadata.close();
    });
  });

  test("keeps more statements in use than it keeps prepared", async () => {
    await withPath(async (path) => {
      const metadata = await openSqlite({ path });
      const expected = new Map<string, string>();
      await metadata.transact(async ({ repositories }) => {
        await repositories.create({ registry, name, createdAt: now, ...settings }, new Map());
        // Each number of tags is a statement of its own.
        for (let count = 1; count <= 300; count++) {
          expected.set(`key ${count}`, "value");
          await repositories.setResourceTags(1, expected);
        }
      });
      expect((await metadata.read.repositories.resourceTags(1)).size).toBe(300);
      await metadata.close();
    });
  });
});

describe("processes that share a file", () => {
  /** Other processes start as fast as the machine lets them. */
  const timeoutMs = 30_000;
  const entry = join(import.meta.dir, "sqlite.ts");
  const start = (path: string, script: string) =>
    Bun.spawn([process.execPath, "-e", `import { openSqlite } from ${JSON.stringify(entry)};${script}`], {
      env: { ...process.env, DATABASE: path },
      stdout: "pipe",
      stderr: "inherit",
    });

  test(
    "may start at once and all write",
    async () => {
      await withPath(async (path) => {
        const script = `
        const metadata = await openSqlite({ path: process.env.DATABASE });
        const registry = { account: "000000000001", region: "eu-west-1" };
        for (let count = 0; count < 50; count++) {
          await metadata.transact(async ({ settings }) => {
            const before = Number(await settings.get(registry, "count") ?? 0);
            await settings.set(registry, "count", String(before + 1));
          }, { durable: count % 2 === 0 });
        }
        await metadata.close();`;
        const exits = await Promise.all([1, 2, 3].map(() => start(path, script).exited));
        expect(exits).toEqual([0, 0, 0]);
        const metadata = await openSqlite({ path });
        expect(await metadata.read.settings.get(registry, "count")).toBe("150");
        await metadata.close();
      });
    },
    timeoutMs,
  );

  test(
    "lose nothing acknowledged when one is killed",
    async () => {
      await withPath(async (path) => {
        const script = `
        const metadata = await openSqlite({ path: process.env.DATABASE });
        const registry = { account: "000000000001", region: "eu-west-1" };
        for (let count = 1; ; count++) {
          await metadata.transact(({ settings }) => settings.set(registry, String(count), "kept"));
          process.stdout.write(count + "\\n");
        }`;
        const writer = start(path, script);
        let output = "";
        const decoder = new TextDecoder();
        for await (const chunk of writer.stdout) {
          output += decoder.decode(chunk, { stream: true });
          if (output.split("\n").length > 100) writer.kill("SIGKILL");
        }
        await writer.exited;
        const acknowledged = output.split("\n").slice(0, -1);
        const metadata = await openSqlite({ path });
        for (const count of acknowledged) expect(await metadata.read.settings.get(registry, count)).toBe("kept");
        await metadata.close();
      });
    },
    timeoutMs,
  );
});

test("a full disk is told apart from other failures", () => {
  const database = new Database(":memory:");
  database.run("create table filler (bytes blob)");
  database.run("pragma max_page_count = 4");
  const fill = () => database.run("insert into filler values (zeroblob(100000))");
  expect(fill).toThrow();
  try {
    fill();
  } catch (error) {
    expect(sqliteFlavour.isFull(error)).toBe(true);
  }
  expect(sqliteFlavour.isFull(new Error("full"))).toBe(false);
  database.close();
});
