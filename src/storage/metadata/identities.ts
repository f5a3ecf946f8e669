import { type Kysely, type Selectable, sql } from "kysely";
import type { Identities, Identity, IdentityKind, IdentityWithPolicies, Paged } from "../../domain/identity/ports.ts";
import type { AccountId, Arn } from "../../domain/names.ts";
import { chunked, inOrder } from "./batches.ts";
import type { Flavour } from "./flavour.ts";
import { identityPolicies } from "./identity-policies.ts";
import { beginsWith, managedPolicyId } from "./managed-policies.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

/** Selected wherever a query yields identities. */
export const identityColumns = [
  "identity.id",
  "identity.account",
  "identity.kind",
  "identity.path",
  "identity.name",
  "identity.unique_id",
  "identity.created_at",
  "identity.description",
  "identity.boundary",
  "identity.tags",
  "identity.trust_policy",
  "identity.trust_bindings",
  "identity.max_session_seconds",
  "identity.last_used_at",
  "identity.last_used_region",
] as const;

export type IdentityRow = Omit<Selectable<Schema["identity"]>, "name_key" | "boundary_id">;

export function toIdentity(row: IdentityRow): Identity {
  return {
    id: row.id,
    account: row.account,
    kind: row.kind,
    path: row.path,
    name: row.name,
    uniqueId: row.unique_id,
    createdAt: new Date(row.created_at),
    description: row.description ?? undefined,
    boundary: row.boundary ?? undefined,
    tags: toMap(row.tags),
    trustPolicy: row.trust_policy ?? undefined,
    trustBindings: row.trust_bindings === null ? undefined : toMap(row.trust_bindings),
    maxSessionSeconds: row.max_session_seconds ?? undefined,
    lastUsedAt: row.last_used_at === null ? undefined : new Date(row.last_used_at),
    lastUsedRegion: row.last_used_region ?? undefined,
  };
}

type Changes = Parameters<Identities["update"]>[1];

/** Columns of the members that are there, whatever their value. */
async function toColumns(db: Kysely<Schema>, flavour: Flavour, changes: Changes) {
  const { boundary, trustBindings, lastUsedAt } = changes;
  const has = (member: keyof Changes) => member in changes;
  return {
    ...(changes.path !== undefined && { path: changes.path }),
    ...(changes.name !== undefined && { name: changes.name, name_key: changes.name.toLowerCase() }),
    ...(changes.tags !== undefined && { tags: fromMap(changes.tags) }),
    ...(has("description") && { description: changes.description ?? null }),
    ...(has("boundary") && {
      boundary: boundary ?? null,
      boundary_id: boundary ? await managedPolicyId(db, flavour, boundary) : null,
    }),
    ...(has("trustPolicy") && { trust_policy: changes.trustPolicy ?? null }),
    ...(has("trustBindings") && { trust_bindings: trustBindings ? fromMap(trustBindings) : null }),
    ...(has("maxSessionSeconds") && { max_session_seconds: changes.maxSessionSeconds ?? null }),
    ...(has("lastUsedAt") && { last_used_at: lastUsedAt?.getTime() ?? null }),
    ...(has("lastUsedRegion") && { last_used_region: changes.lastUsedRegion ?? null }),
  };
}

const findByName = statement((db, value: { account: AccountId; kind: IdentityKind; key: string }) =>
  db
    .selectFrom("identity")
    .select(identityColumns)
    .where("account", "=", value.account)
    .where("kind", "=", value.kind)
    .where("name_key", "=", value.key),
);

const findByUniqueId = statement((db, value: { uniqueId: string }) =>
  db.selectFrom("identity").select(identityColumns).where("unique_id", "=", value.uniqueId),
);

type Part = "self" | "inline" | "attached";

/**
 * The identity, its groups and the policies of all, in one statement, so that all is of one moment: a denial that moves
 * from one group to another meanwhile is never missed. Each row is about one identity: itself with the document of its
 * boundary, or one of its policies.
 */
