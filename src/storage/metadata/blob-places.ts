import { type Kysely, sql } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { BlobName, BlobPlaces, PlacedBlob } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { noteRemoval } from "./garbage.ts";
import { imageColumns, toImage } from "./image-rows.ts";
import { rankOf } from "./image-status.ts";
import type { Schema } from "./schema.ts";

const placeColumns = [
  "blob.digest",
  "blob.key_scope",
  "blob.generation",
  "blob.size_bytes",
  "blob.in_archive",
  "blob.misplaced_since",
] as const;

type PlaceRow = Pick<Schema["blob"], "digest" | "key_scope" | "size_bytes" | "misplaced_since"> & {
  readonly generation: PlacedBlob["generation"];
  readonly in_archive: number;
};

/** For a copy that takes the place of another one: new copies come to the first store. Somebody should look where it belongs. */
export const backInStandard = {
  in_archive: 0,
  misplaced_since: sql<number | null>`case when in_archive = 1 then 0 else misplaced_since end`,
};

const toPlaced = (row: PlaceRow): PlacedBlob => ({
  digest: row.digest,
  scope: row.key_scope,
  generation: row.generation,
  sizeBytes: row.size_bytes,
  isInArchive: row.in_archive === 1,
  misplacedSince: row.misplaced_since === null ? undefined : new Date(row.misplaced_since),
});

export function blobPlaces(db: Kysely<Schema>, flavour: Flavour): BlobPlaces {
  const changing = ({ digest, scope, generation }: PlacedBlob) =>
    db
      .updateTable("blob")
      .where("digest", "=", digest)
      .where("key_scope", "=", scope)
      .where("generation", "=", generation);
  const since = ({ misplacedSince }: PlacedBlob) => misplacedSince?.getTime() ?? null;

  return {
    async misplaced(until, limit) {
      const rows = await db
        .selectFrom("blob")
        .select(placeColumns)
        .where("misplaced_since", "<=", until.getTime())
        .where("quarantined_at", "is", null)
        .orderBy("misplaced_since")
        .orderBy("digest")
        .orderBy("key_scope")
        .limit(limit)
        .execute();
      return rows.map(toPlaced);
    },

    async isNeeded({ digest, scope }: BlobName) {
      const row = await db
        .selectFrom("layer_link")
        .select("layer_link.repository_id")
        .where("layer_link.digest", "=", digest)
        .where("layer_link.key_scope", "=", scope)
        .where(({ exists, or, selectFrom }) =>
          or([
            exists(
              selectFrom("image_layer")
                .select("image_layer.image_id")
                .whereRef("image_layer.repository_id", "=", "layer_link.repository_id")
                .whereRef("image_layer.digest", "=", "layer_link.digest")
                .where("image_layer.image_status", ">", rankOf("ARCHIVED")),
            ),
            // Of an image that was deleted and would be active once it is back.
            exists(
              selectFrom("deleted_image_layer")
                .select("deleted_image_layer.deleted_image_id")
                .whereRef("deleted_image_layer.repository_id", "=", "layer_link.repository_id")
                .whereRef("deleted_image_layer.digest", "=", "layer_link.digest")
                .where("deleted_image_layer.image_status", ">", rankOf("ARCHIVED")),
            ),
          ]),
        )
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },

    async settle(blob, until) {
      await changing(blob)
        .set({ misplaced_since: until?.getTime() ?? null })
        .where("misplaced_since", "=", since(blob))
        .execute();
    },

    async move(old, { generation, sizeBytes }, removeAt) {
      const seen = since(old);
      const moved = await changing(old)
        .set({ generation, in_archive: old.isInArchive ? 0 : 1 })
        // What has changed since then is for the next look.
        .set({
          misplaced_since: sql<number | null>`case when misplaced_since = ${seen} then null else misplaced_since end`,
        })
        .where("in_archive", "=", old.isInArchive ? 1 : 0)
        .where("quarantined_at", "is", null)
        .returning("digest")
        .execute();
      if (moved.length === 0) return false;
      await noteRemoval(db, flavour, {
        digest: old.digest,
        generation: old.generation,
        sizeBytes,
        dueAt: removeAt.getTime(),
      });
      return true;
    },

    async want(repositoryId, digests, at) {
      await db
        .updateTable("blob")
        .set({ misplaced_since: at.getTime() })
        .where(flavour.among("digest", digests))
        .where("in_archive", "=", 1)
        .where("key_scope", "=", ({ selectFrom }) =>
          selectFrom("layer_link")
            .select("layer_link.key_scope")
            .where("layer_link.repository_id", "=", repositoryId)
            .whereRef("layer_link.digest", "=", "blob.digest"),
        )
        .execute();
    },

    async archivedOf(imageIds, limit) {
      const rows = await db
        .selectFrom("image_layer")
        .innerJoin("layer_link", (link) =>
          link
            .onRef("layer_link.repository_id", "=", "image_layer.repository_id")
            .onRef("layer_link.digest", "=", "image_layer.digest"),
        )
        .innerJoin("blob", (blob) =>
          blob.onRef("blob.digest", "=", "layer_link.digest").onRef("blob.key_scope", "=", "layer_link.key_scope"),
        )
        .select(placeColumns)
        .where(flavour.among("image_layer.image_id", imageIds))
        .where("blob.in_archive", "=", 1)
        // Nobody waits for what cannot come: it counts as missing until it is pushed again.
        .where("blob.quarantined_at", "is", null)
        .limit(limit)
        .execute();
      return rows.map(toPlaced);
    },

    async activating({ after = 0, limit }) {
      const rows = await db
        .selectFrom("image")
        .select(imageColumns)
        // Written out, because only the very words match the index.
        .where("status", "=", sql.lit(rankOf("ACTIVATING")))
        .where("id", ">", after)
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(toImage);
    },

    async hasArchived() {
      const row = await db
        .selectFrom("blob")
        .select("digest")
        .where("in_archive", "=", sql.lit(1))
        .where("digest", ">", "" as Digest)
        .limit(1)
        .executeTakeFirst();
      return row !== undefined;
    },
  };
}
