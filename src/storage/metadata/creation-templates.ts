import type { Kysely, Selectable } from "kysely";
import type { Registry } from "../../domain/names.ts";
import type { CreationTemplate, CreationTemplates } from "../../domain/registry/creation-template-ports.ts";
import type { MakingCause } from "../../domain/registry/repository-making.ts";
import type { CreationTemplateTable } from "./creation-template-tables.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { fromMap, toMap } from "./string-map.ts";

function toTemplate(row: Selectable<CreationTemplateTable>): CreationTemplate {
  const { encryption_type: type } = row;
  return {
    prefix: row.prefix,
    description: row.description ?? undefined,
    encryption: type === "AES256" ? { type } : { type, key: row.kms_key ?? undefined },
    tags: toMap(row.resource_tags),
    tagMutability: row.tag_mutability,
    exclusionFilters: JSON.parse(row.exclusion_filters) as string[],
    policy:
      row.repository_policy === null
        ? undefined
        : { policy: row.repository_policy, bindings: toMap(row.policy_bindings ?? "{}") },
    lifecyclePolicy: row.lifecycle_policy ?? undefined,
    appliedFor: JSON.parse(row.applied_for) as MakingCause[],
    customRole: row.custom_role ?? undefined,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
  };
}

function toRow(template: CreationTemplate) {
  const { encryption, policy } = template;
  return {
    description: template.description ?? null,
    encryption_type: encryption.type,
    kms_key: encryption.type === "AES256" ? null : (encryption.key ?? null),
    resource_tags: fromMap(template.tags),
    tag_mutability: template.tagMutability,
    exclusion_filters: JSON.stringify(template.exclusionFilters),
    repository_policy: policy?.policy ?? null,
    policy_bindings: policy ? fromMap(policy.bindings) : null,
    lifecycle_policy: template.lifecyclePolicy ?? null,
    applied_for: JSON.stringify(template.appliedFor),
    custom_role: template.customRole ?? null,
    updated_at: template.updatedAt.getTime(),
  };
}

export function creationTemplates(db: Kysely<Schema>, flavour: Flavour): CreationTemplates {
  const ofRegistry = ({ account, region }: Registry) =>
    db.selectFrom("creation_template").selectAll().where("account", "=", account).where("region", "=", region);

  return {
    async findMany(registry, namespaces) {
      const rows = await ofRegistry(registry).where(flavour.among("namespace", namespaces)).execute();
      return rows.map(toTemplate);
    },

    async list(registry, { after = "", limit }) {
      const query = ofRegistry(registry).where("namespace", ">", after).orderBy("namespace").limit(limit);
      return (await query.execute()).map(toTemplate);
    },

    async count({ account, region }) {
      const row = await db
        .selectFrom("creation_template")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("account", "=", account)
        .where("region", "=", region)
        .executeTakeFirst();
      return row?.count ?? 0;
    },

    async create({ account, region }, namespace, template) {
      const { prefix, createdAt } = template;
      const created = await db
        .insertInto("creation_template")
        .values({ account, region, namespace, prefix, created_at: createdAt.getTime(), ...toRow(template) })
        .onConflict((conflict) => conflict.columns(["account", "region", "namespace"]).doNothing())
        .returning("namespace")
        .execute();
      return created.length > 0;
    },

    async update({ account, region }, namespace, template) {
      await db
        .updateTable("creation_template")
        .set(toRow(template))
        .where("account", "=", account)
        .where("region", "=", region)
        .where("namespace", "=", namespace)
        .execute();
    },

    async lock(registry, namespace) {
      const row = await flavour.forUpdate(ofRegistry(registry).where("namespace", "=", namespace)).executeTakeFirst();
      return row && toTemplate(row);
    },

    async delete({ account, region }, namespace) {
      const row = await db
        .deleteFrom("creation_template")
        .where("account", "=", account)
        .where("region", "=", region)
        .where("namespace", "=", namespace)
        .returningAll()
        .executeTakeFirst();
      return row && toTemplate(row);
    },
  };
}
