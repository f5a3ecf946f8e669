import { type Generated, type Kysely, sql } from "kysely";
import type { JobId, JobState } from "../../domain/jobs/ports.ts";
import type { Flavour } from "./flavour.ts";

export interface JobTable {
  id: Generated<JobId>;
  kind: string;
  unique_key: string | null;
  /** JSON. */
  payload: string;
  state: JobState;
  /** When it waits: not before. Of others, when they did. */
  run_at: number;
  /** When the lease ends, or a job that has ended is forgotten. Null while it waits. */
  until: number | null;
  worker: string | null;
  /** Counted up by each claim, so that a claim has a number of its own. */
  claims: number;
  attempts: number;
  max_attempts: number;
  /** How often somebody has asked for it, and how many of them the newest claim answers. */
  asks: number;
  answered: number;
  /** JSON. */
  progress: string | null;
  error: string | null;
  created_at: number;
  changed_at: number;
}

export interface JobScheduleTable {
  kind: string;
  key: string;
  /** JSON. */
  payload: string;
  max_attempts: number;
  every_ms: number;
  next_at: number;
  last_at: number | null;
  set_at: number;
}

/** Which jobs the unique index is about: what `on conflict` has to repeat. */
export const isLiveWithKey = sql<boolean>`unique_key is not null and state in ('waiting', 'running')`;

/** As the index on those spells it. */
export const isDeadWithKey = sql<boolean>`unique_key is not null and state = 'dead'`;

export async function createJobs(db: Kysely<unknown>, { types }: Flavour): Promise<void> {
  const { id, integer, text, table, orderedTable } = types;
  const statements = [
    sql`create table job (
      id ${id},
      kind ${text} not null,
      unique_key ${text},
      payload ${text} not null,
      state ${text} not null,
      run_at ${integer} not null,
      until ${integer},
      worker ${text},
      claims ${integer} not null,
      attempts ${integer} not null,
      max_attempts ${integer} not null,
      asks ${integer} not null,
      answered ${integer} not null,
      progress ${text},
      error ${text},
      created_at ${integer} not null,
      changed_at ${integer} not null
    ) ${table}`,
    sql`create unique index job_by_key on job (kind, unique_key) where ${isLiveWithKey}`,
    sql`create index job_dead_by_key on job (kind, unique_key) where ${isDeadWithKey}`,
    sql`create index job_by_time on job (state, kind, run_at, id)`,
    sql`create index job_by_end on job (state, until) where until is not null`,
    // For what a clock that was ahead has left behind.
    sql`create index job_by_change on job (changed_at)`,

    sql`create table job_schedule (
      kind ${text} not null,
      key ${text} not null,
      payload ${text} not null,
      max_attempts ${integer} not null,
      every_ms ${integer} not null,
      next_at ${integer} not null,
      last_at ${integer},
      set_at ${integer} not null,
      primary key (kind, key)
    ) ${orderedTable}`,
    sql`create index job_schedule_by_time on job_schedule (next_at)`,
    sql`create index job_schedule_by_setting on job_schedule (set_at)`,
  ];
  for (const statement of statements) await statement.execute(db);
}
