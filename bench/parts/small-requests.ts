import { type Bench, Samples } from "../bench.ts";
import { settleDisk } from "../disk.ts";
import type { Pace } from "../load/closed-loop.ts";
import { mediaTypes, RegistryClient } from "../load/registry-client.ts";
import { runLoad } from "../load/run.ts";
import type { Peer } from "../peers/index.ts";

const manifestClients = 16;
const pushClients = 32;

/** One manifest by its tag, again and again: by 16 clients, and how the rate grows from 1 to 128. */
export async function measureManifests(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const loads = [
    { name: "manifest GET", method: "GET", clients: manifestClients },
    { name: "manifest HEAD", method: "HEAD", clients: manifestClients },
    { name: "manifest GET, 1 client", method: "GET", clients: 1 },
    { name: "manifest GET, 128 clients", method: "GET", clients: 128 },
  ];
  const paths = new Map<Peer, string>();
  for (const peer of peers) paths.set(peer, await pushImage(peer));
  await inRounds(bench, "manifests", peers, async (peer, samples) => {
    for (const { name, ...load } of loads) {
      addPace(samples, name, peer, await ask(bench, "manifests.ts", peer, { ...load, path: paths.get(peer) }));
    }
  });
}

export async function measureBlobs(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const orders = { clients: pushClients, repository: "bench/blobs" };
  await inRounds(bench, "blobs", peers, async (peer, samples) => {
    addPace(samples, "1 KiB blob push", peer, await ask(bench, "blobs.ts", peer, orders));
  });
}

/** All rounds push into one repository, which grows. */
export async function measureImages(bench: Bench, peers: readonly Peer[]): Promise<void> {
  const orders = { clients: pushClients, repository: "bench/images" };
  await inRounds(bench, "images", peers, async (peer, samples) => {
    addPace(samples, "small image push", peer, await ask(bench, "images.ts", peer, orders));
  });
}

/** A peer that fails is left out of what is still to come. */
async function inRounds(
  bench: Bench,
  what: string,
  peers: readonly Peer[],
  measure: (peer: Peer, samples: Samples) => Promise<void>,
): Promise<void> {
  const samples = new Samples();
  const failed = new Set<Peer>();
  const { rounds } = bench.options;
  // Round 0 warms up: what is compiled while it runs is faster afterwards.
  for (let round = 0; round <= rounds; round++) {
    for (const peer of peers) {
      if (failed.has(peer)) continue;
      bench.progress(`${what}: round ${round} of ${rounds}, ${peer.name}`);
      try {
        await settleDisk(bench.folder);
        await measure(peer, round === 0 ? new Samples() : samples);
      } catch (error) {
        failed.add(peer);
        bench.leaveOut(`${peer.name}: ${(error as Error).message}`);
      }
    }
  }
  samples.record(bench);
}

function ask(bench: Bench, program: string, { origin, authorization }: Peer, orders: object): Promise<Pace> {
  return runLoad<Pace>(program, { origin, authorization, seconds: bench.options.seconds, ...orders });
}

function addPace(samples: Samples, name: string, { name: subject }: Peer, { perSecond, p50Ms, p99Ms }: Pace): void {
  samples.add(`${name}, per second`, subject, perSecond);
  samples.add(`${name}, p50 ms`, subject, p50Ms);
  samples.add(`${name}, p99 ms`, subject, p99Ms);
}

async function pushImage({ origin, authorization }: Peer): Promise<string> {
  const client = new RegistryClient(origin, authorization);
  const config = await client.pushBlob("bench/small", Buffer.from("{}"), mediaTypes.config);
  const layer = await client.pushBlob("bench/small", Buffer.from("a layer"));
  const path = await client.pushManifest("bench/small", "latest", config, [layer]);
  client.close();
  return path;
}
