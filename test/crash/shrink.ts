import { newFigures } from "./figures.ts";
import { play } from "./run.ts";
import { replay, type Script, type Wave } from "./script.ts";

/** Makes a script that loses something as short as it can, by leaving out whatever the loss does not need. */
export async function shrink(script: Script, options: { budgetMs: number }): Promise<Script> {
  const untilMs = performance.now() + options.budgetMs;
  let smallest = script;
  for (let isSmaller = true; isSmaller; ) {
    isSmaller = false;
    for (const candidate of smallerThan(smallest)) {
      if (performance.now() > untilMs) return smallest;
      if (!(await loses(candidate))) continue;
      smallest = candidate;
      isSmaller = true;
      break;
    }
  }
  return smallest;
}

async function loses(script: Script): Promise<boolean> {
  return (await play(replay(script), newFigures())) !== undefined;
}

/** The boldest first. */
function* smallerThan(script: Script): Iterable<Script> {
  const { lives } = script;
  for (const index of lives.keys()) yield { ...script, lives: without(lives, index) };
  for (const [index, life] of lives.entries()) {
    const withLife = (changed: Partial<typeof life>): Script => ({
      ...script,
      lives: lives.with(index, { ...life, ...changed }),
    });
    for (const waves of shorter(life.waves)) yield withLife({ waves });
    for (const fault of life.faults.keys()) yield withLife({ faults: without(life.faults, fault) });
    if (life.startsAgain) yield withLife({ startsAgain: false });
    if (life.ending === "power") yield withLife({ ending: "kill" });
    yield* earlier(life.crash.step).map((step) => withLife({ crash: { ...life.crash, step } }));
  }
}

function* shorter(waves: readonly Wave[]): Iterable<readonly Wave[]> {
  const half = waves.length >> 1;
  if (half > 1) yield* [waves.slice(0, half), waves.slice(half)];
  for (const index of waves.keys()) yield without(waves, index);
  for (const [index, wave] of waves.entries()) {
    if (wave.operations.length === 1) continue;
    for (const operation of wave.operations.keys()) {
      yield waves.with(index, { ...wave, operations: without(wave.operations, operation) });
    }
  }
}

/** Steps come sooner where operations were left out. */
function earlier(step: number): number[] {
  if (step > 1000) return [];
  return [1, 2, 3, 5, 8, 13, 21].filter((by) => by < step).map((by) => step - by);
}

function without<Item>(items: readonly Item[], index: number): Item[] {
  return items.filter((_, each) => each !== index);
}

/** For people, and for whoever wants to tell it again. */
export function scriptText({ seed, lives }: Script): string {
  const lines = lives.flatMap((life, index) => {
    const crash = life.crash.step > 1000 ? "no crash" : `crash ${life.crash.when} step ${life.crash.step}`;
    const faults = life.faults.map(({ code, when, step }) => `, ${code} ${when} step ${step}`).join("");
    const next = life.startsAgain ? ", then another start" : "";
    return [`life ${index + 1}: ends by ${life.ending}, ${crash}${faults}${next}`, ...life.waves.map(waveText)];
  });
  return [`seed ${seed}`, ...lines].join("\n");
}

function waveText({ operations, afterMs, freeBytes }: Wave): string {
  const room = freeBytes === undefined ? "" : ` with ${freeBytes} bytes free`;
  const told = operations.map(({ kind, ...facts }) => `${kind} ${JSON.stringify(facts)}`);
  return `  after ${afterMs / 1000} s at once${room}: ${told.join("\n           ")}`;
}
