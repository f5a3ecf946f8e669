import type { Compilable, CompiledQuery, Kysely } from "kysely";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";

/** Stands for a value until the statement runs. */
class Placeholder {
  constructor(readonly name: string) {}
}

const placeholders = new Proxy({}, { get: (_, name) => new Placeholder(String(name)) });

/** A query that drivers may keep prepared: its text never changes. */
export interface PreparedQuery extends CompiledQuery {
  readonly prepared: true;
}

export function isPrepared(query: CompiledQuery): query is PreparedQuery {
  return "prepared" in query;
}

/**
 * A query of fixed shape, compiled once for each database. Compiling costs more than SQLite needs to answer, and these
 * are the queries on the way of every push and pull. `build` sees placeholders, never values: it must not look at them.
 * Columns are listed by name and not by `*`, because a prepared `*` fails in PostgreSQL once a newer Berth adds a column.
 */
export function statement<Values extends object, Row>(
  build: (db: Kysely<Schema>, value: Values, flavour: Flavour) => Compilable<Row>,
): (db: Kysely<Schema>, flavour: Flavour, values: Values) => Promise<Row[]> {
  const compiled = new WeakMap<Flavour, CompiledQuery<Row>>();
  return async (db, flavour, values) => {
    let query = compiled.get(flavour);
    if (query === undefined) {
      query = build(db, placeholders as Values, flavour).compile();
      compiled.set(flavour, query);
    }
    const named = values as Readonly<Record<string, unknown>>;
    const parameters = query.parameters.map((value) =>
      value instanceof Placeholder ? (named[value.name] ?? null) : value,
    );
    const runnable: PreparedQuery = { ...query, parameters, prepared: true };
    return (await db.executeQuery<Row>(runnable)).rows;
  };
}
