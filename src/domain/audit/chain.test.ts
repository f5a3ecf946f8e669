import { Database } from "bun:sqlite";
import { afterAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { type VerifyOptions, verifyChain } from "./chain.ts";
import { exportRecords } from "./export.ts";
import { listRecords } from "./listing.ts";
import { opened, PackDamaged, packed } from "./packs.ts";
import type { AuditMetadata, AuditPack } from "./ports.ts";
import { expireRecords } from "./retention.ts";
import { append, home, recordsIn } from "./testing.ts";

const folder = mkdtempSync(join(tmpdir(), "berth-audit-"));
afterAll(() => rmSync(folder, { recursive: true }));
const at = (second: number) => new Date(Date.UTC(2026, 0, 1, 0, 0, second));

let databases = 0;

/** `count` records, a second apart, in packs that end with 3, 5 and `count`. */
async function trailOf(count: number) {
  const path = join(folder, `${databases++}.sqlite`);
  const metadata = await openSqlite({ path });
  const written = Array.from({ length: count }, (_, index) => ({
    ...home,
    at: at(index),
    record: JSON.stringify({ eventName: `event ${index + 1}` }),
  }));
  for (const [from, to] of [
    [0, 3],
    [3, 5],
    [5, count],
  ])
    await append(metadata, written.slice(from, to));
  return { path, metadata, written };
}

const packsIn = ({ read }: AuditMetadata) => read.audit.chain({ after: 0, limit: 100 });

/** The same pack with other records, as who knows the form can make it. */
function repacked(pack: AuditPack, change: (records: string[]) => string[]): Uint8Array {
  const { account, region } = pack;
  const events = opened(pack);
  const records = change(events.map(({ record }) => record));
  const written = records.map((record, index) => ({ account, region, at: events[index]?.at ?? at(0), record }));
  const [made] = packed(written);
  if (!made) throw new Error("nothing to pack");
  return made.packed;
}

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

  const packs = [
    { first: 1, last: 3 },
    { first: 4, last: 5 },
    { first: 6, last: 8 },
  ];
  const changes: [string, string][] = [
    ["account", "'999988887777'"],
    ["region", "'us-east-1'"],
    ["first_at", "first_at - 1"],
    ["last_at", "last_at + 1"],
    ["hashes", "randomblob(length(hashes))"],
    ["hashes", "substr(hashes, 2)"],
    ["hashes", "cast(hashes || randomblob(32) as blob)"],
    ["packed", "randomblob(length(packed))"],
    ["packed", "x''"],
    ["first_sequence", "first_sequence + 1"],
    ["last_sequence", "last_sequence + 100"],
  ];
  for (const [column, value] of changes) {
    for (const { first, last } of packs) {
      test(`tells that ${column} of the pack from ${first} to ${last} was set to ${value}`, async () => {
        const verdict = await verdictAfter((database) =>
          database.run(`update audit_pack set ${column} = ${value} where last_sequence = ${last}`),
        );
        expect(verdict).toMatchObject({ intact: false, sequence: first });
      });
    }
  }

  test("tells any byte of any pack", async () => {
    const { path, metadata } = await trailOf(8);
    const database = new Database(path);
    for (const pack of await packsIn(metadata)) {
      const { firstSequence, lastSequence } = pack;
      for (const column of ["packed", "hashes"] as const) {
        const set = database.prepare(`update audit_pack set ${column} = ? where last_sequence = ${lastSequence}`);
        const bytes = new Uint8Array(pack[column]);
        for (let position = 0; position < bytes.length; position++) {
          set.run(bytes.with(position, (bytes[position] ?? 0) ^ (1 << (position % 8))));
          const verdict = await verifyChain(metadata);
          if (verdict.intact) throw new Error(`byte ${position} of ${column} was changed and nobody noticed`);
          expect(verdict.sequence).toBeGreaterThanOrEqual(firstSequence);
          expect(verdict.sequence).toBeLessThanOrEqual(lastSequence);
          if (column === "hashes") expect(verdict.sequence).toBe(firstSequence + Math.floor(position / 32));
        }
        for (const more of [[0], [1, 2, 3], [0x50, 0x2a, 0x4d, 0x18, 0, 0, 0, 0]]) {
          set.run(new Uint8Array([...bytes, ...more]));
          expect(await verifyChain(metadata)).toMatchObject({ intact: false });
        }
        set.run(bytes);
        set.finalize();
      }
    }
    expect(await verifyChain(metadata)).toMatchObject({ intact: true });
    database.close();
    await metadata.close();
  });

  test("tells any byte of any record, and which", async () => {
    const { path, metadata } = await trailOf(8);
    const database = new Database(path);
    const set = database.prepare("update audit_pack set packed = ? where last_sequence = ?");
    for (const pack of await packsIn(metadata)) {
      for (const [place, { record, sequence }] of opened(pack).entries()) {
        for (let position = 0; position < record.length; position++) {
          const other = String.fromCharCode(record.charCodeAt(position) ^ 1);
          const changed = record.slice(0, position) + other + record.slice(position + 1);
          set.run(
            repacked(pack, (records) => records.with(place, changed)),
            pack.lastSequence,
          );
          expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence });
        }
      }
      set.run(pack.packed, pack.lastSequence);
    }
    expect(await verifyChain(metadata)).toMatchObject({ intact: true });
    set.finalize();
    database.close();
    await metadata.close();
  });

  test("tells that records of a pack were removed, put in, or have changed places", async () => {
    const { path, metadata } = await trailOf(8);
    const [pack] = await packsIn(metadata);
    if (!pack) throw new Error("no pack");
    const database = new Database(path);
    const set = database.prepare(
      "update audit_pack set packed = ?, hashes = ?, first_sequence = ?, last_sequence = ? where last_sequence < 5",
    );
    const hashes = new Uint8Array(pack.hashes);
    const without = (place: number) =>
      new Uint8Array([...hashes.slice(0, 32 * place), ...hashes.slice(32 * place + 32)]);
    const leaveOut = (place: number) => repacked(pack, (records) => records.toSpliced(place, 1));
    for (const [bytes, links, first, last, sequence] of [
      [repacked(pack, ([a = "", b = "", c = ""]) => [b, a, c]), hashes, 1, 3, 1],
      [repacked(pack, ([a = "", b = "", c = ""]) => [a, c, b]), hashes, 1, 3, 2],
      [leaveOut(2), without(2), 1, 2, 2],
      [leaveOut(1), without(1), 1, 2, 2],
      [leaveOut(0), without(0), 2, 3, 1],
      [leaveOut(0), without(0), 1, 2, 1],
      [repacked(pack, (records) => [...records, "{}"]), new Uint8Array([...hashes, ...hashes.slice(-32)]), 1, 4, 3],
    ] as const) {
      set.run(bytes, links, first, last);
      expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence });
    }
    set.finalize();
    database.close();
    await metadata.close();
  });

  test("a pack that would fill the memory is not opened", async () => {
    const { path, metadata } = await trailOf(8);
    const database = new Database(path);
    const bomb = Bun.zstdCompressSync(new Uint8Array(256 << 20));
    expect(bomb.length).toBeLessThan(1 << 20);
    database.run("update audit_pack set packed = ? where last_sequence = 5", [bomb]);
    database.close();
    expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence: 4 });
    const range = { from: at(0), until: at(9), limit: 5 };
    await expect(listRecords(metadata.read.audit, home, range)).rejects.toThrow(PackDamaged);
    expect(await listRecords(metadata.read.audit, home, { ...range, limit: 2 })).toHaveLength(2);
    await metadata.close();
  });

  test("tells that a pack was removed: the first, one in the middle, the last, all", async () => {
    for (const [where, sequence] of [
      ["last_sequence = 3", 1],
      ["last_sequence = 5", 4],
      ["last_sequence = 8", 6],
      ["last_sequence > 3", 4],
      ["true", 1],
    ] as const) {
      const verdict = await verdictAfter((database) => database.run(`delete from audit_pack where ${where}`));
      expect(verdict).toMatchObject({ intact: false, sequence });
    }
  });

  test("tells that two packs have changed places, and that one was put in", async () => {
    const swapped = await verdictAfter((database) => {
      for (const [from, to] of [
        [3, -1],
        [8, 3],
        [-1, 8],
      ] as const) {
        database.run(
          `update audit_pack set last_sequence = ${to}, first_sequence = ${to - 2} where last_sequence = ${from}`,
        );
      }
    });
    expect(swapped).toMatchObject({ intact: false, sequence: 1 });
    const copy = (first: number, last: number) => (database: Database) =>
      database.run(
        `insert into audit_pack (first_sequence, last_sequence, account, region, first_at, last_at, hashes, packed)
         select ${first}, ${last}, account, region, first_at, last_at, hashes, packed from audit_pack where last_sequence = 3`,
      );
    expect(await verdictAfter(copy(9, 11))).toMatchObject({ intact: false, sequence: 9 });
    expect(await verdictAfter(copy(-2, 0))).toMatchObject({ intact: false, sequence: -2 });
    expect(await verdictAfter(copy(2, 4))).toMatchObject({ intact: false, sequence: 4 });
  });

  test("tells that the head names another end", async () => {
    for (const [newest, sequence] of [
      [9, 9],
      [7, 8],
      [5, 5],
    ] as const) {
      const verdict = await verdictAfter((database) =>
        database.run(`update audit_head set newest_sequence = ${newest}`),
      );
      expect(verdict).toMatchObject({ intact: false, sequence });
    }
  });

  test("tells that its end was cut off together with the head's word, if the end was noted", async () => {
    const { path, metadata } = await trailOf(8);
    const noted = (await metadata.read.audit.ends()).newest;
    const database = new Database(path);
    database.run("delete from audit_pack where last_sequence > 5");
    database.run(
      "update audit_head set newest_sequence = 5, newest_hash = (select substr(hashes, -32) from audit_pack where last_sequence = 5)",
    );
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 5 });
    expect(await verifyChain(metadata, { noted })).toMatchObject({ intact: false, sequence: 6 });
    // Or written anew from there on, longer than before.
    const again = ["6", "7", "8", "9"].map((record) => ({ ...home, at: at(9), record }));
    await append(metadata, again);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 9 });
    expect(await verifyChain(metadata, { noted })).toMatchObject({ intact: false, sequence: 8 });
    database.close();
    await metadata.close();
  });
});

