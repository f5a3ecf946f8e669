import type { Generated } from "kysely";
import type { AccessKey, Account, IdentityKind, OrganizationPolicyType } from "../../domain/identity/ports.ts";
import type {
  AccountId,
  Arn,
  Digest,
  DigestAlgorithm,
  Region,
  RepositoryName,
  Tag,
  UploadId,
} from "../../domain/names.ts";
import type { Encryption, Generation, KeyScope, StagingId, TagMutability } from "../../domain/registry/ports.ts";
import type { AwaitedContentTable, UpstreamCheckTable } from "./cache-tables.ts";
import type { CreationTemplateTable } from "./creation-template-tables.ts";
import type { StatusRank } from "./image-status.ts";
import type { JobScheduleTable, JobTable } from "./job-tables.ts";
import type { EncryptionKeyTable, KeyAliasTable, KeyGrantTable, KeyMaterialTable } from "./key-tables.ts";
import type { LifecyclePolicyTable, LifecyclePreviewPageTable, LifecyclePreviewTable } from "./lifecycle-tables.ts";
import type { PullThroughRuleTable } from "./pull-through-tables.ts";
import type {
  ImageReplicaTable,
  ReplicationBackfillItemTable,
  ReplicationBackfillTable,
  ReplicationConfigurationTable,
  ReplicaUploadTable,
} from "./replication-tables.ts";
import type {
  DeletedImageLayerTable,
  DeletedImageManifestTable,
  DeletedImageTable,
  DeletedRepositoryTable,
  ImageHoldTable,
  RepositoryRetentionTable,
} from "./retention-tables.ts";
import type { RegistryConfigurationTable } from "./scanning-tables.ts";
import type { SecretTable, SecretVersionTable } from "./secret-tables.ts";
import type { UsageEntryTable, UsageRunTable } from "./usage-tables.ts";

/**
 * The tables as the newest migration leaves them. Times are milliseconds since 1970, truths are 0 and 1, both in
 * integer columns, so that a row looks the same from every database. What only Berth reads, and never searches, is JSON.
 */
export interface Schema {
  repository: RepositoryTable;
  resource_tag: ResourceTagTable;
  blob: BlobTable;
  layer_link: LayerLinkTable;
  blob_removal: BlobRemovalTable;
  upload: UploadTable;
  image: ImageTable;
  image_manifest: ImageManifestTable;
  image_layer: ImageLayerTable;
  image_child: ImageChildTable;
  tag: TagTable;
  tag_move: TagMoveTable;
  pull_time_exclusion: PullTimeExclusionTable;
  account_setting: AccountSettingTable;
  registry_policy: RegistryPolicyTable;
  registry_configuration: RegistryConfigurationTable;
  lifecycle_policy: LifecyclePolicyTable;
  lifecycle_preview: LifecyclePreviewTable;
  lifecycle_preview_page: LifecyclePreviewPageTable;
  repository_retention: RepositoryRetentionTable;
  image_hold: ImageHoldTable;
  deleted_image: DeletedImageTable;
  deleted_image_manifest: DeletedImageManifestTable;
  deleted_image_layer: DeletedImageLayerTable;
  deleted_repository: DeletedRepositoryTable;
  awaited_content: AwaitedContentTable;
  upstream_check: UpstreamCheckTable;
  creation_template: CreationTemplateTable;
  replication_configuration: ReplicationConfigurationTable;
  image_replica: ImageReplicaTable;
  replica_upload: ReplicaUploadTable;
  replication_backfill: ReplicationBackfillTable;
  replication_backfill_item: ReplicationBackfillItemTable;

  account: AccountTable;
  identity: IdentityTable;
  group_member: GroupMemberTable;
  identity_policy: IdentityPolicyTable;
  identity_attachment: IdentityAttachmentTable;
  access_key: AccessKeyTable;
  managed_policy: ManagedPolicyTable;
  managed_policy_version: ManagedPolicyVersionTable;
  oidc_provider: OidcProviderTable;
  organization: OrganizationTable;
  organizational_unit: OrganizationalUnitTable;
  organization_policy: OrganizationPolicyTable;
  organization_attachment: OrganizationAttachmentTable;

