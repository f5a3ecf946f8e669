import { type Kysely, sql } from "kysely";
import type { Digest, Tag } from "../../domain/names.ts";
import type { TagMove, Tags } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import { active } from "./image-status.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

interface Named {
  readonly repositoryId: number;
  readonly tag: Tag;
}

const findTag = statement((db, value: Named) =>
  db
    .selectFrom("tag")
    .innerJoin("image", "image.id", "tag.image_id")
    .select(["tag.tag", "tag.image_id", "image.digest"])
    .where("tag.repository_id", "=", value.repositoryId)
    .where("tag.tag", "=", value.tag),
);

const findTagToMove = statement((db, value: Named, flavour) =>
  flavour.forUpdate(
    db
      .selectFrom("tag")
      .select("image_id")
      .where("repository_id", "=", value.repositoryId)
      .where("tag", "=", value.tag),
  ),
);

const addTag = statement((db, value: Named & { imageId: number; movedAt: number }) =>
  db
    .insertInto("tag")
    .values({ repository_id: value.repositoryId, tag: value.tag, image_id: value.imageId, moved_at: value.movedAt })
    .onConflict((conflict) => conflict.columns(["repository_id", "tag"]).doNothing())
    .returning("tag"),
);

const moveTag = statement((db, value: Named & { imageId: number; movedAt: number }) =>
  db
    .updateTable("tag")
    .set({ image_id: value.imageId, moved_at: value.movedAt, image_status: active })
    .where("repository_id", "=", value.repositoryId)
    .where("tag", "=", value.tag),
);

const removeTag = statement((db, value: Named) =>
  db
    .deleteFrom("tag")
    .where("repository_id", "=", value.repositoryId)
    .where("tag", "=", value.tag)
    .returning("image_id"),
);

const countTag = statement((db, value: { imageId: number; difference: number }) =>
  db
    .updateTable("image")
    .set(({ eb }) => ({ tag_count: eb("tag_count", "+", value.difference) }))
    .where("id", "=", value.imageId),
);

const countOfImage = statement((db, value: { imageId: number }) =>
  db
    .selectFrom("tag")
    .select(({ fn }) => fn.countAll<number>().as("count"))
    .where("image_id", "=", value.imageId),
);

const listTags = statement((db, value: { repositoryId: number; after: string; limit: number }) =>
  db
    .selectFrom("tag")
    .select("tag")
    .where("repository_id", "=", value.repositoryId)
    // Written out, because only the very words match the index.
    .where("image_status", "=", sql.lit(active))
    .where("tag", ">", value.after as Tag)
    .orderBy("tag")
    .limit(value.limit),
);

const addMove = statement((db, value: Named & { from?: Digest; to?: Digest; movedAt: number; movedBy: string }) =>
  db.insertInto("tag_move").values({
    repository_id: value.repositoryId,
    tag: value.tag,
    from_digest: value.from,
    to_digest: value.to,
    moved_at: value.movedAt,
    moved_by: value.movedBy,
  }),
);

const listMoves = statement((db, value: Named & { limit: number }) =>
  db
    .selectFrom("tag_move")
    .select(["from_digest", "to_digest", "moved_at", "moved_by"])
    .where("repository_id", "=", value.repositoryId)
    .where("tag", "=", value.tag)
    .orderBy("id", "desc")
    .limit(value.limit),
);

export function tags(db: Kysely<Schema>, flavour: Flavour): Tags {
  /** Answers the image that the tag pointed to before, if any. */
  async function point(tag: Named, imageId: number, movedAt: number): Promise<number | undefined> {
    const [before] = await findTagToMove(db, flavour, tag);
    if (before !== undefined) {
      await moveTag(db, flavour, { ...tag, imageId, movedAt });
      return before.image_id;
    }
    const added = await addTag(db, flavour, { ...tag, imageId, movedAt });
    // Without the lock, somebody may have created it meanwhile. It is committed, so now it will be found.
    return added.length > 0 ? undefined : point(tag, imageId, movedAt);
  }

  return {
    async lock(repositoryId, tag) {
      await flavour.lockTag(db, repositoryId, tag);
    },

    async find(repositoryId, tag) {
      const [row] = await findTag(db, flavour, { repositoryId, tag });
      return row && { tag: row.tag, imageId: row.image_id, digest: row.digest };
    },

    async ofImages(imageIds) {
      const found = new Map<number, Tag[]>();
      if (imageIds.length === 0) return found;
      const rows = await db
        .selectFrom("tag")
        .select(["image_id", "tag"])
        .where(flavour.among("image_id", imageIds))
        .orderBy("image_id")
        .orderBy("tag")
        .execute();
      for (const { image_id, tag } of rows) {
        const present = found.get(image_id);
        if (present) present.push(tag);
        else found.set(image_id, [tag]);
      }
      return found;
    },

    async countOfImage(imageId) {
      const [row] = await countOfImage(db, flavour, { imageId });
      return row?.count ?? 0;
    },

    async list(repositoryId, { after = "", limit }) {
      const rows = await listTags(db, flavour, { repositoryId, after, limit });
      return rows.map(({ tag }) => tag);
    },

    async set(repositoryId, tag, { id: imageId }, at) {
      const before = await point({ repositoryId, tag }, imageId, at.getTime());
      if (before === imageId) return;
      const counts = [{ imageId, difference: 1 }];
      if (before !== undefined) counts.push({ imageId: before, difference: -1 });
      // In order of images, so that two who swap tags between the same images do not wait for each other.
      counts.sort((a, b) => a.imageId - b.imageId);
      for (const count of counts) await countTag(db, flavour, count);
    },

    async delete(repositoryId, tag) {
      const [removed] = await removeTag(db, flavour, { repositoryId, tag });
      if (removed) await countTag(db, flavour, { imageId: removed.image_id, difference: -1 });
    },

    async record({ repositoryId, tag, from, to, at, by }) {
      await addMove(db, flavour, { repositoryId, tag, from, to, movedAt: at.getTime(), movedBy: by });
    },

    async history(repositoryId, tag, limit) {
      const rows = await listMoves(db, flavour, { repositoryId, tag, limit });
      return rows.map(
        (row): TagMove => ({
          repositoryId,
          tag,
          from: row.from_digest ?? undefined,
          to: row.to_digest ?? undefined,
          at: new Date(row.moved_at),
          by: row.moved_by,
        }),
      );
    },
  };
}
