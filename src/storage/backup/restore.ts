import { mkdir, readdir, readFile, rename, rm } from "node:fs/promises";
import { join, sep } from "node:path";
import { Refusal } from "../../domain/errors.ts";
import type { Digest } from "../../domain/names.ts";
import { copyBlob, damageIn, SourceUnreadable } from "../../domain/registry/copy.ts";
import { createCursor } from "../../domain/registry/cursor.ts";
import { eachOf } from "../../domain/registry/each.ts";
import { isSealed } from "../../domain/registry/encryption.ts";
import { createPace } from "../../domain/registry/pace.ts";
import type { BlobRecord, BlobStore, ListedBlob, StoredBlob } from "../../domain/registry/ports.ts";
import { verify } from "../../domain/registry/verify.ts";
import { ifExists } from "../blobs/disk.ts";
import { type AllMetadata, type Engine, metadata } from "../metadata/metadata.ts";
import { loadSnapshot, occupant, takeSnapshot } from "../metadata/snapshot.ts";
import { openSqliteEngine } from "../metadata/sqlite.ts";
import {
  type BackupFolder,
  BackupUnusable,
  copySecrets,
  type MissingBlob,
  masterKeyFile,
  writeDurably,
} from "./folder.ts";
import { createUnverified, moveSealed, type Unverified } from "./sealed-copies.ts";

/**
 * Brings a snapshot back, into stores that are empty:
 *
 * 1. A copy of its metadata to work on, in the data directory. Its keys, once unwrapped, open what is sealed.
 * 2. Every blob, hashed on its way. The copy that is made here gets into the work's record of it; one that cannot be had
 *    goes into quarantine there, so that clients push it again. Sealed ones come as they are (sealed-copies.ts), and are read
 *    through their key where that can be used.
 * 3. The keys, and the work becomes the database: from here on there is a registry.
 *
 * One that was interrupted goes on where it stood when it is run again with the same snapshot.
 */
export interface Target {
  readonly databaseUrl: string;
  /** The data directory. */
  readonly data: string;
  readonly blobs: BlobStore;
  /**
   * From here on `blobs` is to use the keys that this metadata has. Left out for a store that seals nothing.
   * @throws whatever says that they cannot be used, before anything is copied
   */
  useKeysOf?(metadata: AllMetadata): Promise<void>;
}

export interface RestoreOptions {
  /** The newest one without. */
  readonly snapshot?: string;
  readonly clock: () => Date;
  progress?(phase: "blobs" | "metadata", doneBytes: number, totalBytes: number): void;
}

export interface Restored {
  readonly snapshot: string;
  readonly blobs: number;
  readonly blobBytes: number;
  /** Not by a run before that was interrupted. */
  readonly copied: number;
  readonly copiedBytes: number;
  /** Those in quarantine now. */
  readonly missing: readonly MissingBlob[];
  readonly unverified: readonly Unverified[];
}

const pageSize = 500;

/** @throws BackupUnusable, DatabaseTooNew, StorageFull */
export async function restore(folder: BackupFolder, target: Target, options: RestoreOptions): Promise<Restored> {
  const name = await chosen(folder, options.snapshot);
  const from = folder.snapshotPath(name);
  const work = join(target.data, "restoring");
  const begun = await ifExists(readFile(join(work, "snapshot"), "utf8"));
  await checkEmpty(target, begun === undefined ? undefined : { begun, name });

  const file = join(work, "work.sqlite");
  if (begun === undefined) {
    await rm(work, { recursive: true, force: true });
    await mkdir(work, { recursive: true, mode: 0o700 });
    await takeSnapshot(`sqlite:${join(from, "metadata.sqlite")}`, `${file}.new`);
    await rename(`${file}.new`, file);
    await writeDurably(join(work, "snapshot"), name);
  }
  const engine = await openSqliteEngine({ path: file });
  let restored: Omit<Restored, "snapshot">;
  try {
    await target.useKeysOf?.(metadata(engine));
    restored = await restoreBlobs(folder, target, engine, { ...options, isResumed: begun !== undefined });
    // Their bytes are not in a backup, or not any more.
    await engine.durable.deleteFrom("upload").execute();
    await engine.durable.deleteFrom("blob_removal").execute();
    // Everything is in the first store now; what was in the archive's goes there again.
    await engine.durable
      .updateTable("blob")
      .set({ in_archive: 0, misplaced_since: 0 })
      .where("in_archive", "=", 1)
      .execute();
  } finally {
    await engine.close();
  }
  options.progress?.("metadata", 0, 0);
  await copySecrets(from, target.data);
  await loadSnapshot(file, target.databaseUrl);
  await rm(work, { recursive: true });
  return { snapshot: name, ...restored };
}

async function chosen(folder: BackupFolder, wanted: string | undefined): Promise<string> {
  const names = await folder.snapshots();
  const name = wanted ?? names.at(-1);
  if (name !== undefined && names.includes(name)) return name;
  if (name === undefined) throw new BackupUnusable(`${folder.path} has no snapshot: no backup to it was completed`);
  throw new BackupUnusable(`${folder.path} has no snapshot ${name}; it has ${names.join(", ") || "none"}`);
}

