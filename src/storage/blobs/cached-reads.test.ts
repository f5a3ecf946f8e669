import { afterAll, expect, test } from "bun:test";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { readCached } from "./cached-reads.ts";
import { all, sample } from "./contract.ts";
import { type Disk, realDisk } from "./disk.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { chunkBytes, positionOf } from "./sealed-format.ts";
import { tapped } from "./test-disk.ts";
import { pathOf, pushed, sealed, temporaryRoots } from "./testing.ts";

const { keys, scope } = sealed;
const roots = temporaryRoots();
const { newRoot } = roots;
const folder = mkdtempSync(join(tmpdir(), "berth-cached-reads-"));
afterAll(() => {
  roots.remove();
  rmSync(folder, { recursive: true });
});

test("what is in memory is read from where it lies, and never more than there is", () => {
  const path = join(folder, "file");
  const content = sample(100_000);
  writeFileSync(path, content);
  const fd = openSync(path, "r");
  for (const [position, length] of [
    [0, 10],
    [99_990, 100],
    [50_000, 50_000],
    [100_000, 5],
  ] as const) {
    const buffer = Buffer.alloc(length);
    const found = readCached({ fd }, buffer, position);
    expect(found).toBeLessThanOrEqual(Math.min(length, content.length - position));
    expect(buffer.subarray(0, found)).toEqual(Buffer.from(content.subarray(position, position + found)));
    expect(buffer.subarray(found)).toEqual(Buffer.alloc(length - found));
  }
  expect(readCached({ fd }, Buffer.alloc(0), 0)).toBe(0);
  expect(readCached({}, Buffer.alloc(10), 0)).toBe(0);
  closeSync(fd);
  expect(readCached({ fd: -1 }, Buffer.alloc(10), 0)).toBe(0);
});

test("content of which the kernel has a part is the same, wherever the part ends", async () => {
  const root = newRoot();
  const content = sample(4 * chunkBytes + 5_000);
  const blob = await pushed(await openFilesystemBlobs({ root, keys }), content, scope);
  const file = readFileSync(pathOf(root, blob));
  for (const cachedBytes of [
    0,
    positionOf(1) + 1,
    positionOf(2),
    positionOf(3) + 100_000,
    file.length - 1,
    file.length,
  ]) {
    const part = join(folder, "part");
    writeFileSync(part, file);
    truncateSync(part, cachedBytes);
    const fd = openSync(part, "r");
    const slow = tapped(realDisk, (_, run) => run());
    const disk: Disk = { ...slow, open: async (...how) => ({ ...(await slow.open(...how)), fd }) };
    const blobs = await openFilesystemBlobs({ root, disk, keys });
    expect(Buffer.concat(await all(blobs.bytes(blob))).equals(content)).toBe(true);
    closeSync(fd);
  }
});

test("others get their turn while content is read that needs no waiting", async () => {
  const chunks = 40;
  const blobs = await openFilesystemBlobs({ root: newRoot(), keys });
  const blob = await pushed(blobs, sample(chunks * chunkBytes), scope);
  let turns = 0;
  let isOver = false;
  const count = () => {
    turns++;
    if (!isOver) setImmediate(count);
  };
  setImmediate(count);
  await all(blobs.bytes(blob));
  isOver = true;
  expect(turns).toBeGreaterThanOrEqual(chunks / 4);
});
