import { existsSync } from "node:fs";
import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { allOperations } from "./aws/index.ts";
import { compose } from "./compose.ts";
import { type Config, publicUrlOf } from "./config.ts";
import { type AccountService, createAccounts } from "./domain/identity/accounts.ts";
import { createSealer } from "./domain/identity/sealer.ts";
import type { KeyWrapper } from "./domain/keys/ports.ts";
import { rewrapMaterials } from "./domain/keys/upkeep.ts";
import { createKeyWrapper } from "./domain/keys/wrapping.ts";
import { everyOther } from "./domain/rates.ts";
import type { BlobStore, Metadata } from "./domain/registry/ports.ts";
import { createIssuerKeys } from "./remotes/issuer-keys.ts";
import { routinesDoneOnce, startRoutines, writeKeyUses, writePullTimes } from "./routines.ts";
import { CannotListen, startServer } from "./server/listener.ts";
import type { Log } from "./server/log.ts";
import { type Address, type Counted, createMetrics, type MetricsListener, sumMetrics } from "./server/metrics.ts";
import { sendContent } from "./server/send.ts";
import { openSharedPort } from "./server/shared-port.ts";
import { type BackedUp, type BackUpOptions, backUp } from "./storage/backup/backup.ts";
import { BackupUnusable, openBackupFolder } from "./storage/backup/folder.ts";
import { type Restored, type RestoreOptions, restore } from "./storage/backup/restore.ts";
import { openFilesystemBlobs } from "./storage/blobs/filesystem.ts";
import {
  isExposed,
  KeyFileUnusable,
  openRootKey,
  openSealingKey,
  type RootKeyPair,
  readRootKey,
} from "./storage/keys.ts";
import { addMasterKey, type MasterKeySource, openMasterKeys, ownMasterKeyFile } from "./storage/master-key.ts";
import { type AllMetadata, DatabaseTooNew, openMetadata } from "./storage/metadata/index.ts";
import { startWorkers, WorkerFailed } from "./workers/workers.ts";

/** Berth cannot start, for a reason that its operator can do something about. The message is one line for them. */
export class CannotStart extends Error {
  override readonly name = "CannotStart";
}

export interface Berth {
  /** Where it listens. */
  readonly url: string;
  /** Where clients reach it; a template when it has `{account}` in it. */
  readonly publicUrl: string;
  readonly rootKey: RootKeyInUse;
  /** Finishes the requests in flight, within the configured time, and closes everything. */
  stop(): Promise<void>;
}

export interface RootKeyInUse extends RootKeyPair {
  /** The file that holds it; absent when the configuration does. */
  readonly file?: string;
  /** Whether this start made it. */
  readonly made: boolean;
}

/**
 * The composition root: listens, opens what keeps, builds what decides. What was opened is closed in reverse, also when
 * a later step fails.
 * @throws CannotStart
 */
