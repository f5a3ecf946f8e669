import type { Kysely } from "kysely";
import type { Registry } from "../../domain/names.ts";
import type { RegistryPolicies } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

const findPolicy = statement((db, value: Registry) =>
  db
    .selectFrom("registry_policy")
    .select(["policy", "bindings"])
    .where("account", "=", value.account)
    .where("region", "=", value.region),
);

export function registryPolicies(db: Kysely<Schema>, flavour: Flavour): RegistryPolicies {
  return {
    async get(registry) {
      const [row] = await findPolicy(db, flavour, registry);
      return row && { policy: row.policy, bindings: toMap(row.bindings) };
    },

    async put({ account, region }, { policy, bindings }) {
      await db
        .insertInto("registry_policy")
        .values({ account, region, policy, bindings: fromMap(bindings) })
        .onConflict((conflict) =>
          conflict
            .columns(["account", "region"])
            .doUpdateSet(({ ref }) => ({ policy: ref("excluded.policy"), bindings: ref("excluded.bindings") })),
        )
        .execute();
    },

    async delete({ account, region }) {
      const deleted = await db
        .deleteFrom("registry_policy")
        .where("account", "=", account)
        .where("region", "=", region)
        .returning("account")
        .execute();
      return deleted.length > 0;
    },
  };
}