/** What is there is not ours to overwrite. */
async function checkEmpty(
  { data, databaseUrl, blobs }: Target,
  resumed: { begun: string; name: string } | undefined,
): Promise<void> {
  const refuse = (what: string) => new BackupUnusable(`a backup is restored into empty places only, and ${what}`);
  const occupied = await occupant(databaseUrl);
  if (occupied !== undefined) throw refuse(occupied);
  if (resumed) {
    if (resumed.begun === resumed.name) return;
    throw refuse(
      `${data} has half of the snapshot ${resumed.begun}: restore that one with --snapshot, or empty the data directory and the blob store`,
    );
  }
  const there = [...(await namesIn(data)), ...(await namesIn(join(data, "keys"))).map((name) => join("keys", name))];
  for (const name of there) {
    // The master key is in no backup, and has to be there before what it wraps.
    const isSecret = name === "credentials" || (name.startsWith(`keys${sep}`) && name !== masterKey);
    if (isSecret) throw refuse(`there is ${join(data, name)}`);
  }
  for await (const { digest } of blobs.list()) throw refuse(`the blob store has ${digest}`);
}

const masterKey = join("keys", masterKeyFile);

async function namesIn(path: string): Promise<string[]> {
  return (await ifExists(readdir(path))) ?? [];
}

async function restoreBlobs(
  { blobs: backup }: BackupFolder,
  { blobs }: Target,
  engine: Engine,
  { clock, progress, isResumed }: RestoreOptions & { isResumed: boolean },
): Promise<Omit<Restored, "snapshot">> {
  const { read } = metadata(engine);
  const totals = await read.inspection.totals();
  const pace = createPace(0);
  const missing: MissingBlob[] = [];
  const unverified = createUnverified();
  let [copied, copiedBytes, doneBytes] = [0, 0, 0];
  await eachOf(pairs(), async ({ record, copies }) => {
    await bring(record, copies);
    doneBytes += record.sizeBytes;
    progress?.("blobs", doneBytes, totals.blobBytes);
  });
  const { blobs: all, blobBytes } = totals;
  return { blobs: all, blobBytes, copied, copiedBytes, missing, unverified: unverified.list() };

  async function* pairs(): AsyncIterable<{ record: BlobRecord; copies: ListedBlob[] }> {
    const cursor = createCursor(backup.list());
    let [digest, copies]: [Digest | undefined, ListedBlob[]] = [undefined, []];
    for (let last: BlobRecord | undefined; ; ) {
      const page: BlobRecord[] = await read.blobs.list({ after: last, limit: pageSize });
      for (const record of page) {
        if (record.digest !== digest) copies = await cursor.takeAt(record.digest);
        digest = record.digest;
        yield { record, copies };
      }
      last = page.at(-1);
      if (!last) return;
    }
  }

  async function bring(record: BlobRecord, copies: readonly ListedBlob[]): Promise<void> {
    const { digest, sizeBytes } = record;
    if (isResumed && (await isHere(record))) return;
    let because = "the backup does not have it";
    for (const copy of copies) {
      // A sealed one is under the key of the record that names it, and of no other.
      if (isSealed(copy.generation) && copy.generation !== record.generation) continue;
      try {
        const made = isSealed(copy.generation)
          ? await take(copy, record)
          : await copyBlob(copy, record.scope, backup, blobs, pace);
        await note({ generation: made.generation, size_bytes: made.sizeBytes, quarantined_at: null });
        copied++;
        copiedBytes += made.sizeBytes;
        return;
      } catch (error) {
        const damage = damageIn(error);
        const isLocked = error instanceof Refusal && error.is("KeyUnusable");
        if (damage === undefined && !isLocked) throw error;
        because =
          damage === undefined
            ? `the backup has it in plain text only, and it cannot be sealed: ${(error as Error).message}`
            : `the backup's copy is damaged: ${damage}`;
      }
    }
    missing.push({ digest, sizeBytes, because });
    await note({ quarantined_at: clock().getTime() });

    async function note(change: {
      generation?: BlobRecord["generation"];
      size_bytes?: number;
      quarantined_at: number | null;
    }) {
      await engine.relaxed
        .updateTable("blob")
        .set(change)
        .where("digest", "=", digest)
        .where("key_scope", "=", record.scope)
        .execute();
    }
  }

  /** A run before that was interrupted has been here. It may have ended before it had looked into a sealed copy. */
  async function isHere(record: BlobRecord): Promise<boolean> {
    if (record.quarantinedAt || (await blobs.stat(record))?.sizeBytes !== record.sizeBytes) return false;
    return !isSealed(record.generation) || (await damageOf(record)) === undefined;
  }

  /** @throws SourceUnreadable when it is damaged, and then it is gone again */
  async function take(copy: ListedBlob, record: BlobRecord): Promise<StoredBlob> {
    const made = await moveSealed(copy, backup, blobs, pace);
    const damage = made.sizeBytes === record.sizeBytes ? await damageOf(record) : `it has ${made.sizeBytes} bytes`;
    if (damage === undefined) return made;
    await blobs.remove(made);
    throw new SourceUnreadable(damage);
  }

  /** What is wrong with a sealed copy, as far as anybody can tell. */
  async function damageOf(record: BlobRecord): Promise<string | undefined> {
    const seen = await verify(blobs, record);
    if (seen.kind === "corrupt" || seen.kind === "unreadable") return seen.why;
    if (seen.kind === "locked") unverified.add(record.scope, seen.why);
    return undefined;
  }
}
