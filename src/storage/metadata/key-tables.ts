import { type Kysely, sql } from "kysely";
import type { Key } from "../../domain/keys/ports.ts";
import type { AccountId, KeyAlias, KeyId, Region } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";

export interface EncryptionKeyTable {
  id: KeyId;
  account: AccountId;
  region: Region;
  manager: Key["manager"];
  state: Key["state"];
  description: string;
  policy: string;
  /** JSON object, as in `repository`. */
  policy_bindings: string;
  /** JSON object. */
  tags: string;
  created_at: number;
  version: number;
  rotation_days: number | null;
  next_rotation_at: number | null;
  deletion_at: number | null;
  deletion_days: number | null;
}

export interface KeyMaterialTable {
  key_id: KeyId;
  version: number;
  /** Sealed by the master key. */
  wrapped: Uint8Array;
  created_at: number;
  rotation: string | null;
}

export interface KeyAliasTable {
  account: AccountId;
  region: Region;
  name: KeyAlias;
  key_id: KeyId;
  created_at: number;
  updated_at: number;
}

export interface KeyGrantTable {
  id: string;
  key_id: KeyId;
  grantee: string;
  grantee_id: string;
  retiring: string | null;
  retiring_id: string | null;
  /** JSON array. */
  operations: string;
  constraint_kind: string | null;
  /** JSON object. */
  constraint_context: string | null;
  name: string | null;
  issuer: AccountId;
  created_at: number;
}

/** A key may have a service's grants for tens of thousands of repositories: those for one are found by their context. */
export async function indexGrantsByContext(db: Kysely<unknown>): Promise<void> {
  const statements = [
    sql`drop index key_grant_by_grantee`,
    sql`create index key_grant_by_grantee on key_grant (key_id, grantee_id, constraint_context)`,
  ];
  for (const statement of statements) await statement.execute(db);
}

/** Encryption keys with their materials, names and grants. */
export async function createKeys(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, bytes, orderedTable } = types;
  const keyId = sql`key_id ${text} not null references encryption_key (id) on delete restrict`;
  const statements = [
    sql`create table encryption_key (
      id ${text} not null primary key,
      account ${text} not null,
      region ${text} not null,
      manager ${text} not null,
      state ${text} not null,
      description ${text} not null,
      policy ${text} not null,
      policy_bindings ${text} not null,
      tags ${text} not null,
      created_at ${integer} not null,
      version ${integer} not null,
      rotation_days ${integer},
      next_rotation_at ${integer},
      deletion_at ${integer},
      deletion_days ${integer}
    ) ${orderedTable}`,
    sql`create index encryption_key_by_registry on encryption_key (account, region, id)`,
    sql`create index encryption_key_by_deletion on encryption_key (deletion_at) where deletion_at is not null`,
    sql`create index encryption_key_by_rotation on encryption_key (next_rotation_at) where next_rotation_at is not null`,

    sql`create table key_material (
      ${keyId},
      version ${integer} not null,
      wrapped ${bytes} not null,
      created_at ${integer} not null,
      rotation ${text},
      primary key (key_id, version)
    ) ${orderedTable}`,

    sql`create table key_alias (
      account ${text} not null,
      region ${text} not null,
      name ${text} not null,
      ${keyId},
      created_at ${integer} not null,
      updated_at ${integer} not null,
      primary key (account, region, name)
    ) ${orderedTable}`,
    sql`create index key_alias_by_key on key_alias (key_id, name)`,

    sql`create table key_grant (
      id ${text} not null primary key,
      ${keyId},
      grantee ${text} not null,
      grantee_id ${text} not null,
      retiring ${text},
      retiring_id ${text},
      operations ${text} not null,
      constraint_kind ${text},
      constraint_context ${text},
      name ${text},
      issuer ${text} not null,
      created_at ${integer} not null
    ) ${orderedTable}`,
    sql`create index key_grant_by_key on key_grant (key_id, id)`,
    sql`create index key_grant_by_grantee on key_grant (key_id, grantee_id)`,
    sql`create index key_grant_by_retiring on key_grant (retiring_id, id) where retiring_id is not null`,
  ];
  for (const statement of statements) await statement.execute(db);
}
