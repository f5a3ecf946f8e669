import { loadConfig } from "../config.ts";
import { type Care, careFor, careForAll } from "../domain/jobs/dead-letters.ts";
import { type Job, type JobId, type JobState, jobStates } from "../domain/jobs/ports.ts";
import type { Stores } from "../opening.ts";
import { CommandFailed } from "./failure.ts";
import { createProgress } from "./progress.ts";
import { withStores } from "./stores.ts";
import { printTable } from "./table.ts";
import { count, printable } from "./text.ts";

/** `berth jobs …`: the queue of background jobs, for its operator. */

interface Options {
  readonly config?: string;
  readonly data?: string;
  readonly json?: boolean;
}

interface ListOptions extends Options {
  readonly kind?: string;
  readonly state?: string;
  readonly limit: string;
}

interface CareOptions extends Options {
  readonly kind?: string;
  readonly all?: boolean;
}

const mostListed = 10_000;
const listedAtOnce = 500;

export async function listJobs({ kind, state, limit, json, ...options }: ListOptions): Promise<void> {
  const states: readonly JobState[] = state === undefined ? ["running", "waiting"] : [stateOf(state)];
  const most = limitOf(limit);
  await inStores(options, async ({ metadata }) => {
    const { jobs: queue } = metadata.read;
    const counts = (await queue.counts()).filter((each) => kind === undefined || each.kind === kind);
    const listed: Job[] = [];
    for (const one of states) listed.push(...(await jobsOf(queue, { state: one, kind }, most - listed.length)));
    if (json) return console.log(JSON.stringify({ counts, jobs: listed.map(shownInJson) }));
    const rows = listed.map(({ id, kind, state, attempts, maxAttempts, runAt, worker, key = "" }) => {
      const when = state === "running" ? `by ${worker ?? ""}` : runAt.toISOString();
      return [String(id), kind, state, `${attempts}/${maxAttempts}`, when, key];
    });
    printTable(["id", "kind", "state", "attempts", "when", "key"], rows);
    const total = counts.filter(({ state }) => states.includes(state)).reduce((sum, { jobs }) => sum + jobs, 0);
    if (total > listed.length) console.log(`and ${(total - listed.length).toLocaleString("en")} more: see --limit`);
    if (rows.length > 0) console.log();
    for (const { kind, state, jobs } of counts) console.log(`${kind}  ${state}  ${jobs.toLocaleString("en")}`);
    if (counts.length === 0) console.log("there are no jobs");
  });
}

export async function listDead({ kind, limit, json, ...options }: Omit<ListOptions, "state">): Promise<void> {
  const most = limitOf(limit);
  await inStores(options, async ({ metadata }) => {
    const dead = await jobsOf(metadata.read.jobs, { state: "dead", kind }, most);
    if (json) return console.log(JSON.stringify(dead.map(shownInJson)));
    for (const { id, kind, key, attempts, runAt, error = "" } of dead) {
      const named = key === undefined || key === "" ? kind : `${kind} ${key}`;
      console.log(printable(`${id}  ${runAt.toISOString()}  ${named}  ${count(attempts, "attempt")}`));
      console.log(printable(`    ${error}`));
    }
    if (dead.length === 0) console.log("no job is dead");
    else if (dead.length === most) console.log("there may be more: see --limit");
  });
}

export async function listSchedules({ limit, json, ...options }: Options & { readonly limit: string }): Promise<void> {
  const most = limitOf(limit);
  await inStores(options, async ({ metadata }) => {
    const schedules = await metadata.read.schedules.list({ limit: most });
    if (json) {
      const shown = schedules.map(({ payload, setAt: _, ...schedule }) => ({
        ...schedule,
        payload: JSON.parse(payload),
      }));
      return console.log(JSON.stringify(shown));
    }
    const rows = schedules.map(({ kind, key, everyMs, lastAt, nextAt }) => {
      return [kind, key, interval(everyMs), lastAt?.toISOString() ?? "never", nextAt.toISOString()];
    });
    printTable(["kind", "key", "every", "last", "next"], rows);
    if (schedules.length === most) console.log("there may be more: see --limit");
  });
}