test("any link can be noted, also one inside a pack", async () => {
  const { metadata } = await trailOf(8);
  for (const { sequence, hash } of await recordsIn(metadata)) {
    expect(await verifyChain(metadata, { noted: { sequence, hash } })).toMatchObject({ intact: true });
    const other = new Uint8Array(hash).with(31, (hash[31] ?? 0) ^ 1);
    expect(await verifyChain(metadata, { noted: { sequence, hash: other } })).toMatchObject({
      intact: false,
      sequence,
    });
  }
  await metadata.close();
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

  test("removes whole packs, when the last of their records is old enough", async () => {
    const { metadata } = await trailOf(8);
    expect(await expireRecords(metadata, { before: at(4) })).toBe(3);
    expect(await expireRecords(metadata, { before: at(7) })).toBe(2);
    expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: 3, removed: { sequence: 5 } });
    await metadata.close();
  });

  test("a gap that retention did not make is told behind one that it made", async () => {
    const { path, metadata } = await trailOf(8);
    await expireRecords(metadata, { before: at(3) });
    const database = new Database(path);
    database.run("delete from audit_pack where last_sequence = 5");
    database.close();
    expect(await verifyChain(metadata)).toMatchObject({ intact: false, sequence: 4 });
    await metadata.close();
  });

  test("never takes from the middle: a record that is early in the chain and late in time keeps those behind it", async () => {
    const { metadata } = await trailOf(0);
    const times = [1, 9, 2, 3];
    for (const second of times) await append(metadata, [{ ...home, at: at(second), record: "{}" }]);
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
        if (done > 1000 && removing.length === 0) removing.push(expireRecords(metadata, { before: at(2200) }));
      },
    });
    expect(await Promise.all(removing)).toEqual([2196]);
    expect(verdict.intact).toBe(true);
    await metadata.close();
  });
});
