import { type Kysely, sql } from "kysely";
import type { Flavour } from "./flavour.ts";

/** Records are found by whose they are and when they happened: each further index would make every pull dearer. */
export async function createAudit(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, bytes, table, orderedTable } = types;
  const statements = [
    sql`create table audit_event (
      sequence ${integer} not null primary key,
      account ${text} not null,
      region ${text} not null,
      at ${integer} not null,
      record ${text} not null,
      hash ${bytes} not null
    ) ${table}`,
    sql`create index audit_event_by_time on audit_event (account, region, at, sequence)`,
    // One row, made with the first record: whoever adds to the chain or takes from it locks it.
    sql`create table audit_head (
      id ${integer} not null primary key,
      newest_sequence ${integer} not null,
      newest_hash ${bytes} not null,
      removed_sequence ${integer} not null,
      removed_hash ${bytes} not null
    ) ${orderedTable}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
