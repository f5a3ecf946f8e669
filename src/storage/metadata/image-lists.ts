import { type Kysely, type SelectQueryBuilder, sql } from "kysely";
import type { Digest, Tag } from "../../domain/names.ts";
import type { ImageStatusFilter, Images, Page, TagStatus } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { imageColumns, toImage } from "./image-rows.ts";
import { ranksOf, type StatusRank } from "./image-status.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const listTagsOfImage = statement(
  (db, value: { repositoryId: number; imageId: number; after: string; limit: number }) =>
    db
      .selectFrom("tag")
      .innerJoin("image", "image.id", "tag.image_id")
      .select(["image.id", "image.digest", "tag.tag"])
      .where("tag.image_id", "=", value.imageId)
      .where("tag.tag", ">", value.after as Tag)
      .where("image.repository_id", "=", value.repositoryId)
      .orderBy("tag.tag")
      .limit(value.limit),
);

/** Images with one status behind `afterId`. Written out, because only the very words match the index. */
export function imagesWith(
  db: Kysely<Schema>,
  repositoryId: number,
  filter: TagStatus,
  status: StatusRank,
  afterId: number,
) {
  const query = db
    .selectFrom("image")
    .where("image.repository_id", "=", repositoryId)
    .where("image.status", "=", status)
    .where("image.id", ">", afterId);
  switch (filter) {
    case "ANY":
      return query;
    case "TAGGED":
      return query.where("image.tag_count", ">", sql.lit(0));
    case "UNTAGGED":
      return query.where("image.tag_count", "=", sql.lit(0));
  }
}

/** In order of id. Each status has its own stretch of an index, which are merged. */
export function merged<Row extends { id: number }>(
  status: ImageStatusFilter,
  query: (rank: StatusRank) => SelectQueryBuilder<Schema, "image", Row>,
) {
  return ranksOf(status)
    .map(query)
    .reduce((all, further) => all.unionAll(further))
    .orderBy(sql.ref("id"));
}

function entriesAfter(
  db: Kysely<Schema>,
  repositoryId: number,
  filter: TagStatus,
  { after, limit }: Page<number>,
  status: ImageStatusFilter,
): Promise<{ id: number; digest: Digest; tag?: Tag | null }[]> {
  const images = merged(status, (rank) =>
    imagesWith(db, repositoryId, filter, rank, after ?? 0).select(["image.id", "image.digest"]),
  ).limit(limit);
  if (filter === "UNTAGGED") return images.execute();
  // The limit inside keeps PostgreSQL from joining the whole repository, which it does when it knows little of it yet.
  return db
    .selectFrom(images.as("page"))
    .leftJoin("tag", "tag.image_id", "page.id")
    .select(["page.id", "page.digest", "tag.tag"])
    .orderBy("page.id")
    .orderBy("tag.tag")
    .limit(limit)
    .execute();
}

/** The images of a repository, page by page. */
export function imageLists(db: Kysely<Schema>, flavour: Flavour): Pick<Images, "list" | "listIds" | "referrers"> {
  return {
    async list(repositoryId, filter, { after = 0, limit }, status = "ANY") {
      const query = merged(status, (rank) => imagesWith(db, repositoryId, filter, rank, after).select(imageColumns));
      return (await query.limit(limit).execute()).map(toImage);
    },

    async listIds(repositoryId, filter, { after, limit }, status = "ANY") {
      const rest =
        after?.tag === undefined || filter === "UNTAGGED"
          ? []
          : await listTagsOfImage(db, flavour, { repositoryId, imageId: after.imageId, after: after.tag, limit });
      const further =
        rest.length === limit
          ? []
          : await entriesAfter(db, repositoryId, filter, { after: after?.imageId, limit: limit - rest.length }, status);
      return [...rest, ...further].map(({ id, digest, tag }) => ({ imageId: id, digest, tag: tag ?? undefined }));
    },

    async referrers(repositoryId, subject, artifactTypes, { after = 0, limit }, status = "ANY") {
      const query = merged(status, (rank) => {
        const referrers = db
          .selectFrom("image")
          .select(imageColumns)
          .where("repository_id", "=", repositoryId)
          .where("subject", "=", subject)
          .where("status", "=", rank)
          .where("id", ">", after);
        return artifactTypes ? referrers.where(flavour.among("artifact_type", artifactTypes)) : referrers;
      });
      return (await query.limit(limit).execute()).map(toImage);
    },
  };
}
