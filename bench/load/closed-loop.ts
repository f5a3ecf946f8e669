/** How fast something went. */
export interface Pace {
  /** How often it was done. */
  readonly count: number;
  readonly perSecond: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Each of the clients does its work again and again, the next as soon as the last is done. */
export async function closedLoop(
  clients: number,
  seconds: number,
  work: (client: number, turn: number) => Promise<unknown>,
): Promise<Pace> {
  const latencies: number[] = [];
  const start = performance.now();
  const end = start + seconds * 1000;
  async function client(number: number): Promise<void> {
    for (let turn = 0; performance.now() < end; turn++) {
      const begun = performance.now();
      await work(number, turn);
      latencies.push(performance.now() - begun);
    }
  }
  await Promise.all(Array.from({ length: clients }, (_, number) => client(number)));
  const perSecond = latencies.length / ((performance.now() - start) / 1000);
  return { count: latencies.length, perSecond, ...percentiles(latencies) };
}

export function percentiles(latencies: number[]): { p50Ms: number; p99Ms: number } {
  const sorted = Float64Array.from(latencies).sort();
  const at = (share: number) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0;
  return { p50Ms: at(0.5), p99Ms: at(0.99) };
}
