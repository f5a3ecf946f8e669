import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { realDisk } from "../../src/storage/blobs/disk.ts";
import { createRandom } from "../support/random.ts";
import { type Berth, openBerth } from "./berth.ts";
import { count, type Figures } from "./figures.ts";
import { checkAfterStart, type Place } from "./inspect.ts";
import { compare, emptyLedger, judge, type Ledger } from "./ledger.ts";
import type { Operation, SlotFacts } from "./model.ts";
import { graceMs, Loss, type Performed, perform } from "./perform.ts";
import { improvise } from "./script.ts";
import { tidyUp } from "./tidy.ts";
import { isOpen } from "./uploads.ts";

/**
 * The honest crash: a process of its own, on a real disk, killed with SIGKILL whenever it happens to be. What it has
 * told before is what it has acknowledged. Such a run cannot be had again: the seed gives the same operations only as
 * far as they have the same outcome.
 */

/** What one process leaves to the next, and to whoever checks. */
interface Legacy {
  readonly ledger: Ledger;
  readonly slots: readonly (readonly [number, SlotFacts])[];
}

/** What the process is given to live. */
export interface Task {
  readonly folder: string;
  readonly seed: string;
  /** How many were killed before it. */
  readonly kills: number;
  readonly legacy: Legacy;
}

/** A line that the process writes. */
export type Told =
  | { readonly begins: readonly Operation[] }
  | { readonly ends: Performed }
  | { readonly settled: Legacy }
  | { readonly lost: string };

/** What the killed had claimed is free again then, and what nobody needed is due. */
const pauseMs = graceMs + 10_000;
const clockAfter = (kills: number) => () => new Date(Date.now() + kills * pauseMs);
/** Nobody expires uploads here: staged bytes are as old as the real clock says, and sessions as old as this one. */
const bounds = { lives: 1, waves: 1, without: ["expireUploads"] } as const;
const never = new Date(0);
const readFile = async (path: string) => Buffer.from(await Bun.file(path).arrayBuffer());

function placeIn(folder: string): Place {
  const root = join(folder, "blobs");
  return {
    database: join(folder, "berth.sqlite"),
    root,
    disk: realDisk,
    readFile,
    soon: new Date(Date.now() + pauseMs),
  };
}

const openIn = ({ database, root }: Place, clock: () => Date) => openBerth({ database, blobs: root }, { clock });

/** The life of the process that will be killed: wave after wave without end. */
export async function liveUntilKilled({ folder, seed, kills, legacy }: Task, tell: (told: Told) => void) {
  const clock = clockAfter(kills);
  const berth = await openIn(placeIn(folder), clock);
  const slots = new Map(legacy.slots);
  let { ledger } = legacy;
  for (let waves = 0; ; waves++) {
    const director = improvise(`${seed}/${waves}`, bounds, slots);
    director.nextLife();
    const { state, uploads } = ledger;
    const wave = director.nextWave({ state, isOpen: (slot) => isOpen(uploads[slot]) });
    if (!wave) continue;
    tell({ begins: wave.operations });
    const client = { slots, uploadId: (slot: number) => uploads[slot]?.id, expireBefore: never, readFile };
    const performed = await Promise.all(
      wave.operations.map(async (operation) => {
        const ends = await perform(berth, client, operation);
        tell({ ends });
        return ends;
      }),
    );
    ({ ledger } = await judged(berth, { ledger, slots: [...slots] }, performed, { now: clock(), wereFaulty: false }));
    tell({ settled: { ledger, slots: [...slots] } });
  }
}

/** What follows from what the operations answered and from what is there. @throws Loss when it does not fit */
async function judged(
  berth: Berth,
  { ledger, slots: known }: Legacy,
  performed: readonly Performed[],
  { now, wereFaulty }: { now: Date; wereFaulty: boolean },
): Promise<{ ledger: Ledger; stuck: readonly string[] }> {
  const around = { slots: new Map(known), nowMs: now.getTime(), expireBefore: never, wereFaulty };
  const after = judge(ledger, performed, around);
  return { ...after, ledger: await compare(berth, after.ledger, performed, around) };
}

