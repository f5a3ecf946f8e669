import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { expireUploads } from "../../src/domain/registry/upload-expiry.ts";
import type { Disk } from "../../src/storage/blobs/disk.ts";
import { ModelDisk } from "../../src/storage/blobs/test-disk.ts";
import { type Berth, openBerth } from "./berth.ts";
import { explains } from "./explain.ts";
import { Faults, faultySync, type Tally } from "./faults.ts";
import { checkContent, checkDatabase, checkSessions, stateIn, uploadsIn } from "./inspect.ts";
import { interceptSyncs } from "./log-sync.ts";
import { canonical, type Operation, type State } from "./model.ts";
import { Loss, type Performed, perform } from "./perform.ts";
import { afterPowerCut, copyDatabase, type LogMark, logMark, tearLog } from "./power.ts";
import { createRandom } from "./random.ts";
import type { Director, Life, Wave } from "./script.ts";
import { stopTime } from "./time.ts";
import { afterPowerLoss, isOpen, judgeUploads, type Uploads } from "./uploads.ts";

/** One run: what a director says, played on a disk that is a model and a database that is a file, life after life. */

export interface Figures {
  runs: number;
  crashes: number;
  powerCuts: number;
  operations: number;
  acknowledged: number;
  checkedBlobs: number;
  /** Blobs in the store that no metadata names, as crashes leave them. Collecting them is another routine's work. */
  orphans: number;
  /** What was injected. */
  readonly faults: Tally;
  /** Uploads that had a session and not its bytes, by what was tried with them. */
  readonly stuck: Tally;
}

export function newFigures(): Figures {
  return {
    runs: 0,
    crashes: 0,
    powerCuts: 0,
    operations: 0,
    acknowledged: 0,
    checkedBlobs: 0,
    orphans: 0,
    faults: new Map(),
    stuck: new Map(),
  };
}

export function count(tally: Tally, name: string, by = 1): void {
  tally.set(name, (tally.get(name) ?? 0) + by);
}

/** A claim that nobody gave back has run out then. */
const claimMs = 31_000;
const waveMs = 1_000;
/** Uploads that nobody touched for so long are expired, when the script says so. */
const expiryMs = 4 * waveMs;
const everyPage = 1_073_741_823;
const root = "/berth/blobs";
/** In memory, where the machine has such a place: what a power cut takes is decided here, not by the file system. */
const temporary = existsSync("/dev/shm") ? "/dev/shm" : tmpdir();