export async function startBerth(config: Config, log: Log): Promise<Berth> {
  const opened = new AsyncDisposableStack();
  let serving: Metadata | undefined;
  try {
    await checkRates(config);
    await makeDataDirectory(config.data);
    // Before anything is made: a first start that finds the port taken leaves nothing behind.
    const metrics = createMetrics(() => server.inFlight);
    const { observe } = metrics;
    const { listen, trustedProxies } = config;
    const limits = listenerLimits(config);
    const server = startServer({ listen, ready: () => ready(serving, log), log, observe, limits, trustedProxies });
    const stop = async () => {
      await server.stop(config.shutdownGraceSeconds * 1000);
      await opened.disposeAsync();
    };
    try {
      opened.defer(await listenForMetrics(config, metrics, log));
      const { rootKey, publicUrl, stores, notes, ...surfaces } = await openRegistry(config, server.port, opened, log);
      const routines = [...notes, ...routinesDoneOnce(config, stores, metrics, log)];
      opened.defer(startRoutines(routines, log));
      server.serve(surfaces);
      serving = stores.metadata;
      return { url: server.url, publicUrl, rootKey, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    throw explained(error);
  }
}

/**
 * What keeps everything, for the server and for the commands that work beside it.
 * @param options.mustExist do not make a database where there is none
 * @throws CannotStart
 */
export async function openStores(
  config: Config,
  { mustExist = false }: { mustExist?: boolean } = {},
): Promise<Stores & AsyncDisposable> {
  const file = sqliteFile(config);
  if (mustExist && file !== undefined && !existsSync(file)) {
    throw new CannotStart(`there is no database ${file}; set BERTH_DATA to the directory of the registry`);
  }
  const opened = new AsyncDisposableStack();
  try {
    const metadata = opened.adopt(await openDatabase(config), (database) => database.close());
    const blobs = opened.adopt(await openBlobs(config), (store) => store.close());
    return { metadata, blobs, [Symbol.asyncDispose]: () => opened.disposeAsync() };
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

/** Opens what keeps and builds what decides, and leaves in `opened` how to close it. */
async function openRegistry(config: Config, port: number, opened: AsyncDisposableStack, log: Log) {
  const { metadata, blobs } = opened.use(await openStores(config));
  const sealingKey = await openSealingKey(sealingKeyFile(config));
  const keyWrapper = await openKeyWrapper(config, metadata);
  // Last, because whoever starts Berth sees a new key pair only if the start succeeds.
  const rootKey = await rootKeyFor(config, log);
  const publicUrl = publicUrlOf(config, port);
  const clock = () => new Date();
  const { registry, api, busy, pullTimes, keyUses, accounts, audit } = compose({
    metadata,
    blobs,
    root: { accessKeyId: rootKey.accessKeyId, secret: rootKey.secretAccessKey, account: config.account },
    sealingKey,
    keyWrapper,
    allowInsecureIssuers: config.oidc.allowInsecureIssuers,
    issuerKeys: createIssuerKeys({
      allowPrivate: config.oidc.allowPrivateIssuers,
      allowInsecure: config.oidc.allowInsecureIssuers,
      clock,
      log,
    }),
    publicUrl,
    defaultRegion: config.region,
    regions: config.regions,
    createOnPush: config.createOnPush,
    publicAccess: config.publicAccess,
    limits: config.limits,
    audit: config.audit,
    clock,
    log,
    send: sendContent,
  });
  // Before the stores are closed, and behind the last request.
  opened.defer(() => audit.close());
  await accounts.ensureConfigured();
  const notes = [writePullTimes(pullTimes), writeKeyUses(keyUses)];
  return { registry, api, busy, notes, rootKey, publicUrl, stores: { metadata, blobs, keyWrapper, clock } };
}

/** What a supervisor asks of each worker. */
export interface WorkerTask {
  /** With the root key pair in it. */
  readonly config: Config;
  /** The one that all of them listen on. */
  readonly port: number;
}

export interface RunningWorker {
  /** What it has counted. */
  count(): Promise<Counted>;
  /** Finishes the requests in flight, within the configured time, and closes everything. */
  stop(): Promise<void>;
}

/** One of the processes that serve; a supervisor does what is done once. @throws CannotStart */
export async function startWorker({ config, port }: WorkerTask, log: Log): Promise<RunningWorker> {
  const opened = new AsyncDisposableStack();
  try {
    const { stores, notes, registry, api, busy } = await openRegistry(config, port, opened, log);
    opened.defer(startRoutines(notes, log));
    const metrics = createMetrics(() => server.inFlight);
    const { observe } = metrics;
    const listen = { ...config.listen, port };
    // Last: a connection that comes here while this process cannot serve it is one that another could have served.
    const server = startServer({
      listen,
      reusePort: true,
      ready: () => ready(stores.metadata, log),
      log,
      observe,
      limits: listenerLimits(config),
      trustedProxies: config.trustedProxies,
    });
    server.serve({ registry, api, busy });
    const stop = async () => {
      await server.stop(config.shutdownGraceSeconds * 1000);
      await opened.disposeAsync();
    };
    return { count: metrics.count, stop };
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

export interface Stores {
  readonly metadata: AllMetadata;
  readonly blobs: BlobStore;
}

function listenerLimits({ limits: { concurrentRequests, minBytesPerSecond } }: Config) {
  return { concurrentRequests, minBytesPerSecond };
}

/** A misspelled operation would be a limit that limits nothing. */
async function checkRates({ limits: { rates } }: Config): Promise<void> {
  if (rates.own.length === 0) return;
  const known = new Set([everyOther, ...(await allOperations()).map(({ operation }) => operation)]);
  const unknown = rates.own.find(({ operation }) => !known.has(operation));
  if (unknown) throw new CannotStart(`limits.rates names ${unknown.operation}, and there is no such operation`);
}

/**
 * The composition root of several processes on one port (`workers`): this one holds the port, brings the database up to
 * date, makes the keys, shows the metrics and does what is done once; the others serve. What is done once is done here
 * and not by one of the workers, because there is never a second supervisor, and because a long query of a routine
 * holds up no request in a process that has none.
 * @param command the command line of a worker
 * @throws CannotStart
 */
export async function startSupervisor(config: Config, log: Log, command: (worker: number) => string[]): Promise<Berth> {
  const opened = new AsyncDisposableStack();
  try {
    if (process.platform !== "linux") {
      throw new CannotStart("several processes can share a port on Linux only. Set BERTH_WORKERS to 1");
    }
    await checkRates(config);
    await makeDataDirectory(config.data);
    // Before anything is made: a first start that finds the port taken leaves nothing behind.
    const port = openSharedPort({ listen: config.listen, ready: () => ready(undefined, log), log });
    opened.defer(async () => port.release());
    const own = createMetrics(() => 0);
    const metrics = sumMetrics(async () => [
      ...(await workers.count(metricsTimeoutMs)).map(({ worker, counted }) => ({
        worker: String(worker),
        counted: counted as Counted,
      })),
      { worker: "supervisor", counted: await own.count() },
    ]);
    const remember = (counted: unknown) => metrics.remember(counted as Counted);
    const workers = startWorkers({ count: config.workers, command, port, remember, log });
    const stop = async () => {
      await workers.stop(config.shutdownGraceSeconds * 1000);
      await opened.disposeAsync();
    };
    try {
      opened.defer(await listenForMetrics(config, metrics, log));
      const stores = { ...opened.use(await openStores(config)), clock: () => new Date() };
      await openSealingKey(sealingKeyFile(config));
      const keyWrapper = await openKeyWrapper(config, stores.metadata);
      const rootKey = await rootKeyFor(config, log);
      const task: WorkerTask = { config: { ...config, rootKey }, port: port.port };
      await workers.begin(task);
      opened.defer(startRoutines(routinesDoneOnce(config, { ...stores, keyWrapper }, own, log), log));
      return { url: port.url, publicUrl: publicUrlOf(config, port.port), rootKey, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

/** A worker that does not answer in so long is busy; what it said last will do. */
const metricsTimeoutMs = 1_000;

/** Where nobody chose the port, a second Berth on the machine does without metrics rather than not start. */
async function listenForMetrics(
  { metricsListen }: Config,
  metrics: { listen(address: Address): MetricsListener },
  log: Log,
): Promise<() => Promise<void>> {
  try {
    const { stop } = metrics.listen(metricsListen ?? defaultMetricsListen);
    return stop;
  } catch (error) {
    if (!(error instanceof CannotListen)) throw error;
    if (metricsListen) {
      throw new CannotStart(
        `metrics cannot be served on ${error.host}:${error.port} (${error.code}). Set BERTH_METRICS_LISTEN to another port`,
        { cause: error },
      );
    }
    log.warn({ port: error.port, code: error.code }, "no metrics: their port is taken. Set BERTH_METRICS_LISTEN");
    return async () => {};
  }
}

const defaultMetricsListen = { host: "127.0.0.1", port: 5081 };

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
    const source = masterKeySource(config);
    const file = ownMasterKeyFile(source);
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
 * @throws CannotStart when the backup cannot be used, or something is not empty
 */
export async function restoreFrom(
  folder: string,
  config: Config,
  options: Omit<RestoreOptions, "clock">,
): Promise<Restored> {
  const { databaseUrl, data } = config;
  try {
    await using opened = new AsyncDisposableStack();
    const backup = opened.adopt(await openBackupFolder(folder), (used) => used.close());
    await makeDataDirectory(data);
    const blobs = opened.adopt(await openBlobs(config), (store) => store.close());
    return await restore(backup, { databaseUrl, data, blobs }, { ...options, clock: () => new Date() });
  } catch (error) {
    throw explained(error);
  }
}

async function ready(metadata: Metadata | undefined, log: Log): Promise<void> {
  if (!metadata) throw Object.assign(new Error("not everything is open yet"), { name: "Starting" });
  try {
    await metadata.ping();
  } catch (cause) {
    log.warn({ error: cause }, "not ready: the database does not answer");
    throw Object.assign(new Error("the database does not answer", { cause }), { name: "DatabaseUnreachable" });
  }
}

async function makeDataDirectory(path: string): Promise<void> {
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

function sealingKeyFile(config: Config): string {
  return join(config.data, "keys", "sealing.key");
}

function masterKeySource({ kms, credentialsDirectory, data }: Config): MasterKeySource {
  const credential = credentialsDirectory && join(credentialsDirectory, "berth-master-key");
  return {
    given: kms.masterKey,
    credential: credential && existsSync(credential) ? credential : undefined,
    file: join(data, "keys", "master-key"),
  };
}

/** A new master key beside keys that another one has wrapped would hide that theirs is lost. */
async function openKeyWrapper(config: Config, metadata: Pick<AllMetadata, "read">): Promise<KeyWrapper> {
  const source = masterKeySource(config);
  const file = ownMasterKeyFile(source);
  if (file !== undefined && !existsSync(file)) {
    const wrapped = await metadata.read.keys.allMaterials({ limit: 1 });
    if (wrapped.length > 0 && !existsSync(file)) {
      throw new CannotStart(
        `there is no master key ${file}, and the database has encryption keys that it wraps. Put it back from where you keep it, or set BERTH_KMS_MASTER_KEY; docs/kms.md says what can be done when it is lost`,
      );
    }
  }
  return createKeyWrapper(await openMasterKeys(source));
}

function credentialsFile(config: Config): string {
  return join(config.data, "credentials");
}

async function rootKeyFor(config: Config, log: Log): Promise<RootKeyInUse> {
  if (config.rootKey) return { ...config.rootKey, made: false };
  const file = credentialsFile(config);
  const rootKey = await openRootKey(file);
  if (await isExposed(file))
    log.warn({ file }, "the root key pair can be read by other users of this machine: chmod 600");
  return { ...rootKey, file };
}

async function openDatabase(config: Config): Promise<AllMetadata> {
  try {
    return await openMetadata(config.databaseUrl);
  } catch (cause) {
    if (cause instanceof DatabaseTooNew) throw cause;
    throw new CannotStart(`the database ${shownDatabase(config)} cannot be opened: ${reasonOf(cause)}`, { cause });
  }
}

async function openBlobs({ blobs: { root } }: Config): Promise<BlobStore> {
  try {
    return await openFilesystemBlobs({ root });
  } catch (cause) {
    throw new CannotStart(`the folder of blobs ${root} cannot be used: ${reasonOf(cause)}`, { cause });
  }
}

function sqliteFile({ databaseUrl }: Config): string | undefined {
  return databaseUrl.startsWith("sqlite:") ? databaseUrl.slice("sqlite:".length) : undefined;
}

function shownDatabase(config: Config): string {
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
function explained(error: unknown): unknown {
  if (error instanceof CannotListen) return new CannotStart(listenAdvice(error), { cause: error });
  if (error instanceof DatabaseTooNew) return new CannotStart(lowerFirst(error.message), { cause: error });
  if (error instanceof BackupUnusable) return new CannotStart(error.message, { cause: error });
  if (error instanceof KeyFileUnusable) return new CannotStart(error.message, { cause: error });
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
