import type { Kysely, Selectable } from "kysely";
import type { Registry } from "../../domain/names.ts";
import { root } from "../../domain/pull-through/rule-matching.ts";
import type { PullThroughRules } from "../../domain/pull-through/rule-ports.ts";
import type { PullThroughOptions, PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = [
  "account",
  "region",
  "prefix",
  "upstream_url",
  "upstream",
  "upstream_prefix",
  "credential_arn",
  "custom_role_arn",
  "options",
  "created_at",
  "updated_at",
] as const;

function toRule(row: Selectable<Schema["pull_through_rule"]>): PullThroughRule {
  return {
    registry: { account: row.account, region: row.region },
    prefix: row.prefix,
    upstreamUrl: row.upstream_url,
    upstream: row.upstream,
    upstreamPrefix: row.upstream_prefix ?? root,
    namesUpstreamPrefix: row.upstream_prefix !== null,
    credentialArn: row.credential_arn ?? undefined,
    customRoleArn: row.custom_role_arn ?? undefined,
    options: JSON.parse(row.options) as PullThroughOptions,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}

function toChangeable({ credentialArn, customRoleArn, options, updatedAt }: PullThroughRule) {
  return {
    credential_arn: credentialArn ?? null,
    custom_role_arn: customRoleArn ?? null,
    options: JSON.stringify(options),
    updated_at: updatedAt.getTime(),
  };
}

const listRules = statement((db, value: Registry) =>
  db
    .selectFrom("pull_through_rule")
    .select(columns)
    .where("account", "=", value.account)
    .where("region", "=", value.region)
    .orderBy("prefix"),
);

export function pullThroughRules(db: Kysely<Schema>, flavour: Flavour): PullThroughRules {
  const one = ({ account, region }: Registry, prefix: string) =>
    db
      .selectFrom("pull_through_rule")
      .select(columns)
      .where("account", "=", account)
      .where("region", "=", region)
      .where("prefix", "=", prefix);

  return {
    async list(registry) {
      return (await listRules(db, flavour, registry)).map(toRule);
    },

    async find(registry, prefix) {
      const row = await one(registry, prefix).executeTakeFirst();
      return row && toRule(row);
    },

    async create(rule) {
      const { registry, prefix, upstreamUrl, upstream, upstreamPrefix, createdAt } = rule;
      const added = await db
        .insertInto("pull_through_rule")
        .values({
          account: registry.account,
          region: registry.region,
          prefix,
          upstream_url: upstreamUrl,
          upstream,
          upstream_prefix: rule.namesUpstreamPrefix ? upstreamPrefix : null,
          created_at: createdAt.getTime(),
          ...toChangeable(rule),
        })
        .onConflict((conflict) => conflict.columns(["account", "region", "prefix"]).doNothing())
        .returning("prefix")
        .execute();
      return added.length > 0;
    },

    async lock(registry, prefix) {
      const row = await flavour.forUpdate(one(registry, prefix)).executeTakeFirst();
      return row && toRule(row);
    },

    async update(rule) {
      await db
        .updateTable("pull_through_rule")
        .set(toChangeable(rule))
        .where("account", "=", rule.registry.account)
        .where("region", "=", rule.registry.region)
        .where("prefix", "=", rule.prefix)
        .execute();
    },

    async delete({ account, region }, prefix) {
      await db
        .deleteFrom("pull_through_rule")
        .where("account", "=", account)
        .where("region", "=", region)
        .where("prefix", "=", prefix)
        .execute();
    },
  };
}
