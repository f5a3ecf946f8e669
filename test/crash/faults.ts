import type { Disk } from "../../src/storage/blobs/disk.ts";
import { type DiskCall, failure, tapped } from "../../src/storage/blobs/test-disk.ts";
import { count, type Tally } from "./figures.ts";

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
    count(this.tally, `crash ${where}`);
    this.#plan?.onCrash();
  }

  /** @throws Crashed when nobody is there any more to do anything */
  alive(): void {
    if (this.#hasCrashed) throw new Crashed();
  }

  /** One step: `what` says which, for the tally. */
  async around<Result>(what: string, run: () => Promise<Result>, fail = failure): Promise<Result> {
    this.alive();
    const step = ++this.steps;
    this.#at({ step, when: "before" }, what, fail);
    const result = await run();
    this.alive();
    this.#at({ step, when: "after" }, what, fail);
    return result;
  }

  #at({ step, when }: Moment, what: string, fail: (code: string) => Error): void {
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
    count(this.tally, `${fault.code} ${when} ${what}`);
    throw fail(fault.code);
  }

  /** Lets something happen that is no part of the life. */
  async without<Result>(work: () => Promise<Result>): Promise<Result> {
    const plan = this.#plan;
    this.#plan = undefined;
    try {
      return await work();
    } finally {
      this.#plan = plan;
    }
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
  const isBlob = /\/[0-9a-f]{64,128}(\.[0-9a-f-]{36}(\.sealed)?)?$/.test(path);
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
