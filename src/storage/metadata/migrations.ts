import { type Kysely, sql } from "kysely";
import { type Migration, Migrator } from "kysely/migration";
import { createAudit } from "./audit-tables.ts";
import { createPullThroughCache } from "./cache-tables.ts";
import { createCreationTemplates } from "./creation-template-tables.ts";
import type { Flavour } from "./flavour.ts";
import { createJobs } from "./job-tables.ts";
import { createKeys, indexGrantsByContext } from "./key-tables.ts";
import { createLifecycle } from "./lifecycle-tables.ts";
import { createPullThroughRules } from "./pull-through-tables.ts";
import { createReplication } from "./replication-tables.ts";
import { createRetention } from "./retention-tables.ts";
import { createScanning } from "./scanning-tables.ts";
import type { Schema } from "./schema.ts";
import { createSecrets } from "./secret-tables.ts";
import { addStorageClass } from "./storage-class-tables.ts";
import { createUsage } from "./usage-tables.ts";

/** A newer Berth has changed the database in ways that this one does not know. It is left as it was. */
export class DatabaseTooNew extends Error {
  override readonly name = "DatabaseTooNew";
  constructor(readonly migrations: readonly string[]) {
    super(
      `The database was changed by a newer version of Berth (${migrations.join(", ")}). Start that version, or restore a backup from before the change.`,
    );
  }
}

/**
 * Brings the database up to date. Processes may start together: on PostgreSQL Kysely's migrator holds an advisory lock
 * meanwhile, on SQLite the transaction locks the file. There is no way down, since no program that lacks a migration
 * knows how to undo it.
 * @param upTo the last one to run; all of them without
 */
export async function migrate(db: Kysely<Schema>, flavour: Flavour, upTo?: string): Promise<void> {
  const known = migrations(flavour);
  const unknown = (await migrationsIn(db)).filter((name) => !(name in known));
  if (unknown.length > 0) throw new DatabaseTooNew(unknown);
  const migrator = new Migrator({
    db,
    provider: { getMigrations: async () => known },
    // The default compares by the rules of whatever language the machine speaks.
    nameComparator: (a, b) => (a < b ? -1 : a > b ? 1 : 0),
  });
  const { error } = upTo === undefined ? await migrator.migrateToLatest() : await migrator.migrateTo(upTo);
  if (error !== undefined) throw error;
}

async function migrationsIn(db: Kysely<Schema>): Promise<string[]> {
  const tables = await db.introspection.getTables({ withInternalKyselyTables: true });
  if (!tables.some(({ name }) => name === "kysely_migration")) return [];
  const { rows } = await sql<{ name: string }>`select name from kysely_migration order by name`.execute(db);
  return rows.map(({ name }) => name);
}

/** By name, which is the order in which they run. They live in code: a compiled Berth has no folder to load them from. */
function migrations(flavour: Flavour): Record<string, Migration> {
  return {
    "0001_registry": { up: (db) => createRegistry(db, flavour) },
    "0002_garbage": { up: (db) => addGarbage(db, flavour) },
    "0003_upload_owner": { up: indexUploadsByOwner },
    "0004_identity": { up: (db) => createIdentity(db, flavour) },
    "0005_audit": { up: (db) => createAudit(db, flavour) },
    "0006_keys": { up: (db) => createKeys(db, flavour) },
    "0007_encryption": { up: (db) => addEncryption(db, flavour) },
    "0008_jobs": { up: (db) => createJobs(db, flavour) },
    "0009_grants_by_context": { up: indexGrantsByContext },
    "0010_storage_class": { up: (db) => addStorageClass(db, flavour) },
    "0011_lifecycle": { up: (db) => createLifecycle(db, flavour) },
    "0013_usage": { up: (db) => createUsage(db, flavour) },
    "0014_retention": { up: (db) => createRetention(db, flavour) },
    "0015_creation_templates": { up: (db) => createCreationTemplates(db, flavour) },
    "0016_secrets": { up: (db) => createSecrets(db, flavour) },
    "0017_pull_through_rules": { up: (db) => createPullThroughRules(db, flavour) },
    "0018_pull_through_cache": { up: (db) => createPullThroughCache(db, flavour) },
    "0019_replication": { up: (db) => createReplication(db, flavour) },
    "0020_scanning_signing": { up: (db) => createScanning(db, flavour) },
  };
}

/**
 * Foreign keys decide the races between pushes and deletes: a layer link or an image that something refers to cannot
 * go, and nothing can refer to one that is gone. Every key that refers has an index that begins with its columns, or
 * each delete would read the whole table that refers.
 */
