import type { Expression, Kysely, RawBuilder, SqlBool } from "kysely";
import type { Tag } from "../../domain/names.ts";
import type { Schema } from "./schema.ts";

/** What differs between the databases. `sqlite.ts` and `postgres.ts` each keep one; nothing else asks which it is. */
export interface Flavour {
  /** Pieces of the statements that create tables. */
  readonly types: {
    /** A primary key that the database counts up and never gives twice. */
    readonly id: RawBuilder<unknown>;
    /** Holds every safe integer of JavaScript. */
    readonly integer: RawBuilder<unknown>;
    /** Compares by byte value. */
    readonly text: RawBuilder<unknown>;
    readonly bytes: RawBuilder<unknown>;
    /** Behind the columns of a table with an `id`. */
    readonly table: RawBuilder<unknown>;
    /** Behind the columns of a table that is best stored in the order of its primary key. */
    readonly orderedTable: RawBuilder<unknown>;
  };
  /**
   * Holds where `column` is one of `values`: one parameter however many they are, so that the text of the statement
   * stays the same and no limit on parameters is near.
   */
  among(column: string, values: readonly (string | number)[]): Expression<SqlBool>;
  /** `among` for a prepared statement, whose values come later as a `list`. */
  amongList(column: string, list: List): Expression<SqlBool>;
  /** All values as one parameter. */
  list(values: readonly (string | number)[]): List;
  /** Makes others that want to change the selected rows wait for the end of this transaction. */
  forUpdate<Query extends ForUpdate>(query: Query): Query;
  /** Makes others that want to change the selected rows wait likewise, and nobody who only wants the same. */
  forShare<Query extends ForUpdate>(query: Query): Query;
  /** As `forUpdate`, and leaves out the rows that another transaction has locked. */
  skippingLocked<Query extends SkippingLocked>(query: Query): Query;
  /** Makes others that want to delete the selected rows wait for the end of this transaction. */
  forKeyShare<Query extends ForUpdate>(query: Query): Query;
  /** Makes others that lock the same tag wait for the end of this transaction. The tag need not exist. */
  lockTag(db: Kysely<Schema>, repositoryId: number, tag: Tag): Promise<void>;
  /** Whether running the whole transaction again may succeed where it failed with `error`. */
  isWorthRetrying(error: unknown): boolean;
  /** Whether `error` says that the database's disk is full. */
  isFull(error: unknown): boolean;
}

/** Values as the database takes them in one parameter. */
export type List = { readonly list: true };

interface SkippingLocked {
  forUpdate(): { skipLocked(): unknown };
}

interface ForUpdate {
  forUpdate(): unknown;
  forShare(): unknown;
  forKeyShare(): unknown;
}
