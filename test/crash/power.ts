import {
  closeSync,
  constants,
  copyFileSync,
  existsSync,
  openSync,
  readFileSync,
  readSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { openFile } from "../../src/storage/blobs/disk.ts";
import { ModelDisk } from "../../src/storage/blobs/test-disk.ts";
import type { Random } from "../support/random.ts";

/** What a power cut leaves: of the blob store's disk, and of SQLite's files. */

const { O_CREAT, O_RDWR, O_RDONLY } = constants;

/**
 * All names and lengths, or only what was synced, or any mixture: a disk writes what it likes in the order it likes, and
 * only a sync binds it.
 */
export async function diskAfterPowerCut(disk: ModelDisk, random: Random): Promise<ModelDisk> {
  const names = disk.after("names");
  const synced = disk.after("synced");
  const survivors = random.pick(["names", "synced", "mixed", "mixed"] as const);
  if (survivors !== "mixed") return survivors === "names" ? names : synced;
  const mixed = new ModelDisk();
  await mixFolder("/");
  return mixed;

  async function mixFolder(path: string): Promise<void> {
    const [inNames, inSynced] = [await namesIn(names, path), await namesIn(synced, path)];
    for (const name of new Set([...inNames, ...inSynced])) {
      const isSure = inNames.includes(name) && inSynced.includes(name);
      if (isSure || random.chance(0.5)) await mixEntry(join(path, name));
    }
    await syncFolder(mixed, path);
  }

  async function mixEntry(path: string): Promise<void> {
    const contents = [names, synced, disk].flatMap((each) => contentOf(each, path) ?? []);
    if (contents.length > 0) return writeFile(mixed, path, random.pick(contents));
    await mixed.mkdir(path);
    await mixFolder(path);
  }
}

async function namesIn(disk: ModelDisk, folder: string): Promise<string[]> {
  return disk.readdir(folder).catch(() => []);
}

/** `undefined` for a folder, and for what is not there. */
function contentOf(disk: ModelDisk, path: string): Buffer | undefined {
  try {
    return disk.content(path);
  } catch {
    return undefined;
  }
}

async function writeFile(disk: ModelDisk, path: string, content: Buffer): Promise<void> {
  const file = await openFile(disk, path, O_RDWR | O_CREAT);
  if (content.length > 0) await file.write(content, 0, content.length, 0);
  await file.sync();
}

async function syncFolder(disk: ModelDisk, path: string): Promise<void> {
  await (await openFile(disk, path, O_RDONLY)).sync();
}

/** So much of the write-ahead log is on the disk for certain: frames of one generation, which its salt names. */
export interface LogMark {
  readonly salt: string;
  readonly frames: number;
}

/**
 * Where the log ends, from the index that SQLite's connections share (SQLite documentation, "WAL-mode File Format",
 * section 2.1). What a checkpoint has moved to the database was synced on the way.
 */
export function logMark(path: string): LogMark & { readonly moved: number } {
  const header = firstBytes(`${path}-shm`, 136);
  return {
    salt: header.subarray(32, 40).toString("hex"),
    frames: header.readUInt32LE(16),
    moved: header.readUInt32LE(96),
  };
}

function firstBytes(path: string, sizeBytes: number): Buffer {
  const bytes = Buffer.alloc(sizeBytes);
  if (!existsSync(path)) return bytes;
  const file = openSync(path, "r");
  readSync(file, bytes, 0, sizeBytes, 0);
  closeSync(file);
  return bytes;
}

/** The files as a killed process leaves them. SQLite makes the index anew from the log. */
export function copyDatabase(from: string, to: string): void {
  for (const suffix of ["", "-wal"]) if (existsSync(from + suffix)) copyFileSync(from + suffix, to + suffix);
}

const logHeaderBytes = 32;
const frameHeaderBytes = 24;
const sectorBytes = 512;

/** Takes from a copy of the log what was never synced: all of it, its end, or any of its sectors. */
export function tearLog(path: string, synced: LogMark, current: ReturnType<typeof logMark>, random: Random): void {
  const log = `${path}-wal`;
  if (!existsSync(log)) return;
  const bytes = readFileSync(log);
  // Frames of an older generation are in the database, and SQLite passes them over by their salt.
  if (bytes.length < logHeaderBytes || bytes.subarray(16, 24).toString("hex") !== current.salt) return;
  const frameBytes = frameHeaderBytes + bytes.readUInt32BE(8);
  const safeFrames = Math.max(synced.salt === current.salt ? synced.frames : 0, current.moved);
  const from = logHeaderBytes + safeFrames * frameBytes;
  if (from >= bytes.length) return;
  writeFileSync(log, torn(bytes, from, random));
}

function torn(bytes: Buffer, from: number, random: Random): Buffer {
  const how = random.pick(["nothing", "cut", "cut", "sectors", "sectors", "kept"] as const);
  if (how === "kept") return bytes;
  if (how === "nothing") return bytes.subarray(0, from);
  if (how === "cut") return bytes.subarray(0, from + random.below(bytes.length - from));
  for (let at = from; at < bytes.length; at += sectorBytes) {
    if (random.chance(0.3)) bytes.fill(random.pick([0, 0xff]), at, Math.min(at + sectorBytes, bytes.length));
  }
  return bytes;
}
