import { type Kysely, sql } from "kysely";
import type { AccessKey, AccessKeys } from "../../domain/identity/ports.ts";
import type { AccountId } from "../../domain/names.ts";
import { chunked, inOrder } from "./batches.ts";
import type { Flavour } from "./flavour.ts";
import { identityColumns, toIdentity } from "./identities.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const keyColumns = [
  "access_key.id as key_id",
  "access_key.account as key_account",
  "access_key.identity_id",
  "access_key.sealed_secret",
  "access_key.status",
  "access_key.created_at as key_created_at",
  "access_key.last_used_at as key_last_used_at",
  "access_key.last_used_service as key_last_used_service",
  "access_key.last_used_region as key_last_used_region",
] as const;

interface KeyRow {
  readonly key_id: string;
  readonly key_account: AccountId;
  readonly identity_id: number;
  readonly sealed_secret: string;
  readonly status: AccessKey["status"];
  readonly key_created_at: number;
  readonly key_last_used_at: number | null;
  readonly key_last_used_service: string | null;
  readonly key_last_used_region: string | null;
}

function toAccessKey(row: KeyRow): AccessKey {
  return {
    accessKeyId: row.key_id,
    account: row.key_account,
    identityId: row.identity_id,
    sealedSecret: row.sealed_secret,
    status: row.status,
    createdAt: new Date(row.key_created_at),
    lastUsed:
      row.key_last_used_at === null
        ? undefined
        : {
            at: new Date(row.key_last_used_at),
            service: row.key_last_used_service ?? "",
            region: row.key_last_used_region ?? "",
          },
  };
}

const findKey = statement((db, value: { id: string }) =>
  db.selectFrom("access_key").select(keyColumns).where("access_key.id", "=", value.id),
);

const findKeyWithUser = statement((db, value: { id: string }) =>
  db
    .selectFrom("access_key")
    .innerJoin("identity", "identity.id", "access_key.identity_id")
    .select(keyColumns)
    .select(identityColumns)
    .where("access_key.id", "=", value.id),
);

export function accessKeys(db: Kysely<Schema>, flavour: Flavour): AccessKeys {
  return {
    async find(id) {
      const [row] = await findKey(db, flavour, { id });
      return row && toAccessKey(row);
    },

    async findWithUser(id) {
      const [row] = await findKeyWithUser(db, flavour, { id });
      return row && { key: toAccessKey(row), user: toIdentity(row) };
    },

    async ofUser(identityId) {
      const rows = await db
        .selectFrom("access_key")
        .select(keyColumns)
        .where("identity_id", "=", identityId)
        .orderBy("access_key.created_at")
        .orderBy("access_key.id")
        .execute();
      return rows.map(toAccessKey);
    },

    async create(key) {
      await db
        .insertInto("access_key")
        .values({
          id: key.accessKeyId,
          account: key.account,
          identity_id: key.identityId,
          sealed_secret: key.sealedSecret,
          status: key.status,
          created_at: key.createdAt.getTime(),
          last_used_at: key.lastUsed?.at.getTime() ?? null,
          last_used_service: key.lastUsed?.service ?? null,
          last_used_region: key.lastUsed?.region ?? null,
        })
        .execute();
    },

    async setStatus(id, status) {
      await db.updateTable("access_key").set({ status }).where("id", "=", id).execute();
    },

    async delete(id) {
      const deleted = await db.deleteFrom("access_key").where("id", "=", id).returning("id").execute();
      return deleted.length > 0;
    },

    async used(uses) {
      for (const chunk of chunked(inOrder(uses))) {
        const rows = chunk.map(
          ([id, { at, service, region }]) => sql`(${id}, cast(${at.getTime()} as bigint), ${service}, ${region})`,
        );
        await sql`
          update access_key set last_used_at = used.column2, last_used_service = used.column3,
            last_used_region = used.column4
          from (values ${sql.join(rows)}) as used
          where access_key.id = used.column1
            and (access_key.last_used_at is null or access_key.last_used_at < used.column2)`.execute(db);
      }
    },
  };
}