/** Kills a few processes, one after the other, and looks each time at what they leave. */
export async function playKilled(seed: string, figures: Figures): Promise<Loss | undefined> {
  const folder = await mkdtemp(join(tmpdir(), "berth-killed-"));
  const random = createRandom(seed);
  let legacy: Legacy = { ledger: emptyLedger, slots: [] };
  try {
    for (let kills = 0; kills < killsOfRun; kills++) {
      const task = { folder, seed: `${seed}/${kills}`, kills, legacy };
      const told = await killAfter(task, random.below(longestLifeMs));
      count(figures.faults, "SIGKILL to a process");
      figures.crashes++;
      legacy = await inspect(task, told, figures);
    }
    return undefined;
  } catch (error) {
    return error instanceof Loss ? error : new Loss(`the run itself failed: ${(error as Error).stack}`);
  } finally {
    await rm(folder, { recursive: true, force: true });
    figures.runs++;
  }
}

const killsOfRun = 3;
const longestLifeMs = 250;

/** Everything that the process has told, up to the kill. */
async function killAfter(task: Task, lifeMs: number): Promise<Told[]> {
  const command = [process.execPath, join(import.meta.dir, "child.ts"), JSON.stringify(task)];
  const child = Bun.spawn(command, { stdout: "pipe", stderr: "pipe" });
  const errors = new Response(child.stderr).text();
  const decoder = new TextDecoder();
  let output = "";
  let timer: Timer | undefined;
  for await (const chunk of child.stdout) {
    output += decoder.decode(chunk, { stream: true });
    timer ??= setTimeout(() => child.kill("SIGKILL"), lifeMs);
  }
  clearTimeout(timer);
  await child.exited;
  const told = output
    .split("\n")
    .slice(0, -1)
    .map((line): Told => JSON.parse(line));
  for (const each of told) if ("lost" in each) throw new Loss(`in the process: ${each.lost}`);
  if (child.signalCode !== "SIGKILL") throw new Loss(`the process ended by itself: ${await errors}`);
  return told;
}

/** Checks what a killed process has left, and answers what the next one may rely on. */
async function inspect({ folder, kills, legacy }: Task, told: readonly Told[], figures: Figures): Promise<Legacy> {
  const settledAt = told.findLastIndex((each) => "settled" in each);
  const settled = told[settledAt];
  const before = settled && "settled" in settled ? settled.settled : legacy;
  const performed = inFlight(told.slice(settledAt + 1));
  const slots = new Map(before.slots);
  for (const { operation } of performed) if (operation.kind === "begin") slots.set(operation.slot, operation);
  figures.operations += told.reduce((sum, each) => sum + ("begins" in each ? each.begins.length : 0), 0);
  figures.acknowledged += told.filter((each) => "ends" in each && each.ends.outcome.status === "done").length;

  const place = placeIn(folder);
  let passedMs = (kills + 1) * pauseMs;
  const berth = await openIn(place, () => new Date(Date.now() + passedMs));
  try {
    const known = { ...before, slots: [...slots] };
    const { ledger, stuck } = await judged(berth, known, performed, { now: clockAfter(kills)(), wereFaulty: true });
    for (const what of stuck) count(figures.stuck, what);
    await checkAfterStart(berth, ledger, place, figures);
    if (kills + 1 < killsOfRun) return { ledger, slots: [...slots] };
    const pass = (ms: number) => {
      passedMs += ms;
    };
    const at = () => ({ ...place, soon: new Date(Date.now() + passedMs + pauseMs) });
    return { ledger: await tidyUp(berth, ledger, at, { pass, slots, figures }), slots: [...slots] };
  } finally {
    await berth.close();
  }
}

/** The operations of the last wave, those without an answer among them. */
function inFlight(told: readonly Told[]): Performed[] {
  const begun = told.flatMap((each) => ("begins" in each ? each.begins : []));
  const ended = told.flatMap((each) => ("ends" in each ? [each.ends] : []));
  const isSame = (one: Operation, other: Operation) => JSON.stringify(one) === JSON.stringify(other);
  const answers = [...ended];
  const left = begun.filter((operation) => {
    const at = answers.findIndex((answer) => isSame(answer.operation, operation));
    if (at !== -1) answers.splice(at, 1);
    return at === -1;
  });
  return [
    ...ended,
    ...left.map((operation) => ({ operation, outcome: { status: "unknown", why: "killed" } as const })),
  ];
}
