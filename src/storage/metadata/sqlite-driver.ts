import { Database, SQLiteError, type SQLQueryBindings, type Statement } from "bun:sqlite";
import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  type OperationNode,
  type QueryResult,
  SqliteAdapter,
  SqliteIntrospector,
  SqliteQueryCompiler,
} from "kysely";
import { refuseChanges, TransactionFailed } from "./metadata.ts";
import { Mutex } from "./mutex.ts";

/** How long to wait for another process that is writing, or starting up. */
const busyTimeoutMs = 5_000;
const busyPollMs = 10;
const statementCacheSize = 256;
const shownDamages = 20;

/** `FULL` syncs the write-ahead log on each commit; `NORMAL` leaves it to the next checkpoint or `FULL` commit. */
export type Synchronous = "FULL" | "NORMAL";

/** One connection to a SQLite file, with its prepared statements. */
export class SqliteConnection implements DatabaseConnection {
  readonly mutex = new Mutex();
  readonly #database: Database;
  readonly #statements = new Map<string, Statement>();
  #synchronous: Synchronous = "FULL";
  /** Told by Berth's own book: some errors, a full disk for one, end SQLite's transaction behind its back. */
  #transaction: "none" | "open" | "failed" = "none";

  private constructor(database: Database) {
    this.#database = database;
  }

  static async open(path: string): Promise<SqliteConnection> {
    const database = new Database(path, { create: true, readwrite: true });
    try {
      database.run(`pragma busy_timeout = ${busyTimeoutMs}`);
      // The switch to the write-ahead log does not wait for others by itself.
      await untilNotBusy(() => database.run("pragma journal_mode = wal"));
      database.run("pragma foreign_keys = on");
      database.run("pragma synchronous = full");
      // On macOS a sync reaches the disk's platter, not only its cache, when asked for like this. Elsewhere it is nothing.
      database.run("pragma fullfsync = on");
      database.run("pragma checkpoint_fullfsync = on");
    } catch (error) {
      database.close();
      throw error;
    }
    return new SqliteConnection(database);
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.#transaction === "failed") throw new TransactionFailed();
    try {
      return this.#execute(query);
    } catch (error) {
      if (this.#transaction === "open") this.#transaction = "failed";
      throw error;
    }
  }

  #execute<Row>(query: CompiledQuery): QueryResult<Row> {
    const statement = this.#prepare(query.sql);
    const parameters = query.parameters as SQLQueryBindings[];
    if (yieldsRows(query.query)) return { rows: statement.all(...parameters) as Row[] };
    const { changes } = statement.run(...parameters);
    return { rows: [], numAffectedRows: BigInt(changes) };
  }

  // biome-ignore lint/correctness/useYield: Kysely asks for the method, Berth pages instead of streaming
  async *streamQuery(): AsyncGenerator<never> {
    throw new Error("Streaming is not supported");
  }

