import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import { ModelDisk } from "../../src/storage/blobs/test-disk.ts";
import { createRandom } from "../support/random.ts";
import { type Berth, openBerth, type Sabotage } from "./berth.ts";
import { Faults, faultySync } from "./faults.ts";
import { count, type Figures } from "./figures.ts";
import { checkAfterStart, type Place } from "./inspect.ts";
import { afterPowerCut, compare, emptyLedger, judge, withoutSight } from "./ledger.ts";
import { interceptSyncs } from "./log-sync.ts";
import type { Operation } from "./model.ts";
import { Loss, type Performed, perform } from "./perform.ts";
import { copyDatabase, diskAfterPowerCut, type LogMark, logMark, tearLog } from "./power.ts";
import type { Director, Life, Wave } from "./script.ts";
import { tidyUp } from "./tidy.ts";
import { stopTime, type Time } from "./time.ts";
import { isOpen } from "./uploads.ts";

/** One run: what a director says, played on a disk that is a model and a database that is a file, life after life. */

/** A claim that nobody gave back has run out then. */
const claimMs = 31_000;
/** Uploads that nobody touched for so long are expired, when the script says so. */
const expiryMs = 4_000;
/** About as many as it takes to push a small blob. */
const mostTurns = 300;
const everyPage = 1_073_741_823;
const root = "/berth/blobs";
/** In memory, where the machine has such a place: what a power cut takes is decided here, not by the file system. */
const temporary = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** The promise that was broken, if one was. */
export async function play(director: Director, figures: Figures, sabotage?: Sabotage): Promise<Loss | undefined> {
  const folder = mkdtempSync(join(temporary, "berth-crash-"));
  const time = stopTime();
  const run = createRun(director, folder, time, figures, sabotage);
  const syncs = await interceptSyncs(run.syncLog);
  try {
    for (let life = director.nextLife(); life; life = director.nextLife()) await run.live(life);
    await run.conclude();
    return undefined;
  } catch (error) {
    return error instanceof Loss ? error : new Loss(`the run itself failed: ${(error as Error).stack}`);
  } finally {
    await run.close();
    syncs.end();
    time.end();
    rmSync(folder, { recursive: true, force: true });
    figures.runs++;
  }
}

/** Some operations begin later than others, by as many turns as the rhythm says; so they meet at other moments. */
async function late(operation: Operation, rhythm: string): Promise<void> {
  const random = createRandom(`${rhythm} ${JSON.stringify(operation)}`);
  const turns = rhythm !== "" && random.chance(0.5) ? random.below(mostTurns) : 0;
  for (let turn = 0; turn < turns; turn++) await undefined;
}

