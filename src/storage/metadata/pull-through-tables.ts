import { type Kysely, sql } from "kysely";
import type { AccountId, Region } from "../../domain/names.ts";
import type { UpstreamKind } from "../../domain/pull-through/rules.ts";
import type { Flavour } from "./flavour.ts";

export interface PullThroughRuleTable {
  account: AccountId;
  region: Region;
  prefix: string;
  upstream_url: string;
  upstream: UpstreamKind;
  /** Where nobody has said: none. */
  upstream_prefix: string | null;
  credential_arn: string | null;
  custom_role_arn: string | null;
  /** JSON object. */
  options: string;
  created_at: number;
  updated_at: number;
}

/** Which other registries stand behind which names. */
export async function createPullThroughRules(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { integer, text, orderedTable } = types;
  await sql`create table pull_through_rule (
    account ${text} not null,
    region ${text} not null,
    prefix ${text} not null,
    upstream_url ${text} not null,
    upstream ${text} not null,
    upstream_prefix ${text},
    credential_arn ${text},
    custom_role_arn ${text},
    options ${text} not null,
    created_at ${integer} not null,
    updated_at ${integer} not null,
    primary key (account, region, prefix)
  ) ${orderedTable}`.execute(db);
}
