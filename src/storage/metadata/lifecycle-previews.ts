import type { Kysely, Selectable } from "kysely";
import type { PreviewEntry } from "../../domain/lifecycle/types.ts";
import type { LifecyclePreviews, StoredPreview } from "../../domain/registry/lifecycle-ports.ts";
import type { Flavour } from "./flavour.ts";
import type { LifecyclePreviewTable } from "./lifecycle-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = [
  "id",
  "repository_id",
  "policy",
  "status",
  "started_at",
  "ended_at",
  "expiring",
  "transitioning",
] as const;

function toPreview(row: Selectable<LifecyclePreviewTable>): StoredPreview {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    text: row.policy,
    status: row.status,
    startedAt: new Date(row.started_at),
    endedAt: row.ended_at === null ? undefined : new Date(row.ended_at),
    expiring: row.expiring,
    transitioning: row.transitioning,
  };
}

const addPage = statement((db, value: { previewId: number; number: number; entries: string }) =>
  db
    .insertInto("lifecycle_preview_page")
    .values({ preview_id: value.previewId, number: value.number, entries: value.entries }),
);

export function lifecyclePreviews(db: Kysely<Schema>, flavour: Flavour): LifecyclePreviews {
  const ofRepository = (repositoryId: number) =>
    db.selectFrom("lifecycle_preview").select(columns).where("repository_id", "=", repositoryId);

  const clear = async (previewId: number) => {
    await db.deleteFrom("lifecycle_preview_page").where("preview_id", "=", previewId).execute();
  };

  return {
    clear,

    async find(repositoryId) {
      const row = await ofRepository(repositoryId).executeTakeFirst();
      return row && toPreview(row);
    },

    async lock(repositoryId) {
      const row = await flavour.forUpdate(ofRepository(repositoryId)).executeTakeFirst();
      return row && toPreview(row);
    },

    async start(repositoryId, { text: policy, startedAt }) {
      const before = await ofRepository(repositoryId).executeTakeFirst();
      if (before) {
        await clear(before.id);
        await db.deleteFrom("lifecycle_preview").where("id", "=", before.id).execute();
      }
      const { id } = await db
        .insertInto("lifecycle_preview")
        .values({
          repository_id: repositoryId,
          policy,
          status: "IN_PROGRESS",
          started_at: startedAt.getTime(),
          ended_at: null,
          expiring: 0,
          transitioning: 0,
        })
        .returning("id")
        .executeTakeFirstOrThrow();
      return id;
    },

    async addPage(previewId, number, entries) {
      await addPage(db, flavour, { previewId, number, entries: JSON.stringify(entries) });
    },

    async pages(previewId, { from, limit }) {
      const rows = await db
        .selectFrom("lifecycle_preview_page")
        .select(["number", "entries"])
        .where("preview_id", "=", previewId)
        .where("number", ">=", from)
        .orderBy("number")
        .limit(limit)
        .execute();
      return rows.map(({ number, entries }) => ({ number, entries: JSON.parse(entries) as PreviewEntry[] }));
    },

    async end(previewId, { status, at, expiring = 0, transitioning = 0 }) {
      const ended = await db
        .updateTable("lifecycle_preview")
        .set({ status, ended_at: at.getTime(), expiring, transitioning })
        .where("id", "=", previewId)
        .where("status", "=", "IN_PROGRESS")
        .returning("id")
        .execute();
      return ended.length > 0;
    },
  };
}
