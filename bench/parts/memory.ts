import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { needDisk } from "../disk.ts";
import { runLoad } from "../load/run.ts";
import { startBerth } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";
import { highestMemory } from "../process.ts";

const chunkMib = 64;
const repository = "bench/large";

/** Memory of a fresh Berth while it takes and gives one layer that is larger than the memory may ever be. */
export async function measureMemory(bench: Bench): Promise<void> {
  const { layerGib } = bench.options;
  needDisk(bench.folder, layerGib * 2 ** 30, `a layer of ${layerGib} GiB (--layer-gib)`);
  await measure(bench, "one stream", {});
  await measure(bench, "chunks", { chunkMib });
}

async function measure(bench: Bench, how: string, orders: { chunkMib?: number }): Promise<void> {
  const { layerGib } = bench.options;
  const folder = join(bench.folder, "large");
  mkdirSync(folder);
  const berth = await startBerth(folder);
  const record = (what: string, value: number) => bench.record(`${what}, ${layerGib} GiB`, `berth, ${how}`, value);
  try {
    bench.progress(`memory: pushing ${layerGib} GiB in ${how}`);
    const { origin, authorization } = berth;
    const begun = performance.now();
    let digest = "";
    const pushing = await highestMemory(berth.pid, async () => {
      const load = { origin, authorization, repository, sizeMib: layerGib * 1024, ...orders };
      ({ digest } = await runLoad<{ digest: string }>("large-layer.ts", load));
    });
    record("push, MB/s", (layerGib * 1073.741824) / ((performance.now() - begun) / 1000));
    record("highest memory seen while pushing, MiB", pushing);
    bench.progress(`memory: pulling ${layerGib} GiB`);
    record("highest memory seen while pulling, MiB", await highestMemory(berth.pid, () => pull(berth, digest)));
    record("peak memory, MiB", berth.memory().peakMib);
  } finally {
    await berth.stop();
    rmSync(folder, { recursive: true });
  }
}

async function pull({ origin, authorization }: Peer, digest: string): Promise<void> {
  const url = `${origin}/v2/${repository}/blobs/${digest}`;
  const command = ["curl", "-sS", "--fail", "-H", `Authorization: ${authorization}`, "-o", "/dev/null", url];
  const client = Bun.spawn(command, { stdout: "ignore", stderr: "inherit" });
  if ((await client.exited) !== 0) throw new Error(`curl ${url} failed`);
}
