import { open, unlink } from "node:fs/promises";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import { settleDisk } from "../disk.ts";
import { RegistryClient, withDigest } from "../load/registry-client.ts";
import type { Peer } from "../peers/index.ts";

/** The kernel counts processor time in hundredths of a second, and one pull may take only ten of them. */
const pullsPerRound = 4;
/** What a push leaves to be done (write-back, memory to be swept) is not the pull's. */
const settleMs = 1000;

/** Pull and push of one large layer. curl moves the bytes, so that the client costs every peer the same. */
export async function measureLayers(bench: Bench, peers: readonly Peer[], file: string): Promise<void> {
  const { rounds, sizeMib } = bench.options;
  const [gib, megabytes] = [sizeMib / 1024, sizeMib * 1.048576];
  const samples = new Samples();
  for (let round = 1; round <= rounds; round++) {
    const digest = await newBytes(file, round);
    await settleDisk(bench.folder);
    samples.add(
      "push, MB/s",
      "hash and write once",
      megabytes / (await hashAndWriteOnce(file, join(bench.folder, "once"))),
    );
    for (const peer of peers) {
      bench.progress(`layers: round ${round} of ${rounds}, ${peer.name}`);
      let path = "/layer";
      if (peer.name !== "nginx") {
        const repository = `bench/layers-${round}`;
        await settleDisk(bench.folder);
        const pushed = await timed(peer, () => push(peer, file, repository, digest));
        samples.add("push, CPU-s/GiB", peer.name, pushed.cpuSeconds / gib);
        samples.add("push, MB/s", peer.name, megabytes / pushed.wallSeconds);
        path = `/v2/${repository}/blobs/${digest}`;
      }
      await Bun.sleep(settleMs);
      const pulled = await timed(peer, async () => {
        for (let pull = 0; pull < pullsPerRound; pull++) await curl(peer, ["-o", "/dev/null", peer.origin + path]);
      });
      samples.add("pull, CPU-s/GiB", peer.name, pulled.cpuSeconds / gib / pullsPerRound);
      samples.add("pull, MB/s", peer.name, (megabytes * pullsPerRound) / pulled.wallSeconds);
    }
  }
  samples.record(bench);
}

async function timed(peer: Peer, work: () => Promise<unknown>) {
  const [cpu, start] = [peer.cpuSeconds(), performance.now()];
  await work();
  return { wallSeconds: (performance.now() - start) / 1000, cpuSeconds: peer.cpuSeconds() - cpu };
}

/** A streamed PATCH and a PUT, as Docker does it. */
async function push(peer: Peer, file: string, repository: string, digest: string): Promise<void> {
  const client = new RegistryClient(peer.origin, peer.authorization);
  const upload = peer.origin + (await client.beginUpload(repository));
  const headers = ["-H", "Content-Type: application/octet-stream", "-H", "Expect:"];
  const patched = await curl(peer, ["-X", "PATCH", "-T", file, ...headers, "-o", "/dev/null", "-D", "-", upload]);
  const found = /^location:\s*(\S+)/im.exec(patched)?.[1];
  if (!found) throw new Error(`${peer.name}: no Location in the answer`);
  const { pathname, search } = new URL(found, peer.origin);
  await client.ask("PUT", withDigest(pathname + search, digest));
  client.close();
}

async function curl(peer: Peer, args: string[]): Promise<string> {
  const header = peer.authorization ? ["-H", `Authorization: ${peer.authorization}`] : [];
  const client = Bun.spawn(["curl", "-sS", "--fail", ...header, ...args], { stdout: "pipe", stderr: "pipe" });
  const [out, errors] = await Promise.all([new Response(client.stdout).text(), new Response(client.stderr).text()]);
  if ((await client.exited) !== 0) throw new Error(`${peer.name}: curl ${args.at(-1)}: ${errors.trim()}`);
  return out;
}

/** The least that a push can cost: read, hash, write and sync the same bytes once. Seconds. */
async function hashAndWriteOnce(from: string, to: string): Promise<number> {
  const start = performance.now();
  const hash = new Bun.CryptoHasher("sha256");
  const [source, target] = [await open(from), await open(to, "w")];
  let written: Promise<unknown> = Promise.resolve();
  for await (const chunk of source.createReadStream({ highWaterMark: 1 << 20 })) {
    await written;
    written = target.write(chunk);
    hash.update(chunk);
  }
  await written;
  await target.sync();
  await target.close();
  hash.digest("hex");
  const seconds = (performance.now() - start) / 1000;
  await unlink(to);
  return seconds;
}

/** A layer that no peer has yet. Answers its digest. */
async function newBytes(file: string, round: number): Promise<string> {
  const handle = await open(file, "r+");
  await handle.write(Buffer.from(`round ${round}`), 0, undefined, 0);
  await handle.close();
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(file).stream()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
