import type { Kysely, Selectable } from "kysely";
import type { KeyAliases, StoredAlias } from "../../domain/keys/ports.ts";
import type { KeyAlias, Registry } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = ["account", "region", "name", "key_id", "created_at", "updated_at"] as const;

function toAlias(row: Selectable<Schema["key_alias"]>): StoredAlias {
  return {
    registry: { account: row.account, region: row.region },
    name: row.name,
    keyId: row.key_id,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}

const findAlias = statement((db, value: Registry & { name: KeyAlias }) =>
  db
    .selectFrom("key_alias")
    .select(columns)
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .where("name", "=", value.name),
);

export function keyAliases(db: Kysely<Schema>, flavour: Flavour): KeyAliases {
  return {
    async find(registry, name) {
      const [row] = await findAlias(db, flavour, { ...registry, name });
      return row && toAlias(row);
    },

    async list({ account, region }, { after = "" as KeyAlias, limit }, keyId) {
      const rows = await db
        .selectFrom("key_alias")
        .select(columns)
        .where("account", "=", account)
        .where("region", "=", region)
        .where("name", ">", after)
        .$if(keyId !== undefined, (query) => query.where("key_id", "=", keyId ?? ("" as never)))
        .orderBy("name")
        .limit(limit)
        .execute();
      return rows.map(toAlias);
    },

    async create({ registry: { account, region }, name, keyId, createdAt, updatedAt }) {
      const times = { created_at: createdAt.getTime(), updated_at: updatedAt.getTime() };
      const added = await db
        .insertInto("key_alias")
        .values({ account, region, name, key_id: keyId, ...times })
        .onConflict((conflict) => conflict.columns(["account", "region", "name"]).doNothing())
        .returning("name")
        .execute();
      return added.length > 0;
    },

    async update({ account, region }, name, keyId, at) {
      const updated = await db
        .updateTable("key_alias")
        .set({ key_id: keyId, updated_at: at.getTime() })
        .where("account", "=", account)
        .where("region", "=", region)
        .where("name", "=", name)
        .returning("name")
        .execute();
      return updated.length > 0;
    },

    async delete({ account, region }, name) {
      const deleted = await db
        .deleteFrom("key_alias")
        .where("account", "=", account)
        .where("region", "=", region)
        .where("name", "=", name)
        .returning("name")
        .execute();
      return deleted.length > 0;
    },
  };
}
