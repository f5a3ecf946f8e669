import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import type { Pace } from "../load/closed-loop.ts";
import { runLoad } from "../load/run.ts";
import { startBerth } from "../peers/berth.ts";
import { governedRegistry, type Puller } from "./governed-registry.ts";

const clients = 16;
/** Until the last records of a load are written. */
const settleMs = 250;

/** What is asked for, and the name of its figures. */
export const pulls = {
  manifestPath: "manifest GET under policies",
  layerPath: "blob GET under policies",
} as const;

/**
 * The same two pulls by the root user, of whom no identity policy is asked, by a user and by a role's session with
 * policies of every kind. What is compared is the processor time of the server, which a busy machine changes least.
 */
export async function measurePolicies(bench: Bench): Promise<void> {
  const { rounds, seconds } = bench.options;
  const folder = join(bench.folder, "policies");
  mkdirSync(folder);
  const berth = await startBerth(folder);
  const samples = new Samples();
  try {
    const pullers = await governedRegistry(berth);
    const turns = pullers.flatMap((puller) =>
      (["manifestPath", "layerPath"] as const).map((what) => ({ puller, what })),
    );
    // Round 0 warms up.
    for (let round = 0; round <= rounds; round++) {
      bench.progress(`policies: round ${round} of ${rounds}`);
      // Each round begins with another one.
      for (let turn = 0; turn < turns.length; turn++) {
        const { puller, what } = turns[(turn + 2 * round) % turns.length] as (typeof turns)[number];
        const { pace, cpuMicroseconds } = await pull(puller, puller[what]);
        if (round === 0) continue;
        const subject = `berth, ${puller.name}`;
        samples.add(`${pulls[what]}, CPU-µs`, subject, cpuMicroseconds);
        samples.add(`${pulls[what]}, per second`, subject, pace.perSecond);
        samples.add(`${pulls[what]}, p99 ms`, subject, pace.p99Ms);
      }
    }
  } finally {
    await berth.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  samples.record(bench);

  async function pull({ authorization }: Puller, path: string) {
    const before = berth.cpuSeconds();
    const orders = { origin: berth.origin, authorization, path, method: "GET", clients, seconds };
    const pace = await runLoad<Pace>("manifests.ts", orders);
    await Bun.sleep(settleMs);
    return { pace, cpuMicroseconds: ((berth.cpuSeconds() - before) * 1e6) / pace.count };
  }
}
