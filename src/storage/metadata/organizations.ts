import type { Kysely } from "kysely";
import type { OrganizationPolicyType, Organizations } from "../../domain/identity/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const policyColumns = [
  "organization_policy.id",
  "organization_policy.type",
  "organization_policy.name",
  "organization_policy.description",
  "organization_policy.document",
] as const;

const findOrganization = statement((db) =>
  db
    .selectFrom("organization")
    .select(["id", "root_id", "management_account", "created_at", "policy_types"])
    .where("singleton", "=", 1),
);

const findUnit = statement((db, value: { id: string }) =>
  db.selectFrom("organizational_unit").select(["id", "parent_id", "name"]).where("id", "=", value.id),
);

const findAttached = statement((db, value: { targetId: string }) =>
  db
    .selectFrom("organization_attachment")
    .innerJoin("organization_policy", "organization_policy.id", "organization_attachment.policy_id")
    .select(policyColumns)
    .where("organization_attachment.target_id", "=", value.targetId)
    .orderBy("organization_attachment.policy_id"),
);

function toUnit(row: { id: string; parent_id: string; name: string }) {
  return { id: row.id, parentId: row.parent_id, name: row.name };
}

export function organizations(db: Kysely<Schema>, flavour: Flavour): Organizations {
  return {
    async get() {
      const [row] = await findOrganization(db, flavour, {});
      return (
        row && {
          id: row.id,
          rootId: row.root_id,
          managementAccount: row.management_account,
          createdAt: new Date(row.created_at),
          policyTypes: JSON.parse(row.policy_types) as OrganizationPolicyType[],
        }
      );
    },

    async create({ id, rootId, managementAccount, createdAt, policyTypes }) {
      const added = await db
        .insertInto("organization")
        .values({
          singleton: 1,
          id,
          root_id: rootId,
          management_account: managementAccount,
          created_at: createdAt.getTime(),
          policy_types: JSON.stringify(policyTypes),
        })
        .onConflict((conflict) => conflict.column("singleton").doNothing())
        .returning("id")
        .execute();
      return added.length > 0;
    },

    async delete() {
      const tables = ["organization_attachment", "organization_policy", "organizational_unit", "organization"] as const;
      for (const table of tables) await db.deleteFrom(table).execute();
    },

    async setPolicyTypes(types) {
      await db
        .updateTable("organization")
        .set({ policy_types: JSON.stringify(types) })
        .where("singleton", "=", 1)
        .execute();
    },

    async unit(id) {
      const [row] = await findUnit(db, flavour, { id });
      return row && toUnit(row);
    },

    async unitsIn(parentId) {
      const rows = await db
        .selectFrom("organizational_unit")
        .select(["id", "parent_id", "name"])
        .where("parent_id", "=", parentId)
        .orderBy("id")
        .execute();
      return rows.map(toUnit);
    },

    async putUnit({ id, parentId, name }) {
      await db
        .insertInto("organizational_unit")
        .values({ id, parent_id: parentId, name })
        .onConflict((conflict) =>
          conflict
            .column("id")
            .doUpdateSet(({ ref }) => ({ parent_id: ref("excluded.parent_id"), name: ref("excluded.name") })),
        )
        .execute();
    },

    async deleteUnit(id) {
      await db.deleteFrom("organization_attachment").where("target_id", "=", id).execute();
      await db.deleteFrom("organizational_unit").where("id", "=", id).execute();
    },

    async policy(id) {
      return db.selectFrom("organization_policy").select(policyColumns).where("id", "=", id).executeTakeFirst();
    },

    async policies(type) {
      return db
        .selectFrom("organization_policy")
        .select(policyColumns)
        .where("type", "=", type)
        .orderBy("id")
        .execute();
    },

    async putPolicy({ id, type, name, description, document }) {
      await db
        .insertInto("organization_policy")
        .values({ id, type, name, description, document })
        .onConflict((conflict) =>
          conflict.column("id").doUpdateSet(({ ref }) => ({
            type: ref("excluded.type"),
            name: ref("excluded.name"),
            description: ref("excluded.description"),
            document: ref("excluded.document"),
          })),
        )
        .execute();
    },

    async deletePolicy(id) {
      await db.deleteFrom("organization_attachment").where("policy_id", "=", id).execute();
      await db.deleteFrom("organization_policy").where("id", "=", id).execute();
    },

    async attached(targetId) {
      return findAttached(db, flavour, { targetId });
    },

    async targetsOf(policyId) {
      const rows = await db
        .selectFrom("organization_attachment")
        .select("target_id")
        .where("policy_id", "=", policyId)
        .orderBy("target_id")
        .execute();
      return rows.map(({ target_id }) => target_id);
    },

    async attach(policyId, targetId) {
      const added = await db
        .insertInto("organization_attachment")
        .values({ policy_id: policyId, target_id: targetId })
        .onConflict((conflict) => conflict.columns(["target_id", "policy_id"]).doNothing())
        .returning("target_id")
        .execute();
      return added.length > 0;
    },

    async detach(policyId, targetId) {
      const removed = await db
        .deleteFrom("organization_attachment")
        .where("policy_id", "=", policyId)
        .where("target_id", "=", targetId)
        .returning("target_id")
        .execute();
      return removed.length > 0;
    },
  };
}
