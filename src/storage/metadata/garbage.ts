import { type ExpressionBuilder, type Kysely, type SqlBool, sql } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { BlobId, BlobName, Garbage, KeyScope, StoredBlob } from "../../domain/registry/ports.ts";
import { removeDeletedImages } from "./deleted-images.ts";
import type { Flavour } from "./flavour.ts";
import { rankOf } from "./image-status.ts";
import { deletedAccount } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

interface BlobRow extends BlobId {
  readonly size_bytes: number;
}

const toStoredBlob = ({ digest, generation, size_bytes }: BlobRow): StoredBlob => ({
  digest,
  generation,
  sizeBytes: size_bytes,
});

/** The bytes of this copy are to be removed. In the transaction that ends the last row that names it. */
export const noteRemoval = statement((db, value: StoredBlob & { readonly dueAt: number }) =>
  db
    .insertInto("blob_removal")
    .values({
      digest: value.digest,
      generation: value.generation,
      size_bytes: value.sizeBytes,
      due_at: value.dueAt,
    })
    .onConflict((conflict) => conflict.columns(["digest", "generation"]).doNothing()),
);

const imageThatNeeds = (from: ExpressionBuilder<Schema, "layer_link">["selectFrom"]) =>
  from("image_layer")
    .select("image_layer.image_id")
    .whereRef("image_layer.repository_id", "=", "layer_link.repository_id")
    .whereRef("image_layer.digest", "=", "layer_link.digest");

const deletedImageThatNeeds = (from: ExpressionBuilder<Schema, "layer_link">["selectFrom"]) =>
  from("deleted_image_layer")
    .select("deleted_image_layer.deleted_image_id")
    .whereRef("deleted_image_layer.repository_id", "=", "layer_link.repository_id")
    .whereRef("deleted_image_layer.digest", "=", "layer_link.digest");

/** It came, and the image was not told yet, or somebody pushed what a cache would have fetched. */
const imageThatAwaits = (from: ExpressionBuilder<Schema, "layer_link">["selectFrom"]) =>
  from("awaited_content")
    .select("awaited_content.image_id")
    .whereRef("awaited_content.repository_id", "=", "layer_link.repository_id")
    .whereRef("awaited_content.digest", "=", "layer_link.digest");

/** An image, or one that was deleted and can be brought back. */
const isNeeded = ({ exists, or, selectFrom }: ExpressionBuilder<Schema, "layer_link">) =>
  or([
    exists(imageThatNeeds(selectFrom)),
    exists(deletedImageThatNeeds(selectFrom)),
    exists(imageThatAwaits(selectFrom)),
  ]);

const linkThatHas = (from: ExpressionBuilder<Schema, "blob">["selectFrom"]) =>
  from("layer_link")
    .select("layer_link.repository_id")
    .whereRef("layer_link.digest", "=", "blob.digest")
    .whereRef("layer_link.key_scope", "=", "blob.key_scope");

const removeUnreferencedLink = statement((db, value: { repositoryId: number; digest: Digest; before: number }) =>
  db
    .deleteFrom("layer_link")
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest)
    .where("unreferenced_since", "<", value.before)
    .where((link) => link.not(isNeeded(link)))
    .returning(["digest", "key_scope"]),
);

/** For a link that an image refers to. Looks again itself: one that came into the queue anew meanwhile stays there. */
const clearLink = statement((db, value: { repositoryId: number; digest: Digest; since: number }) =>
  db
    .updateTable("layer_link")
    .set({ unreferenced_since: null })
    .where("repository_id", "=", value.repositoryId)
    .where("digest", "=", value.digest)
    .where("unreferenced_since", "=", value.since)
    .where(isNeeded),
);

/** For `noteRemoval`: nobody was told to read the copy for so long, or it cannot be read. */
export const atOnce = { dueAt: 0 };

/** Its layer is kept for archived images only: where there is a store for the archive, the blob may belong there. */
const lookAtPlace = statement((db, value: { repositoryId: number; digest: Digest; since: number }) =>
  db
    .updateTable("blob")
    .set({ misplaced_since: value.since })
    .where("digest", "=", value.digest)
    .where("in_archive", "=", 0)
    .where("key_scope", "=", ({ selectFrom }) =>
      selectFrom("layer_link")
        .select("layer_link.key_scope")
        .where("layer_link.repository_id", "=", value.repositoryId)
        .where("layer_link.digest", "=", value.digest),
    )
    .where(({ not, exists, or, selectFrom }) =>
      not(
        or([
          exists(
            selectFrom("image_layer")
              .select("image_layer.image_id")
              .where("image_layer.repository_id", "=", value.repositoryId)
              .where("image_layer.digest", "=", value.digest)
              .where("image_layer.image_status", ">", rankOf("ARCHIVED")),
          ),
          exists(
            selectFrom("deleted_image_layer")
              .select("deleted_image_layer.deleted_image_id")
              .where("deleted_image_layer.repository_id", "=", value.repositoryId)
              .where("deleted_image_layer.digest", "=", value.digest)
              .where("deleted_image_layer.image_status", ">", rankOf("ARCHIVED")),
          ),
        ]),
      ),
    ),
);

