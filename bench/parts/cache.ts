import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import { settleDisk } from "../disk.ts";
import { Connection } from "../load/connection.ts";
import { RegistryClient, withDigest } from "../load/registry-client.ts";
import { createSigner } from "../load/signer.ts";
import { key, startBerth } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";

/** Any name that rules may have: a mirror is asked in its place. */
const upstreamHost = "quay.io";

/** Half a gigabit: faster than most lines to a registry, and slower than the disk of a cache should be. */
const pacedBytesPerSecond = 62_500_000;

interface Layer {
  readonly repository: string;
  readonly digest: string;
}

/**
 * Cold pulls of one large layer through a cache, beside pulls of the same bytes from the upstream itself: over a line of
 * half a gigabit a second.
 */
export async function measureCache(bench: Bench, file: string): Promise<void> {
  const { rounds, sizeMib } = bench.options;
  const samples = new Samples();
  const upstream = await startBerth(join(bench.folder, "upstream"), { name: "upstream", atRest: "volume" });
  const line = startLine(upstream.origin);
  const { host } = line.url;
  const mirror = { BERTH_PULL_THROUGH_MIRRORS: `${upstreamHost}=http://${key.accessKeyId}:${key.secret}@${host}` };
  const cache = await startBerth(join(bench.folder, "cache"), { name: "cache", env: mirror });
  try {
    await makeRule(cache);
    for (let round = 1; round <= rounds; round++) {
      bench.progress(`cache: round ${round} of ${rounds}`);
      const layer = await pushLayer(upstream, file, round);
      await new RegistryClient(cache.origin, cache.authorization).ask("GET", `/v2/far/${layer.repository}/manifests/1`);
      const ways = [
        () => pull({ ...upstream, origin: line.url.origin }, `/v2/${layer.repository}/blobs/${layer.digest}`),
        () => pull(cache, `/v2/far/${layer.repository}/blobs/${layer.digest}`),
      ];
      const taken: { firstMs: number; seconds: number }[] = [];
      for (const turn of round % 2 === 0 ? [1, 0] : [0, 1]) {
        await settleDisk(bench.folder);
        const before = cache.cpuSeconds();
        taken[turn] = (await ways[turn]?.()) ?? { firstMs: 0, seconds: 0 };
        if (turn === 1) samples.add("cold pull, CPU-s/GiB", "cache", (cache.cpuSeconds() - before) / (sizeMib / 1024));
      }
      const [direct, through] = taken;
      if (!direct || !through) continue;
      samples.add("cold pull, first byte, ms", "upstream", direct.firstMs);
      samples.add("cold pull, first byte, ms", "cache", through.firstMs);
      samples.add("cold pull, s", "upstream", direct.seconds);
      samples.add("cold pull, s", "cache", through.seconds);
      samples.add("cold pull, cache / upstream", "cache", through.seconds / direct.seconds);
    }
    samples.record(bench);
  } finally {
    await cache.stop();
    await line.stop(true);
    await upstream.stop();
  }
}

/** Passes requests on, and bodies back at the pace of the line. */
function startLine(origin: string): Bun.Server<undefined> {
  async function* paced(body: AsyncIterable<Uint8Array>) {
    const begun = performance.now();
    let sentBytes = 0;
    for await (const bytes of body) {
      yield bytes;
      sentBytes += bytes.length;
      const aheadMs = (sentBytes / pacedBytesPerSecond) * 1000 - (performance.now() - begun);
      if (aheadMs > 1) await Bun.sleep(aheadMs);
    }
  }
  return Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    idleTimeout: 0,
    async fetch({ url, method, headers }) {
      const { pathname, search } = new URL(url);
      const authorization = headers.get("authorization") ?? "";
      const answer = await fetch(origin + pathname + search, { method, headers: { authorization } });
      const body = method === "GET" && answer.body ? paced(answer.body as unknown as AsyncIterable<Uint8Array>) : null;
      return new Response(body as unknown as ReadableStream | null, answer);
    },
  });
}

async function makeRule(cache: Peer): Promise<void> {
  const connection = new Connection(cache.origin);
  const signer = createSigner({ ...key, host: new URL(cache.origin).host });
  const rule = { ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstreamHost };
  const made = await connection.ask(signer("CreatePullThroughCacheRule", rule));
  connection.close();
  if (made.status !== 200) throw new Error(`CreatePullThroughCacheRule: ${made.status} ${made.body}`);
}

/** An image whose layer nobody has yet. */
async function pushLayer(upstream: Peer, file: string, round: number): Promise<Layer> {
  const repository = `bench/cache-${round}`;
  const handle = await open(file, "r+");
  await handle.write(Buffer.from(`cache, round ${round}`), 0, undefined, 0);
  await handle.close();
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(file).stream()) hash.update(chunk);
  const digest = `sha256:${hash.digest("hex")}`;
  const client = new RegistryClient(upstream.origin, upstream.authorization);
  const upload = await client.beginUpload(repository);
  const url = upstream.origin + withDigest(upload, digest);
  await curl(upstream, ["-X", "PUT", "-T", file, "-H", "Expect:", "-o", "/dev/null", url]);
  const config = await client.pushBlob(repository, Buffer.from(`{"round":${round}}`));
  const mediaType = "application/vnd.oci.image.layer.v1.tar";
  await client.pushManifest(repository, "1", config, [{ mediaType, digest, size: Bun.file(file).size }]);
  client.close();
  return { repository, digest };
}

async function pull(peer: Peer, path: string) {
  const out = await curl(peer, ["-o", "/dev/null", "-w", "%{time_starttransfer} %{time_total}", peer.origin + path]);
  const [first = 0, total = 0] = out.trim().split(" ").map(Number);
  return { firstMs: first * 1000, seconds: total };
}

async function curl(peer: Peer, args: string[]): Promise<string> {
  const header = peer.authorization ? ["-H", `Authorization: ${peer.authorization}`] : [];
  const client = Bun.spawn(["curl", "-sS", "--fail", ...header, ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([new Response(client.stdout).text(), new Response(client.stderr).text()]);
  if ((await client.exited) !== 0) throw new Error(`${peer.name}: curl ${args.at(-1)}: ${errors.trim()}`);
  return out;
}
