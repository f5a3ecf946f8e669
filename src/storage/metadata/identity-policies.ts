import type { Kysely } from "kysely";
import type { Identities } from "../../domain/identity/ports.ts";
import type { AccountId, Arn } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import { identityColumns, toIdentity } from "./identities.ts";
import { managedPolicyId } from "./managed-policies.ts";
import type { Schema } from "./schema.ts";

type PolicyVerb =
  | "inlinePolicy"
  | "inlinePolicyNames"
  | "inlinePolicies"
  | "putInlinePolicy"
  | "deleteInlinePolicy"
  | "attached"
  | "attach"
  | "detach"
  | "attachedTo"
  | "countAttached";

/** Which policies users, groups and roles have. */
export function identityPolicies(db: Kysely<Schema>, flavour: Flavour): Pick<Identities, PolicyVerb> {
  const attachedIn = (account: AccountId, policy: Arn) =>
    db
      .selectFrom("identity_attachment")
      .innerJoin("identity", "identity.id", "identity_attachment.identity_id")
      .where("identity_attachment.policy", "=", policy)
      .where("identity.account", "=", account);

  const boundedIn = (account: AccountId, policy: Arn) =>
    db.selectFrom("identity").where("identity.boundary", "=", policy).where("identity.account", "=", account);

  return {
    async inlinePolicy(id, name) {
      const row = await db
        .selectFrom("identity_policy")
        .select("document")
        .where("identity_id", "=", id)
        .where("name", "=", name)
        .executeTakeFirst();
      return row?.document;
    },

    async inlinePolicyNames(id, { after = "", limit }) {
      const rows = await db
        .selectFrom("identity_policy")
        .select("name")
        .where("identity_id", "=", id)
        .where("name", ">", after)
        .orderBy("name")
        .limit(limit)
        .execute();
      return rows.map(({ name }) => name);
    },

    async inlinePolicies(id) {
      return db
        .selectFrom("identity_policy")
        .select(["name", "document"])
        .where("identity_id", "=", id)
        .orderBy("name")
        .execute();
    },

    async putInlinePolicy(id, name, document) {
      await db
        .insertInto("identity_policy")
        .values({ identity_id: id, name, document })
        .onConflict((conflict) =>
          conflict.columns(["identity_id", "name"]).doUpdateSet(({ ref }) => ({ document: ref("excluded.document") })),
        )
        .execute();
    },

    async deleteInlinePolicy(id, name) {
      const deleted = await db
        .deleteFrom("identity_policy")
        .where("identity_id", "=", id)
        .where("name", "=", name)
        .returning("name")
        .execute();
      return deleted.length > 0;
    },

    async attached(id, { after = "", limit }) {
      const rows = await db
        .selectFrom("identity_attachment")
        .select("policy")
        .where("identity_id", "=", id)
        .where("policy", ">", after as Arn)
        .orderBy("policy")
        .limit(limit)
        .execute();
      return rows.map(({ policy }) => policy);
    },

    async attach(id, policy) {
      const added = await db
        .insertInto("identity_attachment")
        .values({ identity_id: id, policy, policy_id: await managedPolicyId(db, flavour, policy) })
        .onConflict((conflict) => conflict.columns(["identity_id", "policy"]).doNothing())
        .returning("policy")
        .execute();
      return added.length > 0;
    },

    async detach(id, policy) {
      const removed = await db
        .deleteFrom("identity_attachment")
        .where("identity_id", "=", id)
        .where("policy", "=", policy)
        .returning("policy")
        .execute();
      return removed.length > 0;
    },

    async attachedTo(account, policy, usage, { after = 0, limit }) {
      const rows =
        usage === "permissions"
          ? await attachedIn(account, policy)
              .select(identityColumns)
              .where("identity_attachment.identity_id", ">", after)
              .orderBy("identity_attachment.identity_id")
              .limit(limit)
              .execute()
          : await boundedIn(account, policy)
              .select(identityColumns)
              .where("identity.id", ">", after)
              .orderBy("identity.id")
              .limit(limit)
              .execute();
      return rows.map(toIdentity);
    },

    async countAttached(policy, usage, account) {
      const query =
        usage === "permissions"
          ? attachedIn(account, policy).select(({ fn }) => fn.countAll<number>().as("count"))
          : boundedIn(account, policy).select(({ fn }) => fn.countAll<number>().as("count"));
      return (await query.executeTakeFirstOrThrow()).count;
    },
  };
}