export function retryJobs(ids: readonly string[], options: CareOptions): Promise<void> {
  return care("retry", ids, options);
}

export function discardJobs(ids: readonly string[], options: CareOptions): Promise<void> {
  return care("discard", ids, options);
}

async function care(what: Care, given: readonly string[], options: CareOptions): Promise<void> {
  const { all, kind, json } = options;
  if (all ? given.length > 0 : given.length === 0) {
    throw new CommandFailed(`say which jobs to ${what}: their numbers, or --all`);
  }
  if (kind !== undefined && !all) throw new CommandFailed("--kind goes with --all");
  const ids = given.map(idOf);
  await inStores(options, async ({ metadata }) => {
    const now = new Date();
    let done: number;
    let not: readonly JobId[] = [];
    if (all) {
      const total = await deadOf(metadata.read.jobs, kind);
      const progress = createProgress(json ? { write() {} } : process.stderr);
      const show = (done: number) => progress.show(`${what} jobs`, done, total);
      done = await careForAll(metadata, what, { kind, now, progress: show }).finally(() => progress.clear());
    } else {
      const found = await careFor(metadata, what, ids, now);
      done = found.done.length;
      not = found.not;
    }
    if (json) console.log(JSON.stringify({ done, not }));
    else {
      console.log(`${what === "retry" ? "retried" : "discarded"} ${count(done, "job")}`);
      for (const id of not)
        console.error(`berth: ${id} is ${what === "retry" ? "not dead" : "neither dead nor waiting"}`);
    }
    if (not.length > 0) process.exitCode = 1;
  });
}

type Queue = Stores["metadata"]["read"]["jobs"];

async function deadOf(jobs: Queue, kind: string | undefined): Promise<number> {
  const dead = (await jobs.counts()).filter(
    (each) => each.state === "dead" && (kind === undefined || each.kind === kind),
  );
  return dead.reduce((sum, { jobs }) => sum + jobs, 0);
}

async function jobsOf(jobs: Queue, filter: { state: JobState; kind?: string }, most: number): Promise<Job[]> {
  const found: Job[] = [];
  while (found.length < most) {
    const limit = Math.min(listedAtOnce, most - found.length);
    const page = await jobs.list(filter, { after: found.at(-1), limit });
    found.push(...page);
    if (page.length < limit) break;
  }
  return found;
}

function inStores(options: Options, work: (stores: Stores) => Promise<void>): Promise<void> {
  return withStores(loadConfig({ file: options.config, data: options.data }), work);
}

/** Documented in docs/operations.md. */
function shownInJson({ payload, progress, ...job }: Job) {
  return {
    ...job,
    payload: JSON.parse(payload),
    ...(progress === undefined ? {} : { progress: JSON.parse(progress) }),
  };
}

function interval(ms: number): string {
  const units = [
    ["d", 86_400_000],
    ["h", 3_600_000],
    ["m", 60_000],
  ] as const;
  for (const [unit, size] of units) if (ms % size === 0) return `${ms / size}${unit}`;
  return `${ms / 1000}s`;
}

function stateOf(text: string): JobState {
  const state = jobStates.find((one) => one === text);
  if (!state) throw new CommandFailed(`--state: given "${text}"; allowed: ${jobStates.join(", ")}`);
  return state;
}

function limitOf(text: string): number {
  const limit = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (limit < 1 || limit > mostListed) {
    throw new CommandFailed(`--limit: given "${text}"; allowed: a whole number from 1 to ${mostListed}`);
  }
  return limit;
}

function idOf(text: string): JobId {
  if (!/^[1-9]\d{0,14}$/.test(text)) throw new CommandFailed(`given "${text}"; allowed: the number of a job`);
  return Number(text) as JobId;
}