  /**
   * Takes the file's write lock at once, since a transaction that begins by reading fails when another process writes
   * before it does. SQLite's own way to wait would stop the whole process meanwhile, so this asks again and again.
   */
  async begin(synchronous: Synchronous): Promise<void> {
    if (this.#synchronous !== synchronous) {
      this.#database.run(`pragma synchronous = ${synchronous}`);
      this.#synchronous = synchronous;
    }
    await untilNotBusy(() => this.#run("begin immediate"));
    this.#transaction = "open";
  }

  /**
   * SQLite undoes only the statement that failed and would commit the others. Work that minds no error must not leave
   * half of what a verb does, so the whole transaction fails, as it does in PostgreSQL.
   */
  commit(): void {
    if (this.#transaction === "failed") throw new TransactionFailed();
    this.#run("commit");
    this.#transaction = "none";
  }

  rollback(): void {
    this.#transaction = "none";
    if (this.#database.inTransaction) this.#run("rollback");
  }

  /** From here on a busy file is an error at once, which `begin` knows how to wait for. */
  neverBlock(): void {
    this.#database.run("pragma busy_timeout = 0");
  }

  /** How SQLite goes about a statement, step by step. */
  explain(text: string, parameters: readonly unknown[]): string[] {
    const plan = this.#prepare(`explain query plan ${text}`).all(...(parameters as SQLQueryBindings[]));
    return (plan as { detail: string }[]).map(({ detail }) => detail);
  }

  ping(): void {
    this.#run("select 1");
  }

  /** What is wrong with the file, and rows that refer to rows that are not there. Of each, the first few. */
  damages(): string[] {
    const pages = this.#prepare(`pragma quick_check(${shownDamages})`).all() as { quick_check: string }[];
    const rows = this.#prepare("pragma foreign_key_check").all() as { table: string; rowid: number; parent: string }[];
    return [
      ...pages.map(({ quick_check: text }) => text).filter((text) => text !== "ok"),
      ...rows.slice(0, shownDamages).map(({ table, rowid, parent }) => {
        return `a row of ${table} (${rowid ?? "without a number"}) refers to a row of ${parent} that is not there`;
      }),
    ];
  }

  /** Moves the whole write-ahead log into the file, as far as other processes let it. */
  checkpoint(): void {
    this.#prepare("pragma wal_checkpoint(truncate)").all();
  }

  close(): void {
    for (const statement of this.#statements.values()) statement.finalize();
    this.#statements.clear();
    this.#database.close();
  }

  #run(sql: string): void {
    this.#prepare(sql).run();
  }

  /** The most recently used are at the end of the map. */
  #prepare(sql: string): Statement {
    const known = this.#statements.get(sql);
    if (known !== undefined) this.#statements.delete(sql);
    const statement = known ?? this.#database.prepare(sql);
    this.#statements.set(sql, statement);
    if (this.#statements.size > statementCacheSize) this.#forgetOldest();
    return statement;
  }

  #forgetOldest(): void {
    for (const [sql, statement] of this.#statements) {
      statement.finalize();
      this.#statements.delete(sql);
      return;
    }
  }
}

export function isBusy(error: unknown): boolean {
  return error instanceof SQLiteError && (error.code ?? "").startsWith("SQLITE_BUSY");
}

export function isFull(error: unknown): boolean {
  return error instanceof SQLiteError && error.code === "SQLITE_FULL";
}

async function untilNotBusy(attempt: () => void): Promise<void> {
  const deadlineMs = performance.now() + busyTimeoutMs;
  for (;;) {
    try {
      return attempt();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadlineMs) throw error;
      await Bun.sleep(Math.random() * busyPollMs);
    }
  }
}

function yieldsRows(query: OperationNode): boolean {
  if (query.kind === "SelectQueryNode" || query.kind === "RawNode") return true;
  return "returning" in query && query.returning !== undefined;
}

/** How one Kysely uses a connection. Several may share one: the connection's mutex keeps them apart. */
export interface SqliteUse {
  readonly connection: SqliteConnection;
  readonly synchronous: Synchronous;
  /** Only selects; and where nobody else writes through the connection, they need not take turns. */
  readonly reads: "alone" | "shared" | false;
}

class SqliteDriver implements Driver {
  readonly #use: SqliteUse;
  readonly #releases = new WeakMap<DatabaseConnection, () => void>();

  constructor(use: SqliteUse) {
    this.#use = use;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<DatabaseConnection> {
    const { connection, reads } = this.#use;
    if (reads === "alone") return new SqliteReader(connection);
    const release = await connection.mutex.acquire();
    const acquired = reads === "shared" ? new SqliteReader(connection) : connection;
    this.#releases.set(acquired, release);
    return acquired;
  }

  async releaseConnection(connection: DatabaseConnection): Promise<void> {
    this.#releases.get(connection)?.();
  }

  async beginTransaction(): Promise<void> {
    await this.#use.connection.begin(this.#use.synchronous);
  }

  async commitTransaction(): Promise<void> {
    this.#use.connection.commit();
  }

  async rollbackTransaction(): Promise<void> {
    this.#use.connection.rollback();
  }

  /** Whoever opened the connection closes it. */
  async destroy(): Promise<void> {}
}

class SqliteReader implements DatabaseConnection {
  readonly #connection: SqliteConnection;

  constructor(connection: SqliteConnection) {
    this.#connection = connection;
  }

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    refuseChanges(query);
    return this.#connection.executeQuery(query);
  }

  streamQuery(): AsyncGenerator<never> {
    return this.#connection.streamQuery();
  }
}

class Adapter extends SqliteAdapter {
  /** The mutex of the connection does what Kysely would do for a single connection. */
  override get supportsMultipleConnections(): boolean {
    return true;
  }

  /** Makes a migration all or nothing. */
  override get supportsTransactionalDdl(): boolean {
    return true;
  }
}

export function sqliteDialect(use: SqliteUse): Dialect {
  return {
    createAdapter: () => new Adapter(),
    createDriver: () => new SqliteDriver(use),
    createIntrospector: (db) => new SqliteIntrospector(db),
    createQueryCompiler: () => new SqliteQueryCompiler(),
  };
}
