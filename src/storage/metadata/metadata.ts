import { type CompiledQuery, type Kysely, SelectQueryNode } from "kysely";
import { refuse } from "../../domain/errors.ts";
import type { Metadata, TransactOptions } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { type AllNouns, nouns } from "./nouns.ts";
import type { Schema } from "./schema.ts";

const retryLimit = 5;
const firstBackOffMs = 4;

/** A database that is open and up to date. */
export interface Engine {
  readonly flavour: Flavour;
  /** Answers from the committed state, and refuses to change it. */
  readonly reader: Kysely<Schema>;
  /** Commits survive a power cut once `settle` has resolved. */
  readonly durable: Kysely<Schema>;
  /** The last moments of commits may be lost in a power cut. */
  readonly relaxed: Kysely<Schema>;
  /** Resolves when whatever was committed before the call survives a power cut. */
  settle(): Promise<void>;
  ping(): Promise<void>;
  /** What the database finds wrong with its own files, a line each. */
  damages(): Promise<string[]>;
  close(): Promise<void>;
}

/** The registry's `Metadata` and identity's: either may be given where only one is asked for. */
export interface AllMetadata extends Omit<Metadata, "read" | "transact"> {
  readonly read: AllNouns;
  transact<Result>(work: (nouns: AllNouns) => Promise<Result>, options?: TransactOptions): Promise<Result>;
}

export function metadata(engine: Engine): AllMetadata {
  return {
    read: nouns(engine.reader, engine.flavour),
    transact: (work, options) => transact(engine, work, options),
    ping: () => engine.ping(),
    damages: () => engine.damages(),
    close: () => engine.close(),
  };
}

async function transact<Result>(
  engine: Engine,
  work: (nouns: AllNouns) => Promise<Result>,
  { durable = true }: TransactOptions = {},
): Promise<Result> {
  const result = await committed(engine, durable ? engine.durable : engine.relaxed, work);
  if (durable) await engine.settle();
  return result;
}

async function committed<Result>(
  engine: Engine,
  db: Kysely<Schema>,
  work: (nouns: AllNouns) => Promise<Result>,
): Promise<Result> {
  for (let retries = 0; ; retries++) {
    try {
      return await once(db, engine.flavour, work);
    } catch (error) {
      if (engine.flavour.isFull(error)) throw refuse("StorageFull", undefined, { cause: error });
      if (retries === retryLimit || !engine.flavour.isWorthRetrying(error)) throw error;
      // Those who met in the database must not meet there again, so the pause is random.
      await Bun.sleep(Math.random() * firstBackOffMs * 2 ** retries);
    }
  }
}

async function once<Result>(
  db: Kysely<Schema>,
  flavour: Flavour,
  work: (nouns: AllNouns) => Promise<Result>,
): Promise<Result> {
  // A controlled transaction refuses queries after its end, so work that forgot to wait for one cannot write into
  // whatever transaction uses the connection next.
  const transaction = await db.startTransaction().execute();
  try {
    const result = await work(nouns(transaction, flavour));
    await transaction.commit().execute();
    return result;
  } catch (error) {
    // What went wrong first is what matters. A connection that cannot roll back is given up by its driver.
    await transaction
      .rollback()
      .execute()
      .catch(() => {});
    throw error;
  }
}

/** Keeps changes out of `read`, where the statements of one verb would each commit alone. */
export function refuseChanges(query: CompiledQuery): void {
  if (!SelectQueryNode.is(query.query)) throw new Error(`Only a transaction may change the metadata: ${query.sql}`);
}

/** The work went on after a statement had failed. Nothing is committed then. */
export class TransactionFailed extends Error {
  override readonly name = "TransactionFailed";
  constructor() {
    super("A statement of the transaction failed, so the transaction fails");
  }
}
