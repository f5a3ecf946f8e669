import { Database } from "bun:sqlite";
import { describe, expect, test } from "bun:test";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Kysely, sql } from "kysely";
import type { AccountId, Region, Registry, RepositoryName } from "../../domain/names.ts";
import type { RepositorySettings } from "../../domain/registry/ports.ts";
import { auditContract } from "./audit-contract.ts";
import { cacheContract } from "./cache-contract.ts";
import { metadataContract } from "./contract.ts";
import { creationTemplateContract } from "./creation-template-contract.ts";
import { identityContract } from "./identity-contract.ts";
import { jobContract } from "./job-contract.ts";
import { keyContract } from "./key-contract.ts";
import { lifecycleContract } from "./lifecycle-contract.ts";
import { metadata as createMetadata } from "./metadata.ts";
import { migrationContract } from "./migration-contract.ts";
import { DatabaseTooNew } from "./migrations.ts";
import { pullThroughContract } from "./pull-through-contract.ts";
import { replicationContract } from "./replication-contract.ts";
import { retentionContract } from "./retention-contract.ts";
import { scanningContract } from "./scanning-contract.ts";
import type { Schema } from "./schema.ts";
import { scopeContract } from "./scope-contract.ts";
import { secretContract } from "./secret-contract.ts";
import { openSqlite, openSqliteEngine, sqliteFlavour } from "./sqlite.ts";
import { SqliteConnection, sqliteDialect } from "./sqlite-driver.ts";
import { storageClassContract } from "./storage-class-contract.ts";
import { usageContract } from "./usage-contract.ts";

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

async function openInFile() {
  const folder = await newFolder();
  const metadata = await openSqlite({ path: join(folder, "berth.sqlite") });
  return {
    metadata,
    async dispose() {
      await metadata.close();
      await rm(folder, { recursive: true });
    },
  };
}

async function openInMemory() {
  const metadata = await openSqlite({ path: ":memory:" });
  return { metadata, dispose: () => metadata.close() };
}

metadataContract("SQLite in a file", openInFile);
identityContract("SQLite in a file", openInFile);
metadataContract("SQLite in memory", openInMemory, { readsTakeTurns: true });
identityContract("SQLite in memory", openInMemory);
keyContract("SQLite in a file", openInFile);
keyContract("SQLite in memory", openInMemory);
auditContract("SQLite in a file", openInFile);
auditContract("SQLite in memory", openInMemory);
lifecycleContract("SQLite in a file", openInFile);
creationTemplateContract("SQLite in a file", openInFile);
lifecycleContract("SQLite in memory", openInMemory);
creationTemplateContract("SQLite in memory", openInMemory);
scanningContract("SQLite in a file", openInFile);
cacheContract("SQLite in a file", openInFile);
scanningContract("SQLite in memory", openInMemory);
cacheContract("SQLite in memory", openInMemory);
pullThroughContract("SQLite in a file", openInFile);
pullThroughContract("SQLite in memory", openInMemory);
secretContract("SQLite in a file", openInFile);
secretContract("SQLite in memory", openInMemory);
storageClassContract("SQLite in a file", openInFile);
storageClassContract("SQLite in memory", openInMemory);
jobContract("SQLite in a file", openInFile);
jobContract("SQLite in memory", openInMemory);
usageContract("SQLite in a file", openInFile);
usageContract("SQLite in memory", openInMemory);
scopeContract("SQLite in a file", openInFile);
replicationContract("SQLite in a file", openInFile);
replicationContract("SQLite in memory", openInMemory);
retentionContract("SQLite in a file", openInFile);
retentionContract("SQLite in memory", openInMemory);
scopeContract("SQLite in memory", openInMemory);
migrationContract("SQLite", async () => {
  const connection = await SqliteConnection.open(":memory:");
  const db = new Kysely<Schema>({ dialect: sqliteDialect({ connection, synchronous: "NORMAL", reads: false }) });
  return { db, flavour: sqliteFlavour, close: async () => connection.close() };
});

const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const settings: RepositorySettings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false };
const name = "app" as RepositoryName;
const now = new Date(0);

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
        await repositories.create(
          { registry, name, createdAt: now, encryption: { type: "AES256" }, ...settings },
          new Map(),
        );
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