const findWithPolicies = statement((db, value: { uniqueId: string }) =>
  db
    .with("owner", (db) =>
      db
        .selectFrom("identity")
        .select("identity.id")
        .where("identity.unique_id", "=", value.uniqueId)
        .unionAll((db) =>
          db
            .selectFrom("identity")
            .innerJoin("group_member", "group_member.user_id", "identity.id")
            .select("group_member.group_id as id")
            .where("identity.unique_id", "=", value.uniqueId),
        ),
    )
    .selectFrom("owner")
    .innerJoin("identity", "identity.id", "owner.id")
    .leftJoin("managed_policy", "managed_policy.id", "identity.boundary_id")
    .leftJoin("managed_policy_version as version", (join) =>
      join
        .onRef("version.policy_id", "=", "managed_policy.id")
        .onRef("version.version", "=", "managed_policy.default_version"),
    )
    .select(identityColumns)
    .select([sql<Part>`'self'`.as("part"), sql<string>`''`.as("policy"), "version.document"])
    .unionAll((db) =>
      db
        .selectFrom("owner")
        .innerJoin("identity", "identity.id", "owner.id")
        .innerJoin("identity_policy as policy", "policy.identity_id", "owner.id")
        .select(identityColumns)
        .select([sql<Part>`'inline'`.as("part"), "policy.name as policy", "policy.document"]),
    )
    .unionAll((db) =>
      db
        .selectFrom("owner")
        .innerJoin("identity", "identity.id", "owner.id")
        .innerJoin("identity_attachment as attachment", "attachment.identity_id", "owner.id")
        .leftJoin("managed_policy", "managed_policy.id", "attachment.policy_id")
        .leftJoin("managed_policy_version as version", (join) =>
          join
            .onRef("version.policy_id", "=", "managed_policy.id")
            .onRef("version.version", "=", "managed_policy.default_version"),
        )
        .select(identityColumns)
        .select([sql<Part>`'attached'`.as("part"), "attachment.policy", "version.document"]),
    ),
);

type PolicyRow = IdentityRow & { readonly part: Part; readonly policy: string; readonly document: string | null };

/** What the rows say of one identity. Names are sorted here: the order in the database's union is its own. */
function toOwner(rows: readonly PolicyRow[]) {
  const of = (part: Part) => rows.filter((row) => row.part === part).sort((a, b) => (a.policy < b.policy ? -1 : 1));
  return {
    inline: of("inline").map(({ policy, document }) => ({ name: policy, document: document ?? "" })),
    attached: of("attached").map(({ policy, document }) => ({ arn: policy as Arn, document: document ?? undefined })),
  };
}

function toIdentityWithPolicies(uniqueId: string, rows: readonly PolicyRow[]): IdentityWithPolicies | undefined {
  const self = rows.find((row) => row.part === "self" && row.unique_id === uniqueId);
  if (!self) return undefined;
  const byOwner = Map.groupBy(rows, ({ id }) => id);
  const groups = rows.filter((row) => row.part === "self" && row !== self).sort((a, b) => a.id - b.id);
  return {
    identity: toIdentity(self),
    ...toOwner(byOwner.get(self.id) ?? []),
    groups: groups.map((row) => ({ group: toIdentity(row), ...toOwner(byOwner.get(row.id) ?? []) })),
    boundary: self.boundary === null ? undefined : { arn: self.boundary, document: self.document ?? undefined },
  };
}

