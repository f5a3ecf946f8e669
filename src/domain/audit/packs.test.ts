import { expect, test } from "bun:test";
import type { AccountId } from "../names.ts";
import { beginning } from "./chain.ts";
import { chained, faultIn, lastLink, opened, packed } from "./packs.ts";
import type { Written } from "./ports.ts";
import { recordsOf } from "./record.ts";
import { happened, home } from "./testing.ts";

const begun = Date.UTC(2026, 0, 1);
const written = (ms: number, record = `{"ms":${ms}}`, more: Partial<Written> = {}): Written => ({
  ...home,
  at: new Date(begun + ms),
  record,
  ...more,
});
const upTo = (count: number) => Array.from({ length: count }, (_, index) => index);
const sizes = (batch: Written[]) => packed(batch).map((pack) => pack.written.length);

test("a batch of one owner is one pack, which gives back what went in", () => {
  const batch = upTo(64).map((ms) =>
    written(ms, JSON.stringify({ ms, text: "ä\u2028 😀 \ud800 \n\r \u0000 ' \" %s $1" })),
  );
  const [pack, ...others] = chained(beginning, packed(batch));
  if (!pack) throw new Error("no pack");
  expect(others).toEqual([]);
  expect(opened(pack).map(({ account, region, at, record }) => ({ account, region, at, record }))).toEqual(batch);
  expect(pack).toMatchObject({ firstSequence: 1, lastSequence: 64, firstAt: batch[0]?.at, lastAt: batch[63]?.at });
  expect(lastLink(pack)).toEqual({ sequence: 64, hash: opened(pack)[63]?.hash as Uint8Array });
  expect(faultIn(pack, beginning)).toBeUndefined();
});

test("records of several owners are packed apart, and each keeps its order", () => {
  const of = (number: number): Partial<Written> => ({ account: `00000000000${number}` as AccountId });
  const batch = upTo(30).map((ms) => written(ms, `{"ms":${ms}}`, of(ms % 3)));
  const packs = chained({ sequence: 7, hash: new Uint8Array(32) }, packed(batch));
  expect(packs.map(({ firstSequence, lastSequence }) => [firstSequence, lastSequence])).toEqual([
    [8, 17],
    [18, 27],
    [28, 37],
  ]);
  for (const [index, pack] of packs.entries()) {
    expect(opened(pack).map(({ at }) => at.getTime() - begun)).toEqual(upTo(10).map((n) => 3 * n + index));
  }
});

test("a pack has bounds: in records, in text, in time", () => {
  expect(sizes([])).toEqual([]);
  expect(sizes(upTo(130).map((ms) => written(ms)))).toEqual([64, 64, 2]);
  const long = JSON.stringify("x".repeat(100_000));
  expect(sizes(upTo(5).map((ms) => written(ms, long)))).toEqual([2, 2, 1]);
  expect(sizes([written(0), written(1, JSON.stringify("x".repeat(900_000))), written(2)])).toEqual([1, 1, 1]);
  expect(sizes([0, 5_000, 5_001, 5_002].map((ms) => written(ms)))).toEqual([2, 2]);
  // A clock that was set back.
  expect(sizes([9_000, 4_000, 8_000, 3_999].map((ms) => written(ms)))).toEqual([3, 1]);
});

test("records of pulls take a tenth of their length", () => {
  const batch = upTo(64).flatMap((index) => {
    const arrival = { ...happened().arrival, requestId: crypto.randomUUID() };
    return recordsOf(happened({ at: begun + index, arrival, route: `GET /v2/app/web/blobs/sha256:${index}` }));
  });
  const [pack] = packed(batch);
  const length = batch.reduce((sum, { record }) => sum + record.length, 0);
  expect(pack?.packed.length).toBeLessThan(length / 10);
});
