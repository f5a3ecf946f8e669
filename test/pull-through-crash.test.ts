import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreatePullThroughCacheRuleCommand, ECRClient } from "@aws-sdk/client-ecr";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { realDisk } from "../src/storage/blobs/disk.ts";
import { failure, tapped } from "../src/storage/blobs/test-disk.ts";
import { digestOf, inProcess } from "./support/berth.ts";
import { runProgram, startServing } from "./support/program.ts";
import { serve as listen, rootAuthorization, startUpstream, type Upstream, upstreamsHere } from "./support/upstream.ts";

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
    BERTH_SHUTDOWN_GRACE_SECONDS: "1",
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

type Reader = Pick<ReadableStreamDefaultReader<Uint8Array>, "read">;

/** Pulls a layer that stops half-way, and resolves when some of it is here. */
async function pullHalf(name: string): Promise<Reader> {
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
async function isCut(reader: Reader): Promise<boolean> {
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

test("a disk that is full in the middle: the client is cut, nothing is published, and it goes on when there is space", async () => {
  let isFull = false;
  const disk = tapped(realDisk, async ({ verb }, run) => {
    if (isFull && verb === "write") throw failure("ENOSPC");
    return run();
  });
  const remotes = createRemotes({ clock: () => new Date(), pauseMs: 1 });
  const here = await inProcess({ disk, upstreams: upstreamsHere, openRemote: remotes.open, cachePauseMs: 1 });
  const server = listen(here);
  const rule = { ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstream.host };
  await here.ecr().send(new CreatePullThroughCacheRuleCommand(rule));
  upstream.image("full", "1", layer);
  expect((await here.oci("GET", "/v2/far/full/manifests/1")).status).toBe(200);
  const pull = async () => {
    const headers = { authorization: rootAuthorization };
    const answer = await fetch(`${server.url.origin}/v2/far/full/blobs/${digest}`, { headers });
    return digestOf(await answer.bytes());
  };
  upstream.instead = ({ url = "" }, response) => {
    if (!url.includes(`/blobs/${digest}`)) return false;
    response.writeHead(200, { "content-length": layer.length });
    response.write(layer.subarray(0, layer.length / 2), () => {
      isFull = true;
      response.end(layer.subarray(layer.length / 2));
    });
    return true;
  };
  expect(await pull().catch(() => "cut")).not.toBe(digest);
  while (readdirSync(join(here.stores.root, "staging")).length > 0) await Bun.sleep(5);
  expect(await Array.fromAsync(here.stores.blobs.list())).toEqual([]);
  [isFull, upstream.instead] = [false, undefined];
  expect(await pull()).toBe(digest);
  await server.stop(true);
  await here.close();
  remotes.close();
});
