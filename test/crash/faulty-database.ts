import { Database } from "bun:sqlite";
import { CompiledQuery, type DatabaseConnection, type Driver, Kysely, SelectQueryNode } from "kysely";
import type { Engine } from "../../src/storage/metadata/metadata.ts";
import type { Schema } from "../../src/storage/metadata/schema.ts";
import { type SqliteConnection, sqliteDialect } from "../../src/storage/metadata/sqlite-driver.ts";
import type { Faults } from "./faults.ts";

/**
 * The engine as Berth gets it: the same connections, with a step before and after each thing that they do. Rollbacks are
 * none: the files are the same before and after, and SQLite's cannot fail.
 */
export function faultyEngine(engine: Engine, faults: Faults): Engine {
  return {
    ...engine,
    reader: over(engine.reader, faults, "read"),
    durable: over(engine.durable, faults, "durable"),
    relaxed: over(engine.relaxed, faults, "relaxed"),
  };
}

type Use = "read" | "durable" | "relaxed";

function over(db: Kysely<Schema>, faults: Faults, use: Use): Kysely<Schema> {
  const { createAdapter, createIntrospector, createQueryCompiler } = sqliteDialect({} as never);
  return new Kysely<Schema>({
    dialect: { createAdapter, createIntrospector, createQueryCompiler, createDriver: () => driver(db, faults, use) },
  });
}

class FaultyConnection implements DatabaseConnection {
  readonly inner: SqliteConnection;
  readonly release: () => void;
  readonly #faults: Faults;
  readonly #use: Use;

  constructor(inner: SqliteConnection, release: () => void, faults: Faults, use: Use) {
    this.inner = inner;
    this.release = release;
    this.#faults = faults;
    this.#use = use;
  }

  async executeQuery<Row>(query: CompiledQuery) {
    const isSelect = SelectQueryNode.is(query.query);
    const what = this.#use === "read" ? "read" : isSelect ? "select in a transaction" : "change in a transaction";
    try {
      return await this.#faults.around(what, () => this.inner.executeQuery<Row>(query), databaseFailure);
    } catch (error) {
      // However it failed, the connection must know that it did.
      if (this.#use !== "read") await this.inner.executeQuery(CompiledQuery.raw("no statement")).catch(() => {});
      throw error;
    }
  }

  // biome-ignore lint/correctness/useYield: Kysely asks for the method, and Berth never streams
  async *streamQuery(): AsyncGenerator<never> {
    throw new Error("Streaming is not supported");
  }
}

function driver(db: Kysely<Schema>, faults: Faults, use: Use): Driver {
  const taken = (connection: DatabaseConnection) => connection as FaultyConnection;
  return {
    async init() {},
    async acquireConnection() {
      faults.alive();
      const { promise: given, resolve: give, reject } = Promise.withResolvers<FaultyConnection>();
      const { promise: released, resolve: release } = Promise.withResolvers<void>();
      const hold = async (connection: DatabaseConnection) => {
        give(new FaultyConnection(connection as SqliteConnection, release, faults, use));
        await released;
      };
      db.getExecutor().provideConnection(hold).catch(reject);
      return given;
    },
    async releaseConnection(connection) {
      taken(connection).release();
    },
    async beginTransaction(connection) {
      const { inner } = taken(connection);
      try {
        // As on Linux, where the log is synced beside SQLite.
        await faults.around("begin", () => inner.begin("NORMAL"), databaseFailure);
      } catch (error) {
        // Whoever is told that it did not begin does not end it.
        inner.rollback();
        throw error;
      }
    },
    async commitTransaction(connection) {
      await faults.around(`${use} commit`, async () => taken(connection).inner.commit(), databaseFailure);
    },
    async rollbackTransaction(connection) {
      taken(connection).inner.rollback();
    },
    async destroy() {},
  };
}

/** SQLite's own error where Berth looks at it; nobody looks at the others. */
function databaseFailure(code: string): Error {
  if (code === "ENOSPC") return sqliteIsFull();
  return Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" });
}

let full: Error | undefined;

/** Only SQLite can make one. */
function sqliteIsFull(): Error {
  if (full) return full;
  const database = new Database(":memory:");
  try {
    database.run("create table filler (bytes blob)");
    database.run("pragma max_page_count = 4");
    database.run("insert into filler values (zeroblob(100000))");
  } catch (error) {
    full = error as Error;
    return full;
  } finally {
    database.close();
  }
  throw new Error("the database should have been full");
}
