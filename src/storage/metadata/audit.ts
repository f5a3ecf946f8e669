import type { Kysely, Selectable } from "kysely";
import type { AuditEvent, AuditEvents, Ends } from "../../domain/audit/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { AuditEventTable, Schema } from "./schema.ts";

const headId = 1;
/** Six parameters each, and the databases take some 32,000. */
const rowsAtOnce = 1000;

export function audit(db: Kysely<Schema>, flavour: Flavour): AuditEvents {
  const heads = db
    .selectFrom("audit_head")
    .select(["newest_sequence", "newest_hash", "removed_sequence", "removed_hash"])
    .where("id", "=", headId);
  const events = db.selectFrom("audit_event").select(["sequence", "account", "region", "at", "record", "hash"]);

  async function ends(query: typeof heads): Promise<Ends> {
    const row = await query.executeTakeFirstOrThrow();
    return {
      newest: { sequence: row.newest_sequence, hash: row.newest_hash },
      removed: { sequence: row.removed_sequence, hash: row.removed_hash },
    };
  }

  return {
    ends: () => ends(heads),
    lockEnds: () => ends(flavour.forUpdate(heads)),

    async append(appended) {
      const newest = appended.at(-1);
      if (!newest) return;
      for (let first = 0; first < appended.length; first += rowsAtOnce) {
        const rows = appended.slice(first, first + rowsAtOnce).map(rowOf);
        await db.insertInto("audit_event").values(rows).execute();
      }
      await db
        .updateTable("audit_head")
        .set({ newest_sequence: newest.sequence, newest_hash: newest.hash })
        .where("id", "=", headId)
        .execute();
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

function rowOf({ sequence, account, region, at, record, hash }: AuditEvent): AuditEventTable {
  return { sequence, account, region, at: at.getTime(), record, hash };
}

function eventOf({ at, ...row }: Selectable<AuditEventTable>): AuditEvent {
  return { ...row, at: new Date(at) };
}
