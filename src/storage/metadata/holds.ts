import type { Kysely, Selectable } from "kysely";
import type { Holds, HoldTarget, StoredHold } from "../../domain/registry/retention-ports.ts";
import type { Flavour, List } from "./flavour.ts";
import type { ImageHoldTable } from "./retention-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = ["repository_id", "target", "reason", "placed_at", "placed_by", "held_until"] as const;

function toHold(row: Selectable<ImageHoldTable>): StoredHold {
  return {
    repositoryId: row.repository_id,
    target: row.target as HoldTarget,
    reason: row.reason,
    placedAt: new Date(row.placed_at),
    placedBy: row.placed_by,
    until: row.held_until === null ? undefined : new Date(row.held_until),
  };
}

const findHolds = statement((db, value: { repositoryId: number; targets: List; at: number }, flavour) =>
  db
    .selectFrom("image_hold")
    .select(columns)
    .where("repository_id", "=", value.repositoryId)
    .where(flavour.amongList("target", value.targets))
    .where((hold) => hold.or([hold("held_until", "is", null), hold("held_until", ">", value.at)])),
);

export function holds(db: Kysely<Schema>, flavour: Flavour): Holds {
  return {
    async on(repositoryId, targets, at) {
      if (targets.length === 0) return [];
      const rows = await findHolds(db, flavour, { repositoryId, targets: flavour.list(targets), at: at.getTime() });
      return rows.map(toHold);
    },

    async list(repositoryId, { after = "", limit }, at) {
      const rows = await db
        .selectFrom("image_hold")
        .select(columns)
        .where("repository_id", "=", repositoryId)
        .where("target", ">", after)
        .where((hold) => hold.or([hold("held_until", "is", null), hold("held_until", ">", at.getTime())]))
        .orderBy("target")
        .limit(limit)
        .execute();
      return rows.map(toHold);
    },

    async count(repositoryId) {
      const row = await db
        .selectFrom("image_hold")
        .select(({ fn }) => fn.countAll<number>().as("count"))
        .where("repository_id", "=", repositoryId)
        .executeTakeFirst();
      return row?.count ?? 0;
    },

    async put({ repositoryId, target, reason, placedAt, placedBy, until }) {
      const said = {
        reason,
        placed_at: placedAt.getTime(),
        placed_by: placedBy,
        held_until: until?.getTime() ?? null,
      };
      await db
        .insertInto("image_hold")
        .values({ repository_id: repositoryId, target, ...said })
        .onConflict((conflict) => conflict.columns(["repository_id", "target"]).doUpdateSet(said))
        .execute();
    },

    async remove(repositoryId, target) {
      const removed = await db
        .deleteFrom("image_hold")
        .where("repository_id", "=", repositoryId)
        .where("target", "=", target)
        .returning("target")
        .execute();
      return removed.length > 0;
    },

    async forget(before, limit) {
      const over = await db
        .selectFrom("image_hold")
        .select(["repository_id", "target"])
        .where("held_until", "<=", before.getTime())
        .orderBy("held_until")
        .limit(limit)
        .execute();
      for (const { repository_id, target } of over) {
        await db
          .deleteFrom("image_hold")
          .where("repository_id", "=", repository_id)
          .where("target", "=", target)
          // Somebody may have made it longer meanwhile.
          .where("held_until", "<=", before.getTime())
          .execute();
      }
      return over.length;
    },
  };
}
