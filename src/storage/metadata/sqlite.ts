import { Kysely, sql } from "kysely";
import type { Metadata } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { type Engine, metadata } from "./metadata.ts";
import { migrate } from "./migrations.ts";
import type { Schema } from "./schema.ts";
import { isBusy, isFull, SqliteConnection, sqliteDialect } from "./sqlite-driver.ts";

export const sqliteFlavour: Flavour = {
  types: {
    // AUTOINCREMENT, because a plain rowid is given again after the newest row is deleted.
    id: sql`integer not null primary key autoincrement`,
    integer: sql`integer`,
    text: sql`text`,
    bytes: sql`blob`,
    table: sql`strict`,
    orderedTable: sql`strict, without rowid`,
  },
  among: (column, values) => sql`${sql.ref(column)} in (select value from json_each(${JSON.stringify(values)}))`,
  // A transaction holds the write lock of the whole file from its beginning.
  forUpdate: (query) => query,
  lockTag: async () => {},
  isWorthRetrying: isBusy,
  isFull,
};

/**
 * Opens, or makes, the database in the file `path`. One connection writes and another reads, so reads never wait for a
 * transaction. `:memory:` has only the one: there a read waits, and a transaction must not wait for a read.
 */
export async function openSqlite(options: { path: string }): Promise<Metadata> {
  return metadata(await openSqliteEngine(options));
}

export async function openSqliteEngine({ path }: { path: string }): Promise<Engine> {
  const writer = await SqliteConnection.open(path);
  let reader = writer;
  const durable = new Kysely<Schema>({
    dialect: sqliteDialect({ connection: writer, synchronous: "FULL", reads: false }),
  });
  try {
    await migrate(durable, sqliteFlavour);
    if (path !== ":memory:") reader = await SqliteConnection.open(path);
  } catch (error) {
    writer.close();
    throw error;
  }
  writer.neverBlock();

  return {
    flavour: sqliteFlavour,
    reader: new Kysely<Schema>({
      dialect: sqliteDialect({
        connection: reader,
        synchronous: "NORMAL",
        reads: reader === writer ? "shared" : "alone",
      }),
    }),
    durable,
    relaxed: new Kysely<Schema>({
      dialect: sqliteDialect({ connection: writer, synchronous: "NORMAL", reads: false }),
    }),
    ping: async () => reader.ping(),
    close: once(async () => {
      const release = await writer.mutex.acquire();
      if (reader !== writer) reader.close();
      writer.checkpoint();
      writer.close();
      release();
    }),
  };
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}
