import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { chained, type VerifyOptions, verifyChain } from "./chain.ts";
import { exportRecords } from "./export.ts";
import type { AuditMetadata } from "./ports.ts";
import { expireRecords } from "./retention.ts";
import { home } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-audit-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

let databases = 0;

/** `count` records, a second apart, in two batches. */
async function trailOf(count: number) {
  const path = join(folder, `${databases++}.sqlite`);
  const metadata = await openSqlite({ path });
  const written = Array.from({ length: count }, (_, index) => ({
    ...home,
    at: at(index),
    record: JSON.stringify({ eventName: `event ${index + 1}` }),
  }));
  for (const batch of [written.slice(0, 3), written.slice(3)]) await append(metadata, batch);
  return { path, metadata, written };
}

type Batch = Parameters<typeof chained>[1];

const append = (metadata: AuditMetadata, batch: Batch) =>
  metadata.transact(async ({ audit }) => audit.append(chained((await audit.lockEnds()).newest, batch)));

/** Changes the file as somebody with access to it would, and asks whether it is noticed. */
async function verdictAfter(tamper: (database: Database) => void, options?: VerifyOptions) {
  const { path, metadata } = await trailOf(8);
  const database = new Database(path);
  tamper(database);
  database.close();
  const verdict = await verifyChain(metadata, options);
  await metadata.close();
  return verdict;
}

describe("the chain", () => {
  test("is intact as it was written, and says where it ends", async () => {
    const { metadata } = await trailOf(8);
    const verdict = await verifyChain(metadata);
    expect(verdict).toMatchObject({ intact: true, records: 8, newest: { sequence: 8 }, removed: { sequence: 0 } });
    await metadata.close();
  });

  test("without a record is intact", async () => {
    const { metadata } = await trailOf(0);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 0 });
    await metadata.close();
  });

  const changes: [string, string][] = [
    ["record", "json_set(record, '$.eventName', 'event 9')"],
    ["record", "record || ' '"],
    ["account", "'999988887777'"],
    ["region", "'us-east-1'"],
    ["at", "at + 1"],
    ["hash", "randomblob(32)"],
    ["sequence", "sequence + 100"],
  ];
  for (const [column, value] of changes) {
    for (const sequence of [1, 5, 8]) {
      test(`tells that ${column} of record ${sequence} was set to ${value}`, async () => {
        const verdict = await verdictAfter((database) =>
          database.run(`update audit_event set ${column} = ${value} where sequence = ${sequence}`),
        );
        expect(verdict).toMatchObject({ intact: false, sequence });
      });
    }
  }

  test("tells any byte of any record", async () => {
    const { path, metadata, written } = await trailOf(4);
    const database = new Database(path);
    const set = database.prepare("update audit_event set record = ? where sequence = ?");
    for (const [index, { record }] of written.entries()) {
      for (let position = 0; position < record.length; position++) {
        const changed = String.fromCharCode(record.charCodeAt(position) ^ 1);
        set.run(record.slice(0, position) + changed + record.slice(position + 1), index + 1);
        expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence: index + 1 });
      }
      set.run(record, index + 1);
    }
    expect(await verifyChain(metadata)).toMatchObject({ intact: true });
    set.finalize();
    database.close();
    await metadata.close();
  });

  test("tells that a record was removed: the first, one in the middle, the last, all", async () => {
    for (const [where, sequence] of [
      ["sequence = 1", 1],
      ["sequence = 4", 4],
      ["sequence = 8", 8],
      ["sequence > 5", 6],
      ["true", 1],
    ] as const) {
      const verdict = await verdictAfter((database) => database.run(`delete from audit_event where ${where}`));
      expect(verdict).toMatchObject({ intact: false, sequence });
    }
  });

  test("tells that two records have changed places, and that one was put in", async () => {
    const swapped = await verdictAfter((database) => {
      for (const [from, to] of [
        [3, -1],
        [6, 3],
        [-1, 6],
      ]) {
        database.run(`update audit_event set sequence = ${to} where sequence = ${from}`);
      }
    });
    expect(swapped).toMatchObject({ intact: false, sequence: 3 });
    const behind = await verdictAfter((database) =>
      database.run("insert into audit_event select 9, account, region, at, record, hash from audit_event limit 1"),
    );
    expect(behind).toMatchObject({ intact: false, sequence: 9 });
    const before = await verdictAfter((database) =>
      database.run("insert into audit_event select 0, account, region, at, record, hash from audit_event limit 1"),
    );
    expect(before).toMatchObject({ intact: false, sequence: 0 });
  });

  test("tells that its end was cut off together with the head's word, if the end was noted", async () => {
    const { path, metadata } = await trailOf(8);
    const noted = (await metadata.read.audit.ends()).newest;
    const database = new Database(path);
    database.run("delete from audit_event where sequence > 6");
    database.run(
      "update audit_head set newest_sequence = 6, newest_hash = (select hash from audit_event where sequence = 6)",
    );
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 6 });
    expect(await verifyChain(metadata, { noted })).toMatchObject({ intact: false, sequence: 7 });
    // Or written anew from there on, longer than before.
    const again = ["7", "8", "9"].map((record) => ({ ...home, at: at(9), record }));
    await append(metadata, again);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 9 });
    expect(await verifyChain(metadata, { noted })).toMatchObject({ intact: false, sequence: 8 });
    database.close();
    await metadata.close();
  });
});

describe("retention", () => {
  test("removes the oldest, and the rest can still be verified", async () => {
    const { metadata, written } = await trailOf(8);
    expect(await expireRecords(metadata, { before: at(5) })).toBe(5);
    const verdict = await verifyChain(metadata);
    expect(verdict).toMatchObject({ intact: true, records: 3, removed: { sequence: 5 } });
    await append(metadata, [{ ...home, at: at(9), record: "{}" }]);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 4, newest: { sequence: 9 } });
    expect(await expireRecords(metadata, { before: at(5) })).toBe(0);
    const exported = (await Array.fromAsync(exportRecords(metadata, { since: at(6), until: at(8) }))).flat();
    expect(exported).toEqual(written.slice(6).map(({ record }) => record));
    expect(await expireRecords(metadata, { before: at(99) })).toBe(4);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 0, newest: { sequence: 9 } });
    await metadata.close();
  });

  test("a gap that retention did not make is told behind one that it made", async () => {
    const { path, metadata } = await trailOf(8);
    await expireRecords(metadata, { before: at(3) });
    const database = new Database(path);
    database.run("delete from audit_event where sequence = 4");
    database.close();
    expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence: 4 });
    await metadata.close();
  });

  test("never takes from the middle: a record that is late in the chain and early in time keeps those behind it", async () => {
    const { metadata } = await trailOf(0);
    const times = [1, 9, 2, 3];
    await append(
      metadata,
      times.map((second) => ({ ...home, at: at(second), record: "{}" })),
    );
    expect(await expireRecords(metadata, { before: at(5) })).toBe(1);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 3 });
    await metadata.close();
  });

  test("goes on while somebody verifies", async () => {
    const { metadata } = await trailOf(0);
    const many = Array.from({ length: 2500 }, (_, index) => ({ ...home, at: at(index), record: `{"n":${index}}` }));
    await append(metadata, many);
    const removing: Promise<number>[] = [];
    const verdict = await verifyChain(metadata, {
      progress(done) {
        if (done === 1000) removing.push(expireRecords(metadata, { before: at(2200) }));
      },
    });
    expect(await Promise.all(removing)).toEqual([2200]);
    expect(verdict.intact).toBe(true);
    await metadata.close();
  });
});
