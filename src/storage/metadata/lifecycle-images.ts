import type { Kysely } from "kysely";
import type { LifecycleImage } from "../../domain/lifecycle/types.ts";
import type { Digest } from "../../domain/names.ts";
import type { LifecycleImages } from "../../domain/registry/lifecycle-ports.ts";
import type { Flavour, List } from "./flavour.ts";
import { imagesWith, merged } from "./image-lists.ts";
import type { ImageRow } from "./image-rows.ts";
import { statusOf } from "./image-status.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = [
  "image.id",
  "image.digest",
  "image.image_bytes",
  "image.subject",
  "image.pushed_at",
  "image.last_pulled_at",
  "image.status",
  "image.last_archived_at",
  "image.last_activated_at",
  "image.tag_count",
] as const;

type Row = Pick<
  ImageRow,
  | "id"
  | "digest"
  | "image_bytes"
  | "subject"
  | "pushed_at"
  | "last_pulled_at"
  | "status"
  | "last_archived_at"
  | "last_activated_at"
  | "tag_count"
>;

const listImages = statement((db, value: { repositoryId: number; after: number; limit: number }) =>
  merged("ANY", (rank) => imagesWith(db, value.repositoryId, "ANY", rank, value.after).select(columns)).limit(
    value.limit,
  ),
);

const lockImage = statement((db, value: { repositoryId: number; digest: Digest }, flavour) =>
  flavour.forUpdate(
    db
      .selectFrom("image")
      .select(columns)
      .where("repository_id", "=", value.repositoryId)
      .where("digest", "=", value.digest),
  ),
);

const tagsOf = statement((db, value: { imageIds: List }, flavour) =>
  db
    .selectFrom("tag")
    .select(["image_id", "tag", "moved_at"])
    .where(flavour.amongList("image_id", value.imageIds))
    .orderBy("image_id")
    .orderBy("tag"),
);

const childrenOf = statement((db, value: { imageIds: List }, flavour) =>
  db.selectFrom("image_child").select(["image_id", "child"]).where(flavour.amongList("image_id", value.imageIds)),
);

const none: readonly never[] = [];

/** What planners take of images: no manifests, and few of the columns. */
export function lifecycleImages(db: Kysely<Schema>, flavour: Flavour): LifecycleImages {
  async function complete(rows: readonly Row[]): Promise<LifecycleImage[]> {
    const ids = rows.map(({ id }) => id);
    const tagged = rows.filter(({ tag_count }) => tag_count > 0).map(({ id }) => id);
    const tags = tagged.length === 0 ? none : await tagsOf(db, flavour, { imageIds: flavour.list(tagged) });
    const children = ids.length === 0 ? none : await childrenOf(db, flavour, { imageIds: flavour.list(ids) });
    const tagsById = Map.groupBy(tags, ({ image_id }) => image_id);
    const childrenById = Map.groupBy(children, ({ image_id }) => image_id);
    return rows.map((row) => {
      const own = tagsById.get(row.id) ?? none;
      return {
        id: row.id,
        digest: row.digest,
        pushedAt: row.pushed_at,
        lastPulledAt: row.last_pulled_at ?? undefined,
        taggedAt: own.length > 0 ? Math.max(...own.map(({ moved_at }) => moved_at)) : undefined,
        status: statusOf(row.status),
        archivedAt: row.last_archived_at ?? undefined,
        activatedAt: row.last_activated_at ?? undefined,
        tags: own.map(({ tag }) => tag),
        subject: row.subject ?? undefined,
        children: (childrenById.get(row.id) ?? none).map(({ child }) => child),
        bytes: row.image_bytes,
      };
    });
  }

  return {
    async page(repositoryId, { after = 0, limit }) {
      return complete(await listImages(db, flavour, { repositoryId, after, limit }));
    },

    async lock(repositoryId, digest) {
      const [image] = await complete(await lockImage(db, flavour, { repositoryId, digest }));
      return image;
    },
  };
}
