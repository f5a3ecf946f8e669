import type { Kysely, Selectable } from "kysely";
import type { AccountId, UploadId } from "../../domain/names.ts";
import type { StagingId, Upload, UploadProgress, Uploads } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

type UploadRow = Selectable<Schema["upload"]>;

const uploadColumns = [
  "id",
  "repository_id",
  "owner_account",
  "owner_arn",
  "owner_id",
  "staging",
  "algorithm",
  "staged_bytes",
  "staged_digest",
  "parts",
  "last_part_bytes",
  "smallest_earlier_part_bytes",
  "created_at",
  "updated_at",
  "writer",
] as const;

function toUpload(row: Pick<UploadRow, (typeof uploadColumns)[number]>): Upload {
  return {
    id: row.id,
    repositoryId: row.repository_id,
    owner: { account: row.owner_account, arn: row.owner_arn, id: row.owner_id },
    staging: row.staging,
    algorithm: row.algorithm,
    staged: { sizeBytes: row.staged_bytes, digest: row.staged_digest ?? undefined },
    parts: row.parts,
    lastPartBytes: row.last_part_bytes,
    smallestEarlierPartBytes: row.smallest_earlier_part_bytes ?? undefined,
    createdAt: new Date(row.created_at),
    updatedAt: new Date(row.updated_at),
    isClaimed: row.writer !== null,
  };
}

/** The columns that a release with progress replaces. */
function toProgressRow(progress: Omit<UploadProgress, "at">, updatedAt: Date) {
  return {
    staging: progress.staging,
    staged_bytes: progress.staged.sizeBytes,
    staged_digest: progress.staged.digest ?? null,
    parts: progress.parts,
    last_part_bytes: progress.lastPartBytes,
    smallest_earlier_part_bytes: progress.smallestEarlierPartBytes ?? null,
    updated_at: updatedAt.getTime(),
  };
}

type ProgressRow = ReturnType<typeof toProgressRow>;

const findUpload = statement((db, value: { id: UploadId }) =>
  db.selectFrom("upload").select(uploadColumns).where("id", "=", value.id),
);

const addUpload = statement((db, value: Omit<UploadRow, "writer" | "claimed_until">) =>
  db.insertInto("upload").values({
    id: value.id,
    repository_id: value.repository_id,
    owner_account: value.owner_account,
    owner_arn: value.owner_arn,
    owner_id: value.owner_id,
    staging: value.staging,
    algorithm: value.algorithm,
    staged_bytes: value.staged_bytes,
    staged_digest: value.staged_digest,
    parts: value.parts,
    last_part_bytes: value.last_part_bytes,
    smallest_earlier_part_bytes: value.smallest_earlier_part_bytes,
    created_at: value.created_at,
    updated_at: value.updated_at,
  }),
);

const findWriter = statement((db, value: { id: UploadId }, flavour) =>
  flavour.forUpdate(db.selectFrom("upload").select("writer").where("id", "=", value.id)),
);

const claimUpload = statement((db, value: { id: UploadId; writer: string; now: number; until: number }) =>
  db
    .updateTable("upload")
    .set({ writer: value.writer, claimed_until: value.until })
    .where("id", "=", value.id)
    .where((upload) => upload.or([upload("writer", "is", null), upload("claimed_until", "<", value.now)]))
    .returning(uploadColumns),
);

const extendClaim = statement((db, value: { id: UploadId; writer: string; until: number }) =>
  db
    .updateTable("upload")
    .set({ claimed_until: value.until })
    .where("id", "=", value.id)
    .where("writer", "=", value.writer)
    .returning("id"),
);

const releaseClaim = statement((db, value: { id: UploadId; writer: string }) =>
  db
    .updateTable("upload")
    .set({ writer: null, claimed_until: null })
    .where("id", "=", value.id)
    .where("writer", "=", value.writer)
    .returning("id"),
);

const releaseWithProgress = statement((db, value: { id: UploadId; writer: string } & ProgressRow) =>
  db
    .updateTable("upload")
    .set({
      staging: value.staging,
      staged_bytes: value.staged_bytes,
      staged_digest: value.staged_digest,
      parts: value.parts,
      last_part_bytes: value.last_part_bytes,
      smallest_earlier_part_bytes: value.smallest_earlier_part_bytes,
      updated_at: value.updated_at,
      writer: null,
      claimed_until: null,
    })
    .where("id", "=", value.id)
    .where("writer", "=", value.writer)
    .returning("id"),
);

const deleteUpload = statement((db, value: { id: UploadId }) =>
  db.deleteFrom("upload").where("id", "=", value.id).returning("id"),
);

const countOfOwner = statement((db, value: { account: AccountId; id: string; limit: number }) =>
  db
    .selectFrom((owned) =>
      owned
        .selectFrom("upload")
        .select("id")
        .where("owner_id", "=", value.id)
        .where("owner_account", "=", value.account)
        .limit(value.limit)
        .as("owned"),
    )
    .select((owned) => owned.fn.countAll<number | string>().as("count")),
);

const findStale = statement((db, value: { before: number; limit: number }) =>
  db
    .selectFrom("upload")
    .select(uploadColumns)
    .where("updated_at", "<", value.before)
    // A claim that ran past `before` is a touch: somebody has been writing all the while.
    .where((upload) => upload.or([upload("writer", "is", null), upload("claimed_until", "<", value.before)]))
    .orderBy("updated_at")
    .orderBy("id")
    .limit(value.limit),
);

const findByStaging = statement((db, value: { staging: StagingId }) =>
  db.selectFrom("upload").select("id").where("staging", "=", value.staging).limit(1),
);

export function uploads(db: Kysely<Schema>, flavour: Flavour): Uploads {
  return {
    async find(id) {
      const [row] = await findUpload(db, flavour, { id });
      return row && toUpload(row);
    },

    async create(upload) {
      await addUpload(db, flavour, {
        id: upload.id,
        repository_id: upload.repositoryId,
        owner_account: upload.owner.account,
        owner_arn: upload.owner.arn,
        owner_id: upload.owner.id,
        algorithm: upload.algorithm,
        created_at: upload.createdAt.getTime(),
        ...toProgressRow(upload, upload.updatedAt),
      });
    },

    async claim(id, writer, now, until) {
      const [before] = await findWriter(db, flavour, { id });
      if (before === undefined) return undefined;
      const [row] = await claimUpload(db, flavour, { id, writer, now: now.getTime(), until: until.getTime() });
      return row && { upload: toUpload(row), previous: before.writer !== null };
    },

    async extend(id, writer, until) {
      const extended = await extendClaim(db, flavour, { id, writer, until: until.getTime() });
      return extended.length > 0;
    },

    async release(id, writer, progress) {
      const released = progress
        ? await releaseWithProgress(db, flavour, { id, writer, ...toProgressRow(progress, progress.at) })
        : await releaseClaim(db, flavour, { id, writer });
      return released.length > 0;
    },

    async delete(id) {
      const deleted = await deleteUpload(db, flavour, { id });
      return deleted.length > 0;
    },

    async countOf({ account, id }, limit) {
      const [row] = await countOfOwner(db, flavour, { account, id, limit });
      return Number(row?.count ?? 0);
    },

    async stale(before, limit) {
      const rows = await findStale(db, flavour, { before: before.getTime(), limit });
      return rows.map(toUpload);
    },

    async owns(staging) {
      const rows = await findByStaging(db, flavour, { staging });
      return rows.length > 0;
    },
  };
}
