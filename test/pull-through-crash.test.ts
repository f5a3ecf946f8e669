import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreatePullThroughCacheRuleCommand, ECRClient } from "@aws-sdk/client-ecr";
import { digestOf } from "./support/berth.ts";
import { runProgram, startServing } from "./support/program.ts";
import { startUpstream, type Upstream } from "./support/upstream.ts";

/** Real processes that end in the middle of a download, and what the next one finds. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const layer = new Uint8Array(8 * 1024 * 1024).map((_, at) => (at * 7919) >> 4);
const digest = digestOf(layer);
const cwd = mkdtempSync(join(tmpdir(), "berth-cache-crash-"));
let upstream: Upstream;
let berth: Awaited<ReturnType<typeof startServing>>;
const serve = () =>
  startServing(cwd, {
    BERTH_PULL_THROUGH_UPSTREAMS: `${upstream.host}=oci`,
    BERTH_PULL_THROUGH_ALLOW_PRIVATE: upstream.host,
    BERTH_PULL_THROUGH_INSECURE: upstream.host,
  });

beforeAll(async () => {
  upstream = await startUpstream();
  berth = await serve();
  const ecr = new ECRClient({ region: "us-east-1", endpoint: berth.url, credentials: keys() });
  const rule = { ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstream.host };
  await ecr.send(new CreatePullThroughCacheRuleCommand(rule));
});
afterEach(() => {
  upstream.instead = undefined;
});
afterAll(async () => {
  await berth?.stop();
  await upstream.close();
  rmSync(cwd, { recursive: true });
});

function keys(): { accessKeyId: string; secretAccessKey: string } {
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  return { accessKeyId, secretAccessKey };
}

function get(path: string): Promise<Response> {
  const { accessKeyId, secretAccessKey } = keys();
  const authorization = `Basic ${btoa(`${accessKeyId}:${secretAccessKey}`)}`;
  return fetch(`${berth.url}/v2/far/${path}`, { headers: { authorization } });
}

const staged = () => readdirSync(join(cwd, "data", "blobs", "staging"));

/** Pulls a layer that stops half-way, and resolves when some of it is here. */
async function pullHalf(name: string): Promise<ReadableStreamDefaultReader<Uint8Array>> {
  upstream.image(name, "1", layer);
  expect((await get(`${name}/manifests/1`)).status).toBe(200);
  upstream.instead = ({ url = "" }, response) => {
    if (!url.includes(`/blobs/${digest}`)) return false;
    response.writeHead(200, { "content-length": layer.length });
    response.write(layer.subarray(0, layer.length / 2));
    return true;
  };
  const reader = (await get(`${name}/blobs/${digest}`)).body?.getReader();
  if (!reader) throw new Error("there is nothing to read");
  for (let bytes = 0; bytes < layer.length / 4; ) {
    const { value, done } = await reader.read();
    if (done) throw new Error("it ended before it was all there");
    bytes += value.length;
  }
  while (staged().length === 0) await Bun.sleep(5);
  return reader;
}

/** The client's connection ends, and not as if that had been all. */
async function isCut(reader: ReadableStreamDefaultReader<Uint8Array>): Promise<boolean> {
  try {
    while (!(await reader.read()).done);
    return false;
  } catch {
    return true;
  }
}

async function check() {
  const { out, code } = await runProgram("berth", ["check", "--rehash"], { cwd, env: { HOME: cwd } });
  return [code, out.includes("everything is in order")];
}

test("killed in the middle: the client is cut, and the next process brings all of it", async () => {
  const reader = await pullHalf("killed");
  await berth.kill();
  expect(await isCut(reader)).toBe(true);
  expect(staged()).not.toEqual([]);
  upstream.instead = undefined;
  berth = await serve();
  const answer = await get(`killed/blobs/${digest}`);
  expect([answer.status, digestOf(await answer.bytes())]).toEqual([200, digest]);
  const again = await get(`killed/blobs/${digest}`);
  expect(digestOf(await again.bytes())).toBe(digest);
  expect(upstream.asked.filter((line) => line.includes(`/killed/blobs/${digest}`))).toHaveLength(2);
  expect(await check()).toEqual([0, true]);
});

test("stopped in the middle: it ends by itself, and leaves nothing of what it had", async () => {
  const before = new Set(staged());
  const reader = await pullHalf("stopped");
  const ended = isCut(reader);
  expect(await berth.stop()).toBe(0);
  expect(await ended).toBe(true);
  expect(staged().filter((name) => !before.has(name))).toEqual([]);
  upstream.instead = undefined;
  berth = await serve();
  const answer = await get(`stopped/blobs/${digest}`);
  expect([answer.status, digestOf(await answer.bytes())]).toEqual([200, digest]);
  expect(await check()).toEqual([0, true]);
});
