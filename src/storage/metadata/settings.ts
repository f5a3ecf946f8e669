import type { Kysely } from "kysely";
import type { Registry } from "../../domain/names.ts";
import type { AccountSettings } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findSetting = statement((db, value: Registry & { name: string }) =>
  db
    .selectFrom("account_setting")
    .select("value")
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .where("name", "=", value.name),
);

const putSetting = statement((db, value: Registry & { name: string; value: string }) =>
  db
    .insertInto("account_setting")
    .values({ account: value.account, region: value.region, name: value.name, value: value.value })
    .onConflict((conflict) =>
      conflict.columns(["account", "region", "name"]).doUpdateSet(({ ref }) => ({ value: ref("excluded.value") })),
    ),
);

export function settings(db: Kysely<Schema>, flavour: Flavour): AccountSettings {
  return {
    async get(registry, name) {
      const [row] = await findSetting(db, flavour, { ...registry, name });
      return row?.value;
    },

    async set(registry, name, value) {
      await putSetting(db, flavour, { ...registry, name, value });
    },
  };
}
