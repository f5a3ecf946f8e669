import { type Kysely, type Selectable, sql } from "kysely";
import type { Digest, Tag } from "../../domain/names.ts";
import type { DeletedImage, DeletedImages } from "../../domain/registry/retention-ports.ts";
import type { Flavour } from "./flavour.ts";
import { toImage } from "./image-rows.ts";
import { toScan, toSignings } from "./image-scans.ts";
import { rankOf, type StatusRank } from "./image-status.ts";
import type { DeletedImageTable } from "./retention-tables.ts";
import type { Schema } from "./schema.ts";

const columns = [
  "id",
  "repository_id",
  "digest",
  "media_type",
  "artifact_type",
  "manifest_bytes",
  "image_bytes",
  "subject",
  "annotations",
  "pushed_at",
  "last_pulled_at",
  "status",
  "last_archived_at",
  "last_activated_at",
  "scan",
  "signings",
  "tags",
  "children",
  "deleted_at",
  "deleted_by",
  "kept_until",
] as const;

function toDeletedImage(row: Selectable<DeletedImageTable>): DeletedImage {
  return {
    ...toImage(row),
    scan: toScan(row.scan),
    signings: toSignings(row.signings),
    tags: JSON.parse(row.tags) as Tag[],
    children: JSON.parse(row.children) as Digest[],
    deletion: { at: new Date(row.deleted_at), by: row.deleted_by, until: new Date(row.kept_until) },
  };
}

/** What refers goes before what it refers to. */
export async function removeDeletedImages(db: Kysely<Schema>, { among }: Flavour, ids: readonly number[]) {
  if (ids.length === 0) return;
  await db.deleteFrom("deleted_image_layer").where(among("deleted_image_id", ids)).execute();
  await db.deleteFrom("deleted_image_manifest").where(among("deleted_image_id", ids)).execute();
  await db.deleteFrom("deleted_image").where(among("id", ids)).execute();
}

export function deletedImages(db: Kysely<Schema>, flavour: Flavour): DeletedImages {
  const { among } = flavour;

  const found = (repositoryId: number, at: Date) =>
    db
      .selectFrom("deleted_image")
      .select(columns)
      .where("repository_id", "=", repositoryId)
      .where("kept_until", ">", at.getTime());

  /** Others may need them too: whoever collects looks. */
  async function queueLayers(image: { id: number; repository_id: number }, at: Date): Promise<void> {
    await db
      .updateTable("layer_link")
      .set({ unreferenced_since: at.getTime() })
      .where("repository_id", "=", image.repository_id)
      .where("digest", "in", (layers) =>
        layers
          .selectFrom("deleted_image_layer")
          .select("deleted_image_layer.digest")
          .where("deleted_image_id", "=", image.id),
      )
      .execute();
  }

  const nouns: DeletedImages = {
    async keep({ id, repositoryId, digest }, tags, { at, by, until }) {
      const before = await db
        .selectFrom("deleted_image")
        .select("id")
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", digest)
        .executeTakeFirst();
      // What it needed, this one needs as well.
      if (before) await removeDeletedImages(db, flavour, [before.id]);
      const image = await db.selectFrom("image").selectAll().where("id", "=", id).executeTakeFirstOrThrow();
      const children = await db.selectFrom("image_child").select("child").where("image_id", "=", id).execute();
      const { id: _, tag_count: __, ...facts } = image;
      // On the way out of the archive, it comes back as one that is in it.
      const status: StatusRank = image.status === rankOf("ACTIVE") ? image.status : rankOf("ARCHIVED");
      const kept = await db
        .insertInto("deleted_image")
        .values({
          ...facts,
          status,
          tags: JSON.stringify(tags),
          children: JSON.stringify(children.map(({ child }) => child)),
          deleted_at: at.getTime(),
          deleted_by: by,
          kept_until: until.getTime(),
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      await db
        .insertInto("deleted_image_manifest")
        .columns(["deleted_image_id", "bytes"])
        .expression((from) =>
          from
            .selectFrom("image_manifest")
            .select([sql.lit(kept.id).as("deleted_image_id"), "image_manifest.bytes"])
            .where("image_id", "=", id),
        )
        .execute();
      await db
        .insertInto("deleted_image_layer")
        .columns(["deleted_image_id", "repository_id", "digest", "media_type", "image_status"])
        .expression((from) =>
          from
            .selectFrom("image_layer")
            .select([sql.lit(kept.id).as("deleted_image_id"), "repository_id", "digest", "media_type"])
            .select(sql.lit(status).as("image_status"))
            .where("image_id", "=", id),
        )
        .execute();
    },

    async lock(repositoryId, digest, at) {
      const row = await flavour.forUpdate(found(repositoryId, at).where("digest", "=", digest)).executeTakeFirst();
      return row && toDeletedImage(row);
    },

    async list(repositoryId, { after = 0, limit }, at) {
      const rows = await found(repositoryId, at).where("id", ">", after).orderBy("id").limit(limit).execute();
      return rows.map(toDeletedImage);
    },

    async referrersOf(repositoryId, subjects, limit, at) {
      if (subjects.length === 0) return [];
      const rows = await found(repositoryId, at).where(among("subject", subjects)).limit(limit).execute();
      return rows.map(toDeletedImage);
    },

    async content(id) {
      const { bytes } = await db
        .selectFrom("deleted_image_manifest")
        .select("bytes")
        .where("deleted_image_id", "=", id)
        .executeTakeFirstOrThrow();
      const layers = await db
        .selectFrom("deleted_image_layer")
        .select(["digest", "media_type"])
        .where("deleted_image_id", "=", id)
        .execute();
      return { manifest: bytes, layers: layers.map(({ digest, media_type: mediaType }) => ({ digest, mediaType })) };
    },

    async needs(repositoryId, layer) {
      const row = await db
        .selectFrom("deleted_image_layer")
        .select("deleted_image_id")
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", layer)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    async remove({ id, repositoryId }, at) {
      await queueLayers({ id, repository_id: repositoryId }, at);
      await removeDeletedImages(db, flavour, [id]);
    },

    async setTimes(imageId, { lastPulledAt, lastArchivedAt, lastActivatedAt }) {
      await db
        .updateTable("image")
        .set({
          last_pulled_at: lastPulledAt?.getTime() ?? null,
          last_archived_at: lastArchivedAt?.getTime() ?? null,
          last_activated_at: lastActivatedAt?.getTime() ?? null,
        })
        .where("id", "=", imageId)
        .execute();
    },

    async forget(at, limit) {
      const over = await flavour
        .forUpdate(
          db
            .selectFrom("deleted_image")
            .select(["id", "repository_id"])
            .where("kept_until", "<=", at.getTime())
            .orderBy("kept_until")
            .orderBy("id")
            .limit(limit),
        )
        .execute();
      for (const image of over) await queueLayers(image, at);
      await removeDeletedImages(
        db,
        flavour,
        over.map(({ id }) => id),
      );
      return over.length;
    },
  };
  return nouns;
}
