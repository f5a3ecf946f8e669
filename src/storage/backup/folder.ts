import { Database } from "bun:sqlite";
import { constants } from "node:fs";
import { chmod, copyFile, mkdir, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Digest } from "../../domain/names.ts";
import type { BlobStore } from "../../domain/registry/ports.ts";
import { closing, createFolders, ifExists, openFile, realDisk, syncFolder } from "../blobs/disk.ts";
import { openFilesystemBlobs } from "../blobs/filesystem.ts";

/**
 * What a backup looks like:
 *
 *     berth-backup            says that this is one, and of which form
 *     lock                    held by whoever uses the folder; the system frees it when a process ends
 *     blobs/                  a blob store: every content once, whichever snapshots name it
 *     snapshots/<name>/       metadata.sqlite, keys/, credentials, and snapshot.json, which says what there is
 *     snapshots/.new          one that is being made
 */
export interface BackupFolder {
  readonly path: string;
  readonly blobs: BlobStore;
  /** Names of the complete ones, oldest first. */
  snapshots(): Promise<string[]>;
  /** Where the parts of a snapshot are. */
  snapshotPath(name: string): string;
  facts(name: string): Promise<SnapshotFacts>;
  /** An empty folder for a new snapshot. What an interrupted backup left there is gone. */
  draft(): Promise<string>;
  /** The draft becomes a snapshot, at once and durably. */
  publish(name: string, facts: SnapshotFacts): Promise<void>;
  removeSnapshot(name: string): Promise<void>;
  close(): Promise<void>;
}

export interface SnapshotFacts {
  readonly takenAt: string;
  /** Of Berth. */
  readonly version: string;
  readonly blobs: number;
  readonly blobBytes: number;
  /** Blobs that the snapshot names and the backup does not have. */
  readonly missing: readonly MissingBlob[];
}

export interface MissingBlob {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly because: string;
}

/** The folder, or what is in it, cannot be used. The message is for people. */
export class BackupUnusable extends Error {
  override readonly name = "BackupUnusable";
}

const form = "berth backup 1\n";
const snapshotName = /^\d{4}-\d\d-\d\dT\d\d-\d\d-\d\d-\d{3}Z$/;

/** Names sort as times do, and are file names everywhere. */
export function nameOfSnapshot(at: Date): string {
  return at.toISOString().replace(/[:.]/g, "-");
}

/**
 * Opens the folder for this process alone.
 * @param options.make make one where there is none
 * @throws BackupUnusable
 */
export async function openBackupFolder(
  given: string,
  { make = false }: { make?: boolean } = {},
): Promise<BackupFolder> {
  const path = resolve(given);
  const snapshots = join(path, "snapshots");
  const draftPath = join(snapshots, ".new");
  await checkForm(path, make);
  const lock = lockIn(path);
  const folders = createFolders(realDisk, path);
  let blobs: BlobStore;
  try {
    await folders.ensure(snapshots);
    blobs = await openFilesystemBlobs({ root: join(path, "blobs") });
  } catch (error) {
    lock.close();
    throw error;
  }

  return {
    path,
    blobs,
    async snapshots() {
      return (await readdir(snapshots)).filter((name) => snapshotName.test(name)).sort();
    },
    snapshotPath: (name) => join(snapshots, name),
    async facts(name) {
      return JSON.parse(await readFile(join(snapshots, name, "snapshot.json"), "utf8")) as SnapshotFacts;
    },
    async draft() {
      await rm(draftPath, { recursive: true, force: true });
      await mkdir(draftPath, { mode: 0o700 });
      return draftPath;
    },
    async publish(name, facts) {
      await writeDurably(join(draftPath, "snapshot.json"), `${JSON.stringify(facts, null, 2)}\n`);
      await syncFolder(realDisk, draftPath);
      await rename(draftPath, join(snapshots, name));
      await syncFolder(realDisk, snapshots);
    },
    async removeSnapshot(name) {
      // Never half a snapshot under its name.
      const going = join(snapshots, `.old-${name}`);
      await rename(join(snapshots, name), going);
      await rm(going, { recursive: true });
      await syncFolder(realDisk, snapshots);
    },
    async close() {
      await blobs.close();
      lock.close();
    },
  };
}

async function checkForm(path: string, make: boolean): Promise<void> {
  const file = join(path, "berth-backup");
  const found = await ifExists(readFile(file, "utf8"));
  if (found === form) return;
  if (found !== undefined) throw new BackupUnusable(`${path} is a backup of another form, of a newer Berth perhaps`);
  if (!make) throw new BackupUnusable(`${path} is no backup: it has no file berth-backup`);
  const names = (await ifExists(readdir(path))) ?? [];
  if (names.length > 0) throw new BackupUnusable(`${path} is neither empty nor a backup; choose another folder`);
  await createFolders(realDisk, path).ensure(path);
  await writeDurably(file, form);
  await syncFolder(realDisk, path);
}

/** SQLite locks a file as the system does, so the lock ends with its process, however that ends. */
function lockIn(path: string): Database {
  const lock = new Database(join(path, "lock"), { create: true, readwrite: true });
  try {
    lock.run("pragma busy_timeout = 0");
    lock.run("begin exclusive");
    return lock;
  } catch (cause) {
    lock.close();
    throw new BackupUnusable(`${path} is in use by another backup or restore`, { cause });
  }
}

/** In `keys`; storage/master-key.ts makes it. */
export const masterKeyFile = "master-key";

/** For us alone. */
export async function writeDurably(path: string, content: string): Promise<void> {
  await writeFile(path, content, { mode: 0o600 });
  await syncFile(path);
}

/** Of a data directory. */
const secrets = ["credentials", join("keys", "sealing.key")];

/**
 * For us alone. Those that are not there are passed over. The master key is not among them, nor a copy that somebody laid
 * beside it: together with what it protects it would protect nothing.
 */
export async function copySecrets(from: string, to: string): Promise<void> {
  const folders = createFolders(realDisk, to);
  await folders.ensure(join(to, "keys"));
  for (const name of secrets) {
    const isThere = await ifExists(copyFile(join(from, name), join(to, name)).then(() => true));
    if (!isThere) continue;
    await chmod(join(to, name), 0o600);
    await syncFile(join(to, name));
  }
  await syncFolder(realDisk, join(to, "keys"));
  await syncFolder(realDisk, to);
}

async function syncFile(path: string): Promise<void> {
  await closing(await openFile(realDisk, path, constants.O_RDWR), (file) => file.sync());
}
