import type { Kysely, Selectable } from "kysely";
import { beginning } from "../../domain/audit/chain.ts";
import { lastLink } from "../../domain/audit/packs.ts";
import { type AuditPack, type AuditPacks, type Ends, packSpanMs } from "../../domain/audit/ports.ts";
import type { Flavour } from "./flavour.ts";
import type { AuditHeadTable, AuditPackTable, Schema } from "./schema.ts";
import { statement } from "./statement.ts";

const headId = 1;

const facts = ["last_sequence", "first_sequence", "account", "region", "first_at", "last_at", "hashes"] as const;
/** In this order in `valuesOf`. */
const columns = [...facts, "packed"] as const;

/** Inserts so many rows by a statement whose text never changes, since preparing one takes longer than running it. */
function insertOf(rows: number) {
  return statement((db, value: readonly unknown[]) => {
    const row = (index: number) =>
      Object.fromEntries(columns.map((column, place) => [column, value[index * columns.length + place]]));
    const inserted = Array.from({ length: rows }, (_, index) => row(index) as unknown as AuditPackTable);
    return db.insertInto("audit_pack").values(inserted);
  });
}

/** Largest first: any number of rows is a few of these. A batch has a pack for each account that it is about. */
const inserts = [16, 4, 1].map((rows) => ({ rows, insert: insertOf(rows) }));

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

export function audit(db: Kysely<Schema>, flavour: Flavour): AuditPacks {
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
      await setNewest(db, flavour, lastLink(newest));
    },

    async list({ account, region }, { from, until, behind, limit }) {
      let query = db
        .selectFrom("audit_pack")
        .select(columns)
        .where("account", "=", account)
        .where("region", "=", region)
        .where("last_at", ">=", from.getTime())
        .where("first_at", "<=", until.getTime())
        .orderBy("last_at", "desc")
        .orderBy("last_sequence", "desc")
        .limit(limit);
      if (behind) {
        const [at, sequence] = [behind.lastAt.getTime(), behind.lastSequence];
        query = query.where(({ eb, refTuple, tuple }) =>
          eb(refTuple("last_at", "last_sequence"), "<", tuple(at, sequence)),
        );
      } else {
        // What ends later begins later too: the index need not be read from today on.
        query = query.where("last_at", "<=", until.getTime() + packSpanMs);
      }
      return (await query.execute()).map(packOf);
    },

    async chain({ after, limit }) {
      const rows = await db
        .selectFrom("audit_pack")
        .select(columns)
        .where("last_sequence", ">", after)
        .orderBy("last_sequence")
        .limit(limit)
        .execute();
      return rows.map(packOf);
    },

    async oldest(limit) {
      const rows = await db
        .selectFrom("audit_pack")
        .select(facts)
        // Counted from 1. What somebody has put below would be seen too.
        .where("last_sequence", ">=", Number.MIN_SAFE_INTEGER)
        .orderBy("last_sequence")
        .limit(limit)
        .execute();
      return rows.map(factsOf);
    },

    async remove({ sequence, hash }) {
      await db.deleteFrom("audit_pack").where("last_sequence", "<=", sequence).execute();
      await db
        .updateTable("audit_head")
        .set({ removed_sequence: sequence, removed_hash: hash })
        .where("id", "=", headId)
        .execute();
    },
  };
}

function valuesOf(packs: readonly AuditPack[], first: number, rows: number): unknown[] {
  const values: unknown[] = [];
  for (let index = first; index < first + rows; index++) {
    const pack = packs[index] as AuditPack;
    const { lastSequence, firstSequence, account, region, firstAt, lastAt, hashes, packed } = pack;
    values.push(lastSequence, firstSequence, account, region, firstAt.getTime(), lastAt.getTime(), hashes, packed);
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

type PackFacts = Omit<Selectable<AuditPackTable>, "packed">;

function factsOf({ first_sequence, last_sequence, account, region, first_at, last_at, hashes }: PackFacts) {
  return {
    account,
    region,
    firstSequence: first_sequence,
    lastSequence: last_sequence,
    firstAt: new Date(first_at),
    lastAt: new Date(last_at),
    hashes,
  };
}

function packOf(row: Selectable<AuditPackTable>): AuditPack {
  return { ...factsOf(row), packed: row.packed };
}
