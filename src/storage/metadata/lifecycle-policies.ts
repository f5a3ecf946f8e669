import type { Kysely, Selectable } from "kysely";
import type { LifecyclePolicies, StoredLifecyclePolicy } from "../../domain/registry/lifecycle-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { LifecyclePolicyTable } from "./lifecycle-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = ["id", "version", "policy", "set_at", "set_by", "last_evaluated_at"] as const;

function toPolicy(row: Omit<Selectable<LifecyclePolicyTable>, "repository_id">): StoredLifecyclePolicy {
  const { id, version, policy: text, set_at, set_by: setBy, last_evaluated_at } = row;
  const lastEvaluatedAt = last_evaluated_at === null ? undefined : new Date(last_evaluated_at);
  return { id, version, text, setAt: new Date(set_at), setBy, lastEvaluatedAt };
}

const findPolicy = statement((db, value: { repositoryId: number }) =>
  db.selectFrom("lifecycle_policy").select(columns).where("repository_id", "=", value.repositoryId),
);

const keepPolicy = statement((db, value: { repositoryId: number }, flavour) =>
  flavour.forShare(db.selectFrom("lifecycle_policy").select(columns).where("repository_id", "=", value.repositoryId)),
);

export function lifecyclePolicies(db: Kysely<Schema>, flavour: Flavour): LifecyclePolicies {
  return {
    async find(repositoryId) {
      const [row] = await findPolicy(db, flavour, { repositoryId });
      return row && toPolicy(row);
    },

    async keep(repositoryId) {
      const [row] = await keepPolicy(db, flavour, { repositoryId });
      return row && toPolicy(row);
    },

    async put(repositoryId, { id, text: policy, setAt, setBy: set_by }) {
      const set = { policy, set_at: setAt.getTime(), set_by };
      await db
        .insertInto("lifecycle_policy")
        .values({ repository_id: repositoryId, id, version: 1, ...set, last_evaluated_at: null })
        .onConflict((conflict) =>
          conflict
            .column("repository_id")
            .doUpdateSet(({ eb, ref }) => ({ ...set, version: eb(ref("lifecycle_policy.version"), "+", 1) })),
        )
        .execute();
    },

    async delete(repositoryId) {
      const row = await db
        .deleteFrom("lifecycle_policy")
        .where("repository_id", "=", repositoryId)
        .returning(columns)
        .executeTakeFirst();
      return row && toPolicy(row);
    },

    async evaluated(repositoryId, { id, version }, at) {
      const updated = await db
        .updateTable("lifecycle_policy")
        .set({ last_evaluated_at: at.getTime() })
        .where("repository_id", "=", repositoryId)
        .where("id", "=", id)
        .where("version", "=", version)
        .returning("id")
        .execute();
      return updated.length > 0;
    },
  };
}
