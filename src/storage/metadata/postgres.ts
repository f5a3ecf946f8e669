import { Kysely, sql } from "kysely";
import pg from "pg";
import type { Flavour, List } from "./flavour.ts";
import { type AllMetadata, type Engine, metadata } from "./metadata.ts";
import { migrate } from "./migrations.ts";
import { postgresDialect } from "./postgres-driver.ts";
import type { Schema } from "./schema.ts";

const defaultPoolSize = 10;
const connectionTimeoutMs = 10_000;
/** Every statement that serves a request finds its rows by an index; what takes this long is stuck behind a lock. */
const statementTimeoutMs = 30_000;
/** Frees the locks of a process that the network cut off in the middle of a transaction. */
const idleInTransactionTimeoutMs = 60_000;
const keepAliveDelayMs = 10_000;

/**
 * Serialization failure, deadlock, and the constraints that somebody else's commit can break between this transaction's
 * look and its write: foreign keys (a delete that one restricts has a state of its own since PostgreSQL 18) and unique ones.
 */
const retriedStates = new Set(["40001", "40P01", "23503", "23001", "23505"]);

export const postgresFlavour: Flavour = {
  types: {
    id: sql`bigint generated always as identity primary key`,
    integer: sql`bigint`,
    text: sql`text collate "C"`,
    bytes: sql`bytea`,
    table: sql``,
    orderedTable: sql``,
  },
  among: (column, values) => sql`${sql.ref(column)} = any(${values})`,
  amongList: (column, list) => sql`${sql.ref(column)} = any(${list})`,
  list: (values) => values as unknown as List,
  forUpdate: (query) => query.forUpdate() as typeof query,
  forShare: (query) => query.forShare() as typeof query,
  skippingLocked: (query) => query.forUpdate().skipLocked() as typeof query,
  forKeyShare: (query) => query.forKeyShare() as typeof query,
  async lockTag(db, repositoryId, tag) {
    const key = `${repositoryId}/${tag}`;
    await sql`select pg_advisory_xact_lock(hashtextextended(${key}, 0))`.execute(db);
  },
  isWorthRetrying: (error) => error instanceof pg.DatabaseError && retriedStates.has(error.code ?? ""),
  // disk_full (PostgreSQL documentation, appendix A).
  isFull: (error) => error instanceof pg.DatabaseError && error.code === "53100",
};

const { builtins } = pg.types;

/** Integers as numbers, since no id, time or size reaches 2^53; bytes in memory of their own, since they are cached. */
const types: pg.CustomTypesConfig = {
  getTypeParser(type, format) {
    if (format !== "binary" && type === builtins.INT8) return Number;
    if (format !== "binary" && type === builtins.BYTEA) return (text: string) => Uint8Array.fromHex(text.slice(2));
    return pg.types.getTypeParser(type, format);
  },
};

export interface PostgresOptions {
  readonly url: string;
  readonly poolSize?: number;
}

/** Opens the database `url` and brings it up to date. Many processes may do so at once. */
export async function openPostgres(options: PostgresOptions): Promise<AllMetadata> {
  return metadata(await openPostgresEngine(options));
}

export async function openPostgresEngine({ url, poolSize = defaultPoolSize }: PostgresOptions): Promise<Engine> {
  await migrateAlone(url);
  const pool = openPool({
    connectionString: url,
    max: poolSize,
    statement_timeout: statementTimeoutMs,
    idle_in_transaction_session_timeout: idleInTransactionTimeoutMs,
  });
  const use = (begin: string, selectsOnly = false) =>
    new Kysely<Schema>({ dialect: postgresDialect({ pool, begin, selectsOnly }) });

  return {
    flavour: postgresFlavour,
    reader: use("begin", true),
    durable: use("begin"),
    relaxed: use("begin; set local synchronous_commit = off"),
    // A commit answers when it is on the disk.
    settle: async () => {},
    ping: async () => {
      await pool.query("select 1");
    },
    // It has no such check for those who are not its administrators; it says of damaged pages when they are read.
    damages: async () => [],
    close: async () => {
      if (!pool.ending) await pool.end();
    },
  };
}

/** On a connection without a time limit: an index over a large table takes as long as it takes. */
async function migrateAlone(url: string): Promise<void> {
  const pool = openPool({ connectionString: url, max: 1 });
  try {
    const db = new Kysely<Schema>({ dialect: postgresDialect({ pool, begin: "begin", selectsOnly: false }) });
    await migrate(db, postgresFlavour);
  } finally {
    await pool.end();
  }
}

/** Runs `work` on a connection without a time limit: reading everything takes as long as it takes. */
export async function withPostgres<Result>(
  url: string,
  work: (client: pg.PoolClient) => Promise<Result>,
): Promise<Result> {
  const pool = openPool({ connectionString: url, max: 1 });
  try {
    const client = await pool.connect();
    try {
      return await work(client);
    } finally {
      // Whatever transaction was left open ends with the connection.
      client.release(true);
    }
  } finally {
    await pool.end();
  }
}

export function openPool(config: pg.PoolConfig): pg.Pool {
  const pool = new pg.Pool({
    application_name: "berth",
    connectionTimeoutMillis: connectionTimeoutMs,
    keepAlive: true,
    keepAliveInitialDelayMillis: keepAliveDelayMs,
    types,
    ...config,
  });
  // A connection that breaks says so to whoever waits for an answer. Saying it here too would end the process: the pool
  // listens to idle connections only, and an `error` without a listener is thrown.
  pool.on("error", () => {});
  pool.on("connect", (client) => {
    client.on("error", () => {});
  });
  return pool;
}
