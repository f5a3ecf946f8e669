import { existsSync } from "node:fs";
import type { Config } from "./config.ts";
import { type AccountService, createAccounts } from "./domain/identity/accounts.ts";
import { createSealer } from "./domain/identity/sealer.ts";
import { addServerMaterial, rewrapMaterials } from "./domain/keys/upkeep.ts";
import type { BlobKeys } from "./domain/registry/ports.ts";
import {
  CannotStart,
  credentialsFile,
  explained,
  makeDataDirectory,
  masterKeySource,
  openBlobKeys,
  openBlobs,
  openDatabase,
  openKeyWrapper,
  openStores,
  sealingKeyFile,
  shownDatabase,
  sqliteFile,
} from "./opening.ts";
import { type BackedUp, type BackUpOptions, backUp } from "./storage/backup/backup.ts";
import { openBackupFolder } from "./storage/backup/folder.ts";
import { type Restored, type RestoreOptions, restore } from "./storage/backup/restore.ts";
import { openSealingKey, type RootKeyPair, readRootKey } from "./storage/keys.ts";
import { addMasterKey, ownMasterKeyFile } from "./storage/master-key.ts";
import type { AllMetadata } from "./storage/metadata/index.ts";

export type { Unverified } from "./storage/backup/sealed-copies.ts";

/** What commands do with the stores of a registry, while it serves or not. */

/** The root key pair of a Berth with this configuration, if it has been started before or was given one. */
export async function findRootKey(config: Config): Promise<RootKeyPair | undefined> {
  try {
    return config.rootKey ?? (await readRootKey(credentialsFile(config)));
  } catch (error) {
    throw explained(error);
  }
}

/**
 * What works on accounts, beside the server or without it.
 * @throws CannotStart
 */
export async function openAccounts(config: Config): Promise<AccountService & AsyncDisposable> {
  const opened = new AsyncDisposableStack();
  try {
    const { metadata } = opened.use(await openStores(config, { mustExist: true }));
    const file = sealingKeyFile(config);
    // A key made here would seal what the server cannot open.
    if (!existsSync(file)) {
      throw new CannotStart(`there is no sealing key ${file}; set BERTH_DATA to the directory of the registry`);
    }
    const sealer = createSealer(await openSealingKey(file));
    const accounts = createAccounts({ metadata, sealer, configured: config.account, clock: () => new Date() });
    return { ...accounts, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

export interface MasterKeyRotated {
  /** Where the master key of today is; absent where the configuration or systemd has it. */
  readonly file?: string;
  /** Materials that were wrapped anew. */
  readonly rewrapped: number;
}

/**
 * Wraps the material of all encryption keys with a new master key, beside the server or without it: with one that is made,
 * or, where somebody else keeps it, with the first of those that are given.
 * @throws CannotStart
 */
export async function rotateMasterKey(config: Config): Promise<MasterKeyRotated> {
  try {
    await using stores = await openStores(config, { mustExist: true });
    const { metadata } = stores;
    const file = config.kms.keeper === "local" ? ownMasterKeyFile(masterKeySource(config)) : undefined;
    // First with the one of today, whatever an interrupted rotation has left: the one before it is about to go.
    let rewrapped = await rewrapMaterials({ metadata, wrapper: await openKeyWrapper(config, metadata) });
    if (file !== undefined) {
      await addMasterKey(file);
      rewrapped = await rewrapMaterials({ metadata, wrapper: await openKeyWrapper(config, metadata) });
    }
    return { file, rewrapped };
  } catch (error) {
    throw explained(error);
  }
}

/**
 * Gives the server's own key new material, beside the server or without it. Answers its version.
 * @throws CannotStart
 */
export async function rotateServerKey(config: Config): Promise<number> {
  try {
    await using stores = await openStores(config, { mustExist: true });
    const { metadata, keyWrapper: wrapper } = stores;
    return await addServerMaterial({ metadata, wrapper, clock: () => new Date() });
  } catch (error) {
    throw explained(error);
  }
}

export interface Migrated {
  /** The database, without a password. */
  readonly database: string;
  /** Whether there was none before. Known of a file only. */
  readonly made: boolean;
}

/** Brings the database up to date, as every start does. @throws CannotStart */
export async function migrateDatabase(config: Config): Promise<Migrated> {
  const file = sqliteFile(config);
  const made = file !== undefined && !existsSync(file);
  try {
    if (file?.startsWith(config.data)) await makeDataDirectory(config.data);
    const metadata = await openDatabase(config);
    await metadata.close();
    return { database: shownDatabase(config), made };
  } catch (error) {
    throw explained(error);
  }
}

/**
 * Adds a snapshot of the registry to the backup in `folder`, while it is in use or not.
 * @throws CannotStart when registry or backup cannot be used
 */
export async function backUpInto(
  folder: string,
  config: Config,
  options: Omit<BackUpOptions, "clock">,
): Promise<BackedUp> {
  const { databaseUrl, data } = config;
  try {
    await using stores = await openStores(config, { mustExist: true });
    await using opened = new AsyncDisposableStack();
    const backup = opened.adopt(await openBackupFolder(folder, { make: true }), (used) => used.close());
    return await backUp({ databaseUrl, data, ...stores }, backup, { ...options, clock: () => new Date() });
  } catch (error) {
    throw explained(error);
  }
}

/**
 * Fills empty stores from the backup in `folder`.
 * @param options.masterKeyLost whether to do without it: sealed blobs come as they are, and nothing is sealed
 * @throws CannotStart when the backup or the master key cannot be used, or something is not empty
 */
export async function restoreFrom(
  folder: string,
  config: Config,
  { masterKeyLost = false, ...options }: Omit<RestoreOptions, "clock"> & { readonly masterKeyLost?: boolean },
): Promise<Restored> {
  const { databaseUrl, data } = config;
  try {
    await using opened = new AsyncDisposableStack();
    const backup = opened.adopt(await openBackupFolder(folder), (used) => used.close());
    await makeDataDirectory(data);
    // The keys are in the backup, so the store is there before they are.
    const { keys, use } = keysToCome();
    const blobs = opened.adopt(await openBlobs(config, masterKeyLost ? undefined : keys), (store) => store.close());
    const useKeysOf = async (metadata: AllMetadata) => {
      if (!masterKeyLost) use(await openBlobKeys(config, metadata).catch(refuseWithAdvice));
    };
    return await restore(backup, { databaseUrl, data, blobs, useKeysOf }, { ...options, clock: () => new Date() });
  } catch (error) {
    throw explained(error);
  }
}

function refuseWithAdvice(error: unknown): never {
  if (!(error instanceof CannotStart)) throw error;
  const advice = "Nothing was restored yet. With --master-key-lost, what can be read without it comes back";
  throw new CannotStart(`${error.message}. ${advice}`, { cause: error });
}

function keysToCome(): { keys: BlobKeys; use(keys: BlobKeys): void } {
  let come: BlobKeys | undefined;
  const known = () => {
    if (!come) throw new Error("the keys of blobs are not known yet");
    return come;
  };
  return {
    keys: {
      seals: (scope) => known().seals(scope),
      make: async (...of) => known().make(...of),
      open: async (...of) => known().open(...of),
    },
    use(keys) {
      come = keys;
    },
  };
}
