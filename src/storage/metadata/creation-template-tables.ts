import { type Kysely, sql } from "kysely";
import type { AccountId, Arn, Region } from "../../domain/names.ts";
import type { Encryption, TagMutability } from "../../domain/registry/ports.ts";
import type { Flavour } from "./flavour.ts";

export interface CreationTemplateTable {
  account: AccountId;
  region: Region;
  /** The prefix without a slash at its end. */
  namespace: string;
  prefix: string;
  description: string | null;
  encryption_type: Encryption["type"];
  /** As it was given. */
  kms_key: string | null;
  /** JSON object. */
  resource_tags: string;
  tag_mutability: TagMutability;
  /** JSON array. */
  exclusion_filters: string;
  repository_policy: string | null;
  /** JSON object; there when the policy is. */
  policy_bindings: string | null;
  lifecycle_policy: string | null;
  /** JSON array. */
  applied_for: string;
  custom_role: Arn | null;
  created_at: number;
  updated_at: number;
}

export async function createCreationTemplates(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  await sql`create table creation_template (
    account ${text} not null,
    region ${text} not null,
    namespace ${text} not null,
    prefix ${text} not null,
    description ${text},
    encryption_type ${text} not null,
    kms_key ${text},
    resource_tags ${text} not null,
    tag_mutability ${text} not null,
    exclusion_filters ${text} not null,
    repository_policy ${text},
    policy_bindings ${text},
    lifecycle_policy ${text},
    applied_for ${text} not null,
    custom_role ${text},
    created_at ${integer} not null,
    updated_at ${integer} not null,
    primary key (account, region, namespace)
  ) ${orderedTable}`.execute(db);
}
