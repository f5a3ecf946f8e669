import { expect, test } from "bun:test";
import type { Bytes, StoredBlob } from "../registry/ports.ts";
import { startDownload } from "./download.ts";

const content = new TextEncoder().encode("a layer");

async function* once(bytes: Uint8Array): Bytes {
  yield bytes;
}

async function whole(bytes: Bytes): Promise<string> {
  const pieces = [];
  for await (const piece of bytes) pieces.push(piece);
  return Buffer.concat(pieces).toString();
}

test("nothing is left of a download that has ended, whoever read it to the end", async () => {
  let signal: AbortSignal | undefined;
  const download = startDownload({
    blobs: { staged: () => once(content), bytes: () => once(content) },
    sizeBytes: content.length,
    async open(_, given) {
      signal = given;
      return { offset: 0, bytes: once(content) };
    },
    async store(bytes) {
      for await (const _ of bytes);
      return { sizeBytes: content.length } as StoredBlob;
    },
    unreadMs: 20,
    pauseMs: 1,
  });
  expect(await whole(download.read())).toBe("a layer");
  await download.ended;
  // Far longer than it would go on: a timer of the last reader would have fired, and held the window until then.
  await Bun.sleep(100);
  expect(signal?.aborted).toBe(false);
});
