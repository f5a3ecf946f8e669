import { Database } from "bun:sqlite";
import type { Metadata, Nouns } from "../../src/domain/registry/ports.ts";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import { type DiskCall, failure, tapped } from "../../src/storage/blobs/test-disk.ts";

/** A place in a life: the steps are counted over the blob store's disk and the database together. */
export interface Moment {
  readonly step: number;
  readonly when: "before" | "after";
}

/** One call that fails, and then everything goes on. After the call means that it did its work and said that it failed. */
export interface Fault extends Moment {
  readonly code: "ENOSPC" | "EIO";
}

/** The process or the machine is gone, so nothing gets an answer. */
export class Crashed extends Error {
  override readonly name = "Crashed";
}

/** Calls that change what survives, or that a broken disk refuses. */
const stepped = new Set<string>(["open", "read", "write", "truncate", "sync", "datasync", "rename", "unlink", "mkdir"]);

export interface Plan {
  readonly crash: Moment;
  readonly faults: readonly Fault[];
  /** Called in the very moment of the crash, before anything else can happen. */
  onCrash(): void;
}

/** How often something was injected, by what and where: `EIO before rename`. */
export type Tally = Map<string, number>;

/** Decides at each step what goes wrong. */
export class Faults {
  readonly tally: Tally;
  /** What was injected since somebody last set it to 0. */
  fired = 0;
  steps = 0;
  /** Nothing can be made durable any more, until the next start. */
  isLogBroken = false;
  #plan: Plan | undefined;
  #hasCrashed = false;

  constructor(tally: Tally) {
    this.tally = tally;
  }

  get hasCrashed(): boolean {
    return this.#hasCrashed;
  }

  /** A new life. Without a plan nothing goes wrong in it. */
  arm(plan: Plan | undefined): void {
    this.#plan = plan;
    this.#hasCrashed = false;
    this.isLogBroken = false;
    this.steps = 0;
    this.fired = 0;
  }

  /** The end of a life that has met no crash. */
  crash(where: string): void {
    if (this.#hasCrashed) return;
    this.#hasCrashed = true;
    this.#count(`crash ${where}`);
    this.#plan?.onCrash();
  }

  /** @throws Crashed when nobody is there any more to do anything */
  alive(): void {
    if (this.#hasCrashed) throw new Crashed();
  }

  async around<Result>(what: string, run: () => Promise<Result>, full = failure): Promise<Result> {
    const step = this.begin();
    this.at({ step, when: "before" }, what, full);
    const result = await run();
    this.alive();
    this.at({ step, when: "after" }, what, full);
    return result;
  }

  /** For a step whose two sides lie apart. */
  begin(): number {
    this.alive();
    return ++this.steps;
  }

  at({ step, when }: Moment, what: string, fail: (code: string) => Error): void {
    const plan = this.#plan;
    if (!plan) return;
    const isHere = (moment: Moment) => moment.step === step && moment.when === when;
    if (isHere(plan.crash)) {
      this.crash(`${when} ${what}`);
      throw new Crashed();
    }
    const fault = plan.faults.find(isHere);
    if (!fault) return;
    this.fired++;
    this.#count(`${fault.code} ${when} ${what}`);
    throw fail(fault.code);
  }

  #count(name: string): void {
    this.tally.set(name, (this.tally.get(name) ?? 0) + 1);
  }
}

export function faultyDisk(disk: Disk, faults: Faults): Disk {
  return tapped(disk, (call, run) => {
    if (stepped.has(call.verb)) return faults.around(stepName(call), run);
    faults.alive();
    return run();
  });
}

/** Which file it is matters more than its name. */
function stepName({ verb, path }: DiskCall): string {
  const isStaged = path.includes("/staging/");
  const isBlob = /\/[0-9a-f]{64,128}$/.test(path);
  return `${verb} ${isStaged ? "staged file" : isBlob ? "blob" : "folder"}`;
}

/** The sync that makes commits durable. Berth itself must see to it that none succeeds after one that failed. */
export async function faultySync(sync: () => Promise<void>, faults: Faults): Promise<void> {
  const before = faults.fired;
  try {
    await faults.around("sync of the log", sync);
  } catch (error) {
    if (faults.fired > before) faults.isLogBroken = true;
    throw error;
  }
}

export function faultyMetadata(metadata: Metadata, faults: Faults): Metadata {
  async function transact<Result>(...[work, options]: Parameters<typeof metadata.transact<Result>>): Promise<Result> {
    faults.alive();
    const durable = options?.durable ?? true;
    const what = durable ? "durable commit" : "relaxed commit";
    let step = 0;
    const result = await metadata.transact(async (nouns) => {
      faults.alive();
      const done = await work(tappedNouns(nouns, (verb) => faults.around(verb.name, verb.run, databaseFailure)));
      step = faults.begin();
      faults.at({ step, when: "before" }, what, databaseFailure);
      return done;
    }, options);
    faults.alive();
    faults.at({ step, when: "after" }, what, databaseFailure);
    return result;
  }
  const read = tappedNouns(metadata.read, async ({ run }) => {
    faults.alive();
    const answer = await run();
    faults.alive();
    return answer;
  });
  return { ...metadata, read, transact };
}

interface Verb {
  readonly name: string;
  run(): Promise<unknown>;
}

function tappedNouns(nouns: Nouns, tap: (verb: Verb) => Promise<unknown>): Nouns {
  const tappedNoun = (noun: object) =>
    Object.fromEntries(
      Object.entries(noun).map(([name, verb]: [string, (...parameters: unknown[]) => Promise<unknown>]) => [
        name,
        (...parameters: unknown[]) => tap({ name: "statement", run: () => verb(...parameters) }),
      ]),
    );
  return Object.fromEntries(Object.entries(nouns).map(([name, noun]) => [name, tappedNoun(noun)])) as unknown as Nouns;
}

/** SQLite's own error where Berth looks at it; nobody looks at the others. */
function databaseFailure(code: string): Error {
  if (code === "ENOSPC") return sqliteIsFull();
  return Object.assign(new Error("disk I/O error"), { code: "SQLITE_IOERR" });
}

let full: Error | undefined;

/** Only SQLite can make one. */
function sqliteIsFull(): Error {
  if (full) return full;
  const database = new Database(":memory:");
  try {
    database.run("create table filler (bytes blob)");
    database.run("pragma max_page_count = 4");
    database.run("insert into filler values (zeroblob(100000))");
  } catch (error) {
    full = error as Error;
    return full;
  } finally {
    database.close();
  }
  throw new Error("the database should have been full");
}
