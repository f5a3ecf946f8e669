import { constants } from "node:fs";
import * as fs from "node:fs/promises";
import { dirname } from "node:path";

/** The system calls that the blob store is made of, so that tests can record them, fail them and crash between them. */
export interface Disk {
  open(path: string, flags: number, mode?: number): Promise<DiskFile>;
  stat(path: string): Promise<DiskStat>;
  /** The parent must exist. */
  mkdir(path: string, mode: number): Promise<unknown>;
  readdir(path: string): Promise<string[]>;
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
}

/** `read` and `write` may do less than was asked, and say how much. */
export interface DiskFile {
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
}

export const realDisk: Disk = fs;

/** For us alone: whoever can read the files needs no permission from the registry. */
const folderMode = 0o700;
const fileMode = 0o600;

export async function withFile<Result>(
  disk: Disk,
  path: string,
  flags: number,
  use: (file: DiskFile) => Promise<Result>,
): Promise<Result> {
  const file = await disk.open(path, flags, fileMode);
  try {
    return await use(file);
  } finally {
    await file.close();
  }
}

/** What was made, renamed or removed in the folder is durable then. */
export function syncFolder(disk: Disk, path: string): Promise<void> {
  return withFile(disk, path, constants.O_RDONLY, (folder) => folder.sync());
}

/** Makes a folder and those above it, durably. Answers whether it was missing. */
export async function makeFolder(disk: Disk, path: string): Promise<boolean> {
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

/** `undefined` when there is no such file. */
export async function ifExists<Result>(call: Promise<Result>): Promise<Result | undefined> {
  try {
    return await call;
  } catch (error) {
    if (codeOf(error) === "ENOENT") return undefined;
    throw error;
  }
}

/** What the system says of why a call failed, as in `ENOENT`. */
export function codeOf(error: unknown): string | undefined {
  return (error as NodeJS.ErrnoException | undefined)?.code;
}
