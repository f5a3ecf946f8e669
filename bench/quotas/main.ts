import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { machineFacts } from "../machine.ts";
import type { Options } from "../options.ts";
import { collectGarbage, hasGc } from "../parts/gc.ts";
import { startBerth } from "../peers/berth.ts";
import type { Peer } from "../peers/index.ts";
import { short, showProgress } from "../report.ts";
import { createCalls } from "./calls.ts";
import { createFixture, type Fixture } from "./fixture.ts";
import { type Load, openLoop } from "./open-loop.ts";
import { operations } from "./quotas.ts";

const stepSeconds = 15;
const firstMultiple = 0.05;
const largestMultiple = 16;
/** Steps of a search between the last multiple that was held and the first that was not. */
const refinements = 3;
const gcEveryMs = 10_000;
/** What "held" means, beside no errors. */
const p99LimitMs = 1000;
const shortfall = 0.01;
/** At the end of a short step, a few calls are still being answered. */
const callsUnanswered = 5;

interface Held {
  readonly multiple: number;
  readonly seconds: number;
  readonly load: Load;
  readonly serverCpu: number;
  readonly serverPeakMib: number;
  readonly garbage?: { runs: number; blobs: number };
  readonly failures: readonly string[];
}

/** All quotas at once, with images being deleted and garbage being collected meanwhile. */
export async function runQuotas(folder: string, options: Options): Promise<void> {
  const gc = await hasGc();
  if (!gc) console.log("left out: garbage collection beside the load (this Berth has no gc command)");
  const data = join(folder, "quotas");
  const berth = await startBerth(data);
  const runs: Held[] = [];
  try {
    const fixture = await createFixture(berth);
    const hold = async (multiple: number, seconds: number) => {
      const held = await holdFor(berth, fixture, {
        multiple,
        seconds,
        partKib: options.partKib,
        gc: gc ? data : undefined,
      });
      runs.push(held);
      showProgress("");
      console.log(`${short(multiple)} × the quotas for ${short(seconds)} s: ${summary(held.failures)}`);
      return held.failures.length === 0;
    };
    // A server that has just started compiles while it works; that is not the load's to bear.
    showProgress("warming up");
    await holdFor(berth, fixture, { multiple: firstMultiple, seconds: 5, partKib: options.partKib });
    const multiple = options.search ? await search((candidate) => hold(candidate, stepSeconds)) : options.multiple;
    if (multiple === undefined) console.log(`not even ${firstMultiple} × the quotas are held`);
    else await hold(multiple, options.minutes * 60);
  } finally {
    await berth.stop();
  }
  const last = runs.at(-1);
  if (last) report(last);
  const path = join(import.meta.dirname, "../results-quotas.json");
  const results = { at: new Date().toISOString(), machine: await machineFacts(folder), settings: options, runs };
  writeFileSync(path, `${JSON.stringify(results, undefined, 2)}\n`);
  console.log(`All figures: ${path}`);
}

async function holdFor(
  berth: Peer,
  fixture: Fixture,
  { multiple, seconds, partKib, gc }: { multiple: number; seconds: number; partKib: number; gc?: string },
): Promise<Held> {
  const sources = await createCalls(fixture, partKib, multiple);
  const collector = gc === undefined ? undefined : collectAgainAndAgain(gc);
  const cpu = berth.cpuSeconds();
  const begun = performance.now();
  const tick = (left: number) => showProgress(`${short(multiple)} × the quotas: ${Math.ceil(left)} s to go`);
  const load = await openLoop(berth.origin, sources, { multiple, seconds, tick });
  const serverCpu = (berth.cpuSeconds() - cpu) / ((performance.now() - begun) / 1000);
  const garbage = await collector?.stop();
  const { peakMib } = berth.memory();
  return { multiple, seconds, load, serverCpu, serverPeakMib: peakMib, garbage, failures: failuresOf(load, seconds) };
}

/** Doubles while the load is held, then halves the gap. */
async function search(hold: (multiple: number) => Promise<boolean>): Promise<number | undefined> {
  let held: number | undefined;
  let tooMuch: number | undefined;
  // On a machine that does other things too, one bad moment says nothing.
  const holds = async (multiple: number) => (await hold(multiple)) || (await hold(multiple));
  for (let multiple = firstMultiple; multiple <= largestMultiple && tooMuch === undefined; multiple *= 2) {
    if (await holds(multiple)) held = multiple;
    else tooMuch = multiple;
  }
  for (let step = 0; step < refinements && held !== undefined && tooMuch !== undefined; step++) {
    const middle: number = (held + tooMuch) / 2;
    if (await holds(middle)) held = middle;
    else tooMuch = middle;
  }
  return held;
}

function summary(failures: readonly string[]): string {
  if (failures.length === 0) return "held";
  const more = failures.length > 3 ? `; and ${failures.length - 3} more` : "";
  return `not held: ${failures.slice(0, 3).join("; ")}${more}`;
}

function failuresOf({ outcomes }: Load, seconds: number): string[] {
  return operations.flatMap((operation) => {
    const { errors, asked, perSecond, p99Ms } = outcomes[operation];
    const problems = Object.entries(errors).map(([kind, times]) => `${operation}: ${times} × ${kind}`);
    if (p99Ms > p99LimitMs) problems.push(`${operation}: p99 ${short(p99Ms)} ms`);
    // Deletes wait for images to delete, so they begin later.
    const missing = operation === "BatchDeleteImage" ? 0 : (asked - perSecond) * seconds;
    if (missing > Math.max(asked * seconds * shortfall, callsUnanswered)) {
      problems.push(`${operation}: ${short(perSecond)}/s of ${short(asked)}/s`);
    }
    return problems;
  });
}

function collectAgainAndAgain(data: string) {
  let stopped = false;
  const total = { runs: 0, blobs: 0 };
  const running = (async () => {
    while (!stopped) {
      const { blobs } = await collectGarbage(data);
      total.runs++;
      total.blobs += blobs;
      for (let waited = 0; waited < gcEveryMs && !stopped; waited += 100) await Bun.sleep(100);
    }
  })();
  return {
    async stop() {
      stopped = true;
      await running;
      return total;
    },
  };
}

function report({ multiple, seconds, load, serverCpu, serverPeakMib, garbage }: Held): void {
  const rows = operations.map((operation) => {
    const { asked, perSecond, errors, p50Ms, p99Ms } = load.outcomes[operation];
    const failed = Object.values(errors).reduce((sum, times) => sum + times, 0);
    const figures = { "asked/s": asked, "answered/s": perSecond, errors: failed, "p50 ms": p50Ms, "p99 ms": p99Ms };
    return [operation, Object.fromEntries(Object.entries(figures).map(([name, value]) => [name, short(value)]))];
  });
  console.log(`${short(multiple)} × the default quotas of Amazon ECR for ${short(seconds)} s:`);
  console.table(Object.fromEntries(rows));
  const { loadCpu, longestQueue, longestStallMs } = load;
  console.log(`server: ${short(serverCpu)} cores, ${short(serverPeakMib)} MiB at its peak`);
  console.log(
    `load: ${short(loadCpu)} cores, stalled for at most ${short(longestStallMs)} ms, at most ${longestQueue} calls waiting for a connection`,
  );
  if (garbage) console.log(`gc: ${garbage.runs} runs freed ${garbage.blobs} blobs`);
}
