import { expect, test } from "bun:test";
import type { Bytes } from "../../domain/registry/ports.ts";
import type { DiskFile } from "./disk.ts";
import { failure } from "./test-disk.ts";
import { createWriteBack, type Target, writeHashed } from "./transfer.ts";

const mebibyte = 1024 * 1024;

/** A file that takes everything, unless a test says otherwise. */
function targetWith(file: Partial<DiskFile>, sync = async () => {}): Target {
  const write: DiskFile["write"] = async (_buffer, _offset, length) => ({ bytesWritten: length });
  return { file: { write, ...file } as DiskFile, position: 0, hasher: undefined, writeBack: createWriteBack(), sync };
}

async function* chunks(count: number, sizeBytes = 64 * 1024): Bytes {
  const chunk = new Uint8Array(sizeBytes);
  for (let index = 0; index < count; index++) yield chunk.fill(index);
}

test("one write runs at a time, of a mebibyte, from two buffers in turn", async () => {
  const lengths: number[] = [];
  const memory = new Set<ArrayBufferLike>();
  let running = 0;
  const write: DiskFile["write"] = async (buffer, _offset, length) => {
    expect(++running).toBe(1);
    memory.add(buffer.buffer);
    const before = Bun.hash(buffer);
    await Bun.sleep(1);
    // What is being written is not touched.
    expect(Bun.hash(buffer)).toBe(before);
    running--;
    lengths.push(length);
    return { bytesWritten: length };
  };
  const { sizeBytes } = await writeHashed(chunks(100), targetWith({ write }));
  expect(sizeBytes).toBe(100 * 64 * 1024);
  expect(lengths).toEqual([...Array(6).fill(mebibyte), 4 * 64 * 1024]);
  expect(memory.size).toBe(2);
});

test("the next batch is gathered while one is being written", async () => {
  let yielded = 0;
  async function* counted(): Bytes {
    for await (const chunk of chunks(64)) {
      yielded++;
      yield chunk;
    }
  }
  const atWrite: number[] = [];
  const written: number[] = [];
  const write: DiskFile["write"] = async (_buffer, _offset, length) => {
    atWrite.push(yielded);
    while (yielded < Math.min(64, (atWrite.length + 1) * 16)) await Bun.sleep(0);
    written.push(yielded);
    return { bytesWritten: length };
  };
  await writeHashed(counted(), targetWith({ write }));
  expect(atWrite).toEqual([16, 32, 48, 64]);
  expect(written).toEqual([32, 48, 64, 64]);
});

test("a write that was cut short goes on where it stopped", async () => {
  const calls: [offset: number, length: number, position: number][] = [];
  const write: DiskFile["write"] = async (_buffer, offset, length, position) => {
    calls.push([offset, length, position]);
    return { bytesWritten: Math.min(length, 400) };
  };
  await writeHashed(chunks(1, 1000), { ...targetWith({ write }), position: 7 });
  expect(calls).toEqual([
    [0, 1000, 7],
    [400, 600, 407],
    [800, 200, 807],
  ]);
});

test("a write that fails ends the source, even when the source is slow", async () => {
  let isClosed = false;
  async function* slow(): Bytes {
    try {
      for await (const chunk of chunks(1000)) {
        await Bun.sleep(0);
        yield chunk;
      }
    } finally {
      isClosed = true;
    }
  }
  const write = () => Promise.reject(failure("EIO"));
  await expect(writeHashed(slow(), targetWith({ write }))).rejects.toThrow("EIO");
  expect(isClosed).toBe(true);
});

test("large blobs are synced on the way, one sync at a time", async () => {
  let [running, syncs] = [0, 0];
  const sync = async () => {
    expect(++running).toBe(1);
    for (let turns = 0; turns < 50; turns++) await Promise.resolve();
    running--;
    syncs++;
  };
  const target = targetWith({}, sync);
  await writeHashed(chunks(64, mebibyte), target);
  expect(syncs).toBe(0);
  await Promise.all([writeHashed(chunks(200, mebibyte), target), writeHashed(chunks(200, mebibyte), target)]);
  expect(syncs).toBeGreaterThan(1);
  expect(target.writeBack.isBusy).toBe(false);
});

test("a sync on the way that fails is not passed over", async () => {
  for (const [mebibytes, syncs] of [
    [66, 1],
    [300, 2],
  ] as const) {
    let calls = 0;
    const target = targetWith({}, () => (calls++ === 0 ? Promise.reject(failure("EIO")) : Promise.resolve()));
    await expect(writeHashed(chunks(mebibytes, mebibyte), target)).rejects.toThrow("EIO");
    expect(calls).toBe(syncs);
    expect(target.writeBack.isBusy).toBe(false);
  }
});
