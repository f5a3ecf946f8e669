import type { Kysely } from "kysely";
import type { Arn, Registry } from "../../domain/names.ts";
import type { PullTimeExclusions } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const listExclusions = statement((db, value: Registry & { after: string; limit: number }) =>
  db
    .selectFrom("pull_time_exclusion")
    .select("principal")
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .where("principal", ">", value.after as Arn)
    .orderBy("principal")
    .limit(value.limit),
);

export function pullTimeExclusions(db: Kysely<Schema>, flavour: Flavour): PullTimeExclusions {
  return {
    async list(registry, { after = "", limit }) {
      const rows = await listExclusions(db, flavour, { ...registry, after, limit });
      return rows.map(({ principal }) => principal);
    },

    async count({ account, region }) {
      const row = await db
        .selectFrom("pull_time_exclusion")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("account", "=", account)
        .where("region", "=", region)
        .executeTakeFirst();
      return row?.count ?? 0;
    },

    async add({ account, region }, principal, at) {
      const added = await db
        .insertInto("pull_time_exclusion")
        .values({ account, region, principal, created_at: at.getTime() })
        .onConflict((conflict) => conflict.columns(["account", "region", "principal"]).doNothing())
        .returning("principal")
        .execute();
      return added.length > 0;
    },

    async remove({ account, region }, principal) {
      const removed = await db
        .deleteFrom("pull_time_exclusion")
        .where("account", "=", account)
        .where("region", "=", region)
        .where("principal", "=", principal)
        .returning("principal")
        .execute();
      return removed.length > 0;
    },
  };
}
