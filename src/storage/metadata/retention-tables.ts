import { type Generated, type Kysely, sql } from "kysely";
import type { AccountId, Arn, Digest, Region, RepositoryName } from "../../domain/names.ts";
import type { Flavour } from "./flavour.ts";
import type { StatusRank } from "./image-status.ts";

/** What a repository says of itself beyond ECR. Most have no row. */
export interface RepositoryRetentionTable {
  repository_id: number;
  /** The retention document exactly as it was sent. */
  document: string | null;
  report_only: number;
  is_protected: number;
}

export interface ImageHoldTable {
  repository_id: number;
  /** A tag or a digest: no tag has a colon, and every digest does. */
  target: string;
  reason: string;
  placed_at: number;
  placed_by: Arn | string;
  /** The first moment at which it is over. */
  held_until: number | null;
}

/**
 * Images that were deleted and can be brought back. Apart from `image`, so that no question about images has to leave
 * them out.
 */
export interface DeletedImageTable {
  id: Generated<number>;
  repository_id: number;
  digest: Digest;
  media_type: string;
  artifact_type: string | null;
  manifest_bytes: number;
  image_bytes: number;
  subject: Digest | null;
  /** JSON object. */
  annotations: string | null;
  pushed_at: number;
  last_pulled_at: number | null;
  status: StatusRank;
  last_archived_at: number | null;
  last_activated_at: number | null;
  /** As in `image`. */
  scan: string | null;
  signings: string | null;
  /** JSON array: the tags that went with it. */
  tags: string;
  /** JSON array: what it lists. */
  children: string;
  deleted_at: number;
  deleted_by: string;
  kept_until: number;
}

export interface DeletedImageManifestTable {
  deleted_image_id: number;
  bytes: Uint8Array;
}

/** Keeps the links of the layers that a deleted image needs to come back. */
export interface DeletedImageLayerTable {
  deleted_image_id: number;
  repository_id: number;
  digest: Digest;
  media_type: string;
  /** The image's: what only archived ones need may be in the archive's store. */
  image_status: StatusRank;
}

export interface DeletedRepositoryTable {
  repository_id: number;
  account: AccountId;
  region: Region;
  name: RepositoryName;
  deleted_at: number;
  deleted_by: string;
  kept_until: number;
}

/** Retention, holds, protection, and what can be brought back. */
export async function createRetention(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, bytes, table, orderedTable } = types;
  const repositoryId = sql`repository_id ${integer} not null references repository (id) on delete restrict`;
  const deletedImageId = sql`deleted_image_id ${integer} not null references deleted_image (id) on delete restrict`;
  const statements = [
    sql`create table repository_retention (
      repository_id ${integer} not null primary key references repository (id) on delete restrict,
      document ${text},
      report_only ${integer} not null,
      is_protected ${integer} not null
    ) ${orderedTable}`,

    sql`create table image_hold (
      ${repositoryId},
      target ${text} not null,
      reason ${text} not null,
      placed_at ${integer} not null,
      placed_by ${text} not null,
      held_until ${integer},
      primary key (repository_id, target)
    ) ${orderedTable}`,
    sql`create index image_hold_over on image_hold (held_until, repository_id, target) where held_until is not null`,

    sql`create table deleted_image (
      id ${id},
      ${repositoryId},
      digest ${text} not null,
      media_type ${text} not null,
      artifact_type ${text},
      manifest_bytes ${integer} not null,
      image_bytes ${integer} not null,
      subject ${text},
      annotations ${text},
      pushed_at ${integer} not null,
      last_pulled_at ${integer},
      status ${integer} not null,
      last_archived_at ${integer},
      last_activated_at ${integer},
      tags ${text} not null,
      children ${text} not null,
      deleted_at ${integer} not null,
      deleted_by ${text} not null,
      kept_until ${integer} not null,
      unique (repository_id, digest)
    ) ${table}`,
    sql`create index deleted_image_by_repository on deleted_image (repository_id, id)`,
    sql`create index deleted_image_by_subject on deleted_image (repository_id, subject, id) where subject is not null`,
    sql`create index deleted_image_over on deleted_image (kept_until, id)`,
    sql`create table deleted_image_manifest (
      ${deletedImageId} primary key,
      bytes ${bytes} not null
    ) ${table}`,
    sql`create table deleted_image_layer (
      ${deletedImageId},
      repository_id ${integer} not null,
      digest ${text} not null,
      media_type ${text} not null,
      image_status ${integer} not null,
      primary key (repository_id, digest, deleted_image_id),
      foreign key (repository_id, digest) references layer_link (repository_id, digest) on delete restrict
    ) ${orderedTable}`,
    sql`create index deleted_image_layer_by_image on deleted_image_layer (deleted_image_id)`,

    sql`create table deleted_repository (
      repository_id ${integer} not null primary key references repository (id) on delete restrict,
      account ${text} not null,
      region ${text} not null,
      name ${text} not null,
      deleted_at ${integer} not null,
      deleted_by ${text} not null,
      kept_until ${integer} not null
    ) ${orderedTable}`,
    sql`create index deleted_repository_by_registry on deleted_repository (account, region, repository_id)`,
    sql`create index deleted_repository_by_name on deleted_repository (account, region, name, deleted_at, repository_id)`,
    sql`create index deleted_repository_over on deleted_repository (kept_until, repository_id)`,
  ];
  for (const statement of statements) await statement.execute(db);
}
