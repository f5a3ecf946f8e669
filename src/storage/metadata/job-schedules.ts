import type { Kysely, Selectable } from "kysely";
import type { Schedule, Schedules } from "../../domain/jobs/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { Schema } from "./schema.ts";

const columns = ["kind", "key", "payload", "max_attempts", "every_ms", "next_at", "last_at", "set_at"] as const;

function toSchedule(row: Selectable<Schema["job_schedule"]>): Schedule {
  return {
    kind: row.kind,
    key: row.key,
    payload: row.payload,
    maxAttempts: row.max_attempts,
    everyMs: row.every_ms,
    nextAt: new Date(row.next_at),
    lastAt: row.last_at === null ? undefined : new Date(row.last_at),
    setAt: new Date(row.set_at),
  };
}

export function schedules(db: Kysely<Schema>, flavour: Flavour): Schedules {
  const find = async (kind: string, key: string) => {
    const [row] = await db
      .selectFrom("job_schedule")
      .select(columns)
      .where("kind", "=", kind)
      .where("key", "=", key)
      .execute();
    return row && toSchedule(row);
  };

  return {
    find,

    async put({ kind, key, payload, maxAttempts, everyMs, nextAt, setAt }) {
      const set = {
        payload,
        max_attempts: maxAttempts,
        every_ms: everyMs,
        next_at: nextAt.getTime(),
        set_at: setAt.getTime(),
      };
      const row = { kind, key, ...set, last_at: null };
      const added = await db
        .insertInto("job_schedule")
        .values(row)
        .onConflict((conflict) => conflict.columns(["kind", "key"]).doNothing())
        .returning("kind")
        .execute();
      if (added.length > 0) return true;
      await db
        .updateTable("job_schedule")
        .set(({ eb, ref, val }) => {
          const isEarlier = eb("next_at", "<", nextAt.getTime());
          return {
            ...set,
            next_at: eb.case().when(isEarlier).then(ref("next_at")).else(val(nextAt.getTime())).end(),
          };
        })
        .where("kind", "=", kind)
        .where("key", "=", key)
        .execute();
      return false;
    },

    async list({ after = { kind: "", key: "" }, limit }) {
      const rows = await db
        .selectFrom("job_schedule")
        .select(columns)
        .where(({ eb, refTuple, tuple }) => eb(refTuple("kind", "key"), ">", tuple(after.kind, after.key)))
        .orderBy("kind")
        .orderBy("key")
        .limit(limit)
        .execute();
      return rows.map(toSchedule);
    },

    async delete(kind, key) {
      const gone = await db
        .deleteFrom("job_schedule")
        .where("kind", "=", kind)
        .where("key", "=", key)
        .returning("kind")
        .execute();
      return gone.length > 0;
    },

    async due(now, limit) {
      const query = db
        .selectFrom("job_schedule")
        .select(columns)
        .where("next_at", "<=", now.getTime())
        .orderBy("next_at")
        .limit(limit);
      return (await flavour.skippingLocked(query).execute()).map(toSchedule);
    },

    async setAfter(at, limit) {
      const query = db
        .selectFrom("job_schedule")
        .select(columns)
        .where("set_at", ">", at.getTime())
        .orderBy("set_at", "desc")
        .limit(limit);
      return (await flavour.skippingLocked(query).execute()).map(toSchedule);
    },

    async advance({ kind, key, nextAt, lastAt, setAt }) {
      await db
        .updateTable("job_schedule")
        .set({ next_at: nextAt.getTime(), last_at: lastAt?.getTime() ?? null, set_at: setAt.getTime() })
        .where("kind", "=", kind)
        .where("key", "=", key)
        .execute();
    },
  };
}
