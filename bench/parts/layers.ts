import { open } from "node:fs/promises";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import { settleDisk } from "../disk.ts";
import { RegistryClient, withDigest } from "../load/registry-client.ts";
import { runLoad } from "../load/run.ts";
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
  const measures = [
    async () => {
      const once = { from: file, to: join(bench.folder, "once") };
      const { seconds } = await runLoad<{ seconds: number }>("hash-and-write.ts", once);
      samples.add("push, MB/s", "hash and write once", megabytes / seconds);
    },
    ...peers.map((peer) => (round: number, digest: string) => measurePeer(peer, round, digest)),
  ];
  for (let round = 1; round <= rounds; round++) {
    const digest = await newBytes(file, round);
    for (let turn = 0; turn < measures.length; turn++) {
      bench.progress(`layers: round ${round} of ${rounds}, ${turn + 1} of ${measures.length}`);
      await settleDisk(bench.folder);
      // Each round begins with another one: disks are slower after what somebody else has just written.
      await measures[(round + turn) % measures.length]?.(round, digest);
    }
  }
  samples.record(bench);

  async function measurePeer(peer: Peer, round: number, digest: string): Promise<void> {
    let path = "/layer";
    if (peer.name !== "nginx") {
      const repository = `bench/layers-${round}`;
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

/** A layer that no peer has yet. Answers its digest. */
async function newBytes(file: string, round: number): Promise<string> {
  const handle = await open(file, "r+");
  await handle.write(Buffer.from(`round ${round}`), 0, undefined, 0);
  await handle.close();
  const hash = new Bun.CryptoHasher("sha256");
  for await (const chunk of Bun.file(file).stream()) hash.update(chunk);
  return `sha256:${hash.digest("hex")}`;
}
