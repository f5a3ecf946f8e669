/**
 * The least that a push can cost: the same bytes are read, hashed, written and synced once, each beside the others, and
 * written back along the way. Prints the seconds.
 */
import { open, unlink } from "node:fs/promises";
import { readOrders } from "./run.ts";

const { from, to } = readOrders<{ from: string; to: string }>();
const blockBytes = 2 ** 20;
const blocksPerSync = 64;

const start = performance.now();
const hash = new Bun.CryptoHasher("sha256");
const [source, target] = [await open(from), await open(to, "w")];
// One is read while another is hashed and written.
const buffers = [Buffer.alloc(blockBytes), Buffer.alloc(blockBytes)];
const read = async (block: number) => {
  const { buffer = Buffer.alloc(0), bytesRead } = await source.read(
    buffers[block % 2] ?? Buffer.alloc(0),
    0,
    blockBytes,
    null,
  );
  return buffer.subarray(0, bytesRead);
};
let syncing: Promise<void> | undefined;
let next = read(0);
for (let block = 1; ; block++) {
  const bytes = await next;
  if (bytes.length === 0) break;
  next = read(block);
  const written = target.write(bytes);
  hash.update(bytes);
  await written;
  if (block % blocksPerSync === 0) {
    await syncing;
    syncing = target.datasync();
  }
}
await syncing;
await target.sync();
await target.close();
await source.close();
hash.digest("hex");
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }));
await unlink(to);
