import { mkdtemp } from "node:fs/promises";
import { startServer, ACCESS_KEY_ID, SECRET_ACCESS_KEY } from "./server.ts";
import { openWorld } from "./world.ts";
import { sha256 } from "./registry.ts";
const folder = await mkdtemp("/tmp/berth-stress-");
const server = await startServer(folder);
const { world, close } = await openWorld("stress", server, new AbortController().signal);
await world.repository("s/a");
const auth = { authorization: `Basic ${btoa(`${ACCESS_KEY_ID}:${SECRET_ACCESS_KEY}`)}` };
const base = Buffer.alloc(60 * 1024 * 1024, 7);
let done = 0, aborted = 0, errors = 0;
async function one(i: number) {
  const bytes = Buffer.from(base); bytes.writeUInt32LE(i, 1000); crypto.getRandomValues(bytes.subarray(0, 1024));
  try {
    const opened = await fetch(`${server.url}/v2/s/a/blobs/uploads/`, { method: "POST", headers: auth });
    const loc = new URL(opened.headers.get("location")!, server.url).href;
    const abort = new AbortController();
    const stream = new ReadableStream({ async start(c) { for (let o = 0; o < bytes.length; o += 65536) { c.enqueue(bytes.subarray(o, o + 65536)); if (o % (8 << 20) === 0) await Bun.sleep(1); if (i % 5 === 0 && o > 20 << 20) { abort.abort(); return; } } c.close(); } });
    const patched = await fetch(loc, { method: "PATCH", headers: auth, body: stream, signal: abort.signal } as RequestInit);
    const put = await fetch(`${patched.headers.get("location") ? new URL(patched.headers.get("location")!, server.url).href : loc}?digest=${sha256(bytes)}`, { method: "PUT", headers: auth });
    if (put.status !== 201) { errors++; console.log(put.status, await put.text()); } else done++;
  } catch (e) { if (i % 5 === 0) aborted++; else { errors++; console.log(String(e)); } }
}
let n = 0; const end = Date.now() + 60_000;
await Promise.all(Array.from({ length: 6 }, async () => { while (Date.now() < end && !server.crash()) await one(++n); }));
console.log({ done, aborted, errors, crash: server.crash() });
console.log((await Bun.file(server.logFile).text()).split("\n").filter((l) => /"level":"(warn|error|fatal)"/.test(l)).slice(-5).join("\n"));
await close(); await server.stop();
await Bun.$`rm -rf ${folder}`;
