/**
 * Berth beside its peers, by the same load in one run: `npm run bench [-- --size-mib 1024 --rounds 5 --seconds 5]`.
 *
 * Peers are Docker's registry (Distribution) without any authentication, which favours it, and nginx as the limit for
 * pulls; those that are not installed are named and left out. Timings on a shared machine are noisy: medians of
 * interleaved rounds are compared, and ratios are what counts.
 */
import { randomBytes } from "node:crypto";
import { closeSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { cpus, tmpdir, totalmem } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { type Peer, startBerth, startDistribution, startNginx } from "./peers.ts";
import { hashAndWriteOnce, median, pull, push, pushManifest } from "./work.ts";

const { values } = parseArgs({
  options: {
    "size-mib": { type: "string", default: "1024" },
    rounds: { type: "string", default: "5" },
    seconds: { type: "string", default: "5" },
    quick: { type: "boolean", default: false },
    help: { type: "boolean", default: false },
  },
});
if (values.help) {
  console.log("npm run bench [-- --size-mib 1024] [--rounds 5] [--seconds 5] [--quick]");
  process.exit(0);
}
const sizeMib = values.quick ? 256 : Number(values["size-mib"]);
const rounds = values.quick ? 3 : Number(values.rounds);
const seconds = values.quick ? 3 : Number(values.seconds);
for (const [name, value] of Object.entries({ "size-mib": sizeMib, rounds, seconds })) {
  if (!Number.isInteger(value) || value < 1) throw new Error(`--${name} must be a positive whole number`);
}

interface Row {
  peer: string;
  version: string;
  pullMbPerSecond?: number;
  pullCpuSecondsPerGib?: number;
  pushMbPerSecond?: number;
  pushCpuSecondsPerGib?: number;
  imagePushesPerSecond?: number;
  manifestPerSecond?: number;
  manifestP50Ms?: number;
  manifestP99Ms?: number;
}

const folder = mkdtempSync(join(tmpdir(), "berth-bench-"));
const peers: Peer[] = [];
try {
  await main();
} finally {
  for (const peer of peers) await peer.stop();
  rmSync(folder, { recursive: true, force: true });
}

async function main(): Promise<void> {
  console.log(`Preparing ${sizeMib} MiB of random bytes …`);
  const file = join(folder, "layer");
  writeRandom(file, sizeMib);
  for (const start of [startBerth, startDistribution, () => startNginx(folder, file)]) {
    const peer = await start(folder);
    if (typeof peer === "string") console.log(`left out: ${peer}`);
    else peers.push(peer);
  }
  const rows = new Map<Peer, Row>(peers.map((peer) => [peer, { peer: peer.name, version: peer.version }]));
  const limit: number[] = [];
  const pushes = new Map<Peer, Sample[]>();
  const pulls = new Map<Peer, Sample[]>();
  for (let round = 1; round <= rounds; round++) {
    limit.push(await hashAndWriteOnce(file, join(folder, "once")));
    for (const peer of peers) {
      progress(`round ${round} of ${rounds}: ${peer.name}`);
      if (peer.registry) add(pushes, peer, await push(peer, file, `r${round}`));
      // What a push leaves to be done (write-back, memory to be swept) is not the pull's.
      await Bun.sleep(1000);
      add(pulls, peer, await pull(peer));
    }
  }
  for (const peer of peers.filter(({ registry }) => registry)) {
    progress(`manifests: ${peer.name}`);
    Object.assign(rows.get(peer) ?? {}, await manifests(peer));
    progress(`small images: ${peer.name}`);
    Object.assign(rows.get(peer) ?? {}, await smallImages(peer));
  }
  progress("");
  for (const [peer, row] of rows) {
    const [pulled, pushed] = [pulls.get(peer) ?? [], pushes.get(peer) ?? []];
    row.pullMbPerSecond = rate(pulled);
    row.pullCpuSecondsPerGib = cpu(pulled);
    if (!peer.registry) continue;
    row.pushMbPerSecond = rate(pushed);
    row.pushCpuSecondsPerGib = cpu(pushed);
  }
  report([...rows.values()], (sizeMib * 1.048576) / median(limit));
}

interface Sample {
  readonly wallSeconds: number;
  readonly cpuSeconds: number;
}

function add(samples: Map<Peer, Sample[]>, peer: Peer, sample: Sample): void {
  samples.set(peer, [...(samples.get(peer) ?? []), sample]);
}

function rate(samples: Sample[]): number {
  return (sizeMib * 1.048576) / median(samples.map(({ wallSeconds }) => wallSeconds));
}

function cpu(samples: Sample[]): number {
  return median(samples.map(({ cpuSeconds }) => cpuSeconds)) * (1024 / sizeMib);
}

/** A process of its own asks for one manifest again and again over 16 connections. */
async function manifests(peer: Peer) {
  const url = await pushManifest(peer);
  const command = [process.execPath, join(import.meta.dirname, "load.ts"), url, peer.authorization ?? "", `${seconds}`];
  const load = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  const result = JSON.parse(await new Response(load.stdout).text()) as {
    perSecond: number;
    p50Ms: number;
    p99Ms: number;
  };
  return { manifestPerSecond: result.perSecond, manifestP50Ms: result.p50Ms, manifestP99Ms: result.p99Ms };
}

/** 32 clients push images of two 1 KiB blobs into one repository. */
async function smallImages(peer: Peer) {
  const { perSecond } = await load<{ perSecond: number }>("push-small.ts", peer.origin, peer);
  return { imagePushesPerSecond: perSecond };
}

/** Load comes from a process of its own, which prints what came of it. */
async function load<Result>(program: string, target: string, { authorization = "" }: Peer): Promise<Result> {
  const command = [process.execPath, join(import.meta.dirname, program), target, authorization, String(seconds)];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "inherit" });
  return JSON.parse(await new Response(child.stdout).text()) as Result;
}

