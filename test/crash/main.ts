import { parseArgs } from "node:util";
import { type Figures, newFigures } from "./figures.ts";
import { playKilled } from "./killed.ts";
import { playLifecycle } from "./lifecycle.ts";
import type { Loss } from "./perform.ts";
import { play } from "./run.ts";
import { improvise, recorded } from "./script.ts";
import { scriptText, shrink } from "./shrink.ts";

/**
 * Crashes, power cuts and failing disks, in random runs: `npm run test:crash -- --seed 1 --runs 10000`.
 *
 * A run is a few lives of one registry. In each, waves of operations take place at once: pushes, uploads, mounts, tags,
 * deletes, expiries, collections, sweeps. Any step at the disk or the database may fail or be the last one, then Berth
 * starts on what is left. After each start every promise is checked (inspect.ts), and what is there must follow from what
 * was acknowledged (ledger.ts, explain.ts). In the end everything that nobody needs must go, and nothing else (tidy.ts).
 * One run in fifty kills real processes instead (killed.ts), and one in ten carries out a lifecycle policy (lifecycle.ts).
 *
 * When something is lost: the report names the run, and the same is played again with `--seed S --only I`. Time, chance
 * and the order of events are the run's own, so it ends in the same way. Below it stands the shortest script that still
 * loses something. Make that a small test beside the code, before you mend it.
 */

const usage = `npm run test:crash -- [--seed N] [--runs M] [--minutes K]
  --seed N      which runs (default 1): the same seed gives the same runs, but for those with killed processes
  --runs M      how many (default 1000)
  --minutes K   stop after so long, whatever is left
  --only I      the run with this number alone`;

/** One run in so many kills real processes, which takes ten times as long. */
const killedEvery = 50;
/** One run in so many is about the evaluation of a lifecycle policy. */
const lifecycleEvery = 10;
const shrinkMs = 10_000;
/** Enough to see what is wrong. */
const mostLosses = 10;

interface Options {
  readonly seed: string;
  readonly runs: number;
  readonly minutes: number;
  readonly only?: number;
}

async function main(): Promise<number> {
  const options = readOptions();
  if (!options) return 2;
  const figures = newFigures();
  const startedMs = performance.now();
  const isTimeUp = () => performance.now() - startedMs > options.minutes * 60_000;
  const first = options.only ?? 1;
  const last = options.only ?? options.runs;
  let losses = 0;
  for (let run = first; run <= last && !isTimeUp() && losses < mostLosses; run++) {
    if (!(await runOne(options.seed, run, figures))) losses++;
    showProgress(run - first + 1, last - first + 1, losses, startedMs);
  }
  clearProgress();
  console.log(summary(figures, losses, (performance.now() - startedMs) / 1000));
  return losses > 0 ? 1 : 0;
}

function readOptions(): Options | undefined {
  try {
    const text = { type: "string" } as const;
    const { values } = parseArgs({
      options: { seed: text, runs: text, minutes: text, only: text, help: { type: "boolean" } },
    });
    if (values.help) throw new Error("How to use it");
    return {
      seed: values.seed ?? "1",
      runs: numberIn(values.runs ?? "1000"),
      minutes: values.minutes === undefined ? Number.POSITIVE_INFINITY : numberIn(values.minutes),
      only: values.only === undefined ? undefined : numberIn(values.only),
    };
  } catch (error) {
    console.error(`${(error as Error).message}\n${usage}`);
    return undefined;
  }
}

function numberIn(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new Error(`not a number above 0: ${text}`);
  return number;
}

/** Answers whether nothing was lost. */
async function runOne(seed: string, run: number, figures: Figures): Promise<boolean> {
  const name = `${seed}/${run}`;
  const isKilled = run % killedEvery === 0;
  if (isKilled) {
    const loss = await playKilled(name, figures);
    if (loss) report(`run ${name}, processes killed`, loss);
    return loss === undefined;
  }
  if (run % lifecycleEvery === 0) {
    const loss = await playLifecycle(name, figures);
    if (loss) report(`run ${name}, a lifecycle policy, again with --seed ${seed} --only ${run}`, loss);
    return loss === undefined;
  }
  const director = recorded(improvise(name));
  const loss = await play(director, figures);
  if (!loss) return true;
  report(`run ${name}, again with --seed ${seed} --only ${run}`, loss);
  console.log(
    `The shortest way to it that was found:\n${scriptText(await shrink(director.script, { budgetMs: shrinkMs }))}\n`,
  );
  return false;
}

function report(where: string, { message }: Loss): void {
  clearProgress();
  console.log(`LOSS in ${where}\n${message}\n`);
}

function showProgress(done: number, all: number, losses: number, startedMs: number): void {
  const seconds = Math.round((performance.now() - startedMs) / 1000);
  const text = `${done}/${all} runs, ${losses} losses, ${seconds} s`;
  if (process.stdout.isTTY) {
    const width = 30;
    const filled = Math.round((done / all) * width);
    process.stdout.write(`\r\x1b[K[${"█".repeat(filled)}${" ".repeat(width - filled)}] ${text}`);
  } else if (done % Math.ceil(all / 10) === 0) {
    console.log(text);
  }
}

function clearProgress(): void {
  if (process.stdout.isTTY) process.stdout.write("\r\x1b[K");
}

function summary(figures: Figures, losses: number, seconds: number): string {
  const { faults, stuck } = figures;
  const faultCount = [...faults.values()].reduce((sum, times) => sum + times, 0);
  return [
    `${figures.runs} runs in ${seconds.toFixed(0)} s: ${figures.operations} operations, ${figures.acknowledged} acknowledged`,
    `${figures.crashes} crashes, ${figures.powerCuts} of them power cuts; ${faultCount} faults and crashes by kind and step:`,
    ...matrix(faults),
    `${figures.checkedBlobs} blobs read back; ${figures.strays} copies seen that no row named`,
    `at the end of the runs: ${figures.collected} blobs collected, ${figures.swept} copies swept`,
    "uploads with a session and without its bytes, by what was tried:",
    ...table(stuck),
    `${losses} losses`,
  ].join("\n");
}

const kinds = ["ENOSPC", "EIO", "crash"].flatMap((kind) => [`${kind} before`, `${kind} after`]);

/** One row for each step, one column for each kind of fault; what has no step comes below. */
function matrix(faults: ReadonlyMap<string, number>): string[] {
  const steps = new Map<string, number[]>();
  const others = new Map(faults);
  for (const [name, times] of faults) {
    const column = kinds.findIndex((kind) => name.startsWith(`${kind} `));
    if (column === -1 || name.includes("after a failed sync")) continue;
    const step = name.slice(`${kinds[column]} `.length);
    steps.set(step, (steps.get(step) ?? kinds.map(() => 0)).with(column, times));
    others.delete(name);
  }
  const row = (cells: readonly (string | number)[], name: string) =>
    `  ${cells.map((cell) => String(cell).padStart(13)).join("")}  ${name}`;
  return [row(kinds, "step"), ...sorted(steps).map(([step, cells]) => row(cells, step)), ...table(others)];
}

function table(tally: ReadonlyMap<string, number>): string[] {
  const rows = sorted(tally).map(([name, times]) => `  ${String(times).padStart(7)}  ${name}`);
  return rows.length > 0 ? rows : ["  none"];
}

function sorted<Value>(map: ReadonlyMap<string, Value>): [string, Value][] {
  return [...map].sort(([one], [other]) => (one < other ? -1 : 1));
}

process.exitCode = await main();
