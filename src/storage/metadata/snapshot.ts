import { Database, type SQLQueryBindings } from "bun:sqlite";
import { constants } from "node:fs";
import { mkdir, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import type pg from "pg";
import type { Digest } from "../../domain/names.ts";
import type { BlobId, BlobName, StoredBlob } from "../../domain/registry/ports.ts";
import { closing, openFile, realDisk, syncFolder } from "../blobs/disk.ts";
import { isPostgres, sqlitePath } from "./index.ts";
import { openPostgresEngine, withPostgres } from "./postgres.ts";
import { openSqliteEngine } from "./sqlite.ts";
import { type Table, tablesIn } from "./tables.ts";

/**
 * The whole metadata as one SQLite file, whichever database it comes from or goes to. Tables and columns are read from
 * the file, so that a migration needs no word here.
 */

type Row = Record<string, SQLQueryBindings>;

/** Manifests have up to 4 MiB each. */
const largeRowsAtOnce = 16;
const rowsAtOnce = 500;

/**
 * Writes what is committed now into the new file `path`, which only we may read; durable when it returns. Others go on
 * meanwhile: SQLite's log and PostgreSQL's versions keep for us what they change.
 */
export async function takeSnapshot(databaseUrl: string, path: string): Promise<void> {
  const { O_RDWR, O_CREAT, O_EXCL } = constants;
  await closing(await openFile(realDisk, path, O_RDWR | O_CREAT | O_EXCL), async () => {});
  if (isPostgres(databaseUrl)) await exportPostgres(databaseUrl, path);
  else copySqlite(sqlitePath(databaseUrl), path);
  await sync(path);
}

/**
 * Makes the snapshot the content of a database that is empty, all or nothing; durable when it returns.
 * @throws DatabaseOccupied
 */
export async function loadSnapshot(path: string, databaseUrl: string): Promise<void> {
  const occupied = await occupant(databaseUrl);
  if (occupied !== undefined) throw new DatabaseOccupied(occupied);
  if (isPostgres(databaseUrl)) return importPostgres(path, databaseUrl);
  const target = sqlitePath(databaseUrl);
  await mkdir(dirname(target), { recursive: true, mode: 0o700 });
  const temporary = `${target}.restoring`;
  await rm(temporary, { force: true });
  await takeSnapshot(`sqlite:${path}`, temporary);
  // A log without its database belongs to no one, and would be taken for this one's.
  for (const end of ["-wal", "-shm"]) await rm(`${target}${end}`, { force: true });
  await rename(temporary, target);
  await syncFolder(realDisk, dirname(target));
}

export class DatabaseOccupied extends Error {
  override readonly name = "DatabaseOccupied";
}

/** What keeps the database from being filled, `undefined` where it is empty or not there. */
export async function occupant(databaseUrl: string): Promise<string | undefined> {
  if (!isPostgres(databaseUrl)) {
    const path = sqlitePath(databaseUrl);
    return (await Bun.file(path).exists()) ? `there is a database ${path}` : undefined;
  }
  return withPostgres(databaseUrl, async (client) => {
    const { rows } = await client.query(
      "select tablename as name from pg_tables where schemaname = current_schema() and tablename not like 'kysely%'",
    );
    for (const { name } of rows as { name: string }[]) {
      const some = await client.query(`select 1 from ${quoted(name)} limit 1`);
      if (some.rows.length > 0) return `the database has rows in its table ${name}`;
    }
    return undefined;
  });
}

/** Blobs that a snapshot names. */
export interface SnapshotBlobs {
  readonly totals: { readonly blobs: number; readonly blobBytes: number };
  /** By digest and scope, ascending by byte value. */
  list(): Iterable<StoredBlob & BlobName & { readonly isQuarantined: boolean }>;
  /** Lets a record name another copy of its content. */
  rename(blob: BlobId & BlobName): void;
  /** The copies of `digests` that it names. */
  among(digests: readonly Digest[]): BlobId[];
  close(): void;
}

/** Reads the file and, but for `rename`, leaves it as it is, also one of an earlier version. */
export function openSnapshot(path: string): SnapshotBlobs {
  const database = new Database(path, { readonly: true });
  const scope = hasColumn(database, "blob", "key_scope") ? "key_scope" : "''";
  const page = database.prepare(
    `select digest, ${scope} as scope, generation, size_bytes, quarantined_at from blob
      where (digest, ${scope}) > (?, ?) order by digest, scope limit ?`,
  );
  const named = database.prepare(
    "select digest, generation from blob where digest in (select value from json_each(?))",
  );
  const [totals] = database
    .prepare("select count(*) as blobs, coalesce(sum(size_bytes), 0) as blobBytes from blob")
    .all();
  return {
    totals: totals as SnapshotBlobs["totals"],
    *list() {
      for (let after = { digest: "", scope: "" }; ; ) {
        const rows = page.all(after.digest, after.scope, rowsAtOnce) as (Row & BlobName)[];
        for (const { digest, scope, generation, size_bytes, quarantined_at } of rows) {
          yield {
            digest,
            scope,
            generation: generation as StoredBlob["generation"],
            sizeBytes: size_bytes as number,
            isQuarantined: quarantined_at !== null,
          };
        }
        const last = rows.at(-1);
        if (!last) return;
        after = last;
      }
    },
    rename({ digest, scope, generation }) {
      const writing = new Database(path, { readwrite: true });
      try {
        writing
          .prepare("update blob set generation = ?, quarantined_at = null where digest = ? and key_scope = ?")
          .run(generation, digest, scope);
      } finally {
        writing.close();
      }
    },
    among: (digests) => named.all(JSON.stringify(digests)) as BlobId[],
    close() {
      page.finalize();
      named.finalize();
      database.close();
    },
  };
}

function hasColumn(database: Database, table: string, column: string): boolean {
  return database.prepare("select 1 from pragma_table_info(?) where name = ?").get(table, column) !== null;
}

/** SQLite reads one state of the file, page by page, and writes it without gaps (SQLite documentation, "VACUUM INTO"). */
function copySqlite(from: string, to: string): void {
  const database = new Database(from, { readonly: true });
  try {
    database.run("pragma busy_timeout = 5000");
    database.prepare("vacuum into ?").run(to);
  } finally {
    database.close();
  }
}

async function exportPostgres(url: string, path: string): Promise<void> {
  await (await openSqliteEngine({ path })).close();
  const database = new Database(path, { readwrite: true });
  try {
    // One file, as a snapshot of SQLite is. It is synced at the end, and nobody uses it before.
    database.run("pragma journal_mode = delete");
    database.run("pragma synchronous = off");
    await withPostgres(url, async (client) => {
      await client.query("begin isolation level repeatable read read only");
      database.run("begin");
      for (const table of tablesIn(database)) {
        const insert = database.prepare(
          `insert into ${quoted(table.name)} (${listed(table.columns)}) values (${table.columns.map(() => "?").join(", ")})`,
        );
        for await (const rows of pagesOf(client, table)) {
          for (const row of rows) insert.run(...table.columns.map((column) => row[column] ?? null));
        }
        insert.finalize();
        const counter = await counterOf(client, table);
        if (counter) {
          const { rows } = await client.query(`select last_value as last, is_called as used from ${counter}`);
          const [{ last, used }] = rows as [{ last: number; used: boolean }];
          database.prepare("delete from sqlite_sequence where name = ?").run(table.name);
          const seq = used ? last : last - 1;
          database.prepare("insert into sqlite_sequence (name, seq) values (?, ?)").run(table.name, seq);
        }
      }
      database.run("commit");
      await client.query("rollback");
    });
  } finally {
    database.close();
  }
}

async function importPostgres(path: string, url: string): Promise<void> {
  await (await openPostgresEngine({ url, poolSize: 1 })).close();
  const database = new Database(path, { readonly: true });
  try {
    await withPostgres(url, async (client) => {
      await client.query("begin");
      for (const table of tablesIn(database)) {
        const order = listed(table.key);
        const rows = database.prepare(`select ${listed(table.columns)} from ${quoted(table.name)} order by ${order}`);
        for (const page of pagedBy(table, rows.iterate() as Iterable<Row>)) await insertAll(client, table, page);
        const counter = await counterOf(client, table);
        const found = counter && database.prepare("select seq from sqlite_sequence where name = ?").get(table.name);
        if (found) {
          const { seq } = found as { seq: number };
          // A counter that never counted has no value before its first.
          await client.query("select setval($1, $2, $3)", [counter, Math.max(1, seq), seq > 0]);
        }
      }
      await client.query("commit");
    });
  } finally {
    database.close();
  }
}

async function* pagesOf(client: pg.ClientBase, table: Table): AsyncIterable<Row[]> {
  const { name, columns, key, hasBytes } = table;
  const limit = hasBytes ? largeRowsAtOnce : rowsAtOnce;
  const places = key.map((_, index) => `$${index + 1}`).join(", ");
  for (let last: Row | undefined; ; ) {
    const behind = last ? `where (${listed(key)}) > (${places})` : "";
    const text = `select ${listed(columns)} from ${quoted(name)} ${behind} order by ${listed(key)} limit ${limit}`;
    const { rows }: { rows: Row[] } = await client.query(text, last ? key.map((column) => last?.[column]) : []);
    last = rows.at(-1);
    if (!last) return;
    yield rows;
  }
}

function* pagedBy({ hasBytes }: Table, rows: Iterable<Row>): Iterable<Row[]> {
  const limit = hasBytes ? largeRowsAtOnce : rowsAtOnce;
  let page: Row[] = [];
  for (const row of rows) {
    page.push(row);
    if (page.length < limit) continue;
    yield page;
    page = [];
  }
  if (page.length > 0) yield page;
}

async function insertAll(client: pg.ClientBase, { name, columns }: Table, rows: readonly Row[]): Promise<void> {
  const values = rows.flatMap((row) => columns.map((column) => row[column] ?? null));
  const places = rows.map((_, row) => `(${columns.map((_, at) => `$${row * columns.length + at + 1}`).join(", ")})`);
  await client.query(
    `insert into ${quoted(name)} (${listed(columns)}) overriding system value values ${places.join(", ")}`,
    values,
  );
}

/** The name of what counts the ids of the table up, where something does. */
async function counterOf(client: pg.ClientBase, { name, key }: Table): Promise<string | undefined> {
  if (key.length !== 1) return undefined;
  const { rows } = await client.query("select pg_get_serial_sequence($1, $2) as counter", [quoted(name), key[0]]);
  return (rows as { counter: string | null }[])[0]?.counter ?? undefined;
}

async function sync(path: string): Promise<void> {
  await closing(await openFile(realDisk, path, constants.O_RDWR), (file) => file.sync());
}

function quoted(name: string): string {
  return `"${name}"`;
}

function listed(columns: readonly string[]): string {
  return columns.map(quoted).join(", ");
}
