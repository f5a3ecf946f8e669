import { type Generated, type Kysely, sql } from "kysely";
import type { UsageArea } from "../../domain/registry/usage-ports.ts";
import type { Flavour } from "./flavour.ts";

export interface UsageRunTable {
  id: Generated<number>;
  /** `2026-03-01` */
  day: string;
  started_at: number;
  finished_at: number | null;
}

/** Of a repository, or with empty names of a registry, an account, everything. */
export interface UsageEntryTable {
  run_id: number;
  account: UsageArea["account"];
  region: UsageArea["region"];
  repository: UsageArea["repository"];
  repositories: number;
  images: number;
  tagged_images: number;
  archived_images: number;
  layers: number;
  layer_bytes: number;
  unique_bytes: number;
  archived_bytes: number;
  logical_bytes: number;
  manifest_bytes: number;
  archived_manifest_bytes: number;
  waiting_bytes: number;
}

/** What measurements of storage found. No reference to a repository: its days stay when it is gone. */
export async function createUsage(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, table, orderedTable } = types;
  const figure = sql`${integer} not null`;
  const statements = [
    sql`create table usage_run (
      id ${id},
      day ${text} not null,
      started_at ${integer} not null,
      finished_at ${integer}
    ) ${table}`,
    sql`create index usage_run_by_day on usage_run (day, id) where finished_at is not null`,

    sql`create table usage_entry (
      run_id ${integer} not null references usage_run (id) on delete restrict,
      account ${text} not null,
      region ${text} not null,
      repository ${text} not null,
      repositories ${figure},
      images ${figure},
      tagged_images ${figure},
      archived_images ${figure},
      layers ${figure},
      layer_bytes ${figure},
      unique_bytes ${figure},
      archived_bytes ${figure},
      logical_bytes ${figure},
      manifest_bytes ${figure},
      archived_manifest_bytes ${figure},
      waiting_bytes ${figure},
      primary key (run_id, account, region, repository)
    ) ${orderedTable}`,
    sql`create index usage_entry_by_size on usage_entry (run_id, account, region, layer_bytes, repository)`,
    sql`create index usage_entry_of_areas on usage_entry (run_id, layer_bytes) where repository = ''`,
  ];
  for (const statement of statements) await statement.execute(db);
}