function createRun(director: Director, folder: string, time: Time, figures: Figures, sabotage?: Sabotage) {
  const { slots } = director;
  const faults = new Faults(figures.faults);
  const random = createRandom(`${director.seed} power`);
  let model = new ModelDisk();
  let bootMs = Date.now() - claimMs;
  let [databases, lives] = [0, 0];
  let database = join(folder, "0.sqlite");
  let berth: Berth | undefined;
  let synced: LogMark | undefined;
  let ledger = emptyLedger;
  const clock = () => new Date(Date.now());

  const disk: Disk = {
    open: (path, flags) => model.open(path, flags),
    stat: (path) => model.stat(path),
    mkdir: (path) => model.mkdir(path),
    readdir: (path) => model.readdir(path),
    rename: (from, to) => model.rename(from, to),
    unlink: (path) => model.unlink(path),
    uptime: () => (Date.now() - bootMs) / 1000,
  };
  const readFile = async (path: string) => model.content(path);
  const place = (): Place => ({ database, root, disk, readFile, soon: new Date(Date.now() + claimMs) });

  async function open(): Promise<Berth> {
    const opening = await openBerth({ database, blobs: root, disk }, { faults, clock, sabotage });
    // SQLite itself has synced whatever it changed until here.
    synced = logMark(database);
    return opening;
  }

  /**
   * What was in the log before the sync began survives a power cut from its end on; but what a failed sync has dropped,
   * no later one brings back, whatever it says.
   */
  async function syncLog(): Promise<void> {
    const mark = logMark(database);
    // What is durable is decided here, so the real sync would only cost time; others get a turn as they would then.
    await faultySync(() => new Promise(setImmediate), faults);
    if (!faults.isLogBroken && !sabotage?.skipsLogSync) synced = mark;
  }

  async function live(life: Life): Promise<void> {
    const left = leaveBehind();
    faults.arm({ crash: life.crash, faults: life.faults, onCrash: left.copy });
    let last: readonly Performed[] = [];
    const isStarted = await starts();
    for (let wave = isStarted && nextWave(); wave; wave = nextWave()) {
      last = await playWave(wave);
      if (faults.hasCrashed) break;
      last = [];
    }
    if (life.ending === "stop" && !faults.hasCrashed) await stop();
    else await die(life, left, last);
    faults.arm(undefined);
    berth ??= await open();
    await recover(life.ending === "power" ? last.map(withoutSight) : last, `after life ${++lives}`);
    if (life.startsAgain) await startAgain();
  }

  /** The database at the moment of the crash, in files of its own: the old ones still have connections. */
  function leaveBehind() {
    const path = join(folder, `${++databases}.sqlite`);
    const left = {
      path,
      synced: undefined as LogMark | undefined,
      log: undefined as ReturnType<typeof logMark> | undefined,
      copy(): void {
        left.log = logMark(database);
        left.synced = berth ? synced : left.log;
        copyDatabase(database, path);
      },
    };
    return left;
  }

  /** A disk that fails while Berth starts is no more than a start that failed. */
  async function starts(): Promise<boolean> {
    try {
      berth ??= await open();
      return true;
    } catch (error) {
      if (!faults.hasCrashed && faults.fired === 0) throw error;
      faults.crash("in a start that failed");
      return false;
    }
  }

  async function close(): Promise<void> {
    await berth?.close();
    berth = undefined;
  }

  async function stop(): Promise<void> {
    // Pull times are not worth a stop that fails.
    await berth?.pullTimes.flush().catch(() => {});
    await close();
  }

  async function die(life: Life, left: ReturnType<typeof leaveBehind>, last: readonly Performed[]): Promise<void> {
    faults.crash("between operations");
    figures.crashes++;
    await close();
    database = left.path;
    model.freeBytes = Number.POSITIVE_INFINITY;
    judgeUploadsOf(last, true);
    if (life.ending !== "power") return;
    figures.powerCuts++;
    model = await diskAfterPowerCut(model, random);
    if (left.synced && left.log) tearLog(database, left.synced, left.log, random);
    ledger = afterPowerCut(ledger);
    bootMs = Date.now();
  }

  /** Another crash, in which nothing was going on. */
  async function startAgain(): Promise<void> {
    const path = join(folder, `${++databases}.sqlite`);
    copyDatabase(database, path);
    await close();
    database = path;
  }

  const nextWave = () => director.nextWave({ state: ledger.state, isOpen: (slot) => isOpen(ledger.uploads[slot]) });

  async function playWave({ operations, afterMs, rhythm, freeBytes }: Wave): Promise<readonly Performed[]> {
    time.pass(afterMs);
    const playing = opened();
    const before = faults.fired;
    if (freeBytes !== undefined) await fill(playing, freeBytes);
    const performed = await performAll(playing, operations, rhythm);
    // Some of what is visible now may be lost in a power cut, so nobody can say yet what is there.
    if (faults.isLogBroken) faults.crash("after a failed sync of the log");
    if (faults.hasCrashed) return performed;
    if (freeBytes !== undefined) await fill(playing, undefined);
    await settle(performed, faults.fired > before || freeBytes !== undefined);
    return performed;
  }

  async function performAll(playing: Berth, operations: readonly Operation[], rhythm = ""): Promise<Performed[]> {
    figures.operations += operations.length;
    const uploadId = (slot: number) => ledger.uploads[slot]?.id;
    const client = { slots, uploadId, expireBefore: new Date(Date.now() - expiryMs), readFile };
    const settled = await Promise.allSettled(
      operations.map(async (operation) => {
        await late(operation, rhythm);
        return perform(playing, client, operation);
      }),
    );
    return settled.map((each) => {
      if (each.status === "rejected") throw each.reason;
      if (each.value.outcome.status === "done") figures.acknowledged++;
      return each.value;
    });
  }

  /** The blob disk has so much room left, and the database none; without a size, all is well again. */
  async function fill({ engine }: Berth, freeBytes: number | undefined): Promise<void> {
    model.freeBytes = freeBytes ?? Number.POSITIVE_INFINITY;
    if (freeBytes !== undefined) count(figures.faults, "ENOSPC for a while, blobs and database");
    const pages = freeBytes === undefined ? everyPage : 1;
    await sql`pragma max_page_count = ${sql.raw(String(pages))}`.execute(engine.durable);
  }

  /** Nobody is at work: what is there must be what the operations say. */
  async function settle(performed: readonly Performed[], wereFaulty: boolean): Promise<void> {
    const stuck = judgeUploadsOf(performed, wereFaulty);
    // A commit that said that it failed can be seen, and its end in a power cut would be told of by nobody.
    if (wereFaulty) await faults.without(() => opened().engine.settle());
    ledger = await compare(opened(), ledger, performed, { slots, nowMs: Date.now() });
    if (wereFaulty || stuck > 0) time.pass(claimMs);
  }

  /** Answers how many met an upload that has lost its bytes. */
  function judgeUploadsOf(performed: readonly Performed[], wereFaulty: boolean): number {
    const [nowMs, expireBefore] = [Date.now(), new Date(Date.now() - expiryMs)];
    const judged = judge(ledger, performed, { slots, nowMs, expireBefore, wereFaulty });
    ledger = judged.ledger;
    for (const what of judged.stuck) count(figures.stuck, what);
    return judged.stuck.length;
  }

  async function recover(last: readonly Performed[], where: string): Promise<void> {
    try {
      ledger = await compare(opened(), ledger, last, { slots, nowMs: Date.now() });
      time.pass(claimMs);
      await checkAfterStart(opened(), ledger, place(), figures);
    } catch (error) {
      if (error instanceof Loss) error.message = `${where}: ${error.message}`;
      throw error;
    }
  }

  /** Every upload can go on to its end or is gone; and of all that nobody needs, nothing is left after a quiet time. */
  async function conclude(): Promise<void> {
    faults.arm(undefined);
    berth ??= await open();
    const last = berth;
    for (const slot of Object.keys(ledger.uploads).map(Number)) {
      await settle(await performAll(last, [{ kind: "complete", slot, how: "honest" }]), false);
    }
    ledger = await tidyUp(last, ledger, place, { pass: time.pass, slots, figures });
    await stop();
    berth = await open();
    await recover([], "at the end");
  }

  function opened(): Berth {
    if (!berth) throw new Error("no stores are open");
    return berth;
  }

  return {
    live,
    syncLog,
    conclude,
    async close() {
      faults.arm(undefined);
      await close();
    },
  };
}
