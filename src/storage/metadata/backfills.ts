import { type Kysely, type Selectable, type SqlBool, sql } from "kysely";
import type { Registry, Tag } from "../../domain/names.ts";
import type { Backfill, BackfillProgress, BackfillResult, Backfills } from "../../domain/replication/ports.ts";
import { chunked } from "./batches.ts";
import type { Flavour } from "./flavour.ts";
import type { ReplicationBackfillItemTable, ReplicationBackfillTable } from "./replication-tables.ts";
import type { Schema } from "./schema.ts";

const columns = [
  "id",
  "account",
  "region",
  "to_account",
  "to_region",
  "status",
  "failure_code",
  "progress",
  "started_at",
  "ended_at",
] as const;
const itemColumns = ["number", "repository", "digest", "tag", "status", "failure_code", "part_failure_codes"] as const;

function toBackfill(row: Selectable<ReplicationBackfillTable>): Backfill {
  return {
    id: row.id,
    registry: { account: row.account, region: row.region },
    destination: { account: row.to_account, region: row.to_region },
    status: row.status,
    failureCode: row.failure_code ?? undefined,
    progress: row.progress === null ? undefined : (JSON.parse(row.progress) as BackfillProgress),
    startedAt: new Date(row.started_at),
    endedAt: row.ended_at === null ? undefined : new Date(row.ended_at),
  };
}

type ItemRow = Omit<Selectable<ReplicationBackfillItemTable>, "backfill_id">;

function toItem({ number, repository, digest, tag }: ItemRow) {
  return { number, repository, digest, tag: tag === "" ? undefined : (tag as Tag) };
}

export function backfills(db: Kysely<Schema>, flavour: Flavour): Backfills {
  const ofRegistry = ({ account, region }: Registry) =>
    db.selectFrom("replication_backfill").select(columns).where("account", "=", account).where("region", "=", region);

  return {
    async find(registry, id) {
      const row = await ofRegistry(registry).where("id", "=", id).executeTakeFirst();
      return row && toBackfill(row);
    },

    async lock(registry, id) {
      const row = await flavour.forUpdate(ofRegistry(registry).where("id", "=", id)).executeTakeFirst();
      return row && toBackfill(row);
    },

    async list(registry, endedSince, { after, limit }) {
      const rows = await ofRegistry(registry)
        .where(({ or, eb }) => or([eb("ended_at", "is", null), eb("ended_at", ">", endedSince.getTime())]))
        .$if(after !== undefined, (query) =>
          query.where(sql<SqlBool>`(started_at, id) < (${after?.startedAt ?? 0}, ${after?.id ?? ""})`),
        )
        .orderBy("started_at", "desc")
        .orderBy("id", "desc")
        .limit(limit)
        .execute();
      return rows.map(toBackfill);
    },

    async countOpen(registry) {
      const rows = await ofRegistry(registry).where("ended_at", "is", null).execute();
      return rows.length;
    },

    async create({ id, registry, destination, status, startedAt }) {
      const created = await db
        .insertInto("replication_backfill")
        .values({
          id,
          account: registry.account,
          region: registry.region,
          to_account: destination.account,
          to_region: destination.region,
          status,
          started_at: startedAt.getTime(),
        })
        .onConflict((conflict) =>
          conflict.columns(["account", "region", "to_region"]).where("ended_at", "is", null).doNothing(),
        )
        .returning("id")
        .execute();
      return created.length > 0;
    },

    async update(id, { status, failureCode, progress, endedAt }) {
      const change = {
        status,
        failure_code: failureCode,
        progress: progress && JSON.stringify(progress),
        ended_at: endedAt?.getTime(),
      };
      await db.updateTable("replication_backfill").set(change).where("id", "=", id).execute();
    },

    async add(id, items) {
      for (const some of chunked(items)) {
        const rows = some.map(({ number, repository, digest, tag }) => ({
          backfill_id: id,
          number,
          repository,
          digest,
          tag: tag ?? "",
          status: "OPEN" as const,
        }));
        await db.insertInto("replication_backfill_item").values(rows).execute();
      }
    },

    async open(id, limit) {
      const rows = await db
        .selectFrom("replication_backfill_item")
        .select(itemColumns)
        .where("backfill_id", "=", id)
        .where("status", "=", "OPEN")
        .orderBy("number")
        .limit(limit)
        .execute();
      return rows.map(toItem);
    },

    async settle(id, results) {
      for (const { number, status, failureCode, partFailureCodes } of results) {
        await db
          .updateTable("replication_backfill_item")
          .set({
            status,
            failure_code: failureCode ?? null,
            part_failure_codes: partFailureCodes ? JSON.stringify(partFailureCodes) : null,
          })
          .where("backfill_id", "=", id)
          .where("number", "=", number)
          .execute();
      }
    },

    async results(id, { after = -1, limit, status }) {
      const rows = await db
        .selectFrom("replication_backfill_item")
        .select(itemColumns)
        .where("backfill_id", "=", id)
        .$if(status !== undefined, (query) => query.where("status", "=", status as BackfillResult["status"]))
        .$if(status === undefined, (query) => query.where("status", "!=", "OPEN"))
        .where("number", ">", after)
        .orderBy("number")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        ...toItem(row),
        status: row.status as BackfillResult["status"],
        failureCode: row.failure_code ?? undefined,
        partFailureCodes:
          row.part_failure_codes === null ? undefined : (JSON.parse(row.part_failure_codes) as string[]),
      }));
    },

    async prune(endedBefore, limit) {
      const old = await db
        .selectFrom("replication_backfill")
        .select("id")
        .where("ended_at", "<", endedBefore.getTime())
        .orderBy("ended_at")
        .limit(1)
        .executeTakeFirst();
      if (!old) return true;
      const items = await db
        .selectFrom("replication_backfill_item")
        .select("number")
        .where("backfill_id", "=", old.id)
        .orderBy("number")
        .limit(limit)
        .execute();
      const last = items.at(-1);
      if (last) {
        await db
          .deleteFrom("replication_backfill_item")
          .where("backfill_id", "=", old.id)
          .where("number", "<=", last.number)
          .execute();
      }
      if (items.length < limit) await db.deleteFrom("replication_backfill").where("id", "=", old.id).execute();
      return false;
    },
  };
}