  encryption_key: EncryptionKeyTable;
  key_material: KeyMaterialTable;
  key_alias: KeyAliasTable;
  key_grant: KeyGrantTable;

  audit_pack: AuditPackTable;
  audit_head: AuditHeadTable;

  job: JobTable;
  job_schedule: JobScheduleTable;

  usage_run: UsageRunTable;
  usage_entry: UsageEntryTable;

  pull_through_rule: PullThroughRuleTable;

  secret: SecretTable;
  secret_version: SecretVersionTable;
}

interface RepositoryTable {
  id: Generated<number>;
  /** Empty when the repository was deleted: its name is free, and its content is about to go. */
  account: AccountId;
  region: Region;
  name: RepositoryName;
  tag_mutability: TagMutability;
  /** JSON array of wildcards. */
  exclusion_filters: string;
  scan_on_push: number;
  policy: string | null;
  /** JSON object: ARNs in the policy, and the unique ids of the users and roles that they meant. */
  policy_bindings: string | null;
  encryption_type: Generated<Encryption["type"]>;
  /** ARN; there unless the type is AES256. */
  kms_key: Arn | null;
  /** JSON array of grant ids; there when the key is. */
  kms_grants: string | null;
  created_at: number;
}

interface ResourceTagTable {
  repository_id: number;
  key: string;
  value: string;
}

interface BlobTable {
  digest: Digest;
  key_scope: KeyScope;
  size_bytes: number;
  /** Which copy in the store is meant. */
  generation: Generated<Generation>;
  /** Since when nobody may read the bytes, because they are damaged. */
  quarantined_at: number | null;
  /** Since when the blob waits for its removal: when a link ended. There may be others. */
  unlinked_since: number | null;
  /** Whether the copy that is meant is in the archive's store. */
  in_archive: Generated<number>;
  /** Since when it may be in the wrong one of the two stores: when an image that refers to it changed its status. */
  misplaced_since: number | null;
}

interface LayerLinkTable {
  repository_id: number;
  digest: Digest;
  /** The repository's, which never changes. */
  key_scope: KeyScope;
  linked_at: number;
  /** Since when the link waits for its removal: when an image that referred to it ended. There may be others. */
  unreferenced_since: number | null;
}

/** Copies that no row names any more and whose bytes are about to go. */
interface BlobRemovalTable {
  digest: Digest;
  generation: Generation;
  size_bytes: number;
  /** When the bytes may go at the earliest. */
  due_at: number;
}

interface UploadTable {
  id: UploadId;
  repository_id: number;
  owner_account: AccountId;
  owner_arn: string;
  /** The principal's `aws:userid`: a re-created user is another one. */
  owner_id: string;
  staging: StagingId;
  algorithm: DigestAlgorithm;
  staged_bytes: number;
  staged_digest: Digest | null;
  parts: number;
  last_part_bytes: number;
  smallest_earlier_part_bytes: number | null;
  created_at: number;
  updated_at: number;
  /** Who may append, until `claimed_until`. Both are null while nobody does. */
  writer: string | null;
  claimed_until: number | null;
}

interface ImageTable {
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
  status: Generated<StatusRank>;
  last_archived_at: number | null;
  last_activated_at: number | null;
  /** JSON object: the newest basic scan. */
  scan: string | null;
  /** JSON array: what became of the signatures that the push asked for. */
  signings: string | null;
  /** The number of rows in `tag`: lets a list of untagged images skip the tagged ones without reading them. */
  tag_count: Generated<number>;
}

/** Apart from `image`, so that lists of images never touch manifests. */
interface ImageManifestTable {
  image_id: number;
  bytes: Uint8Array;
}

interface ImageLayerTable {
  image_id: number;
  repository_id: number;
  digest: Digest;
  media_type: string;
  /** The image's. Kept here too, so that one look tells whether any active image refers to a layer. */
  image_status: Generated<StatusRank>;
}

interface ImageChildTable {
  /** The index. */
  image_id: number;
  repository_id: number;
  /** The image that the index lists. */
  child: Digest;
}

interface TagTable {
  repository_id: number;
  tag: Tag;
  image_id: number;
  moved_at: number;
  /** The image's. Kept here too, so that a list of tags skips those of archived images without reading them. */
  image_status: Generated<StatusRank>;
}