async function createRegistry(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, bytes, table, orderedTable } = types;
  const repositoryId = sql`repository_id ${integer} not null references repository (id) on delete restrict`;
  const imageId = sql`image_id ${integer} not null references image (id) on delete restrict`;

  const statements = [
    sql`create table repository (
      id ${id},
      account ${text} not null,
      region ${text} not null,
      name ${text} not null,
      tag_mutability ${text} not null,
      exclusion_filters ${text} not null,
      scan_on_push ${integer} not null,
      policy ${text},
      created_at ${integer} not null,
      unique (account, region, name)
    ) ${table}`,

    sql`create table resource_tag (
      ${repositoryId},
      key ${text} not null,
      value ${text} not null,
      primary key (repository_id, key)
    ) ${orderedTable}`,

    sql`create table blob (
      digest ${text} not null primary key,
      size_bytes ${integer} not null
    ) ${orderedTable}`,

    sql`create table layer_link (
      ${repositoryId},
      digest ${text} not null references blob (digest) on delete restrict,
      linked_at ${integer} not null,
      primary key (repository_id, digest)
    ) ${orderedTable}`,
    sql`create index layer_link_by_digest on layer_link (digest, linked_at, repository_id)`,

    sql`create table upload (
      id ${text} not null primary key,
      ${repositoryId},
      owner_account ${text} not null,
      owner_arn ${text} not null,
      staging ${text} not null,
      algorithm ${text} not null,
      staged_bytes ${integer} not null,
      staged_digest ${text},
      parts ${integer} not null,
      last_part_bytes ${integer} not null,
      smallest_earlier_part_bytes ${integer},
      created_at ${integer} not null,
      updated_at ${integer} not null,
      writer ${text},
      claimed_until ${integer}
    ) ${orderedTable}`,
    sql`create index upload_by_repository on upload (repository_id)`,
    sql`create index upload_by_staging on upload (staging)`,
    sql`create index upload_by_update on upload (updated_at, id)`,

    sql`create table image (
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
      tag_count ${integer} not null default 0,
      unique (repository_id, digest)
    ) ${table}`,
    sql`create index image_by_repository on image (repository_id, id)`,
    sql`create index image_tagged on image (repository_id, id) where tag_count > 0`,
    sql`create index image_untagged on image (repository_id, id) where tag_count = 0`,
    sql`create index image_by_subject on image (repository_id, subject, id) where subject is not null`,

    sql`create table image_manifest (
      ${imageId} primary key,
      bytes ${bytes} not null
    ) ${table}`,

    sql`create table image_layer (
      ${imageId},
      repository_id ${integer} not null,
      digest ${text} not null,
      media_type ${text} not null,
      primary key (repository_id, digest, image_id),
      foreign key (repository_id, digest) references layer_link (repository_id, digest) on delete restrict
    ) ${orderedTable}`,
    sql`create index image_layer_by_image on image_layer (image_id)`,

    sql`create table image_child (
      ${imageId},
      repository_id ${integer} not null,
      child ${text} not null,
      primary key (repository_id, child, image_id),
      foreign key (repository_id, child) references image (repository_id, digest) on delete restrict
    ) ${orderedTable}`,
    sql`create index image_child_by_image on image_child (image_id)`,

    sql`create table tag (
      ${repositoryId},
      tag ${text} not null,
      ${imageId},
      moved_at ${integer} not null,
      primary key (repository_id, tag)
    ) ${orderedTable}`,
    sql`create index tag_by_image on tag (image_id, tag)`,

    sql`create table tag_move (
      id ${id},
      ${repositoryId},
      tag ${text} not null,
      from_digest ${text},
      to_digest ${text},
      moved_at ${integer} not null,
      moved_by ${text} not null
    ) ${table}`,
    sql`create index tag_move_by_tag on tag_move (repository_id, tag, id)`,

    sql`create table account_setting (
      account ${text} not null,
      region ${text} not null,
      name ${text} not null,
      value ${text} not null,
      primary key (account, region, name)
    ) ${orderedTable}`,
  ];
  for (const statement of statements) await statement.execute(db);
}

