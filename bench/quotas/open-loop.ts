import { percentiles } from "../load/closed-loop.ts";
import { type Answer, Connection } from "../load/connection.ts";
import type { Call, Source } from "./calls.ts";
import { type Operation, operations, quotas } from "./quotas.ts";

export interface Outcome {
  readonly asked: number;
  readonly perSecond: number;
  readonly errors: Readonly<Record<string, number>>;
  /** Calls that could not be made, because what they need was not there yet. */
  readonly starved: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

export interface Load {
  readonly outcomes: Record<Operation, Outcome>;
  /** Calls that were due and waited for a connection, at the worst moment. */
  readonly longestQueue: number;
  /** The longest time in which this process made no calls: the machine, or the load itself, was too busy. */
  readonly longestStallMs: number;
  /** Share of one core that making the load took. */
  readonly loadCpu: number;
}

/** Beyond this nothing is being held, and memory is all that the queue takes from then on. */
const queueLimit = 20_000;
const tickMs = 1;
/** A terminal's line is written over; elsewhere each is one more. */
const tellMs = process.stdout.isTTY ? 1000 : 30_000;

interface Due {
  readonly operation: Operation;
  readonly at: number;
  readonly call: Call;
}

interface Tally {
  due: number;
  answered: number;
  starved: number;
  readonly errors: Record<string, number>;
  readonly latencies: number[];
}

/**
 * Calls are made when they are due, whether or not earlier ones were answered, and their latency counts from then: a
 * server that stalls is not spared the calls that its stall delays.
 */
export async function openLoop(
  origin: string,
  sources: Record<Operation, Source>,
  options: { multiple: number; seconds: number; connections?: number; tick?: (secondsLeft: number) => void },
): Promise<Load> {
  const { multiple, seconds, connections = 96, tick } = options;
  const free = Array.from({ length: connections }, () => new Connection(origin));
  const all = [...free];
  const queue: Due[] = [];
  const tallies = Object.fromEntries(
    operations.map((operation) => [operation, { due: 0, answered: 0, starved: 0, errors: {}, latencies: [] }]),
  ) as unknown as Record<Operation, Tally>;
  let longestQueue = 0;
  let longestStallMs = 0;
  let inFlight = 0;

  async function make({ operation, at, call }: Due, connection: Connection): Promise<void> {
    const tally = tallies[operation];
    inFlight++;
    try {
      const answer = await connection.ask(call.request);
      const problem = problemOf(answer);
      if (problem) count(tally, problem);
      else {
        tally.latencies.push(performance.now() - at);
        call.succeeded?.(answer.body);
      }
    } catch (error) {
      count(tally, (error as Error).message);
    }
    call.done?.();
    tally.answered++;
    inFlight--;
    const next = queue.shift();
    if (next) void make(next, connection);
    else free.push(connection);
  }

  const cpu = process.cpuUsage();
  const start = performance.now();
  const end = start + seconds * 1000;
  let toldAt = start;
  for (let now = start; now < end; now = performance.now()) {
    for (const operation of operations) {
      const tally = tallies[operation];
      const rate = quotas[operation] * multiple;
      for (const due = ((now - start) / 1000) * rate; tally.due < due; ) {
        const at = start + (tally.due++ / rate) * 1000;
        const call = sources[operation]();
        if (!call) tally.starved++;
        else {
          const connection = free.pop();
          if (connection) void make({ operation, at, call }, connection);
          else queue.push({ operation, at, call });
        }
      }
    }
    longestQueue = Math.max(longestQueue, queue.length);
    if (queue.length > queueLimit) break;
    if (now - toldAt > tellMs) {
      toldAt = now;
      tick?.((end - now) / 1000);
    }
    await Bun.sleep(tickMs);
    longestStallMs = Math.max(longestStallMs, performance.now() - now);
  }
  const elapsed = (performance.now() - start) / 1000;
  const used = process.cpuUsage(cpu);
  const answeredInTime = Object.fromEntries(operations.map((operation) => [operation, tallies[operation].answered]));
  queue.length = 0;
  for (let waited = 0; inFlight > 0 && waited < 10_000; waited += 10) await Bun.sleep(10);
  for (const connection of all) connection.close();

  const outcome = (operation: Operation): Outcome => {
    const { due, errors, starved, latencies } = tallies[operation];
    const perSecond = (answeredInTime[operation] ?? 0) / elapsed;
    return { asked: due / elapsed, perSecond, errors, starved, ...percentiles(latencies) };
  };
  return {
    outcomes: Object.fromEntries(operations.map((name) => [name, outcome(name)])) as Record<Operation, Outcome>,
    longestQueue,
    longestStallMs,
    loadCpu: (used.user + used.system) / 1e6 / elapsed,
  };
}

function problemOf(answer: Answer): string | undefined {
  if (answer.status !== 200)
    return `${answer.status} ${/"__type":"([^"]+)"/.exec(answer.body.toString())?.[1] ?? ""}`.trim();
  // A batch answers 200 and tells of each failure.
  const at = answer.body.lastIndexOf('"failures":[{');
  return at < 0 ? undefined : `failure in a batch: ${answer.body.toString("utf8", at, at + 150)}`;
}

function count({ errors }: Tally, problem: string): void {
  errors[problem] = (errors[problem] ?? 0) + 1;
}