interface PullTimeExclusionTable {
  account: AccountId;
  region: Region;
  principal: Arn;
  created_at: number;
}

interface TagMoveTable {
  id: Generated<number>;
  repository_id: number;
  tag: Tag;
  from_digest: Digest | null;
  to_digest: Digest | null;
  moved_at: number;
  moved_by: string;
}

interface AccountSettingTable {
  account: AccountId;
  region: Region;
  name: string;
  value: string;
}

interface RegistryPolicyTable {
  account: AccountId;
  region: Region;
  policy: string;
  /** As in `repository`. */
  bindings: string;
}

interface AccountTable {
  id: AccountId;
  name: string;
  email: string;
  status: Account["status"];
  created_at: number;
  alias: string | null;
  root_key_id: string | null;
  root_sealed_secret: string | null;
  parent_id: string | null;
}

/** Users, groups and roles. */
interface IdentityTable {
  id: Generated<number>;
  account: AccountId;
  kind: IdentityKind;
  path: string;
  name: string;
  /** The name in lower case: names that differ in case only are the same name. */
  name_key: string;
  unique_id: string;
  created_at: number;
  description: string | null;
  /** The ARN of a managed policy. */
  boundary: Arn | null;
  /** Its row: a policy cannot go while it is a boundary. AWS-managed policies have none. */
  boundary_id: number | null;
  /** JSON object. */
  tags: string;
  trust_policy: string | null;
  /** JSON object: ARNs in the trust policy, and the unique ids of the users and roles that they meant. */
  trust_bindings: string | null;
  max_session_seconds: number | null;
  last_used_at: number | null;
  last_used_region: Region | null;
}

interface GroupMemberTable {
  group_id: number;
  user_id: number;
}

/** Inline policies. */
interface IdentityPolicyTable {
  identity_id: number;
  name: string;
  document: string;
}

interface IdentityAttachmentTable {
  identity_id: number;
  /** The ARN of a managed policy. */
  policy: Arn;
  /** Its row: a policy cannot go while it is attached. AWS-managed policies have none. */
  policy_id: number | null;
}

interface AccessKeyTable {
  id: string;
  account: AccountId;
  identity_id: number;
  sealed_secret: string;
  status: AccessKey["status"];
  created_at: number;
  last_used_at: number | null;
  last_used_service: string | null;
  last_used_region: string | null;
}

interface ManagedPolicyTable {
  id: Generated<number>;
  account: AccountId;
  arn: Arn;
  path: string;
  name: string;
  name_key: string;
  unique_id: string;
  description: string | null;
  default_version: string;
  next_version: number;
  created_at: number;
  updated_at: number;
  /** JSON object. */
  tags: string;
}

interface ManagedPolicyVersionTable {
  policy_id: number;
  version: string;
  document: string;
  created_at: number;
}

interface OidcProviderTable {
  arn: Arn;
  account: AccountId;
  url: string;
  /** JSON array. */
  client_ids: string;
  /** JSON array. */
  thumbprints: string;
  created_at: number;
  /** JSON object. */
  tags: string;
}

interface OrganizationTable {
  /** 1: there is one at the most. */
  singleton: 1;
  id: string;
  root_id: string;
  management_account: AccountId;
  created_at: number;
  /** JSON array. */
  policy_types: string;
}

interface OrganizationalUnitTable {
  id: string;
  parent_id: string;
  name: string;
}

interface OrganizationPolicyTable {
  id: string;
  type: OrganizationPolicyType;
  name: string;
  description: string;
  document: string;
}

interface OrganizationAttachmentTable {
  policy_id: string;
  /** A root, a unit or an account. */
  target_id: string;
}

export interface AuditPackTable {
  /** Counted by us, without gaps from the first of a pack to its last. */
  last_sequence: number;
  first_sequence: number;
  account: AccountId;
  region: Region;
  first_at: number;
  last_at: number;
  /** 32 bytes for each record. */
  hashes: Uint8Array;
  /** The records, as `src/domain/audit/packs.ts` packs them. */
  packed: Uint8Array;
}

export interface AuditHeadTable {
  id: number;
  newest_sequence: number;
  newest_hash: Uint8Array;
  removed_sequence: number;
  removed_hash: Uint8Array;
}
