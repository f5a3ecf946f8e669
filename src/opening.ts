import { existsSync } from "node:fs";
import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import type { Config } from "./config.ts";
import { createKeysAtRest } from "./domain/blob-keys.ts";
import { KeeperFailed, kindOf, proveKeeper } from "./domain/keys/keepers.ts";
import type { Keyring } from "./domain/keys/keyring.ts";
import type { KeyWrapper } from "./domain/keys/ports.ts";
import { serverKeyId, serverRegistry } from "./domain/keys/server-key.ts";
import { MasterKeyMissing } from "./domain/keys/wrapping.ts";
import type { BlobKeys, BlobStore, Tiers } from "./domain/registry/ports.ts";
import { openKeepers } from "./keepers.ts";
import { CannotListen } from "./server/listener.ts";
import type { Log } from "./server/log.ts";
import { TlsUnusable } from "./server/tls.ts";
import { BackupUnusable } from "./storage/backup/folder.ts";
import { openFilesystemBlobs } from "./storage/blobs/filesystem.ts";
import { twoTiers } from "./storage/blobs/two-tiers.ts";
import { isExposed, KeyFileUnusable, openRootKey, type RootKeyPair } from "./storage/keys.ts";
import { type MasterKeySource, ownMasterKeyFile } from "./storage/master-key.ts";
import { type AllMetadata, DatabaseTooNew, openMetadata } from "./storage/metadata/index.ts";
import { WorkerFailed } from "./workers/workers.ts";

/**
 * What is opened from a configuration, for the server (app.ts) and for the commands that work beside it (upkeep.ts), and
 * why it cannot be, in words for an operator.
 */

/** Berth cannot start, for a reason that its operator can do something about. The message is one line for them. */
export class CannotStart extends Error {
  override readonly name = "CannotStart";
}

export interface RootKeyInUse extends RootKeyPair {
  /** The file that holds it; absent when the configuration does. */
  readonly file?: string;
  /** Whether this start made it. */
  readonly made: boolean;
}

export interface Stores {
  readonly metadata: AllMetadata;
  readonly blobs: BlobStore;
  /** The two that `blobs` is made of, where archived images have a store of their own. */
  readonly tiers?: Tiers;
  readonly keyWrapper: KeyWrapper;
  /** The one that `blobs` ask: what it knows is known once in a process. */
  readonly keyring: Keyring;
}

/**
 * What keeps everything, for the server and for the commands that work beside it.
 * @param options.mustExist do not make a database where there is none
 * @param options.prove as of `openKeyWrapper`
 * @throws CannotStart
 */
