import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench } from "../bench.ts";
import { Samples } from "../bench.ts";
import { startBerth } from "../peers/berth.ts";
import type { FoundPeer, Peer } from "../peers/index.ts";
import { count, type SeededStore } from "./seeded-store.ts";

/** How long a server is left alone before its memory is read: what it does right after its start counts. */
const settleMs = 1000;

export async function measureStart(bench: Bench, found: readonly FoundPeer[], store: SeededStore): Promise<void> {
  const samples = new Samples();
  async function sample(subject: string, start: () => Promise<Peer>): Promise<void> {
    const peer = await start();
    try {
      await Bun.sleep(settleMs);
      samples.add("start, ms", subject, peer.startMs);
      samples.add("peak memory after start, MiB", subject, peer.memory().peakMib);
    } finally {
      await peer.stop();
    }
  }

  const seeded = await store.data();
  for (let round = 1; round <= bench.options.rounds; round++) {
    bench.progress(`start: round ${round} of ${bench.options.rounds}`);
    for (const { kind, program } of found.filter(({ kind }) => kind.registry)) {
      const folder = join(bench.folder, "empty");
      mkdirSync(folder);
      await sample(kind.name, () => kind.start(program, folder));
      rmSync(folder, { recursive: true });
    }
    await sample(`berth with ${count(bench.options.images)} images`, () => startBerth(seeded));
  }
  samples.record(bench);
}
