import type { Kysely, Selectable } from "kysely";
import type { Registry } from "../../domain/names.ts";
import type { Secret, Secrets, SecretVersion } from "../../domain/secrets/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { fromMap, toMap } from "./string-map.ts";

const columns = [
  "id",
  "account",
  "region",
  "name",
  "suffix",
  "description",
  "tags",
  "created_at",
  "changed_at",
  "deletion_at",
] as const;

function toSecret(row: Selectable<Schema["secret"]>): Secret {
  return {
    id: row.id,
    registry: { account: row.account, region: row.region },
    name: row.name,
    suffix: row.suffix,
    description: row.description ?? undefined,
    tags: toMap(row.tags),
    createdAt: new Date(row.created_at),
    changedAt: new Date(row.changed_at),
    deletionAt: row.deletion_at === null ? undefined : new Date(row.deletion_at),
  };
}

function toChangeable({ description, tags, changedAt, deletionAt }: Omit<Secret, "id">) {
  return {
    description: description ?? null,
    tags: fromMap(tags),
    changed_at: changedAt.getTime(),
    deletion_at: deletionAt?.getTime() ?? null,
  };
}

function toVersion(
  row: Pick<Selectable<Schema["secret_version"]>, "version" | "stages" | "created_at">,
): SecretVersion {
  return {
    id: row.version,
    stages: JSON.parse(row.stages) as string[],
    createdAt: new Date(row.created_at),
  };
}

export function secrets(db: Kysely<Schema>, flavour: Flavour): Secrets {
  const of = ({ account, region }: Registry) =>
    db.selectFrom("secret").select(columns).where("account", "=", account).where("region", "=", region);

  return {
    async find(registry, name) {
      const row = await of(registry).where("name", "=", name).executeTakeFirst();
      return row && toSecret(row);
    },

    async list(registry) {
      return (await of(registry).orderBy("name").execute()).map(toSecret);
    },

    async count({ account, region }) {
      const { secrets } = await db
        .selectFrom("secret")
        .select(({ fn }) => fn.countAll<number | string>().as("secrets"))
        .where("account", "=", account)
        .where("region", "=", region)
        .executeTakeFirstOrThrow();
      return Number(secrets);
    },

    async create(secret) {
      const { registry, name, suffix, createdAt } = secret;
      const row = await db
        .insertInto("secret")
        .values({ ...registry, name, suffix, created_at: createdAt.getTime(), ...toChangeable(secret) })
        .onConflict((conflict) => conflict.columns(["account", "region", "name"]).doNothing())
        .returning("id")
        .executeTakeFirst();
      return row && { ...secret, id: row.id };
    },

    async lock(registry, name) {
      const row = await flavour.forUpdate(of(registry).where("name", "=", name)).executeTakeFirst();
      return row && toSecret(row);
    },

    async update(secret) {
      await db.updateTable("secret").set(toChangeable(secret)).where("id", "=", secret.id).execute();
    },

    async delete(id) {
      await db.deleteFrom("secret_version").where("secret_id", "=", id).execute();
      await db.deleteFrom("secret").where("id", "=", id).execute();
    },

    async versions(ids) {
      const rows = await db
        .selectFrom("secret_version")
        .select(["secret_id", "version", "stages", "created_at"])
        .where(flavour.among("secret_id", ids))
        .orderBy("created_at", "desc")
        .orderBy("version")
        .execute();
      const bySecret = new Map<number, SecretVersion[]>();
      for (const row of rows) bySecret.set(row.secret_id, [...(bySecret.get(row.secret_id) ?? []), toVersion(row)]);
      return bySecret;
    },

    async version(id, version) {
      const row = await db
        .selectFrom("secret_version")
        .select(["version", "kind", "sealed", "stages", "created_at"])
        .where("secret_id", "=", id)
        .where("version", "=", version)
        .executeTakeFirst();
      return row && { ...toVersion(row), kind: row.kind, sealed: new Uint8Array(row.sealed) };
    },

    async addVersion(id, { id: version, kind, sealed, stages, createdAt }) {
      const row = {
        secret_id: id,
        version,
        kind,
        sealed,
        stages: JSON.stringify(stages),
        created_at: createdAt.getTime(),
      };
      await db.insertInto("secret_version").values(row).execute();
    },

    async setStages(id, version, stages) {
      await db
        .updateTable("secret_version")
        .set({ stages: JSON.stringify(stages) })
        .where("secret_id", "=", id)
        .where("version", "=", version)
        .execute();
    },

    async removeVersion(id, version) {
      await db.deleteFrom("secret_version").where("secret_id", "=", id).where("version", "=", version).execute();
    },

    async due(now, limit) {
      const rows = await db
        .selectFrom("secret")
        .select(columns)
        .where("deletion_at", "<=", now.getTime())
        .orderBy("deletion_at")
        .limit(limit)
        .execute();
      return rows.map(toSecret);
    },
  };
}
