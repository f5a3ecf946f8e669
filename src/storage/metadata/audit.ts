import type { Kysely, Selectable } from "kysely";
import { beginning } from "../../domain/audit/chain.ts";
import type { AuditEvent, AuditEvents, Ends } from "../../domain/audit/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { AuditEventTable, AuditHeadTable, Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const headId = 1;

/** In this order in `valuesOf`. */
const columns = ["sequence", "account", "region", "at", "record", "hash"] as const;

/** Inserts so many rows by a statement whose text never changes, since preparing one takes longer than running it. */
function insertOf(rows: number) {
  return statement((db, value: readonly unknown[]) => {
    const row = (index: number) =>
      Object.fromEntries(columns.map((column, place) => [column, value[index * columns.length + place]]));
    const inserted = Array.from({ length: rows }, (_, index) => row(index) as unknown as AuditEventTable);
    return db.insertInto("audit_event").values(inserted);
  });
}

/** Largest first: any number of rows is a few of these. */
const inserts = [64, 16, 4, 1].map((rows) => ({ rows, insert: insertOf(rows) }));

const setNewest = statement((db, value: { sequence: number; hash: Uint8Array }) =>
  db
    .updateTable("audit_head")
    .set({ newest_sequence: value.sequence, newest_hash: value.hash })
    .where("id", "=", headId),
);

const lockHead = statement((db, _: object, flavour) => flavour.forUpdate(headOf(db)));

function headOf(db: Kysely<Schema>) {
  return db
    .selectFrom("audit_head")
    .select(["newest_sequence", "newest_hash", "removed_sequence", "removed_hash"])
    .where("id", "=", headId);
}

export function audit(db: Kysely<Schema>, flavour: Flavour): AuditEvents {
  const events = db.selectFrom("audit_event").select(["sequence", "account", "region", "at", "record", "hash"]);

  return {
    ends: async () => endsIn(await headOf(db).executeTakeFirst()),
    async lockEnds() {
      const [head] = await lockHead(db, flavour, {});
      if (head) return endsIn(head);
      // Somebody else may make it just now: then this waits for them, and reads theirs.
      const [newest_sequence, newest_hash] = [beginning.sequence, beginning.hash];
      await db
        .insertInto("audit_head")
        .values({
          id: headId,
          newest_sequence,
          newest_hash,
          removed_sequence: newest_sequence,
          removed_hash: newest_hash,
        })
        .onConflict((conflict) => conflict.doNothing())
        .execute();
      return endsIn((await lockHead(db, flavour, {}))[0]);
    },

    async append(appended) {
      const newest = appended.at(-1);
      if (!newest) return;
      let done = 0;
      for (const { rows, insert } of inserts) {
        for (; appended.length - done >= rows; done += rows) {
          await insert(db, flavour, valuesOf(appended, done, rows));
        }
      }
      await setNewest(db, flavour, newest);
    },

    async list({ account, region }, { from, until, after, limit }) {
      let query = events
        .where("account", "=", account)
        .where("region", "=", region)
        .where("at", ">=", from.getTime())
        .orderBy("at", "desc")
        .orderBy("sequence", "desc")
        .limit(limit);
      if (after) {
        const [at, sequence] = [after.at.getTime(), after.sequence];
        query = query.where(({ eb, refTuple, tuple }) => eb(refTuple("at", "sequence"), "<", tuple(at, sequence)));
      } else {
        query = query.where("at", "<=", until.getTime());
      }
      return (await query.execute()).map(eventOf);
    },

    async chain({ after, limit }) {
      const rows = await events.where("sequence", ">", after).orderBy("sequence").limit(limit).execute();
      return rows.map(eventOf);
    },

    async oldest(limit) {
      const rows = await db
        .selectFrom("audit_event")
        .select(["sequence", "at", "hash"])
        // Counted from 1. What somebody has put below would be seen too.
        .where("sequence", ">=", Number.MIN_SAFE_INTEGER)
        .orderBy("sequence")
        .limit(limit)
        .execute();
      return rows.map(({ sequence, at, hash }) => ({ sequence, at: new Date(at), hash }));
    },

    async remove({ sequence, hash }) {
      await db.deleteFrom("audit_event").where("sequence", "<=", sequence).execute();
      await db
        .updateTable("audit_head")
        .set({ removed_sequence: sequence, removed_hash: hash })
        .where("id", "=", headId)
        .execute();
    },
  };
}

function valuesOf(events: readonly AuditEvent[], first: number, rows: number): unknown[] {
  const values: unknown[] = [];
  for (let index = first; index < first + rows; index++) {
    const { sequence, account, region, at, record, hash } = events[index] as AuditEvent;
    values.push(sequence, account, region, at.getTime(), record, hash);
  }
  return values;
}

function endsIn(row: Omit<AuditHeadTable, "id"> | undefined): Ends {
  if (!row) return { newest: beginning, removed: beginning };
  return {
    newest: { sequence: row.newest_sequence, hash: row.newest_hash },
    removed: { sequence: row.removed_sequence, hash: row.removed_hash },
  };
}

function eventOf({ at, ...row }: Selectable<AuditEventTable>): AuditEvent {
  return { ...row, at: new Date(at) };
}
