import { beforeEach, expect, test } from "bun:test";
import type { Bytes, StagingId, StoredBlob } from "../registry/ports.ts";
import { createTail, type Tail } from "./tail.ts";

const sizeBytes = 12 * 1024 * 1024;
const content = new Uint8Array(sizeBytes).map((_, at) => (at * 31) >> 7);
const pieceBytes = 64 * 1024;
const blob = { digest: "sha256:b", generation: "g", sizeBytes } as unknown as StoredBlob;

/** What was read of the staged bytes, and of the blob. */
let read: string[];
let tail: Tail;
let sentBytes = 0;

beforeEach(() => {
  read = [];
  sentBytes = 0;
  tail = createTail({
    sizeBytes,
    blobs: {
      async *staged(_, upTo, from = 0) {
        read.push(`staged ${from}-${upTo}`);
        for (let at = from; at < upTo; at += pieceBytes) yield content.subarray(at, Math.min(upTo, at + pieceBytes));
      },
      async *bytes(_, from = 0) {
        read.push(`blob ${from}`);
        for (let at = from; at < sizeBytes; at += pieceBytes) yield content.subarray(at, at + pieceBytes);
      },
    },
  });
  tail.begun("staging" as StagingId);
});

function come(upTo: number): void {
  for (; sentBytes < upTo; sentBytes += pieceBytes) tail.push(content.subarray(sentBytes, sentBytes + pieceBytes));
}

async function whole(bytes: Bytes): Promise<Buffer> {
  const pieces = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces);
}

test("who keeps up reads from memory, as it comes", async () => {
  const reader = tail.read()[Symbol.asyncIterator]();
  for (let upTo = pieceBytes; upTo < sizeBytes; upTo += pieceBytes) {
    come(upTo);
    tail.written(upTo);
    expect((await reader.next()).value).toEqual(content.subarray(upTo - pieceBytes, upTo));
  }
  expect(read).toEqual([]);
});

test("who comes late reads what is staged, and then follows", async () => {
  come(10 * 1024 * 1024);
  tail.written(9 * 1024 * 1024);
  const late = whole(tail.read());
  come(sizeBytes);
  tail.written(sizeBytes);
  tail.verified();
  expect((await late).equals(content)).toBe(true);
  expect(read[0]).toMatch(/^staged 0-/);
});

test("memory has what is not written yet, and a window", async () => {
  come(10 * 1024 * 1024);
  // Nothing is written: all of it is still to be had.
  const first = await tail.read()[Symbol.asyncIterator]().next();
  expect(first.value).toEqual(content.subarray(0, pieceBytes));
  expect(read).toEqual([]);
  tail.written(10 * 1024 * 1024);
  await tail.read()[Symbol.asyncIterator]().next();
  expect(read).toEqual([`staged 0-${10 * 1024 * 1024}`]);
});

test("the last bytes come only once all are verified", async () => {
  come(sizeBytes);
  let ended = false;
  let gotBytes = 0;
  const reading = (async () => {
    for await (const piece of tail.read()) gotBytes += piece.length;
    ended = true;
  })();
  while (gotBytes < sizeBytes - pieceBytes) await Bun.sleep(1);
  await Bun.sleep(5);
  expect([gotBytes, ended]).toEqual([sizeBytes - pieceBytes, false]);
  tail.verified();
  await reading;
  expect(gotBytes).toBe(sizeBytes);
});

test.each([undefined, { first: 5, last: 9 }])("who reads %p of what fails is cut off", async (range) => {
  come(sizeBytes);
  const reading = whole(tail.read(range));
  tail.failed(new Error("not what the digest says"));
  await expect(reading).rejects.toThrow("not what the digest says");
  await expect(whole(tail.read(range))).rejects.toThrow("not what the digest says");
});

test("who is slower than the download reads the rest from the store", async () => {
  come(pieceBytes);
  const reader = tail.read()[Symbol.asyncIterator]();
  await reader.next();
  come(sizeBytes);
  tail.written(sizeBytes);
  tail.published(blob);
  const rest = await whole({ [Symbol.asyncIterator]: () => reader });
  expect(rest.equals(content.subarray(pieceBytes))).toBe(true);
  expect(read).toEqual([`blob ${pieceBytes}`]);
});

test("who opens the staged bytes when they have just got their name goes on in the store", async () => {
  for (const isPublished of [true, false]) {
    const asked: string[] = [];
    const moving = createTail({
      sizeBytes,
      blobs: {
        async *staged() {
          asked.push("staged");
          moving.verified();
          if (isPublished) moving.published(blob);
          yield content.subarray(0, 0);
          throw new RangeError("0 bytes are staged");
        },
        async *bytes(_, from = 0) {
          asked.push("blob");
          yield content.subarray(from);
        },
      },
    });
    moving.begun("staging" as StagingId);
    moving.push(content.subarray(0, sizeBytes / 2));
    moving.push(content.subarray(sizeBytes / 2));
    moving.written(sizeBytes);
    const reading = whole(moving.read({ first: 0, last: sizeBytes - 1 }));
    while (asked.length === 0) await Bun.sleep(1);
    if (!isPublished) moving.published(blob);
    expect((await reading).equals(content)).toBe(true);
    expect(asked).toEqual(["staged", "blob"]);
  }
});

test("single bytes are put together, and each is there as it comes", async () => {
  const few = 200_000;
  const slow = createTail({ sizeBytes: few, blobs: { staged: tail.read as never, bytes: tail.read as never } });
  const follower = slow.read()[Symbol.asyncIterator]();
  for (let at = 0; at < few - 1; at++) {
    slow.push(content.subarray(at, at + 1));
    if (at < 100) expect((await follower.next()).value).toEqual(content.subarray(at, at + 1));
  }
  slow.push(content.subarray(few - 1, few));
  slow.verified();
  const pieces = [];
  for await (const piece of slow.read()) pieces.push(piece);
  expect(Buffer.concat(pieces).equals(content.subarray(0, few))).toBe(true);
  expect(pieces.length).toBeLessThan(few / 1000);
});

test("a range", async () => {
  come(2 * pieceBytes);
  const reading = whole(tail.read({ first: pieceBytes - 3, last: 3 * pieceBytes + 2 }));
  come(sizeBytes);
  tail.verified();
  expect((await reading).equals(content.subarray(pieceBytes - 3, 3 * pieceBytes + 3))).toBe(true);
});

test("nothing at all", async () => {
  const empty = createTail({ sizeBytes: 0, blobs: { staged: tail.read as never, bytes: tail.read as never } });
  const reading = whole(empty.read());
  empty.verified();
  expect((await reading).length).toBe(0);
});