/** Its time of grace was the link's. Where another link ended later, that one's counts. */
const inheritGrace = statement((db, value: { digest: Digest; scope: KeyScope; since: number }) =>
  db
    .updateTable("blob")
    .set({ unlinked_since: value.since })
    .where("digest", "=", value.digest)
    .where("key_scope", "=", value.scope)
    .where((blob) => blob.or([blob("unlinked_since", "is", null), blob("unlinked_since", "<", value.since)])),
);

const removeUnlinkedBlob = statement((db, value: BlobId & { before: number }) =>
  db
    .deleteFrom("blob")
    .where("digest", "=", value.digest)
    .where("generation", "=", value.generation)
    .where("unlinked_since", "<", value.before)
    .where(({ not, exists, selectFrom }) => not(exists(linkThatHas(selectFrom))))
    .returning(["digest", "generation", "size_bytes"]),
);

/** Perhaps those that still have it have archived it. */
const clearBlob = statement((db, value: BlobId & { since: number }) =>
  db
    .updateTable("blob")
    .set({ unlinked_since: null, misplaced_since: value.since })
    .where("digest", "=", value.digest)
    .where("generation", "=", value.generation)
    .where("unlinked_since", "=", value.since)
    .where(({ exists, selectFrom }) => exists(linkThatHas(selectFrom))),
);

/** Of rows of `blob`, in the order of digests and then scopes. */
export function behind(after: Partial<BlobName> = {}) {
  return sql<SqlBool>`(digest, key_scope) > (${after.digest ?? ""}, ${after.scope ?? ""})`;
}

