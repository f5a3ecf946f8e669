/** What was done and found, over all runs. */
export interface Figures {
  runs: number;
  crashes: number;
  powerCuts: number;
  operations: number;
  acknowledged: number;
  checkedBlobs: number;
  /** Copies that no row named after a crash, and whose removal was not noted: sweeps find them. */
  strays: number;
  /** Blobs that collections at the end of runs have freed, and copies that sweeps have. */
  collected: number;
  swept: number;
  /** What was injected, by kind and moment: `EIO before rename staged file`. */
  readonly faults: Tally;
  /** Uploads that had a session and not its bytes, by what was tried with them. */
  readonly stuck: Tally;
}

export type Tally = Map<string, number>;

export function newFigures(): Figures {
  const none = { runs: 0, crashes: 0, powerCuts: 0, operations: 0, acknowledged: 0, checkedBlobs: 0 };
  return { ...none, strays: 0, collected: 0, swept: 0, faults: new Map(), stuck: new Map() };
}

export function count(tally: Tally, name: string): void {
  tally.set(name, (tally.get(name) ?? 0) + 1);
}
