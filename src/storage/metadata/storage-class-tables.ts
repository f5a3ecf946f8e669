import { type Kysely, sql } from "kysely";
import type { Flavour } from "./flavour.ts";

/**
 * The archive. Lists are by status, so each index of images has it before the id, and a list of any status merges three.
 * A layer's images are in the order of their status: the last one tells whether any of them is active.
 */
export async function addStorageClass(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  const statements = [
    sql`alter table image add column status ${integer} not null default 2`,
    sql`alter table image add column last_archived_at ${integer}`,
    sql`alter table image add column last_activated_at ${integer}`,
    sql`drop index image_by_repository`,
    sql`drop index image_tagged`,
    sql`drop index image_untagged`,
    sql`drop index image_by_subject`,
    sql`create index image_by_repository on image (repository_id, status, id)`,
    sql`create index image_tagged on image (repository_id, status, id) where tag_count > 0`,
    sql`create index image_untagged on image (repository_id, status, id) where tag_count = 0`,
    sql`create index image_by_subject on image (repository_id, subject, status, id) where subject is not null`,
    sql`create index image_activating on image (id) where status = 1`,

    sql`alter table tag add column image_status ${integer} not null default 2`,
    sql`create index tag_of_active on tag (repository_id, tag) where image_status = 2`,

    sql`create table ranked_image_layer (
      image_id ${integer} not null references image (id) on delete restrict,
      repository_id ${integer} not null,
      digest ${text} not null,
      media_type ${text} not null,
      image_status ${integer} not null default 2,
      primary key (repository_id, digest, image_status, image_id),
      foreign key (repository_id, digest) references layer_link (repository_id, digest) on delete restrict
    ) ${orderedTable}`,
    sql`insert into ranked_image_layer (image_id, repository_id, digest, media_type)
      select image_id, repository_id, digest, media_type from image_layer`,
    sql`drop table image_layer`,
    sql`alter table ranked_image_layer rename to image_layer`,
    sql`create index image_layer_by_image on image_layer (image_id)`,

    sql`alter table blob add column in_archive ${integer} not null default 0`,
    sql`alter table blob add column misplaced_since ${integer}`,
    sql`create index blob_misplaced on blob (misplaced_since, digest, key_scope) where misplaced_since is not null`,
    sql`create index blob_in_archive on blob (digest) where in_archive = 1`,

    sql`create table pull_time_exclusion (
      account ${text} not null,
      region ${text} not null,
      principal ${text} not null,
      created_at ${integer} not null,
      primary key (account, region, principal)
    ) ${orderedTable}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
