import { type ExpressionBuilder, type Kysely, type SqlBool, sql } from "kysely";
import type { AccountId, Region, RepositoryName } from "../../domain/names.ts";
import {
  figureNames,
  type Usage,
  type UsageArea,
  type UsageEntry,
  type UsageFigures,
} from "../../domain/registry/usage-ports.ts";
import type { Flavour } from "./flavour.ts";
import { type StatusRank, statusOf } from "./image-status.ts";
import { deletedAccount, keptAccount } from "./repositories.ts";
import type { Schema } from "./schema.ts";
import type { UsageEntryTable } from "./usage-tables.ts";

/** As many rows in one statement as leave any limit on parameters far away. */
const rowsAtOnce = 200;
/** Who asks about one repository looks at no more that have the same layer. */
const othersLookedAt = 64;

type FigureColumn = Exclude<keyof UsageEntryTable, "run_id" | keyof UsageArea>;

const columnOf = (name: keyof UsageFigures) =>
  name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`) as FigureColumn;
const figureColumns = figureNames.map(columnOf);
const entryColumns = ["account", "region", "repository", ...figureColumns] as const;

const toFigures = (row: Pick<UsageEntryTable, FigureColumn>) =>
  Object.fromEntries(figureNames.map((name) => [name, row[columnOf(name)]])) as unknown as UsageFigures;

const toRow = (run: number, { area: { account, region, repository }, figures }: UsageEntry): UsageEntryTable => ({
  run_id: run,
  account,
  region,
  repository,
  ...(Object.fromEntries(figureNames.map((name) => [columnOf(name), figures[name]])) as Pick<
    UsageEntryTable,
    FigureColumn
  >),
});

interface AreaRow {
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
}

function toArea({ account, region, name: repository }: AreaRow): UsageArea | undefined {
  return account === deletedAccount || account === keptAccount ? undefined : { account, region, repository };
}

const toStatus = (rank: StatusRank | null) => (rank === null ? undefined : statusOf(rank));

/** Of the images that refer to the layer, the one that is needed most. */
const statusOfLink = (links: ExpressionBuilder<Schema, "layer_link">) =>
  links
    .selectFrom("image_layer")
    .select("image_layer.image_status")
    .whereRef("image_layer.repository_id", "=", "layer_link.repository_id")
    .whereRef("image_layer.digest", "=", "layer_link.digest")
    .orderBy("image_layer.image_status", "desc")
    .limit(1)
    .as("status");

export function usage(db: Kysely<Schema>, _flavour: Flavour): Usage {
  const ofArea = (run: number, { account, region, repository }: UsageArea) =>
    db
      .selectFrom("usage_entry")
      .where("run_id", "=", run)
      .where("account", "=", account)
      .where("region", "=", region)
      .where("repository", "=", repository);

  return {
    async begin(day, at) {
      const { id } = await db
        .insertInto("usage_run")
        .values({ day, started_at: at.getTime(), finished_at: null })
        .returning("id")
        .executeTakeFirstOrThrow();
      return id;
    },

    async add(run, entries) {
      for (let first = 0; first < entries.length; first += rowsAtOnce) {
        const rows = entries.slice(first, first + rowsAtOnce).map((entry) => toRow(run, entry));
        await db
          .insertInto("usage_entry")
          .values(rows)
          .onConflict((conflict) =>
            conflict
              .columns(["run_id", "account", "region", "repository"])
              .doUpdateSet(
                Object.fromEntries(
                  figureColumns.map((column) => [
                    column,
                    sql<number>`${sql.ref(`usage_entry.${column}`)} + ${sql.ref(`excluded.${column}`)}`,
                  ]),
                ),
              ),
          )
          .execute();
      }
    },

    async finish(run, at) {
      await db.updateTable("usage_run").set({ finished_at: at.getTime() }).where("id", "=", run).execute();
    },

    async outdated(run, before = "", limit) {
      const rows = await db
        .selectFrom("usage_run")
        .select("usage_run.id")
        .where("usage_run.id", "<", run)
        .where(({ or, eb, selectFrom }) =>
          or([
            eb("usage_run.finished_at", "is", null),
            eb("usage_run.day", "<", before),
            eb("usage_run.day", "=", selectFrom("usage_run as this").select("this.day").where("this.id", "=", run)),
          ]),
        )
        .orderBy("usage_run.id")
        .limit(limit)
        .execute();
      return rows.map(({ id }) => id);
    },

    async drop(run, limit) {
      const last = await db
        .selectFrom("usage_entry")
        .select(["account", "region", "repository"])
        .where("run_id", "=", run)
        .orderBy("account")
        .orderBy("region")
        .orderBy("repository")
        .offset(limit)
        .limit(1)
        .executeTakeFirst();
      let entries = db.deleteFrom("usage_entry").where("run_id", "=", run);
      if (last) {
        const { account, region, repository } = last;
        entries = entries.where(sql<SqlBool>`(account, region, repository) < (${account}, ${region}, ${repository})`);
      }
      await entries.execute();
      if (last) return false;
      await db.deleteFrom("usage_run").where("id", "=", run).execute();
      return true;
    },

    async newest() {
      const row = await db
        .selectFrom("usage_run")
        .select(["id", "day", "finished_at"])
        .where("finished_at", "is not", null)
        .where("day", ">", "")
        .orderBy("day", "desc")
        .orderBy("id", "desc")
        .limit(1)
        .executeTakeFirst();
      return row && { id: row.id, day: row.day, finishedAt: new Date(row.finished_at ?? 0) };
    },

    async entry(run, area) {
      const row = await ofArea(run, area).select(figureColumns).executeTakeFirst();
      return row && toFigures(row);
    },

    async list(run, { account, region }, { after, limit }) {
      let query = db
        .selectFrom("usage_entry")
        .select(entryColumns)
        .where("run_id", "=", run)
        .where("account", "=", account)
        .where("region", "=", region)
        .where("repository", "!=", "")
        .orderBy("layer_bytes", "desc")
        .orderBy("repository", "desc")
        .limit(limit);
      if (after)
        query = query.where(sql<SqlBool>`(layer_bytes, repository) < (${after.layerBytes}, ${after.repository})`);
      return (await query.execute()).map((row) => ({
        area: { account, region, repository: row.repository },
        figures: toFigures(row),
      }));
    },

    async areas(run, limit) {
      const rows = await db
        .selectFrom("usage_entry")
        .select(entryColumns)
        .where("run_id", "=", run)
        // Written out, because only the very words match the index.
        .where(sql<SqlBool>`repository = ''`)
        .orderBy("layer_bytes", "desc")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        area: { account: row.account, region: row.region, repository: row.repository },
        figures: toFigures(row),
      }));
    },

    async history({ account, region, repository }, { after, limit }) {
      let query = db
        .selectFrom("usage_run")
        .innerJoin("usage_entry", "usage_entry.run_id", "usage_run.id")
        .select([
          "usage_run.day",
          "usage_run.finished_at",
          ...figureColumns.map((column) => `usage_entry.${column}` as const),
        ])
        .where("usage_run.finished_at", "is not", null)
        .where("usage_run.day", ">", "")
        .where("usage_entry.account", "=", account)
        .where("usage_entry.region", "=", region)
        .where("usage_entry.repository", "=", repository)
        // Of one day, the newest: others are about to go.
        .where(({ not, exists, selectFrom }) =>
          not(
            exists(
              selectFrom("usage_run as later")
                .select("later.id")
                .where("later.finished_at", "is not", null)
                .whereRef("later.day", "=", "usage_run.day")
                .whereRef("later.id", ">", "usage_run.id"),
            ),
          ),
        )
        .orderBy("usage_run.day", "desc")
        .limit(limit);
      if (after !== undefined) query = query.where("usage_run.day", "<", after);
      const rows = await query.execute();
      return rows.map((row) => ({
        day: row.day,
        measuredAt: new Date(row.finished_at ?? 0),
        figures: toFigures(row),
      }));
    },

    async repositories({ after = 0, limit }) {
      const rows = await db
        .selectFrom("repository")
        .select(["id", "account", "region", "name"])
        .where("id", ">", after)
        .where("account", "not in", [deletedAccount, keptAccount])
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(({ id, account, region, name }) => ({ id, area: { account, region, repository: name } }));
    },

    async links({ after, limit }) {
      let query = db
        .selectFrom("layer_link")
        .innerJoin("blob", (blob) =>
          blob.onRef("blob.digest", "=", "layer_link.digest").onRef("blob.key_scope", "=", "layer_link.key_scope"),
        )
        .innerJoin("repository", "repository.id", "layer_link.repository_id")
        .select(["layer_link.digest", "layer_link.key_scope", "layer_link.linked_at", "layer_link.repository_id"])
        .select(["blob.size_bytes", "repository.account", "repository.region", "repository.name"])
        .select(statusOfLink)
        .orderBy("layer_link.digest")
        .orderBy("layer_link.key_scope")
        .orderBy("layer_link.linked_at")
        .orderBy("layer_link.repository_id")
        .limit(limit);
      const { digest = "", scope = "", linkedAt = 0, repositoryId = 0 } = after ?? {};
      query = query.where(
        sql<SqlBool>`(layer_link.digest, layer_link.key_scope, layer_link.linked_at, layer_link.repository_id) > (${digest}, ${scope}, ${linkedAt}, ${repositoryId})`,
      );
      const rows = await query.execute();
      return rows.map((row) => ({
        digest: row.digest,
        scope: row.key_scope,
        linkedAt: row.linked_at,
        repositoryId: row.repository_id,
        sizeBytes: row.size_bytes,
        area: toArea(row),
        status: toStatus(row.status),
      }));
    },

    async images({ after = 0, limit }) {
      const rows = await db
        .selectFrom("image")
        .innerJoin("repository", "repository.id", "image.repository_id")
        .select(["image.id", "image.status", "image.tag_count", "image.manifest_bytes"])
        .select(["repository.account", "repository.region", "repository.name"])
        .where("image.id", ">", after)
        .orderBy("image.id")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        id: row.id,
        area: toArea(row),
        status: statusOf(row.status),
        isTagged: row.tag_count > 0,
        manifestBytes: row.manifest_bytes,
      }));
    },

    async unlinked({ after, limit }) {
      const { since = -1, digest = "", scope = "" } = after ?? {};
      const rows = await db
        .selectFrom("blob")
        .select(["digest", "key_scope", "unlinked_since", "size_bytes"])
        .select(({ exists, selectFrom }) =>
          exists(
            selectFrom("layer_link")
              .select("layer_link.digest")
              .whereRef("layer_link.digest", "=", "blob.digest")
              .whereRef("layer_link.key_scope", "=", "blob.key_scope"),
          ).as("is_linked"),
        )
        .where("unlinked_since", "is not", null)
        .where(sql<SqlBool>`(unlinked_since, digest, key_scope) > (${since}, ${digest}, ${scope})`)
        .orderBy("unlinked_since")
        .orderBy("digest")
        .orderBy("key_scope")
        .limit(limit)
        .execute();
      return rows.map((row) => ({
        digest: row.digest,
        scope: row.key_scope,
        since: row.unlinked_since ?? 0,
        sizeBytes: row.size_bytes,
        isLinked: Boolean(row.is_linked),
      }));
    },

    async liveLinks({ account, region }, repositoryId, { after, limit }) {
      const others = sql`(
        select other.repository_id, other.digest from layer_link as other
        where other.digest = layer_link.digest and other.key_scope = layer_link.key_scope
        limit ${sql.lit(othersLookedAt)}
      )`;
      let query = db
        .selectFrom("layer_link")
        .innerJoin("blob", (blob) =>
          blob.onRef("blob.digest", "=", "layer_link.digest").onRef("blob.key_scope", "=", "layer_link.key_scope"),
        )
        .select(["layer_link.digest", "blob.size_bytes"])
        .select(statusOfLink)
        .select(
          sql<number | null>`case
            when exists (
              select 1 from ${others} as page
              join repository as holder on holder.id = page.repository_id
              where page.repository_id <> layer_link.repository_id
                and holder.account = ${account} and holder.region = ${region}
                and exists (
                  select 1 from image_layer
                  where image_layer.repository_id = page.repository_id and image_layer.digest = page.digest
                )
            ) then 1
            when (select count(*) from ${others} as page) < ${sql.lit(othersLookedAt)} then 0
          end`.as("shared"),
        )
        .where("layer_link.repository_id", "=", repositoryId)
        .orderBy("layer_link.digest")
        .limit(limit);
      if (after !== undefined) query = query.where("layer_link.digest", ">", after);
      const rows = await query.execute();
      return rows.map((row) => ({
        digest: row.digest,
        sizeBytes: row.size_bytes,
        status: toStatus(row.status),
        isShared: row.shared === null ? undefined : row.shared === 1,
      }));
    },

    async liveImages(repositoryId, { after, limit }) {
      let query = db
        .selectFrom("image")
        .select(["digest", "status", "tag_count", "manifest_bytes"])
        .where("repository_id", "=", repositoryId)
        .orderBy("digest")
        .limit(limit);
      if (after !== undefined) query = query.where("digest", ">", after);
      const rows = await query.execute();
      return rows.map((row) => ({
        digest: row.digest,
        status: statusOf(row.status),
        isTagged: row.tag_count > 0,
        manifestBytes: row.manifest_bytes,
      }));
    },
  };
}
