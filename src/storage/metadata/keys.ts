import type { Kysely, Selectable } from "kysely";
import type { Key, KeyMaterial, Keys, MaterialName } from "../../domain/keys/ports.ts";
import type { KeyId, Registry } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";
import { fromMap, toMap } from "./string-map.ts";

const columns = [
  "id",
  "account",
  "region",
  "manager",
  "state",
  "description",
  "policy",
  "policy_bindings",
  "tags",
  "created_at",
  "version",
  "rotation_days",
  "next_rotation_at",
  "deletion_at",
  "deletion_days",
] as const;

const materialColumns = ["key_id", "version", "wrapped", "created_at", "rotation"] as const;

type KeyRow = Selectable<Schema["encryption_key"]>;
type MaterialRow = Selectable<Schema["key_material"]>;

function toKey(row: KeyRow): Key {
  const { rotation_days: periodDays, next_rotation_at: nextAt, deletion_at: deletionAt } = row;
  return {
    id: row.id,
    registry: { account: row.account, region: row.region },
    manager: row.manager,
    state: row.state,
    description: row.description,
    policy: row.policy,
    policyBindings: toMap(row.policy_bindings),
    tags: toMap(row.tags),
    createdAt: new Date(row.created_at),
    version: row.version,
    rotation: periodDays === null || nextAt === null ? undefined : { periodDays, nextAt: new Date(nextAt) },
    deletionAt: deletionAt === null ? undefined : new Date(deletionAt),
    deletionWindowDays: row.deletion_days ?? undefined,
  };
}

function toChangeable(key: Key) {
  return {
    state: key.state,
    description: key.description,
    policy: key.policy,
    policy_bindings: fromMap(key.policyBindings),
    tags: fromMap(key.tags),
    version: key.version,
    rotation_days: key.rotation?.periodDays ?? null,
    next_rotation_at: key.rotation?.nextAt.getTime() ?? null,
    deletion_at: key.deletionAt?.getTime() ?? null,
    deletion_days: key.deletionWindowDays ?? null,
  };
}

function toMaterial({ version, wrapped, created_at, rotation }: MaterialRow): KeyMaterial {
  return {
    version,
    wrapped: new Uint8Array(wrapped),
    createdAt: new Date(created_at),
    rotation: (rotation ?? undefined) as KeyMaterial["rotation"],
  };
}

function toMaterialRow(id: KeyId, { version, wrapped, createdAt, rotation }: KeyMaterial): MaterialRow {
  return { key_id: id, version, wrapped, created_at: createdAt.getTime(), rotation: rotation ?? null };
}

const findKey = statement((db, value: { id: KeyId }) =>
  db.selectFrom("encryption_key").select(columns).where("id", "=", value.id),
);

const findMaterial = statement((db, value: MaterialName) =>
  db
    .selectFrom("key_material")
    .select(materialColumns)
    .where("key_id", "=", value.id)
    .where("version", "=", value.version),
);

export function keys(db: Kysely<Schema>, flavour: Flavour): Keys {
  return {
    async find(id) {
      const [row] = await findKey(db, flavour, { id });
      return row && toKey(row);
    },

    async list({ account, region }, { after = "" as KeyId, limit }) {
      const rows = await db
        .selectFrom("encryption_key")
        .select(columns)
        .where("account", "=", account)
        .where("region", "=", region)
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(toKey);
    },

    async count({ account, region }: Registry) {
      const { keys } = await db
        .selectFrom("encryption_key")
        .select(({ fn }) => fn.countAll<number | string>().as("keys"))
        .where("account", "=", account)
        .where("region", "=", region)
        .executeTakeFirstOrThrow();
      return Number(keys);
    },

    async create(key, material) {
      const { id, registry, manager, createdAt } = key;
      const row = { id, ...registry, manager, created_at: createdAt.getTime(), ...toChangeable(key) };
      const made = await db
        .insertInto("encryption_key")
        .values(row)
        .onConflict((conflict) => conflict.column("id").doNothing())
        .returning("id")
        .execute();
      if (made.length === 0) return false;
      await db.insertInto("key_material").values(toMaterialRow(id, material)).execute();
      return true;
    },

    async lock(id) {
      const query = db.selectFrom("encryption_key").select(columns).where("id", "=", id);
      const row = await flavour.forUpdate(query).executeTakeFirst();
      return row && toKey(row);
    },

    async update(key) {
      await db.updateTable("encryption_key").set(toChangeable(key)).where("id", "=", key.id).execute();
    },

    async destroy(id) {
      await db.deleteFrom("key_grant").where("key_id", "=", id).execute();
      await db.deleteFrom("key_alias").where("key_id", "=", id).execute();
      await db.deleteFrom("key_material").where("key_id", "=", id).execute();
      await db.deleteFrom("encryption_key").where("id", "=", id).execute();
    },

    async material(id, version) {
      const [row] = await findMaterial(db, flavour, { id, version });
      return row && toMaterial(row);
    },

    async materials(id) {
      const rows = await db
        .selectFrom("key_material")
        .select(materialColumns)
        .where("key_id", "=", id)
        .orderBy("version")
        .execute();
      return rows.map(toMaterial);
    },

    async addMaterial(id, material) {
      await db.insertInto("key_material").values(toMaterialRow(id, material)).execute();
    },

    async allMaterials({ after, limit }) {
      const rows = await db
        .selectFrom("key_material")
        .select(materialColumns)
        .$if(after !== undefined, (query) =>
          query.where(({ eb, refTuple, tuple }) =>
            eb(refTuple("key_id", "version"), ">", tuple((after as MaterialName).id, (after as MaterialName).version)),
          ),
        )
        .orderBy("key_id")
        .orderBy("version")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ id: row.key_id, ...toMaterial(row) }));
    },

    async rewrap({ id, version }, before, wrapped) {
      await db
        .updateTable("key_material")
        .set({ wrapped })
        .where("key_id", "=", id)
        .where("version", "=", version)
        .where("wrapped", "=", before)
        .execute();
    },

    async due(now, limit) {
      const at = now.getTime();
      const dueBy = (column: "deletion_at" | "next_rotation_at", state: Key["state"]) =>
        db
          .selectFrom("encryption_key")
          .select(columns)
          .where(column, "<=", at)
          .where("state", "=", state)
          .orderBy(column)
          .limit(limit)
          .execute();
      const rows = [
        ...(await dueBy("deletion_at", "PendingDeletion")),
        ...(await dueBy("next_rotation_at", "Enabled")),
      ];
      return [...new Map(rows.map((row) => [row.id, toKey(row)])).values()];
    },
  };
}
