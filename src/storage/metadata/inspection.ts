import { type Kysely, type SqlBool, sql } from "kysely";
import type { AccountId, Digest, Region, RepositoryName } from "../../domain/names.ts";
import type { InspectedReference, InspectedTag, Inspection } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { StatusRank } from "./image-status.ts";
import { deletedAccount, repositoryColumns, toRepository } from "./repositories.ts";
import type { Schema } from "./schema.ts";

const rowCount = sql<number>`count(*)`.as("count");

interface RepositoryNameRow {
  readonly repository_id: number;
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
}

const toName = ({ repository_id, account, region, name }: RepositoryNameRow): InspectedTag["repository"] => ({
  id: repository_id,
  registry: { account, region },
  name,
});

export function inspection(db: Kysely<Schema>, { among }: Flavour): Inspection {
  async function layersOf(imageIds: readonly number[]): Promise<Map<number, InspectedReference[]>> {
    const rows = await db
      .selectFrom("image_layer")
      .leftJoin("layer_link", (link) =>
        link
          .onRef("layer_link.repository_id", "=", "image_layer.repository_id")
          .onRef("layer_link.digest", "=", "image_layer.digest"),
      )
      .leftJoin("blob", (blob) =>
        blob.onRef("blob.digest", "=", "layer_link.digest").onRef("blob.key_scope", "=", "layer_link.key_scope"),
      )
      .select(["image_layer.image_id", "image_layer.digest", "blob.digest as there"])
      .where(among("image_layer.image_id", imageIds))
      .execute();
    return byImage(rows);
  }

  async function childrenOf(imageIds: readonly number[]): Promise<Map<number, InspectedReference[]>> {
    const rows = await db
      .selectFrom("image_child")
      .leftJoin("image as there", (image) =>
        image
          .onRef("there.repository_id", "=", "image_child.repository_id")
          .onRef("there.digest", "=", "image_child.child"),
      )
      .select(["image_child.image_id", "image_child.child as digest", "there.digest as there"])
      .where(among("image_child.image_id", imageIds))
      .execute();
    return byImage(rows);
  }

  async function awaitedOf(imageIds: readonly number[]): Promise<Map<number, InspectedReference[]>> {
    const rows = await db
      .selectFrom("awaited_content")
      .select(["image_id", "digest", "digest as there"])
      .where(among("image_id", imageIds))
      .execute();
    return byImage(rows);
  }

  return {
    async totals() {
      const totals = await db
        .selectNoFrom(({ selectFrom }) => [
          selectFrom("image").select(rowCount).as("images"),
          selectFrom("tag").select(rowCount).as("tags"),
          selectFrom("blob").select(rowCount).as("blobs"),
          // Sums of large integers are not integers in PostgreSQL.
          selectFrom("blob").select(sql<number>`cast(sum(size_bytes) as bigint)`.as("sum")).as("blobBytes"),
        ])
        .executeTakeFirst();
      const { images, tags, blobs, blobBytes } = totals ?? {};
      return { images: images ?? 0, tags: tags ?? 0, blobs: blobs ?? 0, blobBytes: blobBytes ?? 0 };
    },

    async images({ after = 0, limit }) {
      const rows = await db
        .selectFrom("image")
        .innerJoin("repository", "repository.id", "image.repository_id")
        .select(["image.id", "image.repository_id", "image.digest", "image.media_type", "image.subject"])
        .select(["image.tag_count", "repository.account", "repository.region", "repository.name"])
        .select((image) =>
          image.selectFrom("tag").select(rowCount).whereRef("tag.image_id", "=", "image.id").as("tags"),
        )
        .select((image) => [
          image
            .selectFrom("tag")
            .select(rowCount)
            .whereRef("tag.image_id", "=", "image.id")
            .whereRef("tag.image_status", "!=", "image.status")
            .as("stray_tags"),
          image
            .selectFrom("image_layer")
            .select(rowCount)
            .whereRef("image_layer.image_id", "=", "image.id")
            .whereRef("image_layer.image_status", "!=", "image.status")
            .as("stray_layers"),
        ])
        .where("image.id", ">", after)
        .where("repository.account", "!=", deletedAccount)
        .orderBy("image.id")
        .limit(limit)
        .execute();
      const ids = rows.map(({ id }) => id);
      const [layers, children, awaited] = [await layersOf(ids), await childrenOf(ids), await awaitedOf(ids)];
      return rows.map((row) => ({
        id: row.id,
        repository: toName(row),
        digest: row.digest,
        mediaType: row.media_type,
        subject: row.subject ?? undefined,
        layers: layers.get(row.id) ?? [],
        children: children.get(row.id) ?? [],
        awaited: (awaited.get(row.id) ?? []).map(({ digest }) => ({ digest })),
        countedTags: row.tag_count,
        tags: row.tags ?? 0,
        strayStatuses: (row.stray_tags ?? 0) + (row.stray_layers ?? 0),
      }));
    },

    async manifest(imageId) {
      const row = await db
        .selectFrom("image_manifest")
        .select("bytes")
        .where("image_id", "=", imageId)
        .executeTakeFirst();
      return row?.bytes;
    },

    async tags({ after, limit }) {
      let query = db
        .selectFrom("tag")
        .innerJoin("repository", "repository.id", "tag.repository_id")
        .leftJoin("image", (image) =>
          image.onRef("image.id", "=", "tag.image_id").onRef("image.repository_id", "=", "tag.repository_id"),
        )
        .select(["tag.repository_id", "tag.tag", "image.id as image"])
        .select(["repository.account", "repository.region", "repository.name"])
        .where("repository.account", "!=", deletedAccount)
        .orderBy("tag.repository_id")
        .orderBy("tag.tag")
        .limit(limit);
      if (after)
        query = query.where(sql<SqlBool>`(tag.repository_id, tag.tag) > (${after.repositoryId}, ${after.tag})`);
      const rows = await query.execute();
      return rows.map((row) => ({ repository: toName(row), tag: row.tag, hasImage: row.image !== null }));
    },

    async dependents({ digest, scope }, limit) {
      const rows = await db
        .selectFrom("layer_link")
        .innerJoin("repository", "repository.id", "layer_link.repository_id")
        .leftJoin("image_layer", (layer) =>
          layer
            .onRef("image_layer.repository_id", "=", "layer_link.repository_id")
            .onRef("image_layer.digest", "=", "layer_link.digest"),
        )
        .leftJoin("image", "image.id", "image_layer.image_id")
        .select(repositoryColumns)
        .select(["image.id as image_id", "image.digest as image_digest"])
        .where("layer_link.digest", "=", digest)
        .where("layer_link.key_scope", "=", scope)
        .where("repository.account", "!=", deletedAccount)
        .limit(limit)
        .execute();
      return rows.map(({ image_id: id, image_digest: image, ...repository }) => ({
        repository: toRepository(repository),
        image: id === null || image === null ? undefined : { id, digest: image },
      }));
    },

    async restate(imageId) {
      for (const table of ["tag", "image_layer"] as const) {
        await db
          .updateTable(table)
          .set({
            image_status: sql<StatusRank>`(select image.status from image where image.id = ${sql.ref(`${table}.image_id`)})`,
          })
          .where("image_id", "=", imageId)
          .execute();
      }
    },

    async recount(imageId) {
      await db
        .updateTable("image")
        .set({ tag_count: sql<number>`(select count(*) from tag where tag.image_id = image.id)` })
        .where("id", "=", imageId)
        .execute();
    },
  };
}

function byImage(rows: { image_id: number; digest: Digest; there: Digest | null }[]) {
  const found = new Map<number, InspectedReference[]>();
  for (const { image_id, digest, there } of rows) {
    const references = found.get(image_id) ?? [];
    references.push({ digest, isThere: there !== null });
    found.set(image_id, references);
  }
  return found;
}
