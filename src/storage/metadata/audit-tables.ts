import { type Kysely, sql } from "kysely";
import type { Flavour } from "./flavour.ts";

/** Packs of records are found by whose they are and when they happened, and in the order of the chain. */
export async function createAudit(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, bytes, table, orderedTable } = types;
  const statements = [
    sql`create table audit_pack (
      last_sequence ${integer} not null primary key,
      first_sequence ${integer} not null,
      account ${text} not null,
      region ${text} not null,
      first_at ${integer} not null,
      last_at ${integer} not null,
      hashes ${bytes} not null,
      packed ${bytes} not null
    ) ${table}`,
    sql`create index audit_pack_by_time on audit_pack (account, region, last_at, last_sequence, first_at)`,
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
