import type { Kysely } from "kysely";
import type { Registry } from "../../domain/names.ts";
import type {
  RegistryConfiguration,
  RegistryConfigurations,
  SigningConfiguration,
} from "../../domain/registry/scanning-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { RegistryConfigurationTable } from "./scanning-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

/** Asked at every push of an image. */
const findConfigurations = statement((db, value: Registry) =>
  db
    .selectFrom("registry_configuration")
    .select(["kind", "document"])
    .where("account", "=", value.account)
    .where("region", "=", value.region),
);

export function registryConfigurations(db: Kysely<Schema>, flavour: Flavour): RegistryConfigurations {
  return {
    async find(registry) {
      const rows = await findConfigurations(db, flavour, registry);
      return Object.fromEntries(rows.map(({ kind, document }) => [kind, JSON.parse(document)]));
    },

    async put({ account, region }, configuration) {
      const parts = Object.entries(configuration) as [RegistryConfigurationTable["kind"], RegistryConfiguration][];
      for (const [kind, part] of parts) {
        await db
          .insertInto("registry_configuration")
          .values({ account, region, kind, document: JSON.stringify(part) })
          .onConflict((conflict) =>
            conflict
              .columns(["account", "region", "kind"])
              .doUpdateSet(({ ref }) => ({ document: ref("excluded.document") })),
          )
          .execute();
      }
    },

    async deleteSigning({ account, region }) {
      const row = await db
        .deleteFrom("registry_configuration")
        .where("account", "=", account)
        .where("region", "=", region)
        .where("kind", "=", "signing")
        .returning("document")
        .executeTakeFirst();
      return row && (JSON.parse(row.document) as SigningConfiguration);
    },
  };
}
