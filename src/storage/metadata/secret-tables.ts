import { type Generated, type Kysely, sql } from "kysely";
import type { AccountId, Region } from "../../domain/names.ts";
import type { SealedVersion } from "../../domain/secrets/ports.ts";
import type { Flavour } from "./flavour.ts";

export interface SecretTable {
  id: Generated<number>;
  account: AccountId;
  region: Region;
  name: string;
  suffix: string;
  description: string | null;
  /** JSON object. */
  tags: string;
  created_at: number;
  changed_at: number;
  deletion_at: number | null;
}

export interface SecretVersionTable {
  secret_id: number;
  version: string;
  kind: SealedVersion["kind"];
  sealed: Uint8Array;
  /** JSON array. */
  stages: string;
  created_at: number;
}

/** Secrets, and what they hold, sealed. */
export async function createSecrets(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, bytes, table, orderedTable } = types;
  const statements = [
    sql`create table secret (
      id ${id},
      account ${text} not null,
      region ${text} not null,
      name ${text} not null,
      suffix ${text} not null,
      description ${text},
      tags ${text} not null,
      created_at ${integer} not null,
      changed_at ${integer} not null,
      deletion_at ${integer},
      unique (account, region, name)
    ) ${table}`,
    sql`create index secret_by_deletion on secret (deletion_at) where deletion_at is not null`,
    sql`create table secret_version (
      secret_id ${integer} not null references secret (id) on delete restrict,
      version ${text} not null,
      kind ${text} not null,
      sealed ${bytes} not null,
      stages ${text} not null,
      created_at ${integer} not null,
      primary key (secret_id, version)
    ) ${orderedTable}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
