/**
 * Long random tests: `npm run test:fuzz -- [--steps 200000] [--seed 1] [--minutes 30] [--postgres]`.
 *
 * Garbage collection against an oracle (garbage.ts). A seed repeats what each client does, not how they meet; a failure
 * names what was lost or left. `--postgres` runs on a PostgreSQL of its own, where clients really write at once.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { openMemoryBlobs } from "../../src/storage/blobs/memory.ts";
import { openMetadata } from "../../src/storage/metadata/index.ts";
import { startPostgres } from "../../src/storage/metadata/test-postgres.ts";
import { fuzzGarbage } from "./garbage.ts";

const { values } = parseArgs({
  options: {
    steps: { type: "string", default: "200000" },
    seed: { type: "string", default: "1" },
    minutes: { type: "string", default: "30" },
    postgres: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("npm run test:fuzz -- [--steps 200000] [--seed 1] [--minutes 30] [--postgres]");
  process.exit(0);
}
const [steps, seed, minutes] = [values.steps, values.seed, values.minutes].map(Number);
if (![steps, seed, minutes].every((number) => Number.isInteger(number) && Number(number) > 0)) {
  throw new Error("--steps, --seed and --minutes must be positive whole numbers");
}

const folder = mkdtempSync(join(tmpdir(), "berth-fuzz-"));
const started = performance.now();
const elapsed = () => `${Math.round((performance.now() - started) / 1000)} s`;
setTimeout(() => {
  console.error(`not finished after ${minutes} minutes`);
  process.exit(1);
}, Number(minutes) * 60_000).unref();
const server = values.postgres ? await startPostgres() : undefined;
if (server && "missing" in server) throw new Error(server.missing);
const metadata = await openMetadata(server ? await server.createDatabase() : `sqlite:${join(folder, "berth.sqlite")}`);
const report = await fuzzGarbage({
  metadata,
  openBlobs: (clock) => openMemoryBlobs({ clock }),
  seed: Number(seed),
  steps: Number(steps),
  progress: (done) => done % 10_000 < 1_000 && console.error(`${done} of ${steps} steps, ${elapsed()}`),
});
await metadata.close();
await server?.stop();
rmSync(folder, { recursive: true });

for (const [operation, count] of [...report.operations].sort())
  console.log(`${String(count).padStart(8)}  ${operation}`);
const { collections, collectedBlobs, comparisons, wrongDeletions, leftovers, mixed } = report;
for (const problem of [...wrongDeletions, ...leftovers, ...mixed].slice(0, 20)) console.log(problem);
console.log(
  `seed ${seed}: ${report.steps} steps, ${collections} collections, ${collectedBlobs} blobs collected, ${comparisons} comparisons: ${wrongDeletions.length} wrong deletions, ${leftovers.length} leftovers, ${mixed.length} read under another key, ${elapsed()}`,
);
process.exit(wrongDeletions.length + leftovers.length + mixed.length > 0 ? 1 : 0);