export async function openStores(
  config: Config,
  { mustExist = false, prove = false }: { mustExist?: boolean; prove?: boolean } = {},
): Promise<Stores & AsyncDisposable> {
  const file = sqliteFile(config);
  if (mustExist && file !== undefined && !existsSync(file)) {
    throw new CannotStart(`there is no database ${file}; set BERTH_DATA to the directory of the registry`);
  }
  const opened = new AsyncDisposableStack();
  try {
    const metadata = opened.adopt(await openDatabase(config), (database) => database.close());
    const open = () => openKeyWrapper(config, metadata, { prove });
    // A command that touches no key needs no master key, and makes none.
    const wrapper = mustExist ? whenNeeded(open) : await open();
    const clock = () => new Date();
    const { keyring, blobKeys } = createKeysAtRest({ metadata, wrapper, clock, ...config.encryption });
    if (!mustExist) await checkServerKey(keyring);
    if (!config.archive && (await metadata.read.blobPlaces.hasArchived())) {
      throw new CannotStart("blobs of archived images are in a store of their own: set BERTH_ARCHIVE_BLOBS_URL to it");
    }
    const { blobs, tiers } = await openTiers(config, blobKeys);
    opened.defer(() => blobs.close());
    return { metadata, blobs, tiers, keyWrapper: wrapper, keyring, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

export async function makeDataDirectory(path: string): Promise<void> {
  try {
    await mkdir(path, { recursive: true, mode: 0o700 });
    await access(path, constants.W_OK | constants.X_OK);
  } catch (cause) {
    const reasons: Record<string, string> = {
      EACCES: "it is not writable for this user",
      EPERM: "it is not writable for this user",
      EROFS: "its file system is read-only",
      ENOTDIR: "a part of its path is a file",
      EEXIST: "it is a file",
      ENOSPC: "its disk is full",
    };
    const { code = "unknown" } = cause as NodeJS.ErrnoException;
    throw new CannotStart(
      `the data directory ${path} cannot be used: ${reasons[code] ?? code}. Set BERTH_DATA to a directory that can be written`,
      { cause },
    );
  }
}

export function sealingKeyFile(config: Config): string {
  return join(config.data, "keys", "sealing.key");
}

export function masterKeySource({ kms, credentialsDirectory, data }: Config): MasterKeySource {
  const credential = credentialsDirectory && join(credentialsDirectory, "berth-master-key");
  return {
    given: kms.masterKey,
    credential: credential && existsSync(credential) ? credential : undefined,
    file: join(data, "keys", "master-key"),
  };
}

/**
 * A new master key beside keys that another one has wrapped would hide that theirs is lost.
 * @param options.prove whether a keeper elsewhere shows first that it does what it is asked for
 */
export async function openKeyWrapper(
  config: Config,
  { read }: Pick<AllMetadata, "read">,
  { prove = false }: { prove?: boolean } = {},
): Promise<KeyWrapper> {
  const source = masterKeySource(config);
  const file = ownMasterKeyFile(source);
  const wasThere = file === undefined || existsSync(file);
  const materials = await read.keys.allMaterials({ limit: materialsLookedAt });
  const needed = new Set(materials.flatMap(({ wrapped }) => kindOf(wrapped) ?? []));
  // Another process may have made the first master key and the first key meanwhile.
  if (!wasThere && needed.has("local") && !existsSync(file)) {
    throw new CannotStart(
      `there is no master key ${file}, and the database has encryption keys that it wraps. Put it back from where you keep it, or set BERTH_KMS_MASTER_KEY; docs/kms.md says what can be done when it is lost`,
    );
  }
  const wrapper = await openKeepers(config.kms, source, needed);
  if (prove && config.kms.keeper !== "local") await proveKeeper(wrapper);
  return wrapper;
}

/** Of many keys, the first are wrapped as all of them. */
const materialsLookedAt = 100;

/** Opened by the first who needs it. */
function whenNeeded(open: () => Promise<KeyWrapper>): KeyWrapper {
  let opening: Promise<KeyWrapper> | undefined;
  const opened = () => {
    opening ??= open();
    return opening;
  };
  return {
    wrap: async (...of) => (await opened()).wrap(...of),
    unwrap: async (...of) => (await opened()).unwrap(...of),
    isCurrent: async (...of) => (await opened()).isCurrent(...of),
  };
}

/**
 * With another master key than the one that wrapped the server's own key, no layer could be read, and none taken.
 * @throws CannotStart
 */
async function checkServerKey(keyring: Keyring): Promise<void> {
  if (!(await keyring.find(serverKeyId))) return;
  try {
    await keyring.encryptOwn(serverRegistry, serverKeyId, new Uint8Array(), new Map());
  } catch (cause) {
    // Whoever keeps the master key elsewhere may only be away for now.
    if (!(cause instanceof MasterKeyMissing)) return;
    throw new CannotStart(
      "the master key is not the one that wraps the key of this registry's layers. Put back the one of before; if it is lost, so are the layers, and `berth kms rotate-server-key` makes a new key for those to come; docs/encryption.md says more",
      { cause },
    );
  }
}

/**
 * What opens and seals the blobs of a registry that is about to be filled, `metadata` first.
 * @throws CannotStart when the master key is missing, or another one
 */
export async function openBlobKeys(config: Config, metadata: AllMetadata): Promise<BlobKeys> {
  const wrapper = await openKeyWrapper(config, metadata);
  const clock = () => new Date();
  const { keyring, blobKeys } = createKeysAtRest({ metadata, wrapper, clock, ...config.encryption });
  await checkServerKey(keyring);
  return blobKeys;
}

export function credentialsFile(config: Config): string {
  return join(config.data, "credentials");
}

export async function rootKeyFor(config: Config, log: Log): Promise<RootKeyInUse> {
  if (config.rootKey) return { ...config.rootKey, made: false };
  const file = credentialsFile(config);
  const rootKey = await openRootKey(file);
  if (await isExposed(file))
    log.warn({ file }, "the root key pair can be read by other users of this machine: chmod 600");
  return { ...rootKey, file };
}

export async function openDatabase(config: Config): Promise<AllMetadata> {
  try {
    return await openMetadata(config.databaseUrl);
  } catch (cause) {
    if (cause instanceof DatabaseTooNew) throw cause;
    throw new CannotStart(`the database ${shownDatabase(config)} cannot be opened: ${reasonOf(cause)}`, { cause });
  }
}

export async function openBlobs(config: Config, keys?: BlobKeys): Promise<BlobStore> {
  return (await openTiers(config, keys)).blobs;
}

async function openTiers({ blobs, archive }: Config, keys?: BlobKeys): Promise<Pick<Stores, "blobs" | "tiers">> {
  const standard = await openFolder(blobs, keys);
  if (!archive) return { blobs: standard };
  try {
    const tiers = { standard, archive: await openFolder(archive, keys) };
    return { blobs: twoTiers(tiers.standard, tiers.archive), tiers };
  } catch (error) {
    await standard.close();
    throw error;
  }
}

async function openFolder({ root }: Config["blobs"], keys?: BlobKeys): Promise<BlobStore> {
  try {
    return await openFilesystemBlobs({ root, keys });
  } catch (cause) {
    throw new CannotStart(`the folder of blobs ${root} cannot be used: ${reasonOf(cause)}`, { cause });
  }
}

export function sqliteFile({ databaseUrl }: Config): string | undefined {
  return databaseUrl.startsWith("sqlite:") ? databaseUrl.slice("sqlite:".length) : undefined;
}

export function shownDatabase(config: Config): string {
  const file = sqliteFile(config);
  if (file !== undefined) return file;
  const { protocol, host, pathname } = new URL(config.databaseUrl);
  return `${protocol}//${host}${pathname}`;
}

/** The text that an operator understands: the code where the system gives one, the first line of the message else. */
function reasonOf(cause: unknown): string {
  if (cause instanceof AggregateError && cause.errors.length > 0) return reasonOf(cause.errors[0]);
  const { code, message } = cause as { code?: unknown; message?: unknown };
  const text = typeof message === "string" ? (message.split("\n")[0] ?? "") : String(cause);
  return typeof code === "string" && !text.includes(code) ? `${text} (${code})`.trimStart() : text;
}

/** Whatever a start can fail with, as something its operator can act on, or as it is when that is not known. */
export function explained(error: unknown): unknown {
  if (error instanceof CannotListen) return new CannotStart(listenAdvice(error), { cause: error });
  if (error instanceof DatabaseTooNew) return new CannotStart(lowerFirst(error.message), { cause: error });
  if (error instanceof BackupUnusable) return new CannotStart(error.message, { cause: error });
  if (error instanceof KeyFileUnusable) return new CannotStart(error.message, { cause: error });
  if (error instanceof KeeperFailed) return new CannotStart(error.message, { cause: error });
  if (error instanceof TlsUnusable) return new CannotStart(error.message, { cause: error });
  if (error instanceof WorkerFailed) return new CannotStart(error.message, { cause: error });
  return error;
}

function listenAdvice({ code, host, port, message }: CannotListen): string {
  switch (code) {
    case "EADDRINUSE":
      return `port ${port} on ${host} is taken by another program, perhaps another Berth. Stop that one, or set BERTH_LISTEN to another port, such as ${host}:${port + 1}`;
    case "EADDRNOTAVAIL":
      return `${host} is not an address of this machine. Set BERTH_LISTEN to one that is, such as 127.0.0.1:${port}`;
    case "EACCES":
      return `this user may not listen on port ${port}. Set BERTH_LISTEN to a port from 1024 on`;
    default:
      return message;
  }
}

function lowerFirst(text: string): string {
  return text.charAt(0).toLowerCase() + text.slice(1);
}
