/**
 * Pushes one layer of any size out of a megabyte that repeats, numbered so that no two of its megabytes are the same:
 * in one PATCH, or in chunks. Prints its digest.
 */
import { randomBytes } from "node:crypto";
import { Connection, encodeRequest, headerOf } from "./connection.ts";
import { RegistryClient, withDigest } from "./registry-client.ts";
import { readOrders } from "./run.ts";

const { origin, authorization, repository, sizeMib, chunkMib } = readOrders<{
  origin: string;
  authorization?: string;
  repository: string;
  sizeMib: number;
  /** Left out: one stream. */
  chunkMib?: number;
}>();
const { host } = new URL(origin);
const mib = 2 ** 20;
const block = randomBytes(mib);
const hash = new Bun.CryptoHasher("sha256");
const client = new RegistryClient(origin, authorization);

let upload = await client.beginUpload(repository);
const step = chunkMib ?? sizeMib;
for (let from = 0; from < sizeMib; from += step) {
  const to = Math.min(sizeMib, from + step);
  upload = await patch(upload, from, to);
}
const digest = `sha256:${hash.digest("hex")}`;
await client.ask("PUT", withDigest(upload, digest));
client.close();
console.log(JSON.stringify({ digest }));

async function patch(path: string, fromMib: number, toMib: number): Promise<string> {
  const range = chunkMib === undefined ? undefined : `${fromMib * mib}-${toMib * mib - 1}`;
  const headers = {
    Authorization: authorization,
    "Content-Type": "application/octet-stream",
    "Content-Range": range,
    "Content-Length": String((toMib - fromMib) * mib),
  };
  const head = encodeRequest("PATCH", host, path, headers).toString().replace("\r\nContent-Length: 0", "");
  const connection = new Connection(origin);
  const answer = await connection.askWithBody(Buffer.from(head), blocks(fromMib, toMib));
  connection.close();
  if (answer.status >= 300) throw new Error(`PATCH ${path}: ${answer.status} ${answer.body}`);
  const { pathname, search } = new URL(headerOf(answer, "location") ?? "", origin);
  return pathname + search;
}

/** The one block, changed in place: each is sent before the next is asked for. */
function* blocks(fromMib: number, toMib: number) {
  for (let number = fromMib; number < toMib; number++) {
    block.writeUInt32LE(number, 0);
    hash.update(block);
    yield block;
  }
}
