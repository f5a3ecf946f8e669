import { mkdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { type Bench, Samples } from "../bench.ts";
import type { Pull, Pulled } from "../load/pulls.ts";
import { runLoad } from "../load/run.ts";
import { startBerth } from "../peers/berth.ts";
import { governedRegistry } from "./governed-registry.ts";

const clients = 16;

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
    const { origin, pid } = berth;
    const pullers = await governedRegistry(berth);
    // Round 0 warms up.
    for (let round = 0; round <= rounds; round++) {
      bench.progress(`policies: round ${round} of ${rounds}`);
      for (const what of ["manifestPath", "layerPath"] as const) {
        const asked: Pull[] = pullers.map((puller) => ({ ...puller, path: puller[what] }));
        const pulled = await runLoad<Pulled[]>("pulls.ts", { origin, pid, clients, seconds, pulls: asked });
        if (round === 0) continue;
        for (const { name, cpuMicroseconds, perSecond } of pulled) {
          samples.add(`${pulls[what]}, CPU-µs`, `berth, ${name}`, cpuMicroseconds);
          samples.add(`${pulls[what]}, per second`, `berth, ${name}`, perSecond);
        }
      }
    }
  } finally {
    await berth.stop();
    rmSync(folder, { recursive: true, force: true });
  }
  samples.record(bench);
}
