/**
 * Lets through what strangers may have on record: anybody can send requests that are refused, and must not be able to
 * fill the trail with them. What is above the bounds is counted, and told once for each window.
 */
export interface FloodGate {
  admits(source: string): boolean;
  /** Tells what was not let through since the first of it. */
  close(): void;
}

export interface Flood {
  /** An address; absent where there were too many to tell them apart. */
  readonly source?: string;
  readonly count: number;
}

const windowMs = 1000;
const fromOneSource = 10;
const fromAllSources = 100;
const sourcesToldApart = 100;

export function createFloodGate(tell: (flood: Flood) => void): FloodGate {
  let admitted = 0;
  let seen = new Map<string, number>();
  let turnedAway = new Map<string, number>();
  let others = 0;
  let timer: ReturnType<typeof setTimeout> | undefined;

  function endWindow(): void {
    clearTimeout(timer);
    timer = undefined;
    const [floods, rest] = [turnedAway, others];
    admitted = 0;
    others = 0;
    seen = new Map();
    turnedAway = new Map();
    for (const [source, count] of floods) tell({ source, count });
    if (rest > 0) tell({ count: rest });
  }

  return {
    admits(source) {
      timer ??= setTimeout(endWindow, windowMs);
      const before = seen.get(source) ?? 0;
      if (before < fromOneSource && admitted < fromAllSources) {
        seen.set(source, before + 1);
        admitted++;
        return true;
      }
      const known = turnedAway.get(source);
      if (known !== undefined || turnedAway.size < sourcesToldApart) turnedAway.set(source, (known ?? 0) + 1);
      else others++;
      return false;
    },
    close: endWindow,
  };
}
