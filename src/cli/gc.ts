import { loadConfig } from "../config.ts";
import { duration } from "../config-values.ts";
import { collectGarbage, forecastGarbage, sweepStrays } from "../domain/registry/collection.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { count, size } from "./text.ts";

interface GcOptions {
  readonly config?: string;
  readonly dryRun?: boolean;
  readonly grace?: string;
  readonly strays?: boolean;
  readonly json?: boolean;
}

export async function gc({ config: file, dryRun, grace, strays, json }: GcOptions): Promise<void> {
  const config = loadConfig({ file });
  const graceMs = grace === undefined ? config.gc.grace : duration(0)(grace);
  if (graceMs === undefined) throw new CommandFailed(`--grace: given "${grace}"; allowed: a time, such as 24h or 30m`);
  await withStores(config, async (opened) => {
    const stores = { ...opened, clock: () => new Date() };
    if (dryRun) {
      const forecast = await forecastGarbage(stores, graceMs);
      if (json) return console.log(JSON.stringify(forecast));
      for (const { digest, sizeBytes } of forecast.largest) console.log(`${size(sizeBytes).padStart(10)}  ${digest}`);
      if (forecast.blobs > forecast.largest.length) console.log(`${"".padStart(10)}  and smaller ones`);
      console.log(`${count(forecast.blobs, "blob")} would go and free ${size(forecast.bytes)}; nothing was changed`);
      return;
    }
    let failures = 0;
    const waiting = await stores.metadata.read.garbage.waiting();
    const total = waiting.links + waiting.blobs + waiting.removals;
    const progress = createProgress(json ? { write() {} } : process.stderr);
    const collected = await collectGarbage(stores, {
      graceMs,
      progress: ({ links, blobs }) => progress.show("collecting garbage", links + blobs, total),
      failed({ digest }, error) {
        failures++;
        progress.clear();
        console.error(`berth: the bytes of ${digest} could not be removed: ${(error as Error).message}`);
      },
    });
    progress.clear();
    const swept = strays ? await sweepStrays(stores) : undefined;
    if (json) console.log(JSON.stringify({ ...collected, ...(swept ? { strays: swept } : {}), failures }));
    else {
      console.log(
        `removed ${count(collected.blobs, "blob")} and freed ${size(collected.bytes)}; ended ${count(collected.links, "layer link")} and emptied ${count(collected.repositories, "deleted repository", "deleted repositories")}`,
      );
      if (swept)
        console.log(`removed ${count(swept.blobs, "stray copy", "stray copies")} and freed ${size(swept.bytes)}`);
    }
    if (failures > 0) process.exitCode = 1;
  });
}