export function garbage(db: Kysely<Schema>, flavour: Flavour): Garbage {
  const among = flavour.among;

  /** In order: rows that refer go before those that they refer to. Each step finds its rows by an index. */
  const purgeSteps: ((repositoryId: number, limit: number, at: number) => Promise<number>)[] = [
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("image_child")
        .select(["child", "image_id"])
        .where("repository_id", "=", repositoryId)
        .limit(limit)
        .execute();
      const parents = [...new Set(rows.map(({ image_id }) => image_id))];
      if (parents.length > 0) await db.deleteFrom("image_child").where(among("image_id", parents)).execute();
      return rows.length;
    },
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("image")
        .select("id")
        .where("repository_id", "=", repositoryId)
        .orderBy("status")
        .orderBy("id")
        .limit(limit)
        .execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length === 0) return 0;
      await db.deleteFrom("tag").where(among("image_id", ids)).execute();
      await db.deleteFrom("image_layer").where(among("image_id", ids)).execute();
      await db.deleteFrom("image_manifest").where(among("image_id", ids)).execute();
      await db.deleteFrom("image").where(among("id", ids)).execute();
      return ids.length;
    },
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("deleted_image")
        .select("id")
        .where("repository_id", "=", repositoryId)
        .orderBy("id")
        .limit(limit)
        .execute();
      await removeDeletedImages(
        db,
        flavour,
        rows.map(({ id }) => id),
      );
      return rows.length;
    },
    async (repositoryId, limit, at) => {
      const rows = await db
        .selectFrom("layer_link")
        .select(["digest", "key_scope"])
        .where("repository_id", "=", repositoryId)
        .orderBy("digest")
        .limit(limit)
        .execute();
      const digests = rows.map(({ digest }) => digest);
      const scope = rows[0]?.key_scope;
      if (scope === undefined) return 0;
      await db
        .deleteFrom("layer_link")
        .where("repository_id", "=", repositoryId)
        .where(among("digest", digests))
        .execute();
      await db
        .updateTable("blob")
        .set({ unlinked_since: at })
        .where(among("digest", digests))
        .where("key_scope", "=", scope)
        .execute();
      return digests.length;
    },
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("tag_move")
        .select("id")
        .where("repository_id", "=", repositoryId)
        .limit(limit)
        .execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) await db.deleteFrom("tag_move").where(among("id", ids)).execute();
      return ids.length;
    },
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("upload")
        .select("id")
        .where("repository_id", "=", repositoryId)
        .limit(limit)
        .execute();
      const ids = rows.map(({ id }) => id);
      if (ids.length > 0) await db.deleteFrom("upload").where(among("id", ids)).execute();
      return ids.length;
    },
    async (repositoryId, limit) => {
      const rows = await db
        .selectFrom("lifecycle_preview")
        .innerJoin("lifecycle_preview_page", "lifecycle_preview_page.preview_id", "lifecycle_preview.id")
        .select(["lifecycle_preview.id", "lifecycle_preview_page.number"])
        .where("lifecycle_preview.repository_id", "=", repositoryId)
        .limit(limit)
        .execute();
      for (const { id, number } of rows) {
        await db
          .deleteFrom("lifecycle_preview_page")
          .where("preview_id", "=", id)
          .where("number", "=", number)
          .execute();
      }
      return rows.length;
    },
  ];

  return {
    async deleted(limit) {
      const rows = await db
        .selectFrom("repository")
        .select("id")
        .where("account", "=", deletedAccount)
        .orderBy("region")
        .orderBy("name")
        .limit(limit)
        .execute();
      return rows.map(({ id }) => id);
    },

    async purge(repositoryId, limit, at) {
      for (const step of purgeSteps) {
        if ((await step(repositoryId, limit, at.getTime())) > 0) return false;
      }
      await db.deleteFrom("image_hold").where("repository_id", "=", repositoryId).execute();
      await db.deleteFrom("repository_retention").where("repository_id", "=", repositoryId).execute();
      await db.deleteFrom("lifecycle_preview").where("repository_id", "=", repositoryId).execute();
      await db.deleteFrom("lifecycle_policy").where("repository_id", "=", repositoryId).execute();
      await db.deleteFrom("resource_tag").where("repository_id", "=", repositoryId).execute();
      await db.deleteFrom("repository").where("id", "=", repositoryId).execute();
      return true;
    },

    async links(before, limit) {
      const rows = await db
        .selectFrom("layer_link")
        .select(["repository_id", "digest", "unreferenced_since"])
        .where("unreferenced_since", "<", before.getTime())
        .orderBy("unreferenced_since")
        .orderBy("repository_id")
        .orderBy("digest")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        repositoryId: row.repository_id,
        digest: row.digest,
        since: new Date(row.unreferenced_since ?? 0),
      }));
    },

    async unlink({ repositoryId, digest, since }, before) {
      const link = { repositoryId, digest, before: before.getTime(), since: since.getTime() };
      const [removed] = await removeUnreferencedLink(db, flavour, link);
      if (removed) await inheritGrace(db, flavour, { ...link, scope: removed.key_scope });
      else {
        await clearLink(db, flavour, link);
        await lookAtPlace(db, flavour, link);
      }
      return removed !== undefined;
    },

    async blobs(before, limit) {
      const rows = await db
        .selectFrom("blob")
        .select(["digest", "generation", "size_bytes", "unlinked_since"])
        .where("unlinked_since", "<", before.getTime())
        .orderBy("unlinked_since")
        .orderBy("digest")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ ...toStoredBlob(row), since: new Date(row.unlinked_since ?? 0) }));
    },

    async forget({ digest, generation, since }, before) {
      const blob = { digest, generation, before: before.getTime(), since: since.getTime() };
      const [removed] = await removeUnlinkedBlob(db, flavour, blob);
      if (removed) await noteRemoval(db, flavour, { ...toStoredBlob(removed), ...atOnce });
      else await clearBlob(db, flavour, blob);
      return removed !== undefined;
    },

    async removals({ after, limit }, dueBy) {
      let query = db
        .selectFrom("blob_removal")
        .select(["digest", "generation", "size_bytes"])
        .orderBy("digest")
        .orderBy("generation")
        .limit(limit);
      if (after) query = query.where(sql<SqlBool>`(digest, generation) > (${after.digest}, ${after.generation})`);
      if (dueBy) query = query.where("due_at", "<=", dueBy.getTime());
      return (await query.execute()).map(toStoredBlob);
    },

    async removed(blobs) {
      for (const { digest, generation } of blobs) {
        await db.deleteFrom("blob_removal").where("digest", "=", digest).where("generation", "=", generation).execute();
      }
    },

    async forecast(before, { after, limit }) {
      const due = before.getTime();
      const isWanted = sql<SqlBool>`exists (
        select 1 from layer_link
        where layer_link.digest = blob.digest and layer_link.key_scope = blob.key_scope and (
          layer_link.unreferenced_since is null or layer_link.unreferenced_since >= ${due} or exists (
            select 1 from image_layer
            where image_layer.repository_id = layer_link.repository_id and image_layer.digest = layer_link.digest
          ) or exists (
            select 1 from deleted_image_layer
            where deleted_image_layer.repository_id = layer_link.repository_id
              and deleted_image_layer.digest = layer_link.digest
          )
        )
      )`;
      const rows = await db
        .selectFrom("blob")
        .select(["digest", "key_scope", "generation", "size_bytes"])
        .where(behind(after))
        .where((blob) => blob.or([blob("unlinked_since", "is", null), blob("unlinked_since", "<", due)]))
        .where(({ not }) => not(isWanted))
        .orderBy("digest")
        .orderBy("key_scope")
        .limit(limit)
        .execute();
      return rows.map((row) => ({ ...toStoredBlob(row), scope: row.key_scope }));
    },

    async waiting() {
      const count = (row: { count: number } | undefined) => row?.count ?? 0;
      const links = await db
        .selectFrom("layer_link")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("unreferenced_since", "is not", null)
        .executeTakeFirst();
      const blobs = await db
        .selectFrom("blob")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("unlinked_since", "is not", null)
        .executeTakeFirst();
      const removals = await db
        .selectFrom("blob_removal")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .executeTakeFirst();
      return { links: count(links), blobs: count(blobs), removals: count(removals) };
    },
  };
}
