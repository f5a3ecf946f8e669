import type { Kysely, Selectable } from "kysely";
import type { OidcProvider, OidcProviders } from "../../domain/identity/ports.ts";
import type { Arn } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

const columns = ["arn", "account", "url", "client_ids", "thumbprints", "created_at", "tags"] as const;

type ProviderRow = Selectable<Schema["oidc_provider"]>;

function toProvider(row: ProviderRow): OidcProvider {
  return {
    arn: row.arn,
    account: row.account,
    url: row.url,
    clientIds: JSON.parse(row.client_ids) as string[],
    thumbprints: JSON.parse(row.thumbprints) as string[],
    createdAt: new Date(row.created_at),
    tags: toMap(row.tags),
  };
}

const findProvider = statement((db, value: { arn: Arn }) =>
  db.selectFrom("oidc_provider").select(columns).where("arn", "=", value.arn),
);

export function oidcProviders(db: Kysely<Schema>, flavour: Flavour): OidcProviders {
  return {
    async find(arn) {
      const [row] = await findProvider(db, flavour, { arn });
      return row && toProvider(row);
    },

    async list(account) {
      const rows = await db
        .selectFrom("oidc_provider")
        .select(columns)
        .where("account", "=", account)
        .orderBy("arn")
        .execute();
      return rows.map(toProvider);
    },

    async create(provider) {
      const added = await db
        .insertInto("oidc_provider")
        .values({
          arn: provider.arn,
          account: provider.account,
          url: provider.url,
          client_ids: JSON.stringify(provider.clientIds),
          thumbprints: JSON.stringify(provider.thumbprints),
          created_at: provider.createdAt.getTime(),
          tags: fromMap(provider.tags),
        })
        .onConflict((conflict) => conflict.column("arn").doNothing())
        .returning("arn")
        .execute();
      return added.length > 0;
    },

    async update(arn, { clientIds, thumbprints, tags }) {
      const changes = {
        ...(clientIds !== undefined && { client_ids: JSON.stringify(clientIds) }),
        ...(thumbprints !== undefined && { thumbprints: JSON.stringify(thumbprints) }),
        ...(tags !== undefined && { tags: fromMap(tags) }),
      };
      if (Object.keys(changes).length === 0) return;
      await db.updateTable("oidc_provider").set(changes).where("arn", "=", arn).execute();
    },

    async delete(arn) {
      const deleted = await db.deleteFrom("oidc_provider").where("arn", "=", arn).returning("arn").execute();
      return deleted.length > 0;
    },
  };
}