/** The queues of garbage collection. What is of no use already waits from now on. */
async function addGarbage(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  const now = sql.lit(Date.now());
  const statements = [
    sql`alter table blob add column generation ${text} not null default ''`,
    sql`alter table blob add column quarantined_at ${integer}`,
    sql`alter table blob add column unlinked_since ${integer}`,
    sql`create index blob_unlinked on blob (unlinked_since, digest) where unlinked_since is not null`,
    sql`create index blob_quarantined on blob (digest) where quarantined_at is not null`,

    sql`alter table layer_link add column unreferenced_since ${integer}`,
    sql`create index layer_link_unreferenced on layer_link (unreferenced_since, repository_id, digest)
      where unreferenced_since is not null`,

    sql`create table blob_removal (
      digest ${text} not null,
      generation ${text} not null,
      size_bytes ${integer} not null,
      primary key (digest, generation)
    ) ${orderedTable}`,

    sql`update layer_link set unreferenced_since = ${now} where not exists (
      select 1 from image_layer
      where image_layer.repository_id = layer_link.repository_id and image_layer.digest = layer_link.digest
    )`,
    sql`update blob set unlinked_since = ${now} where not exists (
      select 1 from layer_link where layer_link.digest = blob.digest
    )`,
  ];
  for (const statement of statements) await statement.execute(db);
}

/** Each upload that begins counts those that its principal has not finished. */
async function indexUploadsByOwner(db: Kysely<unknown>): Promise<void> {
  await sql`create index upload_by_owner on upload (owner_arn, owner_account)`.execute(db);
}

/**
 * Repositories with keys of their own. Blobs of different keys share no copies, so a blob is known by its digest and the
 * key it is sealed under; no database changes a primary key in place.
 */
async function addEncryption(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  const statements = [
    sql`alter table repository add column encryption_type ${text} not null default 'AES256'`,
    sql`alter table repository add column kms_key ${text}`,
    sql`alter table repository add column kms_grants ${text}`,

    sql`create table scoped_blob (
      digest ${text} not null,
      key_scope ${text} not null,
      size_bytes ${integer} not null,
      generation ${text} not null default '',
      quarantined_at ${integer},
      unlinked_since ${integer},
      primary key (digest, key_scope)
    ) ${orderedTable}`,
    sql`create table scoped_layer_link (
      repository_id ${integer} not null references repository (id) on delete restrict,
      digest ${text} not null,
      key_scope ${text} not null,
      linked_at ${integer} not null,
      unreferenced_since ${integer},
      primary key (repository_id, digest),
      foreign key (digest, key_scope) references scoped_blob (digest, key_scope) on delete restrict
    ) ${orderedTable}`,
    sql`create table scoped_image_layer (
      image_id ${integer} not null references image (id) on delete restrict,
      repository_id ${integer} not null,
      digest ${text} not null,
      media_type ${text} not null,
      primary key (repository_id, digest, image_id),
      foreign key (repository_id, digest) references scoped_layer_link (repository_id, digest) on delete restrict
    ) ${orderedTable}`,

    sql`insert into scoped_blob (digest, key_scope, size_bytes, generation, quarantined_at, unlinked_since)
      select digest, '', size_bytes, generation, quarantined_at, unlinked_since from blob`,
    sql`insert into scoped_layer_link (repository_id, digest, key_scope, linked_at, unreferenced_since)
      select repository_id, digest, '', linked_at, unreferenced_since from layer_link`,
    sql`insert into scoped_image_layer (image_id, repository_id, digest, media_type)
      select image_id, repository_id, digest, media_type from image_layer`,

    sql`drop table image_layer`,
    sql`drop table layer_link`,
    sql`drop table blob`,
    sql`alter table scoped_blob rename to blob`,
    sql`alter table scoped_layer_link rename to layer_link`,
    sql`alter table scoped_image_layer rename to image_layer`,

    sql`create index blob_unlinked on blob (unlinked_since, digest) where unlinked_since is not null`,
    sql`create index blob_quarantined on blob (digest, key_scope) where quarantined_at is not null`,
    sql`create index layer_link_by_digest on layer_link (digest, key_scope, linked_at, repository_id)`,
    sql`create index layer_link_unreferenced on layer_link (unreferenced_since, repository_id, digest)
      where unreferenced_since is not null`,
    sql`create index image_layer_by_image on image_layer (image_id)`,

    sql`alter table blob_removal add column due_at ${integer} not null default 0`,
  ];
  for (const statement of statements) await statement.execute(db);
}

