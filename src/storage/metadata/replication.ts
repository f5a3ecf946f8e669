import type { Kysely, Selectable } from "kysely";
import type { Registry, Tag } from "../../domain/names.ts";
import {
  noOptions,
  type Replica,
  type Replication,
  type ReplicationOptions,
  type ReplicationRule,
} from "../../domain/replication/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { ImageReplicaTable } from "./replication-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findConfiguration = statement((db, value: Registry) =>
  db
    .selectFrom("replication_configuration")
    .select(["rules", "options"])
    .where("account", "=", value.account)
    .where("region", "=", value.region),
);

const replicaColumns = ["account", "region", "status", "failure_code", "tags", "version", "changed_at"] as const;

function toReplica(row: Omit<Selectable<ImageReplicaTable>, "image_id">): Replica {
  return {
    destination: { account: row.account, region: row.region },
    status: row.status,
    failureCode: row.failure_code ?? undefined,
    tags: JSON.parse(row.tags) as Tag[],
    version: row.version,
    changedAt: new Date(row.changed_at),
  };
}

export function replication(db: Kysely<Schema>, flavour: Flavour): Replication {
  const replicas = (imageId: number) =>
    db.selectFrom("image_replica").select(replicaColumns).where("image_id", "=", imageId);

  const one = (imageId: number, { account, region }: Registry) =>
    replicas(imageId).where("account", "=", account).where("region", "=", region);

  async function put({ account, region }: Registry, change: { rules?: string; options?: string }): Promise<void> {
    await db
      .insertInto("replication_configuration")
      .values({ account, region, rules: "[]", options: JSON.stringify(noOptions), ...change })
      .onConflict((conflict) => conflict.columns(["account", "region"]).doUpdateSet(change))
      .execute();
  }

  return {
    async configuration(registry) {
      const [row] = await findConfiguration(db, flavour, registry);
      if (!row) return undefined;
      const rules = JSON.parse(row.rules) as ReplicationRule[];
      return { rules, options: JSON.parse(row.options) as ReplicationOptions };
    },

    setRules: (registry, rules) => put(registry, { rules: JSON.stringify(rules) }),
    setOptions: (registry, options) => put(registry, { options: JSON.stringify(options) }),

    async ofImage(imageId) {
      const rows = await replicas(imageId).orderBy("account").orderBy("region").execute();
      return rows.map(toReplica);
    },

    async find(imageId, destination) {
      const row = await one(imageId, destination).executeTakeFirst();
      return row && toReplica(row);
    },

    async begin(imageId, { account, region }, tags, at) {
      const changedAt = { changed_at: at.getTime() };
      // First, so that of two who begin it at once the second one waits, and adds to the tags of the first.
      await db
        .insertInto("image_replica")
        .values({ image_id: imageId, account, region, status: "IN_PROGRESS", tags: "[]", version: 0, ...changedAt })
        .onConflict((conflict) => conflict.columns(["image_id", "account", "region"]).doNothing())
        .execute();
      const present = await flavour.forUpdate(one(imageId, { account, region })).executeTakeFirstOrThrow();
      const waiting = JSON.parse(present.tags) as Tag[];
      await db
        .updateTable("image_replica")
        .set({
          status: "IN_PROGRESS",
          failure_code: null,
          tags: JSON.stringify([...new Set([...waiting, ...tags])].sort()),
          version: present.version + 1,
          ...changedAt,
        })
        .where("image_id", "=", imageId)
        .where("account", "=", account)
        .where("region", "=", region)
        .execute();
    },

    async end(imageId, { account, region }, version, ended, at) {
      const isDone = ended.status === "COMPLETE";
      const changed = await db
        .updateTable("image_replica")
        .set({
          status: ended.status,
          failure_code: isDone ? null : ended.failureCode,
          changed_at: at.getTime(),
          // What has not arrived goes along the next time.
          ...(isDone ? { tags: "[]" } : {}),
        })
        .where("image_id", "=", imageId)
        .where("account", "=", account)
        .where("region", "=", region)
        .where("version", "=", version)
        .returning("image_id")
        .execute();
      return changed.length > 0;
    },

    async upload({ destination: { account, region }, repositoryId, digest }) {
      const row = await db
        .selectFrom("replica_upload")
        .select("location")
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", digest)
        .where("account", "=", account)
        .where("region", "=", region)
        .executeTakeFirst();
      return row?.location;
    },

    async keepUpload({ destination: { account, region }, repositoryId, digest }, location, at) {
      const change = { location, begun_at: at.getTime() };
      await db
        .insertInto("replica_upload")
        .values({ repository_id: repositoryId, digest, account, region, ...change })
        .onConflict((conflict) =>
          conflict.columns(["repository_id", "digest", "account", "region"]).doUpdateSet(change),
        )
        .execute();
    },

    async dropUpload({ destination: { account, region }, repositoryId, digest }) {
      await db
        .deleteFrom("replica_upload")
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", digest)
        .where("account", "=", account)
        .where("region", "=", region)
        .execute();
    },

    async pruneUploads(before) {
      await db.deleteFrom("replica_upload").where("begun_at", "<", before.getTime()).execute();
    },
  };
}
