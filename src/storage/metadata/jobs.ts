import { type ExpressionBuilder, type Kysely, type Selectable, sql } from "kysely";
import type { Agenda, Claim, ClaimedJob, Job, JobId, JobPlace, Jobs } from "../../domain/jobs/ports.ts";
import type { Flavour } from "./flavour.ts";
import { isDeadWithKey, isLiveWithKey } from "./job-tables.ts";
import type { Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const columns = [
  "id",
  "kind",
  "unique_key",
  "payload",
  "state",
  "run_at",
  "until",
  "worker",
  "claims",
  "attempts",
  "max_attempts",
  "progress",
  "error",
  "created_at",
  "changed_at",
] as const;

type JobRow = Pick<Selectable<Schema["job"]>, (typeof columns)[number]>;
type JobExpression = ExpressionBuilder<Schema, "job">;

function toJob(row: JobRow): Job {
  return {
    id: row.id,
    kind: row.kind,
    key: row.unique_key ?? undefined,
    payload: row.payload,
    state: row.state,
    runAt: new Date(row.run_at),
    until: row.until === null ? undefined : new Date(row.until),
    worker: row.worker ?? undefined,
    attempts: row.attempts,
    maxAttempts: row.max_attempts,
    progress: row.progress ?? undefined,
    error: row.error ?? undefined,
    createdAt: new Date(row.created_at),
    changedAt: new Date(row.changed_at),
  };
}

const toClaimed = (row: JobRow): ClaimedJob => ({ ...toJob(row), claim: { id: row.id, number: row.claims } });

/** What a job has that nobody does. */
const unheld = { until: null, worker: null } as const;

const isHeld = ({ id, number }: Claim) => {
  return (job: JobExpression) =>
    job.and([job("id", "=", id), job("claims", "=", number), job("state", "=", "running")]);
};

const claimable = statement((db, value: { kind: string; now: number; limit: number }, flavour) =>
  flavour.skippingLocked(
    db
      .selectFrom("job")
      .select("id")
      .where("state", "=", "waiting")
      .where("kind", "=", value.kind)
      .where("run_at", "<=", value.now)
      .orderBy("run_at")
      .orderBy("id")
      .limit(value.limit),
  ),
);

interface Inserted {
  readonly kind: string;
  readonly key: string | null;
  readonly payload: string;
  readonly runAt: number;
  readonly maxAttempts: number;
  readonly at: number;
}

const insert = statement((db, value: Inserted) =>
  db
    .insertInto("job")
    .values({
      kind: value.kind,
      unique_key: value.key,
      payload: value.payload,
      state: "waiting",
      run_at: value.runAt,
      ...unheld,
      claims: 0,
      attempts: 0,
      max_attempts: value.maxAttempts,
      asks: 1,
      answered: 0,
      progress: null,
      error: null,
      created_at: value.at,
      changed_at: value.at,
    })
    // Not "do nothing": the row must be locked, or it would be claimed before this transaction's changes can be seen.
    .onConflict((conflict) =>
      conflict
        .columns(["kind", "unique_key"])
        .where(isLiveWithKey)
        .doUpdateSet(({ eb, ref }) => ({ asks: eb(ref("job.asks"), "+", 1) })),
    )
    .returning(["id", "asks"]),
);

/** Finds no row where the claim does not hold, or somebody asked for more. */
const removeDone = statement((db, value: Claim) =>
  db
    .deleteFrom("job")
    .where("id", "=", value.id)
    .where("claims", "=", value.number)
    .where("state", "=", "running")
    .whereRef("asks", "=", "answered")
    .returning(["id", "kind", "unique_key"]),
);

export function jobs(db: Kysely<Schema>, flavour: Flavour): Jobs {
  const enqueue: Jobs["enqueue"] = async ({ kind, key, payload, runAt, maxAttempts }, at) => {
    const values = { kind, key: key ?? null, payload, runAt: runAt.getTime(), maxAttempts, at: at.getTime() };
    const [row] = await insert(db, flavour, values);
    if (!row) throw new Error("a job was neither added nor found");
    return { id: row.id, isNew: row.asks === 1 };
  };

  /** One row at the most is changed, so their number says whether the claim holds. */
  async function isOne(query: { execute(): Promise<{ id: JobId }[]> }): Promise<boolean> {
    return (await query.execute()).length === 1;
  }

  /** What is known of a key is its newest end. */
  async function forgetDead({ id, kind, unique_key: key }: Pick<JobRow, "id" | "kind" | "unique_key">): Promise<void> {
    if (key === null) return;
    await db
      .deleteFrom("job")
      .where("kind", "=", kind)
      .where("unique_key", "=", key)
      .where(isDeadWithKey)
      .where("id", "!=", id)
      .execute();
  }

  return {
    enqueue,

    async find(id) {
      const row = await db.selectFrom("job").select(columns).where("id", "=", id).executeTakeFirst();
      return row && toJob(row);
    },

    async agenda(kinds) {
      const row = await db
        .selectNoFrom((eb) => [
          eb
            .selectFrom("job")
            .select(({ fn }) => fn.min<number | null>("until").as("at"))
            .where("state", "=", "running")
            .where("until", "is not", null)
            .as("lease"),
          eb
            .selectFrom("job_schedule")
            .select(({ fn }) => fn.min<number | null>("next_at").as("at"))
            .as("schedule"),
          ...kinds.map((kind, index) =>
            eb
              .selectFrom("job")
              .select(({ fn }) => fn.min<number | null>("run_at").as("at"))
              .where("state", "=", "waiting")
              .where("kind", "=", kind)
              .as(`kind${index}`),
          ),
        ])
        .executeTakeFirstOrThrow();
      const at = (name: string) => {
        const value = (row as Readonly<Record<string, number | null>>)[name];
        return value === null || value === undefined ? undefined : new Date(value);
      };
      const waiting = new Map<string, Date>();
      for (const [index, kind] of kinds.entries()) {
        const first = at(`kind${index}`);
        if (first) waiting.set(kind, first);
      }
      return { jobs: waiting, lease: at("lease"), schedule: at("schedule") } satisfies Agenda;
    },

    async claim({ kind, worker, now, leaseUntil, limit }) {
      const found = await claimable(db, flavour, { kind, now: now.getTime(), limit });
      if (found.length === 0) return [];
      const rows = await db
        .updateTable("job")
        .set((job) => ({
          state: "running",
          worker,
          until: leaseUntil.getTime(),
          claims: job("claims", "+", 1),
          attempts: job("attempts", "+", 1),
          answered: job.ref("asks"),
          changed_at: now.getTime(),
        }))
        .where(
          flavour.among(
            "id",
            found.map(({ id }) => id),
          ),
        )
        .returning(columns)
        .execute();
      return rows.map(toClaimed).sort((a, b) => a.runAt.getTime() - b.runAt.getTime() || a.id - b.id);
    },

    async extend(claims, leaseUntil, at) {
      if (claims.length === 0) return [];
      const query = db
        .selectFrom("job")
        .select(["id", "claims"])
        .where(
          flavour.among(
            "id",
            claims.map(({ id }) => id),
          ),
        )
        .where("state", "=", "running");
      const numbers = new Map((await flavour.forUpdate(query).execute()).map(({ id, claims }) => [id, claims]));
      const held = claims.filter(({ id, number }) => numbers.get(id) === number);
      if (held.length === 0) return [];
      await db
        .updateTable("job")
        .set({ until: leaseUntil.getTime(), changed_at: at.getTime() })
        .where(
          flavour.among(
            "id",
            held.map(({ id }) => id),
          ),
        )
        .execute();
      return held;
    },

    async expired(now, limit) {
      const query = db
        .selectFrom("job")
        .select(columns)
        .where("state", "=", "running")
        .where("until", "<=", now.getTime())
        .orderBy("until")
        .limit(limit);
      return (await flavour.skippingLocked(query).execute()).map(toClaimed);
    },

    checkpoint: (claim, progress) =>
      isOne(
        db
          .updateTable("job")
          .set({ progress: progress ?? null })
          .where(isHeld(claim))
          .returning("id"),
      ),

    async complete(claim, at, keepUntil) {
      const again = db
        .updateTable("job")
        .set({
          state: "waiting",
          ...unheld,
          run_at: at.getTime(),
          attempts: 0,
          progress: null,
          error: null,
          created_at: at.getTime(),
          changed_at: at.getTime(),
        })
        .where(isHeld(claim))
        .whereRef("asks", ">", "answered")
        .returning(["id", "kind", "unique_key"]);
      const done = db
        .updateTable("job")
        .set({ state: "done", until: keepUntil?.getTime() ?? null, error: null, changed_at: at.getTime() })
        .where(isHeld(claim))
        .whereRef("asks", "=", "answered")
        .returning(["id", "kind", "unique_key"]);
      // In this order: who asks meanwhile holds the row, and what waited for them looks at it again.
      const [ended] = keepUntil ? await done.execute() : await removeDone(db, flavour, claim);
      const [completed] = ended ? [ended] : await again.execute();
      if (completed) await forgetDead(completed);
      return completed !== undefined;
    },

    putBack: (claim, { runAt, at, error, attempts = 0 }) =>
      isOne(
        db
          .updateTable("job")
          .set((job) => ({
            state: "waiting",
            until: null,
            run_at: runAt.getTime(),
            attempts: job("attempts", "+", attempts),
            ...(error === undefined ? {} : { error }),
            changed_at: at.getTime(),
          }))
          .where(isHeld(claim))
          .returning("id"),
      ),

    async bury(claim, { error, at, until }) {
      const [row] = await db
        .updateTable("job")
        .set({ state: "dead", run_at: at.getTime(), until: until.getTime(), error, changed_at: at.getTime() })
        .where(isHeld(claim))
        .returning(["id", "kind", "unique_key", "payload", "max_attempts", "asks", "answered"])
        .execute();
      if (!row) return false;
      await forgetDead(row);
      if (row.asks > row.answered && row.unique_key !== null) {
        const { kind, unique_key: key, payload, max_attempts: maxAttempts } = row;
        await enqueue({ kind, key, payload, maxAttempts, runAt: at }, at);
      }
      return true;
    },

    async counts() {
      const rows = await db
        .selectFrom("job")
        .select(({ fn }) => ["state", "kind", fn.countAll<number | string>().as("jobs")])
        .groupBy(["state", "kind"])
        .orderBy("state")
        .orderBy("kind")
        .execute();
      return rows.map(({ state, kind, jobs }) => ({ state, kind, jobs: Number(jobs) }));
    },

    async list({ state, kind }, { after, limit }) {
      const rows = await db
        .selectFrom("job")
        .select(columns)
        .where("state", "=", state)
        .$if(kind !== undefined, (query) => query.where("kind", "=", kind as string))
        .$if(after !== undefined, (query) =>
          query.where(({ eb, refTuple, tuple }) => {
            const { kind, runAt, id } = after as JobPlace;
            return eb(refTuple("kind", "run_at", "id"), ">", tuple(kind, runAt.getTime(), id));
          }),
        )
        .orderBy("kind")
        .orderBy("run_at")
        .orderBy("id")
        .limit(limit)
        .execute();
      return rows.map(toJob);
    },

    async retry(id, at) {
      const [row] = await flavour
        .forUpdate(db.selectFrom("job").select(["kind", "unique_key"]).where("id", "=", id).where("state", "=", "dead"))
        .execute();
      if (!row) return false;
      if (row.unique_key !== null) {
        const [live] = await db
          .selectFrom("job")
          .select("id")
          .where("kind", "=", row.kind)
          .where("unique_key", "=", row.unique_key)
          .where(isLiveWithKey)
          .execute();
        if (live) {
          await db.deleteFrom("job").where("id", "=", id).execute();
          return true;
        }
      }
      await db
        .updateTable("job")
        .set({ state: "waiting", ...unheld, run_at: at.getTime(), attempts: 0, changed_at: at.getTime() })
        .where("id", "=", id)
        .execute();
      return true;
    },

    discard: (id) =>
      isOne(db.deleteFrom("job").where("id", "=", id).where("state", "in", ["dead", "waiting"]).returning("id")),

    async prune(now, limit) {
      let pruned = 0;
      for (const state of ["dead", "done"] as const) {
        const query = db
          .selectFrom("job")
          .select("id")
          .where("state", "=", state)
          .where("until", "<=", now.getTime())
          .orderBy("until")
          .limit(limit - pruned);
        const ids = (await flavour.skippingLocked(query).execute()).map(({ id }) => id);
        if (ids.length > 0) await db.deleteFrom("job").where(flavour.among("id", ids)).execute();
        pruned += ids.length;
      }
      return pruned;
    },

    async rewind(now, toleranceMs, limit) {
      const query = db
        .selectFrom("job")
        .select("id")
        .where("changed_at", ">", now.getTime() + toleranceMs)
        .orderBy("changed_at", "desc")
        .limit(limit);
      const ids = (await flavour.skippingLocked(query).execute()).map(({ id }) => id);
      if (ids.length === 0) return 0;
      const back = sql<number>`(changed_at - ${now.getTime()})`;
      await db
        .updateTable("job")
        .set((job) => ({
          run_at: job("run_at", "-", back),
          until: job("until", "-", back),
          changed_at: now.getTime(),
        }))
        .where(flavour.among("id", ids))
        .execute();
      return ids.length;
    },
  };
}