/** The promise that was broken, if one was. */
export async function play(director: Director, figures: Figures): Promise<Loss | undefined> {
  const folder = mkdtempSync(join(temporary, "berth-crash-"));
  const time = stopTime();
  const run = createRun(director, folder, time, figures);
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

/**
 * What is committed can be seen by others before it is durable, and so before anybody is told that it happened. In a
 * power cut it may be lost; then nothing explains what the others saw.
 */
function withoutSight(performed: Performed): Performed {
  const { operation, outcome } = performed;
  const isSight = outcome.status === "refused" || (operation.kind === "pull" && outcome.status === "done");
  return isSight ? { ...performed, outcome: { status: "skipped" } } : performed;
}

function createRun(director: Director, folder: string, time: ReturnType<typeof stopTime>, figures: Figures) {
  const { slots } = director;
  const faults = new Faults(figures.faults);
  const random = createRandom(`${director.seed} power`);
  let model = new ModelDisk();
  let bootMs = Date.now() - claimMs;
  let [databases, lives] = [0, 0];
  let database = join(folder, "0.sqlite");
  let berth: Berth | undefined;
  let synced: LogMark | undefined;
  let state: State = {};
  let uploads: Uploads = {};
  const clock = () => new Date(Date.now());
  const soon = () => new Date(Date.now() + claimMs);

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

  async function open(): Promise<Berth> {
    const opening = await openBerth({ database, blobs: root, disk }, { faults, clock });
    // SQLite itself has synced whatever it changed until here.
    synced = logMark(database);
    return opening;
  }

  /**
   * What was in the log before the sync began survives a power cut from its end on; but what a failed sync has dropped,
   * no later one brings back, whatever it says.
   */
  async function syncLog(sync: () => Promise<void>): Promise<void> {
    const mark = logMark(database);
    await faultySync(sync, faults);
    if (!faults.isLogBroken) synced = mark;
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

  async function stop(): Promise<void> {
    // Pull times are not worth a stop that fails.
    await berth?.pullTimes.flush().catch(() => {});
    await berth?.close();
    berth = undefined;
  }

  async function die(life: Life, left: ReturnType<typeof leaveBehind>, last: readonly Performed[]): Promise<void> {
    faults.crash("between operations");
    figures.crashes++;
    await berth?.close();
    berth = undefined;
    database = left.path;
    model.freeBytes = Number.POSITIVE_INFINITY;
    judge(last, true);
    if (life.ending !== "power") return;
    figures.powerCuts++;
    model = await afterPowerCut(model, random);
    if (left.synced && left.log) tearLog(database, left.synced, left.log, random);
    uploads = afterPowerLoss(uploads);
    bootMs = Date.now();
  }

  /** Another crash, in which nothing was going on. */
  async function startAgain(): Promise<void> {
    const path = join(folder, `${++databases}.sqlite`);
    copyDatabase(database, path);
    await berth?.close();
    berth = undefined;
    database = path;
  }

  const nextWave = () => director.nextWave({ state, isOpen: (slot) => isOpen(uploads[slot]) });

  async function playWave(wave: Wave): Promise<readonly Performed[]> {
    time.pass(waveMs);
    const playing = opened();
    const before = faults.fired;
    if (wave.freeBytes !== undefined) await fill(playing, wave.freeBytes);
    const performed = await performAll(playing, wave.operations);
    // Some of what is visible now may be lost in a power cut, so nobody can say yet what is there.
    if (faults.isLogBroken) faults.crash("after a failed sync of the log");
    if (faults.hasCrashed) return performed;
    if (wave.freeBytes !== undefined) await fill(playing, undefined);
    const wereFaulty = faults.fired > before || wave.freeBytes !== undefined;
    await settle(performed, wereFaulty);
    return performed;
  }

  async function performAll(playing: Berth, operations: readonly Operation[]): Promise<Performed[]> {
    figures.operations += operations.length;
    const client = {
      slots,
      uploadId: (slot: number) => uploads[slot]?.id,
      expireBefore: new Date(Date.now() - expiryMs),
      readFile,
    };
    const settled = await Promise.allSettled(operations.map((operation) => perform(playing, client, operation)));
    return settled.map((each) => {
      if (each.status === "rejected") throw each.reason;
      if (each.value.outcome.status === "done") figures.acknowledged++;
      return each.value;
    });
  }

  /** The blob disk has so much room left, and the database none; without a size, all is well again. */
  async function fill({ engine }: Berth, freeBytes: number | undefined): Promise<void> {
    model.freeBytes = freeBytes ?? Number.POSITIVE_INFINITY;
    if (freeBytes !== undefined) count(figures.faults, "full disk for a while");
    const pages = freeBytes === undefined ? everyPage : 1;
    await sql`pragma max_page_count = ${sql.raw(String(pages))}`.execute(engine.durable);
  }

  /** Nobody is at work: what is there must be what the operations say. */
  async function settle(performed: readonly Performed[], wereFaulty: boolean): Promise<void> {
    const isOdd = ({ operation, error }: Performed) => error !== undefined && !("slot" in operation);
    const odd = performed.find(isOdd);
    if (odd && !wereFaulty) throw new Loss(`an error for no reason: ${JSON.stringify(odd)} ${odd.error?.stack}`);
    const stuck = judge(performed, wereFaulty);
    await compare(performed);
    if (wereFaulty || stuck.length > 0) time.pass(claimMs);
  }

  function judge(performed: readonly Performed[], wereFaulty: boolean): readonly string[] {
    const expireBefore = new Date(Date.now() - expiryMs);
    const judged = judgeUploads(uploads, { slots, performed, nowMs: Date.now(), expireBefore, wereFaulty });
    uploads = judged.uploads;
    for (const what of judged.stuck) count(figures.stuck, what);
    return judged.stuck;
  }

  async function compare(performed: readonly Performed[]): Promise<void> {
    const now = await stateIn(opened().engine);
    if (!explains(state, performed, now, slots)) {
      const told = performed.map(({ operation, outcome }) => `${JSON.stringify(operation)} ${JSON.stringify(outcome)}`);
      throw new Loss(
        ["no order of the operations leads to what is there", ...told, canonical(state), canonical(now)].join("\n  "),
      );
    }
    state = now;
  }

  async function recover(last: readonly Performed[], where: string): Promise<void> {
    time.pass(claimMs);
    try {
      checkDatabase(database);
      await compare(last);
      await checkAll();
      await checkSessions(opened(), uploads, soon());
    } catch (error) {
      if (error instanceof Loss) error.message = `${where}: ${error.message}`;
      throw error;
    }
  }

  async function checkAll(): Promise<void> {
    const { orphans } = await checkContent({ berth: opened(), state, root, disk, readFile, soon: soon() });
    figures.orphans += orphans;
    for (const { links } of Object.values(state)) figures.checkedBlobs += links.length;
  }

  /** Every upload can go on to its end or is gone, and what expires leaves nothing behind. */
  async function conclude(): Promise<void> {
    const last = opened();
    for (const slot of Object.keys(uploads).map(Number)) {
      await settle(await performAll(last, [{ kind: "complete", slot, how: "honest" }]), false);
    }
    time.pass(claimMs);
    await expireUploads(last, soon());
    const { sessions, staged } = await uploadsIn(last, soon());
    if (sessions.length + staged.length > 0) throw new Loss(`left after the expiry: ${[...sessions, ...staged]}`);
    await checkAll();
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
    async conclude() {
      faults.arm(undefined);
      berth ??= await open();
      await conclude();
    },
    async close() {
      faults.arm(undefined);
      await berth?.close();
    },
  };
}
