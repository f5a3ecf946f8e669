import type { Kysely } from "kysely";
import type { Digest } from "../../domain/names.ts";
import type { ImageState, ImageStatus, Images } from "../../domain/registry/ports.ts";
import { chunked } from "./batches.ts";
import type { Flavour, List } from "./flavour.ts";
import type { ImageRow } from "./image-rows.ts";
import { rankOf, statusOf } from "./image-status.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const findOpenParents = statement((db, value: { repositoryId: number; child: Digest; limit: number }) =>
  db
    .selectFrom("image_child")
    .innerJoin("image", "image.id", "image_child.image_id")
    .select("image.digest")
    .where("image_child.repository_id", "=", value.repositoryId)
    .where("image_child.child", "=", value.child)
    .where("image.status", "!=", rankOf("ARCHIVED"))
    .orderBy("image_child.image_id")
    .limit(value.limit),
);

const stateColumns = [
  "image.id",
  "image.repository_id",
  "image.digest",
  "image.artifact_type",
  "image.subject",
  "image.status",
] as const;

function toState(
  row: Pick<ImageRow, "id" | "repository_id" | "digest" | "artifact_type" | "subject" | "status">,
): ImageState {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    digest: row.digest,
    artifactType: row.artifact_type ?? undefined,
    subject: row.subject ?? undefined,
    status: statusOf(row.status),
  };
}

/** Blobs of images that changed their status, in the store where one of that status has no need of them. */
const queueBlobs = statement((db, value: { imageIds: List; inArchive: number; at: number }, flavour) =>
  db
    .updateTable("blob")
    .set({ misplaced_since: value.at })
    .where("in_archive", "=", value.inArchive)
    .where(({ eb, refTuple, selectFrom }) =>
      eb(
        refTuple("blob.digest", "blob.key_scope"),
        "in",
        selectFrom("image_layer")
          .innerJoin("layer_link", (link) =>
            link
              .onRef("layer_link.repository_id", "=", "image_layer.repository_id")
              .onRef("layer_link.digest", "=", "image_layer.digest"),
          )
          .select(["layer_link.digest", "layer_link.key_scope"])
          .where(flavour.amongList("image_layer.image_id", value.imageIds))
          .$asTuple("digest", "key_scope"),
      ),
    ),
);

function timeOf(status: ImageStatus, at: Date) {
  switch (status) {
    case "ARCHIVED":
      return { last_archived_at: at.getTime() };
    case "ACTIVE":
      return { last_activated_at: at.getTime() };
    case "ACTIVATING":
      return {};
  }
}

/** Which status images have, and what goes with them. */
export function imageStates(
  db: Kysely<Schema>,
  flavour: Flavour,
): Pick<Images, "referrersOf" | "childrenOf" | "openParents" | "setStatus"> {
  return {
    async referrersOf(repositoryId, subjects, status, limit) {
      const rows = await db
        .selectFrom("image")
        .select(stateColumns)
        .where("repository_id", "=", repositoryId)
        .where(flavour.among("subject", subjects))
        .where("status", "=", rankOf(status))
        .limit(limit)
        .execute();
      return rows.map(toState);
    },

    async childrenOf(imageIds, status, limit) {
      const rows = await db
        .selectFrom("image_child")
        .innerJoin("image", (image) =>
          image
            .onRef("image.repository_id", "=", "image_child.repository_id")
            .onRef("image.digest", "=", "image_child.child"),
        )
        .select(stateColumns)
        .where(flavour.among("image_child.image_id", imageIds))
        .where("image.status", "=", rankOf(status))
        .limit(limit)
        .execute();
      return rows.map(toState);
    },

    async openParents(repositoryId, child, limit) {
      const rows = await findOpenParents(db, flavour, { repositoryId, child, limit });
      return rows.map(({ digest }) => digest);
    },

    async setStatus(imageIds, status, at) {
      for (const ids of chunked([...imageIds].sort((a, b) => a - b))) {
        const rank = rankOf(status);
        await db
          .updateTable("image")
          .set({ status: rank, ...timeOf(status, at) })
          .where(flavour.among("id", ids))
          .execute();
        await db.updateTable("tag").set({ image_status: rank }).where(flavour.among("image_id", ids)).execute();
        await db.updateTable("image_layer").set({ image_status: rank }).where(flavour.among("image_id", ids)).execute();
        const inArchive = status === "ARCHIVED" ? 0 : 1;
        await queueBlobs(db, flavour, { imageIds: flavour.list(ids), inArchive, at: at.getTime() });
      }
    },
  };
}
