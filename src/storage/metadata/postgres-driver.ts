import {
  type CompiledQuery,
  type DatabaseConnection,
  type Dialect,
  type Driver,
  PostgresAdapter,
  PostgresIntrospector,
  PostgresQueryCompiler,
  type QueryResult,
} from "kysely";
import type { Pool, PoolClient } from "pg";
import { refuseChanges, TransactionFailed } from "./metadata.ts";
import { isPrepared } from "./statement.ts";

/** How one Kysely uses a pool. Several may share one. */
export interface PostgresUse {
  readonly pool: Pool;
  /** What begins a transaction. */
  readonly begin: string;
  readonly selectsOnly: boolean;
}

class PostgresConnection implements DatabaseConnection {
  /** Set when the state of the session is not known any more: the pool then closes it. */
  broken = false;

  constructor(
    readonly client: PoolClient,
    readonly selectsOnly: boolean,
  ) {}

  async executeQuery<Row>(query: CompiledQuery): Promise<QueryResult<Row>> {
    if (this.selectsOnly) refuseChanges(query);
    const { command, rowCount, rows } = await this.client.query({
      name: isPrepared(query) ? statementName(query.sql) : undefined,
      text: query.sql,
      values: [...query.parameters],
    });
    const changes = command !== "SELECT" && rowCount !== null;
    return { rows, numAffectedRows: changes ? BigInt(rowCount) : undefined };
  }

  // biome-ignore lint/correctness/useYield: Kysely asks for the method, Berth pages instead of streaming
  async *streamQuery(): AsyncGenerator<never> {
    throw new Error("Streaming is not supported");
  }
}

const statementNames = new Map<string, string>();

/** Made from the text, so that a pooler which shares sessions between processes never confuses two statements. */
function statementName(text: string): string {
  let name = statementNames.get(text);
  if (name === undefined) {
    name = `berth_${Bun.hash(text).toString(36)}`;
    statementNames.set(text, name);
  }
  return name;
}

class PostgresDriver implements Driver {
  readonly #use: PostgresUse;

  constructor(use: PostgresUse) {
    this.#use = use;
  }

  async init(): Promise<void> {}

  async acquireConnection(): Promise<PostgresConnection> {
    return new PostgresConnection(await this.#use.pool.connect(), this.#use.selectsOnly);
  }

  async releaseConnection({ client, broken }: PostgresConnection): Promise<void> {
    client.release(broken);
  }

  async beginTransaction(connection: PostgresConnection): Promise<void> {
    try {
      await connection.client.query(this.#use.begin);
    } catch (error) {
      connection.broken = true;
      throw error;
    }
  }

  async commitTransaction(connection: PostgresConnection): Promise<void> {
    const { command } = await connection.client.query("commit");
    // After a failed statement that the work did not mind, PostgreSQL answers a commit by rolling back.
    if (command === "ROLLBACK") throw new TransactionFailed();
  }

  async rollbackTransaction(connection: PostgresConnection): Promise<void> {
    try {
      await connection.client.query("rollback");
    } catch (error) {
      connection.broken = true;
      throw error;
    }
  }

  /** Whoever opened the pool closes it. */
  async destroy(): Promise<void> {}
}

export function postgresDialect(use: PostgresUse): Dialect {
  return {
    createAdapter: () => new PostgresAdapter(),
    createDriver: () => new PostgresDriver(use),
    createIntrospector: (db) => new PostgresIntrospector(db),
    createQueryCompiler: () => new PostgresQueryCompiler(),
  };
}
