import { type Kysely, sql } from "kysely";
import type { AccountId, Digest, Region, RepositoryName } from "../../domain/names.ts";
import type { BackfillResult, BackfillStatus, ReplicaStatus } from "../../domain/replication/ports.ts";
import type { Flavour } from "./flavour.ts";

export interface ReplicationConfigurationTable {
  account: AccountId;
  region: Region;
  /** JSON. */
  rules: string;
  options: string;
}

/** An image on its way to a registry, or there. Goes with the image. */
export interface ImageReplicaTable {
  image_id: number;
  /** Of the destination. */
  account: AccountId;
  region: Region;
  status: ReplicaStatus;
  failure_code: string | null;
  /** JSON array. */
  tags: string;
  version: number;
  changed_at: number;
}

/** An upload at another server that was begun. */
export interface ReplicaUploadTable {
  account: AccountId;
  region: Region;
  repository_id: number;
  digest: Digest;
  location: string;
  begun_at: number;
}

export interface ReplicationBackfillTable {
  id: string;
  account: AccountId;
  region: Region;
  to_account: AccountId;
  to_region: Region;
  status: BackfillStatus;
  failure_code: string | null;
  /** JSON. */
  progress: string | null;
  started_at: number;
  ended_at: number | null;
}

export interface ReplicationBackfillItemTable {
  backfill_id: string;
  number: number;
  repository: RepositoryName;
  digest: Digest;
  /** Empty for none. */
  tag: string;
  status: "OPEN" | BackfillResult["status"];
  failure_code: string | null;
  /** JSON array. */
  part_failure_codes: string | null;
}

/** What is replicated where, how far it has come, and what was there before. */
export async function createReplication(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  const statements = [
    sql`create table replication_configuration (
      account ${text} not null,
      region ${text} not null,
      rules ${text} not null,
      options ${text} not null,
      primary key (account, region)
    ) ${orderedTable}`,
    sql`create table image_replica (
      image_id ${integer} not null references image (id) on delete cascade,
      account ${text} not null,
      region ${text} not null,
      status ${text} not null,
      failure_code ${text},
      tags ${text} not null,
      version ${integer} not null,
      changed_at ${integer} not null,
      primary key (image_id, account, region)
    ) ${orderedTable}`,
    sql`create table replica_upload (
      repository_id ${integer} not null references repository (id) on delete cascade,
      account ${text} not null,
      region ${text} not null,
      digest ${text} not null,
      location ${text} not null,
      begun_at ${integer} not null,
      primary key (repository_id, digest, account, region)
    ) ${orderedTable}`,
    sql`create index replica_upload_by_begin on replica_upload (begun_at)`,
    sql`create table replication_backfill (
      id ${text} not null primary key,
      account ${text} not null,
      region ${text} not null,
      to_account ${text} not null,
      to_region ${text} not null,
      status ${text} not null,
      failure_code ${text},
      progress ${text},
      started_at ${integer} not null,
      ended_at ${integer}
    ) ${orderedTable}`,
    sql`create index replication_backfill_by_start on replication_backfill (account, region, started_at, id)`,
    // One at a time for each region that is replicated to.
    sql`create unique index replication_backfill_open on replication_backfill (account, region, to_region) where ended_at is null`,
    sql`create index replication_backfill_by_end on replication_backfill (ended_at, id) where ended_at is not null`,
    sql`create table replication_backfill_item (
      backfill_id ${text} not null references replication_backfill (id) on delete restrict,
      number ${integer} not null,
      repository ${text} not null,
      digest ${text} not null,
      tag ${text} not null,
      status ${text} not null,
      failure_code ${text},
      part_failure_codes ${text},
      primary key (backfill_id, number)
    ) ${orderedTable}`,
    sql`create index replication_backfill_item_by_status on replication_backfill_item (backfill_id, status, number)`,
  ];
  for (const statement of statements) await statement.execute(db);
}
