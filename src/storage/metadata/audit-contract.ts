import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { verifyChain } from "../../domain/audit/chain.ts";
import { listRecords } from "../../domain/audit/listing.ts";
import { chained, packed } from "../../domain/audit/packs.ts";
import type { AuditMetadata, AuditPosition, Written } from "../../domain/audit/ports.ts";
import { expireRecords } from "../../domain/audit/retention.ts";
import { append, recordsIn } from "../../domain/audit/testing.ts";
import type { AccountId, Region, Registry } from "../../domain/names.ts";

export interface OpenedAudit {
  readonly metadata: AuditMetadata;
  dispose(): Promise<void>;
}

const at = (ms: number) => new Date(Date.UTC(2026, 0, 1) + ms);
const registry: Registry = { account: "000000000001" as AccountId, region: "eu-west-1" as Region };
const elsewhere: Registry = { ...registry, region: "us-east-1" as Region };
const other: Registry = { ...registry, account: "000000000002" as AccountId };

/** Records of a few characters that need care: the chain is over the very bytes. */
const written = (ms: number, whose = registry): Written => ({
  ...whose,
  at: at(ms),
  record: JSON.stringify({ ms, text: "ä\u2028 😀 \\u0000 ' \" %s $1" }),
});

/** What a keeper of `AuditMetadata` promises. */
export function auditContract(name: string, open: () => Promise<OpenedAudit>): void {
  describe(`${name}: the audit trail`, () => {
    let opened: OpenedAudit;
    beforeAll(async () => {
      opened = await open();
    });
    afterAll(() => opened.dispose());

    test("begins with nothing", async () => {
      const { read } = opened.metadata;
      const nothing = { sequence: 0, hash: new Uint8Array(32) };
      expect(plain(await read.audit.ends())).toEqual({ newest: nothing, removed: nothing });
      expect(await read.audit.chain({ after: 0, limit: 1 })).toEqual([]);
      expect(await read.audit.oldest(1)).toEqual([]);
      await append(opened.metadata, []);
    });

    test("keeps any number of records as they were, in their order", async () => {
      const { metadata } = opened;
      let count = 0;
      for (const size of [1, 3, 4, 5, 16, 17, 63, 64, 65, 200]) {
        const batch = Array.from({ length: size }, (_, index) => written(10 * (count + index)));
        await append(metadata, batch);
        const links = await recordsIn(metadata, count);
        expect(links.map(({ account, region, at, record }) => ({ account, region, at, record }))).toEqual(batch);
        expect(links.map(({ sequence }) => sequence)).toEqual(batch.map((_, index) => count + index + 1));
        count += size;
      }
      expect((await metadata.read.audit.ends()).newest.sequence).toBe(count);
      expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: count });
    });

    test("lists an account's in a region, newest first, also those of one moment", async () => {
      const { metadata } = opened;
      const moments = [5, 1, 3, 3, 3, 2].map((ms) => 1_000_000 + ms);
      await append(metadata, [
        ...moments.map((ms) => written(ms)),
        written(1_000_003, elsewhere),
        written(1_000_003, other),
      ]);
      const range = { from: at(1_000_001), until: at(1_000_003) };
      const listed: number[] = [];
      let after: AuditPosition | undefined;
      for (;;) {
        const page = await listRecords(metadata.read.audit, registry, { ...range, after, limit: 2 });
        listed.push(...page.map(({ at: time }) => time.getTime() - at(1_000_000).getTime()));
        after = page.at(-1);
        if (page.length < 2) break;
      }
      expect(listed).toEqual([3, 3, 3, 2, 1]);
      for (const whose of [elsewhere, other]) {
        expect(await listRecords(metadata.read.audit, whose, { ...range, limit: 9 })).toHaveLength(1);
      }
    });

    test("keeps records of many owners, each in its order", async () => {
      const { metadata } = opened;
      const before = (await metadata.read.audit.ends()).newest.sequence;
      const owner = (number: number) => ({ ...registry, account: `0000000010${number}` as AccountId });
      const batch = Array.from({ length: 63 }, (_, index) => written(1_100_000 + index, owner(10 + (index % 21))));
      await append(metadata, batch);
      expect(await recordsIn(metadata, before)).toHaveLength(63);
      const range = { from: at(1_100_000), until: at(1_200_000), limit: 9 };
      const listed = await listRecords(metadata.read.audit, owner(13), range);
      expect(listed.map(({ record }) => JSON.parse(record).ms)).toEqual([45, 24, 3].map((ms) => 1_100_000 + ms));
    });

    test("lists what several processes wrote, whose packs overlap in time, by time", async () => {
      const { metadata } = opened;
      const begun = 1_300_000;
      const mine = { ...registry, account: "000000000003" as AccountId };
      // Three of them, each late by as much as it likes, and now and then nobody has anything for a while.
      const batches = Array.from({ length: 90 }, (_, index) =>
        Array.from({ length: 1 + ((index * 7) % 11) }, (_, place) =>
          written(begun + (index % 10) * 2_000 + ((index * 37) % 23) * 190 + place * ((index % 3) * 40), mine),
        ),
      );
      for (const batch of batches) await append(metadata, batch);
      const times = batches.flat().map(({ at: time }) => time.getTime() - at(begun).getTime());
      for (const [from, until, limit] of [
        [0, 30_000, 50],
        [3_000, 9_000, 7],
        [2_190, 2_190, 1],
        [0, 30_000, 1000],
      ] as const) {
        const listed: { at: Date; sequence: number }[] = [];
        for (;;) {
          const range = { from: at(begun + from), until: at(begun + until), after: listed.at(-1), limit };
          const page = await listRecords(metadata.read.audit, mine, range);
          listed.push(...page);
          if (page.length < limit) break;
        }
        const expected = times.filter((time) => time >= from && time <= until).sort((a, b) => b - a);
        expect(listed.map(({ at: time }) => time.getTime() - at(begun).getTime())).toEqual(expected);
        const sequences = new Set(listed.map(({ sequence }) => sequence));
        expect(sequences.size).toBe(listed.length);
      }
    });

    test("lets one at a time add to the chain", async () => {
      const { metadata } = opened;
      const before = (await metadata.read.audit.ends()).newest.sequence;
      const adders = Array.from({ length: 8 }, async () => {
        for (let count = 0; count < 5; count++) await append(metadata, [written(2_000_000), written(2_000_001)]);
      });
      await Promise.all(adders);
      expect((await metadata.read.audit.ends()).newest.sequence).toBe(before + 80);
      expect(await verifyChain(metadata)).toMatchObject({ intact: true, records: before + 80 });
    });

    test("leaves nothing of a transaction that fails", async () => {
      const { metadata } = opened;
      const before = plain(await metadata.read.audit.ends());
      const failing = metadata.transact(async ({ audit }) => {
        const { newest } = await audit.lockEnds();
        await audit.append(chained(newest, packed([written(3_000_000)])));
        throw new Error("failed");
      });
      await expect(failing).rejects.toThrow("failed");
      expect(plain(await metadata.read.audit.ends())).toEqual(before);
      expect(await metadata.read.audit.chain({ after: before.newest.sequence, limit: 1 })).toEqual([]);
    });

    test("forgets the oldest, while others add", async () => {
      const { metadata } = opened;
      const before = (await metadata.read.audit.ends()).newest.sequence;
      const [removed] = await Promise.all([
        expireRecords(metadata, { before: at(1_000_000) }),
        append(metadata, [written(4_000_000)]),
      ]);
      expect(removed).toBe(438);
      const verdict = await verifyChain(metadata);
      expect(verdict).toMatchObject({ intact: true, records: before + 1 - 438, removed: { sequence: 438 } });
      expect((await metadata.read.audit.oldest(2)).map(({ firstSequence }) => firstSequence)).toEqual([439, 445]);
    });
  });
}

/** PostgreSQL and SQLite give bytes of different classes. */
function plain(ends: Awaited<ReturnType<AuditMetadata["read"]["audit"]["ends"]>>) {
  const of = ({ sequence, hash }: { sequence: number; hash: Uint8Array }) => ({ sequence, hash: new Uint8Array(hash) });
  return { newest: of(ends.newest), removed: of(ends.removed) };
}
