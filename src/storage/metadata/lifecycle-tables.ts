import { type Generated, type Kysely, sql } from "kysely";
import type { StoredPreview } from "../../domain/registry/lifecycle-ports.ts";
import type { Flavour } from "./flavour.ts";

export interface LifecyclePolicyTable {
  repository_id: number;
  id: string;
  version: number;
  policy: string;
  set_at: number;
  set_by: string;
  last_evaluated_at: number | null;
}

export interface LifecyclePreviewTable {
  id: Generated<number>;
  repository_id: number;
  policy: string;
  status: StoredPreview["status"];
  started_at: number;
  ended_at: number | null;
  expiring: number;
  transitioning: number;
}

/** Results of a preview. Hundreds in a row: a row for each would cost more than all the rest of a preview. */
export interface LifecyclePreviewPageTable {
  preview_id: number;
  number: number;
  /** JSON array. */
  entries: string;
}

/** Lifecycle policies, and what they would do. */
export async function createLifecycle(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, table, orderedTable } = types;
  const statements = [
    sql`create table lifecycle_policy (
      repository_id ${integer} not null primary key references repository (id) on delete restrict,
      id ${text} not null,
      version ${integer} not null,
      policy ${text} not null,
      set_at ${integer} not null,
      set_by ${text} not null,
      last_evaluated_at ${integer}
    ) ${orderedTable}`,
    sql`create table lifecycle_preview (
      id ${id},
      repository_id ${integer} not null unique references repository (id) on delete restrict,
      policy ${text} not null,
      status ${text} not null,
      started_at ${integer} not null,
      ended_at ${integer},
      expiring ${integer} not null,
      transitioning ${integer} not null
    ) ${table}`,
    sql`create table lifecycle_preview_page (
      preview_id ${integer} not null references lifecycle_preview (id) on delete restrict,
      number ${integer} not null,
      entries ${text} not null,
      primary key (preview_id, number)
    ) ${table}`,
  ];
  for (const statement of statements) await statement.execute(db);
}
