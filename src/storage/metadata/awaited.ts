import type { Kysely } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { Awaited, AwaitedLayer } from "../../domain/registry/awaited-ports.ts";
import type { Flavour } from "./flavour.ts";
import { active } from "./image-status.ts";
import type { Schema } from "./schema.ts";

interface Row {
  readonly digest: Digest;
  readonly media_type: string | null;
  readonly size_bytes: number;
}

const toLayer = ({ digest, media_type, size_bytes }: Row): AwaitedLayer => ({
  digest,
  mediaType: media_type ?? "",
  sizeBytes: size_bytes,
});

export function awaited(db: Kysely<Schema>, flavour: Flavour): Awaited {
  const layersOf = (repositoryId: number) =>
    db
      .selectFrom("awaited_content")
      .innerJoin("image", "image.id", "awaited_content.image_id")
      .select(["awaited_content.digest", "awaited_content.media_type", "awaited_content.size_bytes"])
      .where("awaited_content.repository_id", "=", repositoryId)
      .where("awaited_content.media_type", "is not", null)
      .where("image.status", "=", active);

  /** The images that await the content, locked: whoever deletes one or changes its status waits. */
  async function waiting(repositoryId: number, digest: Digest, as: "layer" | "child") {
    const known = as === "layer" ? ("is not" as const) : ("is" as const);
    const rows = await db
      .selectFrom("awaited_content")
      .select("image_id")
      .where("repository_id", "=", repositoryId)
      .where("digest", "=", digest)
      .where("media_type", known, null)
      .execute();
    if (rows.length === 0) return [];
    const ids = rows.map(({ image_id }) => image_id);
    const images = db.selectFrom("image").select(["id", "status"]).where(flavour.among("id", ids)).orderBy("id");
    const locked = await flavour.forUpdate(images).execute();
    const removed = await db
      .deleteFrom("awaited_content")
      .where("repository_id", "=", repositoryId)
      .where("digest", "=", digest)
      .where("media_type", known, null)
      .where(
        flavour.among(
          "image_id",
          locked.map(({ id }) => id),
        ),
      )
      .returning(["image_id", "media_type"])
      .execute();
    const statuses = new Map(locked.map(({ id, status }) => [id, status]));
    return removed.map((row) => ({ ...row, status: statuses.get(row.image_id) ?? active }));
  }

  return {
    async layer(repositoryId, digest) {
      const row = await layersOf(repositoryId)
        .where("awaited_content.digest", "=", digest)
        .orderBy("awaited_content.image_id", "desc")
        .limit(1)
        .executeTakeFirst();
      return row && toLayer(row);
    },

    async layers(repositoryId, digests) {
      if (digests.length === 0) return [];
      const rows = await layersOf(repositoryId)
        .where(flavour.among("awaited_content.digest", digests))
        .orderBy("awaited_content.image_id")
        .execute();
      return [...new Map(rows.map((row) => [row.digest, toLayer(row)])).values()];
    },

    async isChild(repositoryId, digest) {
      const row = await db
        .selectFrom("awaited_content")
        .select("image_id")
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", digest)
        .where("media_type", "is", null)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    async isIncomplete(imageId) {
      const row = await db
        .selectFrom("awaited_content")
        .select("digest")
        .where("image_id", "=", imageId)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    async layerCame(repositoryId, digest) {
      const rows = await waiting(repositoryId, digest, "layer");
      if (rows.length === 0) return;
      await db
        .insertInto("image_layer")
        .values(
          rows.map(({ image_id, media_type, status }) => ({
            image_id,
            repository_id: repositoryId,
            digest,
            media_type: media_type ?? "",
            image_status: status,
          })),
        )
        .execute();
      await db
        .updateTable("layer_link")
        .set({ unreferenced_since: null })
        .where("repository_id", "=", repositoryId)
        .where("digest", "=", digest)
        .execute();
    },

    async childCame(repositoryId, { digest: child, imageBytes }) {
      const rows = await waiting(repositoryId, child, "child");
      if (rows.length === 0) return;
      const values = rows.map(({ image_id }) => ({ image_id, repository_id: repositoryId, child }));
      await db.insertInto("image_child").values(values).execute();
      const parents = rows.map(({ image_id }) => image_id);
      await db
        .updateTable("image")
        .set({ image_bytes: imageBytes })
        .where(flavour.among("id", parents))
        .where("image_bytes", "<", imageBytes)
        .execute();
    },
  };
}
