import { join } from "node:path";
import { measureUsage } from "../../src/domain/registry/usage-walk.ts";
import { openMetadata } from "../../src/storage/metadata/index.ts";
import { type Bench, Samples } from "../bench.ts";
import { seed } from "../seed.ts";
import { count } from "./seeded-store.ts";

/** The walk that measures what storage is used for, in this process, over databases of several sizes. */
export async function measureUsageWalk(bench: Bench): Promise<void> {
  const { images, rounds } = bench.options;
  const samples = new Samples();
  const sizes = [1_000, 100_000, images].filter((size, index, all) => size <= images && all.indexOf(size) === index);
  for (const size of sizes) {
    const path = join(bench.folder, `usage-${size}.sqlite`);
    bench.progress(`usage: seeding ${count(size)} images`);
    await seed(path, [{ name: "seeded", images: size }]);
    const metadata = await openMetadata(`sqlite:${path}`);
    try {
      // Round 0 warms up.
      for (let round = 0; round <= rounds; round++) {
        bench.progress(`usage: ${count(size)} images, round ${round} of ${rounds}`);
        const begun = performance.now();
        await measureUsage({ metadata, clock: () => new Date(), retentionMs: 0 }, { keep: async () => {} });
        const milliseconds = performance.now() - begun;
        if (round === 0) continue;
        samples.add("usage walk, ms", `berth, ${count(size)} images`, milliseconds);
        samples.add("usage walk, µs for each image", `berth, ${count(size)} images`, (milliseconds * 1000) / size);
      }
    } finally {
      await metadata.close();
    }
  }
  samples.record(bench);
}
