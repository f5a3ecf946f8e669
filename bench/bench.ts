import type { Options } from "./options.ts";

/** One measured number: the median of its rounds. */
export interface Figure {
  readonly name: string;
  /** Who was measured: a peer, or Berth in some state. */
  readonly subject: string;
  readonly value: number;
  readonly rounds?: readonly number[];
}

/** What a part of the bench is given, and where it puts what it found out. */
export interface Bench {
  readonly options: Options;
  /** A temporary folder of this run. */
  readonly folder: string;
  record(name: string, subject: string, samples: number | readonly number[]): void;
  leaveOut(what: string): void;
  progress(text: string): void;
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? (sorted[middle] ?? NaN) : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}

/** Samples of many rounds, by what they are of. */
export class Samples {
  readonly #values = new Map<string, { name: string; subject: string; samples: number[] }>();

  add(name: string, subject: string, sample: number): void {
    const key = `${name}\n${subject}`;
    const known = this.#values.get(key);
    if (known) known.samples.push(sample);
    else this.#values.set(key, { name, subject, samples: [sample] });
  }

  record(bench: Bench): void {
    for (const { name, subject, samples } of this.#values.values()) bench.record(name, subject, samples);
  }
}