export function identities(db: Kysely<Schema>, flavour: Flavour): Identities {
  /** Those on the other side of a membership. They are few, so they are sorted, not found in order. */
  async function across(
    known: "group_id" | "user_id",
    id: number,
    wanted: "group_id" | "user_id",
    { after = "", limit }: Paged<string>,
  ): Promise<Identity[]> {
    const rows = await db
      .selectFrom("group_member")
      .innerJoin("identity", "identity.id", `group_member.${wanted}`)
      .select(identityColumns)
      .where(`group_member.${known}`, "=", id)
      .where("identity.name_key", ">", after)
      .orderBy("identity.name_key")
      .limit(limit)
      .execute();
    return rows.map(toIdentity);
  }

  return {
    ...identityPolicies(db, flavour),

    async find(account, kind, name) {
      const [row] = await findByName(db, flavour, { account, kind, key: name.toLowerCase() });
      return row && toIdentity(row);
    },

    async ofUniqueId(uniqueId) {
      const [row] = await findByUniqueId(db, flavour, { uniqueId });
      return row && toIdentity(row);
    },

    async withPolicies(uniqueId) {
      return toIdentityWithPolicies(uniqueId, await findWithPolicies(db, flavour, { uniqueId }));
    },

    async lock(id) {
      const query = db.selectFrom("identity").select(identityColumns).where("id", "=", id);
      const row = await flavour.forUpdate(query).executeTakeFirst();
      return row && toIdentity(row);
    },

    async list(account, kind, { after = "", limit, pathPrefix }) {
      const rows = await db
        .selectFrom("identity")
        .select(identityColumns)
        .where("account", "=", account)
        .where("kind", "=", kind)
        .where("name_key", ">", after)
        .$if(pathPrefix !== undefined, (query) => query.where(beginsWith("path", pathPrefix ?? "")))
        .orderBy("name_key")
        .limit(limit)
        .execute();
      return rows.map(toIdentity);
    },

    async count(account, kind) {
      const { count } = await db
        .selectFrom("identity")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("account", "=", account)
        .where("kind", "=", kind)
        .executeTakeFirstOrThrow();
      return count;
    },

    async create(identity) {
      const row = await db
        .insertInto("identity")
        .values({
          account: identity.account,
          kind: identity.kind,
          path: identity.path,
          name: identity.name,
          name_key: identity.name.toLowerCase(),
          unique_id: identity.uniqueId,
          created_at: identity.createdAt.getTime(),
          description: identity.description ?? null,
          boundary: identity.boundary ?? null,
          boundary_id: identity.boundary ? await managedPolicyId(db, flavour, identity.boundary) : null,
          tags: fromMap(identity.tags),
          trust_policy: identity.trustPolicy ?? null,
          trust_bindings: identity.trustBindings ? fromMap(identity.trustBindings) : null,
          max_session_seconds: identity.maxSessionSeconds ?? null,
          last_used_at: identity.lastUsedAt?.getTime() ?? null,
          last_used_region: identity.lastUsedRegion ?? null,
        })
        .onConflict((conflict) => conflict.columns(["account", "kind", "name_key"]).doNothing())
        .returning(identityColumns)
        .executeTakeFirst();
      return row && toIdentity(row);
    },

    async update(id, changes) {
      const columns = await toColumns(db, flavour, changes);
      if (Object.keys(columns).length === 0) return true;
      const { name_key } = columns;
      const updated = await db
        .updateTable("identity")
        .set(columns)
        .where("id", "=", id)
        // Two that take one name at once meet at its unique index, and the second is run again: it finds it taken.
        .$if(name_key !== undefined, (query) =>
          query.where(({ not, exists, selectFrom }) =>
            not(
              exists(
                selectFrom("identity as other")
                  .select("other.id")
                  .whereRef("other.account", "=", "identity.account")
                  .whereRef("other.kind", "=", "identity.kind")
                  .where("other.name_key", "=", name_key ?? "")
                  .where("other.id", "<>", id),
              ),
            ),
          ),
        )
        .returning("id")
        .execute();
      return name_key === undefined || updated.length > 0;
    },

    async delete(id) {
      await db.deleteFrom("group_member").where("group_id", "=", id).execute();
      await db.deleteFrom("group_member").where("user_id", "=", id).execute();
      await db.deleteFrom("identity_policy").where("identity_id", "=", id).execute();
      await db.deleteFrom("identity_attachment").where("identity_id", "=", id).execute();
      await db.deleteFrom("identity").where("id", "=", id).execute();
    },

    async used(times) {
      for (const chunk of chunked(inOrder(times))) {
        const rows = chunk.map(([id, { at, region }]) => sql`(${id}, cast(${at.getTime()} as bigint), ${region})`);
        await sql`
          update identity set last_used_at = used.column2, last_used_region = used.column3
          from (values ${sql.join(rows)}) as used
          where identity.unique_id = used.column1
            and (identity.last_used_at is null or identity.last_used_at < used.column2)`.execute(db);
      }
    },

    async join(groupId, userId) {
      await db
        .insertInto("group_member")
        .values({ group_id: groupId, user_id: userId })
        .onConflict((conflict) => conflict.columns(["group_id", "user_id"]).doNothing())
        .execute();
    },

    async leave(groupId, userId) {
      const left = await db
        .deleteFrom("group_member")
        .where("group_id", "=", groupId)
        .where("user_id", "=", userId)
        .returning("user_id")
        .execute();
      return left.length > 0;
    },

    membersOf: (groupId, page) => across("group_id", groupId, "user_id", page),
    groupsOf: (userId, page) => across("user_id", userId, "group_id", page),
  };
}