function report(rows: Row[], limitMbPerSecond: number): void {
  const berth = rows.find(({ peer }) => peer === "berth");
  const distribution = rows.find(({ peer }) => peer === "distribution");
  const nginx = rows.find(({ peer }) => peer === "nginx");
  const ratio = (a?: number, b?: number) => (a !== undefined && b !== undefined && b > 0 ? a / b : undefined);
  const ratios = {
    "pull CPU, Berth / nginx": ratio(berth?.pullCpuSecondsPerGib, nginx?.pullCpuSecondsPerGib),
    "pull CPU, Berth / Distribution": ratio(berth?.pullCpuSecondsPerGib, distribution?.pullCpuSecondsPerGib),
    "push rate, Berth / hashing and writing once": ratio(berth?.pushMbPerSecond, limitMbPerSecond),
    "push rate, Berth / Distribution": ratio(berth?.pushMbPerSecond, distribution?.pushMbPerSecond),
    "push CPU, Berth / Distribution": ratio(berth?.pushCpuSecondsPerGib, distribution?.pushCpuSecondsPerGib),
    "small image pushes/s, Berth / Distribution": ratio(
      berth?.imagePushesPerSecond,
      distribution?.imagePushesPerSecond,
    ),
    "manifest GET/s, Berth / Distribution": ratio(berth?.manifestPerSecond, distribution?.manifestPerSecond),
  };
  const round = (value: unknown) => (typeof value === "number" ? Number(value.toPrecision(3)) : value);
  console.table(rows.map((row) => Object.fromEntries(Object.entries(row).map(([key, value]) => [key, round(value)]))));
  console.table(Object.fromEntries(Object.entries(ratios).map(([key, value]) => [key, round(value ?? "–")])));
  const machine = { cpu: cpus()[0]?.model, cores: cpus().length, memoryGib: round(totalmem() / 2 ** 30) };
  const settings = { sizeMib, rounds, seconds };
  const results = { at: new Date().toISOString(), machine, settings, rows, limitMbPerSecond, ratios };
  const path = join(import.meta.dirname, "results.json");
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`Hashing and writing the same bytes once: ${round(limitMbPerSecond)} MB/s. All figures: ${path}`);
}

function writeRandom(path: string, mib: number): void {
  const block = randomBytes(1 << 20);
  const descriptor = openSync(path, "w");
  for (let index = 0; index < mib; index++) {
    block.writeUInt32LE(index, 0);
    writeSync(descriptor, block);
  }
  closeSync(descriptor);
}

function progress(text: string): void {
  if (process.stdout.isTTY) process.stdout.write(`\r\u001b[K${text}`);
  else if (text) console.log(text);
}
