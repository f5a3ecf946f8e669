import { type FileHandle, open } from "node:fs/promises";
import { Kysely, sql } from "kysely";
import type { Flavour, List } from "./flavour.ts";
import { GroupSync } from "./group-sync.ts";
import { type AllMetadata, type Engine, metadata } from "./metadata.ts";
import { migrate } from "./migrations.ts";
import type { Schema } from "./schema.ts";
import { isBusy, isFull, SqliteConnection, type SqliteUse, type Synchronous, sqliteDialect } from "./sqlite-driver.ts";

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
  amongList: (column, list) => sql`${sql.ref(column)} in (select value from json_each(${list}))`,
  list: (values) => JSON.stringify(values) as unknown as List,
  // A transaction holds the write lock of the whole file from its beginning.
  forUpdate: (query) => query,
  forShare: (query) => query,
  skippingLocked: (query) => query,
  forKeyShare: (query) => query,
  lockTag: async () => {},
  isWorthRetrying: isBusy,
  isFull,
};

/**
 * Opens, or makes, the database in the file `path`. One connection writes and another reads, so reads never wait for a
 * transaction. `:memory:` has only the one: there a read waits, and a transaction must not wait for a read.
 */
export async function openSqlite(options: { path: string }): Promise<AllMetadata> {
  return metadata(await openSqliteEngine(options));
}

export async function openSqliteEngine({ path }: { path: string }): Promise<Engine> {
  const writer = await SqliteConnection.open(path);
  let reader = writer;
  try {
    await migrate(kyselyOn(writer, "FULL"), sqliteFlavour);
    // A file that may be read but not written is better told now than at the first push.
    await writer.begin("FULL");
    writer.rollback();
    if (path !== ":memory:") reader = await SqliteConnection.open(path);
  } catch (error) {
    writer.close();
    throw error;
  }
  writer.neverBlock();
  // Where the log can be synced beside SQLite, one sync serves many commits, and none of them holds up the event loop.
  const log = path !== ":memory:" && process.platform === "linux" ? writeAheadLog(path) : undefined;

  return {
    flavour: sqliteFlavour,
    reader: kyselyOn(reader, "NORMAL", reader === writer ? "shared" : "alone"),
    durable: kyselyOn(writer, log ? "NORMAL" : "FULL"),
    relaxed: kyselyOn(writer, "NORMAL"),
    settle: async () => log?.settle(),
    ping: async () => reader.ping(),
    damages: async () => reader.damages(),
    close: once(async () => {
      const release = await writer.mutex.acquire();
      await log?.close();
      if (reader !== writer) reader.close();
      try {
        writer.checkpoint();
      } catch {
        // The next start reads the log as well.
      }
      writer.close();
      release();
    }),
  };
}

function kyselyOn(connection: SqliteConnection, synchronous: Synchronous, reads: SqliteUse["reads"] = false) {
  return new Kysely<Schema>({ dialect: sqliteDialect({ connection, synchronous, reads }) });
}

/**
 * The log that commits are written to first (SQLite documentation, "Write-Ahead Logging"). A commit survives a power cut
 * when its frames do: SQLite then finds them at the next start. A file of that name is there, and stays the same one, as
 * long as a connection is open.
 */
function writeAheadLog(path: string) {
  let opened: Promise<FileHandle> | undefined;
  const group = new GroupSync(async () => {
    opened ??= open(`${path}-wal`, "r+");
    await (await opened).datasync();
  });
  return {
    settle: () => group.settle(),
    async close() {
      if (!opened) return;
      // Nobody's sync is cut off.
      await group.settle().catch(() => {});
      await (await opened.catch(() => undefined))?.close();
    },
  };
}

function once(close: () => Promise<void>): () => Promise<void> {
  let closing: Promise<void> | undefined;
  return () => {
    closing ??= close();
    return closing;
  };
}