/** Accounts, users, groups, roles and what they may do; repository and registry policies with whom they mean. */
async function createIdentity(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, table, orderedTable } = types;
  const identityId = sql`identity_id ${integer} not null references identity (id) on delete restrict`;
  const statements = [
    sql`create table account (
      id ${text} not null primary key,
      name ${text} not null,
      email ${text} not null,
      status ${text} not null,
      created_at ${integer} not null,
      alias ${text} unique,
      root_key_id ${text} unique,
      root_sealed_secret ${text},
      parent_id ${text}
    ) ${orderedTable}`,
    sql`create index account_by_parent on account (parent_id, id)`,

    sql`create table managed_policy (
      id ${id},
      account ${text} not null,
      arn ${text} not null unique,
      path ${text} not null,
      name ${text} not null,
      name_key ${text} not null,
      unique_id ${text} not null,
      description ${text},
      default_version ${text} not null,
      next_version ${integer} not null,
      created_at ${integer} not null,
      updated_at ${integer} not null,
      tags ${text} not null,
      unique (account, name_key)
    ) ${table}`,
    sql`create table managed_policy_version (
      policy_id ${integer} not null references managed_policy (id) on delete restrict,
      version ${text} not null,
      document ${text} not null,
      created_at ${integer} not null,
      primary key (policy_id, version)
    ) ${orderedTable}`,

    sql`create table identity (
      id ${id},
      account ${text} not null,
      kind ${text} not null,
      path ${text} not null,
      name ${text} not null,
      name_key ${text} not null,
      unique_id ${text} not null unique,
      created_at ${integer} not null,
      description ${text},
      boundary ${text},
      boundary_id ${integer} references managed_policy (id) on delete restrict,
      tags ${text} not null,
      trust_policy ${text},
      trust_bindings ${text},
      max_session_seconds ${integer},
      last_used_at ${integer},
      last_used_region ${text},
      unique (account, kind, name_key)
    ) ${table}`,
    sql`create index identity_by_boundary on identity (boundary, account, id) where boundary is not null`,
    sql`create index identity_by_boundary_id on identity (boundary_id) where boundary_id is not null`,

    sql`create table group_member (
      group_id ${integer} not null references identity (id) on delete restrict,
      user_id ${integer} not null references identity (id) on delete restrict,
      primary key (group_id, user_id)
    ) ${orderedTable}`,
    sql`create index group_member_by_user on group_member (user_id, group_id)`,

    sql`create table identity_policy (
      ${identityId},
      name ${text} not null,
      document ${text} not null,
      primary key (identity_id, name)
    ) ${orderedTable}`,

    sql`create table identity_attachment (
      ${identityId},
      policy ${text} not null,
      policy_id ${integer} references managed_policy (id) on delete restrict,
      primary key (identity_id, policy)
    ) ${orderedTable}`,
    sql`create index identity_attachment_by_policy on identity_attachment (policy, identity_id)`,
    sql`create index identity_attachment_by_policy_id on identity_attachment (policy_id) where policy_id is not null`,

    sql`create table access_key (
      id ${text} not null primary key,
      account ${text} not null,
      ${identityId},
      sealed_secret ${text} not null,
      status ${text} not null,
      created_at ${integer} not null,
      last_used_at ${integer},
      last_used_service ${text},
      last_used_region ${text}
    ) ${orderedTable}`,
    sql`create index access_key_by_user on access_key (identity_id, created_at, id)`,

    sql`create table oidc_provider (
      arn ${text} not null primary key,
      account ${text} not null,
      url ${text} not null,
      client_ids ${text} not null,
      thumbprints ${text} not null,
      created_at ${integer} not null,
      tags ${text} not null
    ) ${orderedTable}`,
    sql`create index oidc_provider_by_account on oidc_provider (account, arn)`,

    sql`create table organization (
      singleton ${integer} not null primary key,
      id ${text} not null,
      root_id ${text} not null,
      management_account ${text} not null,
      created_at ${integer} not null,
      policy_types ${text} not null
    ) ${orderedTable}`,
    sql`create table organizational_unit (
      id ${text} not null primary key,
      parent_id ${text} not null,
      name ${text} not null
    ) ${orderedTable}`,
    sql`create index organizational_unit_by_parent on organizational_unit (parent_id, id)`,
    sql`create table organization_policy (
      id ${text} not null primary key,
      type ${text} not null,
      name ${text} not null,
      description ${text} not null,
      document ${text} not null
    ) ${orderedTable}`,
    sql`create index organization_policy_by_type on organization_policy (type, id)`,
    sql`create table organization_attachment (
      policy_id ${text} not null references organization_policy (id) on delete restrict,
      target_id ${text} not null,
      primary key (target_id, policy_id)
    ) ${orderedTable}`,
    sql`create index organization_attachment_by_policy on organization_attachment (policy_id, target_id)`,

    sql`create table registry_policy (
      account ${text} not null,
      region ${text} not null,
      policy ${text} not null,
      bindings ${text} not null,
      primary key (account, region)
    ) ${orderedTable}`,
    sql`alter table repository add column policy_bindings ${text}`,

    // Until now there was nobody but root users, whose unique id is their account's.
    sql`alter table upload add column owner_id ${text} not null default ''`,
    sql`update upload set owner_id = owner_account`,
    sql`drop index upload_by_owner`,
    sql`create index upload_by_owner on upload (owner_id, owner_account)`,
  ];
  for (const statement of statements) await statement.execute(db);
}
