import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { uptime } from "node:os";
import { dirname } from "node:path";

/** The system calls that the blob store is made of, so that tests can record them, fail them and crash between them. */
export interface Disk {
  open(path: string, flags: number, mode?: number): Promise<DiskFile>;
  /** Of the name itself: a link is not followed. */
  stat(path: string): Promise<DiskStat>;
  /** The parent must exist. */
  mkdir(path: string, mode: number): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  /** Seconds since the machine started: what was written before that and not synced may be lost. */
  uptime(): number;
}

/** `read` and `write` may do less than was asked, and say how much. */
export interface DiskFile {
  /** The system's number of the open file. Left out where it has none: it is read by `read` alone then. */
  readonly fd?: number;
  read(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesRead: number }>;
  write(buffer: Uint8Array, offset: number, length: number, position: number): Promise<{ bytesWritten: number }>;
  truncate(sizeBytes: number): Promise<void>;
  stat(): Promise<DiskStat>;
  sync(): Promise<void>;
  datasync(): Promise<void>;
  close(): Promise<void>;
}

export interface DiskStat {
  readonly size: number;
  readonly mtimeMs: number;
  /** When name, length or bytes last changed; a rename counts. */
  readonly ctimeMs: number;
  isFile(): boolean;
}

export const realDisk: Disk = { ...fs, stat: fs.lstat, uptime };

/** For us alone: whoever can read the files needs no permission from the registry. */
const folderMode = 0o700;
const fileMode = 0o600;

/** None of our files is a link, so whatever a link leads to is not ours. */
export function openFile(disk: Disk, path: string, flags: number): Promise<DiskFile> {
  return disk.open(path, flags | constants.O_NOFOLLOW, fileMode);
}

type Closable = Pick<DiskFile, "close">;

export async function closing<File extends Closable, Result>(
  file: File,
  use: (file: File) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** For a file that is kept open: it is closed only when it cannot be used. */
export async function keeping<File extends Closable, Result>(
  file: File,
  use: (file: File) => Promise<Result>,
): Promise<Result> {
  try {
    return await use(file);
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** What was made, renamed or removed in the folder is durable then. */
export async function syncFolder(disk: Disk, path: string): Promise<void> {
  await closing(await disk.open(path, constants.O_RDONLY), (folder) => folder.sync());
}

/** Makes folders in `root`, and `root`, so that they are there to stay. It remembers: only the first time costs. */
export function createFolders(disk: Disk, root: string): { ensure(path: string): Promise<void> } {
  const known = new Map<string, Promise<void>>();
  async function make(path: string): Promise<void> {
    if (path !== root) await ensure(dirname(path));
    const made = await makeFolder(disk, path);
    // Whoever made a folder may not have synced its name: another process just now, or one that was killed.
    if (path === root) await syncAbove(disk, root);
    else if (!made) await syncFolder(disk, dirname(path));
  }
  function ensure(path: string): Promise<void> {
    const before = known.get(path);
    if (before) return before;
    const made = make(path);
    known.set(path, made);
    made.catch(() => known.delete(path));
    return made;
  }
  return { ensure };
}

/** Every folder above `root`: an earlier process may have made any of them. */
async function syncAbove(disk: Disk, root: string): Promise<void> {
  for (let path = dirname(root); ; path = dirname(path)) {
    // The administrator's folders need not be readable for us, nor lie on a file system that can sync folders.
    await syncFolder(disk, path).catch((error) => {
      if (!foldersOfOthers.has(codeOf(error) ?? "")) throw error;
    });
    if (path === dirname(path)) return;
  }
}

const foldersOfOthers = new Set(["EACCES", "EPERM", "EROFS", "EINVAL", "ENOTSUP"]);

/** With those above it, durably. Answers whether it was missing. */
async function makeFolder(disk: Disk, path: string): Promise<boolean> {
  try {
    await disk.mkdir(path, folderMode);
  } catch (error) {
    if (codeOf(error) === "EEXIST") return false;
    if (codeOf(error) !== "ENOENT") throw error;
    await makeFolder(disk, dirname(path));
    return makeFolder(disk, path);
  }
  await syncFolder(disk, dirname(path));
  return true;
}

/** What is no file under its name, such as a link to one, is none of ours. */
export async function fileStat(disk: Disk, path: string): Promise<DiskStat | undefined> {
  const found = await ifExists(disk.stat(path));
  return found?.isFile() ? found : undefined;
}

/** `undefined` when there is no such file, or a link in its place. */
export async function ifExists<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call;
  } catch (error) {
    if (["ENOENT", "ELOOP"].includes(codeOf(error) ?? "")) return undefined;
    throw error;
  }
}

/** What the system says of why a call failed, as in `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
