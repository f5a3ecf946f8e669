import { type Expression, type Kysely, type Selectable, type SqlBool, sql } from "kysely";
import { refuse } from "../../domain/errors.ts";
import type { ManagedPolicies, ManagedPolicy, PolicyVersion } from "../../domain/identity/ports.ts";
import type { Arn } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

const columns = [
  "managed_policy.id",
  "managed_policy.account",
  "managed_policy.arn",
  "managed_policy.path",
  "managed_policy.name",
  "managed_policy.unique_id",
  "managed_policy.description",
  "managed_policy.default_version",
  "managed_policy.next_version",
  "managed_policy.created_at",
  "managed_policy.updated_at",
  "managed_policy.tags",
] as const;

type PolicyRow = Omit<Selectable<Schema["managed_policy"]>, "name_key">;

function toPolicy(row: PolicyRow): ManagedPolicy {
  return {
    id: row.id,
    account: row.account,
    arn: row.arn,
    path: row.path,
    name: row.name,
    uniqueId: row.unique_id,
    description: row.description ?? undefined,
    defaultVersion: row.default_version,
    nextVersion: row.next_version,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    tags: toMap(row.tags),
  };
}

const versionColumns = ["version", "document", "created_at"] as const;

function toVersion(row: { version: string; document: string; created_at: number }): PolicyVersion {
  return { version: row.version, document: row.document, createdAt: new Date(row.created_at) };
}

const findPolicy = statement((db, value: { arn: Arn }) =>
  db.selectFrom("managed_policy").select(columns).where("arn", "=", value.arn),
);

const findVersion = statement((db, value: { id: number; version: string }) =>
  db
    .selectFrom("managed_policy_version")
    .select(versionColumns)
    .where("policy_id", "=", value.id)
    .where("version", "=", value.version),
);

/**
 * The row of a policy that something is about to refer to: it stays until the transaction ends. `null` for those of AWS.
 * @throws NoSuchEntity
 */
export async function managedPolicyId(db: Kysely<Schema>, flavour: Flavour, arn: Arn): Promise<number | null> {
  if (arn.startsWith("arn:aws:iam::aws:")) return null;
  const query = db.selectFrom("managed_policy").select("id").where("arn", "=", arn);
  const row = await flavour.forKeyShare(query).executeTakeFirst();
  if (!row) throw refuse("NoSuchEntity", { reason: `Policy ${arn} does not exist or is not attachable.` });
  return row.id;
}

export function managedPolicies(db: Kysely<Schema>, flavour: Flavour): ManagedPolicies {
  const nouns: ManagedPolicies = {
    async find(arn) {
      const [row] = await findPolicy(db, flavour, { arn });
      return row && toPolicy(row);
    },

    async list(account, { after = "", limit, pathPrefix, onlyAttached }) {
      const rows = await db
        .selectFrom("managed_policy")
        .select(columns)
        .where("account", "=", account)
        .where("name_key", ">", after)
        .$if(pathPrefix !== undefined, (query) => query.where(beginsWith("path", pathPrefix ?? "")))
        .$if(onlyAttached === true, (query) =>
          query.where(({ exists, selectFrom }) =>
            exists(
              selectFrom("identity_attachment")
                .select("identity_id")
                .whereRef("identity_attachment.policy_id", "=", "managed_policy.id"),
            ),
          ),
        )
        .orderBy("name_key")
        .limit(limit)
        .execute();
      return rows.map(toPolicy);
    },

    async count(account) {
      const { count } = await db
        .selectFrom("managed_policy")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("account", "=", account)
        .executeTakeFirstOrThrow();
      return count;
    },

    async create(policy, first) {
      const row = await db
        .insertInto("managed_policy")
        .values({
          account: policy.account,
          arn: policy.arn,
          path: policy.path,
          name: policy.name,
          name_key: policy.name.toLowerCase(),
          unique_id: policy.uniqueId,
          description: policy.description ?? null,
          default_version: policy.defaultVersion,
          next_version: policy.nextVersion,
          created_at: policy.createdAt.getTime(),
          updated_at: policy.updatedAt.getTime(),
          tags: fromMap(policy.tags),
        })
        .onConflict((conflict) => conflict.columns(["account", "name_key"]).doNothing())
        .returning(columns)
        .executeTakeFirst();
      if (row === undefined) return undefined;
      await nouns.addVersion(row.id, first);
      return toPolicy(row);
    },

    async update(id, { defaultVersion, nextVersion, updatedAt, tags }) {
      const changes = {
        ...(defaultVersion !== undefined && { default_version: defaultVersion }),
        ...(nextVersion !== undefined && { next_version: nextVersion }),
        ...(updatedAt !== undefined && { updated_at: updatedAt.getTime() }),
        ...(tags !== undefined && { tags: fromMap(tags) }),
      };
      if (Object.keys(changes).length === 0) return;
      await db.updateTable("managed_policy").set(changes).where("id", "=", id).execute();
    },

    async delete(id) {
      await db.deleteFrom("managed_policy_version").where("policy_id", "=", id).execute();
      await db.deleteFrom("managed_policy").where("id", "=", id).execute();
    },

    async version(id, version) {
      const [row] = await findVersion(db, flavour, { id, version });
      return row && toVersion(row);
    },

    async versions(id) {
      const rows = await db
        .selectFrom("managed_policy_version")
        .select(versionColumns)
        .where("policy_id", "=", id)
        .execute();
      // There are few, and `v10` comes before `v9` as text.
      return rows.map(toVersion).sort((a, b) => numberOf(b) - numberOf(a));
    },

    async addVersion(id, { version, document, createdAt }) {
      await db
        .insertInto("managed_policy_version")
        .values({ policy_id: id, version, document, created_at: createdAt.getTime() })
        .execute();
    },

    async deleteVersion(id, version) {
      const deleted = await db
        .deleteFrom("managed_policy_version")
        .where("policy_id", "=", id)
        .where("version", "=", version)
        .returning("version")
        .execute();
      return deleted.length > 0;
    },
  };
  return nouns;
}

function numberOf({ version }: PolicyVersion): number {
  return Number(version.slice(1));
}

/** Wildcards and case mean nothing in it. */
export function beginsWith(column: string, prefix: string): Expression<SqlBool> {
  return sql<SqlBool>`substr(${sql.ref(column)}, 1, ${sql.lit(prefix.length)}) = ${prefix}`;
}
