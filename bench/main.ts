/**
 * Berth beside its peers, by the same load in one run: `npm run bench -- --help` explains it, docs/performance.md what
 * the figures mean. Timings on a shared machine are noisy: medians of interleaved rounds are compared, and ratios are
 * what counts.
 */
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Bench, type Figure, median } from "./bench.ts";
import { needDisk } from "./disk.ts";
import { machineFacts } from "./machine.ts";
import { type Options, type Part, readOptions } from "./options.ts";
import { measureCache } from "./parts/cache.ts";
import { measureGc } from "./parts/gc.ts";
import { measureLayers } from "./parts/layers.ts";
import { measureLifecycle } from "./parts/lifecycle.ts";
import { measureMemory } from "./parts/memory.ts";
import { measurePages } from "./parts/pages.ts";
import { measurePolicies } from "./parts/policies.ts";
import { measurePolicy } from "./parts/policy.ts";
import { measurePreviews } from "./parts/previews.ts";
import { createSeededStore } from "./parts/seeded-store.ts";
import { measureBlobs, measureImages, measureManifests } from "./parts/small-requests.ts";
import { measureStart } from "./parts/start.ts";
import { measureUsageWalk } from "./parts/usage.ts";
import { type FoundPeer, findPeers, type Peer, withPeers } from "./peers/index.ts";
import { install } from "./peers/programs.ts";
import { runQuotas } from "./quotas/main.ts";
import { printFigures, printTargets, showProgress } from "./report.ts";
import { targetsOf } from "./targets.ts";

const options = readOptions();
if (process.platform !== "linux") throw new Error("the bench reads times and memory from /proc, so it needs Linux");
const folder = mkdtempSync(join(tmpdir(), "berth-bench-"));
// Whatever ends the bench, its files do not stay.
process.on("exit", () => rmSync(folder, { recursive: true, force: true }));
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

if (options.quotas) await runQuotas(folder, options);
else await compare(options);

async function compare(options: Options): Promise<void> {
  const figures: Figure[] = [];
  const leftOut: string[] = [];
  const bench: Bench = {
    options,
    folder,
    record(name, subject, samples) {
      const rounds = typeof samples === "number" ? undefined : samples;
      const value = typeof samples === "number" ? samples : median(samples);
      // Hundreds of single requests are no rounds.
      figures.push({ name, subject, value, rounds: rounds && rounds.length <= 20 ? rounds : undefined });
    },
    leaveOut(what) {
      leftOut.push(what);
      showProgress("");
      console.log(`left out: ${what}`);
    },
    progress: showProgress,
  };

  if (options.install) await install((text) => console.log(text));
  const found = await findPeers(bench.leaveOut);
  const begun = performance.now();
  await measureAll(bench, found);
  showProgress("");

  const targets = targetsOf(figures, options);
  printFigures(figures);
  printTargets(targets);
  const peers = Object.fromEntries(found.map(({ kind, version }) => [kind.name, version]));
  const path = save({
    at: new Date().toISOString(),
    minutes: (performance.now() - begun) / 60_000,
    machine: await machineFacts(folder),
    peers,
    settings: options,
    leftOut,
    figures,
    targets,
  });
  console.log(`${targets.filter(({ met }) => met).length} of ${targets.length} targets met. All figures: ${path}`);
}

async function measureAll(bench: Bench, found: readonly FoundPeer[]): Promise<void> {
  const wants = (part: Part) => bench.options.only.includes(part);
  const store = createSeededStore(bench);
  if (wants("start")) await measureStart(bench, found, store);

  const registries = ({ name }: Peer) => found.some(({ kind }) => kind.name === name && kind.registry);
  if (wants("layers")) {
    const file = makeLayer(bench);
    await withPeers(bench, found, { folder: inner("layers"), file }, (peers) => measureLayers(bench, peers, file));
    rmSync(inner("layers"), { recursive: true, force: true });
  }
  if (wants("manifests") || wants("blobs") || wants("images")) {
    await withPeers(bench, found, { folder: inner("small") }, async (all) => {
      const peers = all.filter(registries);
      if (wants("manifests")) await measureManifests(bench, peers);
      if (wants("blobs")) await measureBlobs(bench, peers);
      if (wants("images")) await measureImages(bench, peers);
    });
    rmSync(inner("small"), { recursive: true, force: true });
  }
  if (wants("pages")) await measurePages(bench, store);
  if (wants("memory")) await measureMemory(bench);
  if (wants("gc")) await measureGc(bench);
  if (wants("policies")) await measurePolicies(bench);
  if (wants("policy")) await measurePolicy(bench);
  if (wants("lifecycle")) {
    await measureLifecycle(bench);
    await measurePreviews(bench, store);
  }
  if (wants("usage")) await measureUsageWalk(bench);
  if (wants("cache")) await measureCache(bench, makeLayer(bench));
}

function inner(name: string): string {
  return join(folder, name);
}

/** Random bytes: nothing that compresses, and no two megabytes alike. */
function makeLayer({ options: { sizeMib, rounds }, progress }: Bench): string {
  // Each of five registries keeps the layer of each round; the file itself and a second writing of it come on top.
  needDisk(folder, sizeMib * 2 ** 20 * (5 * rounds + 2), `${rounds} rounds of a layer of ${sizeMib} MiB (--size-mib)`);
  progress(`layers: making ${sizeMib} MiB of random bytes`);
  const path = inner("layer");
  const block = randomBytes(1 << 20);
  const descriptor = openSync(path, "w");
  for (let index = 0; index < sizeMib; index++) {
    block.writeUInt32LE(index, 0);
    writeSync(descriptor, block);
  }
  closeSync(descriptor);
  return path;
}

function save(results: object): string {
  const path = join(import.meta.dirname, "results.json");
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
  return path;
}
