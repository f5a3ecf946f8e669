import { existsSync } from "node:fs";
import { access, constants, mkdir } from "node:fs/promises";
import { join } from "node:path";
import { operationNames } from "./aws/index.ts";
import { compose } from "./compose.ts";
import { type Config, publicUrlOf } from "./config.ts";
import { everyOther } from "./domain/rates.ts";
import { type Collected, collectGarbage, sweepStrays } from "./domain/registry/collection.ts";
import type { BlobStore, Metadata } from "./domain/registry/ports.ts";
import { expireUploads } from "./domain/registry/upload-expiry.ts";
import { every } from "./jobs/schedule.ts";
import { CannotListen, startServer } from "./server/listener.ts";
import type { Log } from "./server/log.ts";
import { createMetrics, type Metrics } from "./server/metrics.ts";
import { sendContent } from "./server/send.ts";
import { openFilesystemBlobs } from "./storage/blobs/filesystem.ts";
import {
  isExposed,
  KeyFileUnusable,
  openRootKey,
  openSealingKey,
  type RootKeyPair,
  readRootKey,
} from "./storage/keys.ts";
import { DatabaseTooNew, openMetadata } from "./storage/metadata/index.ts";

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
    checkRates(config);
    await makeDataDirectory(config.data);
    // Before anything is made: a first start that finds the port taken leaves nothing behind.
    const metrics: Metrics = createMetrics(() => server.inFlight);
    const { observe } = metrics;
    const { concurrentRequests, minBytesPerSecond } = config.limits;
    const limits = { concurrentRequests, minBytesPerSecond };
    const server = startServer({ listen: config.listen, ready: () => ready(serving, log), log, observe, limits });
    const stop = async () => {
      await server.stop(config.shutdownGraceSeconds * 1000);
      await opened.disposeAsync();
    };
    try {
      opened.defer(await listenForMetrics(config, metrics, log));
      const { metadata, blobs } = opened.use(await openStores(config));
      const sealingKey = await openSealingKey(join(config.data, "keys", "sealing.key"));
      // Last, because whoever starts Berth sees a new key pair only if the start succeeds.
      const rootKey = await rootKeyFor(config, log);
      const publicUrl = publicUrlOf(config, server.port);
      const clock = () => new Date();
      const { registry, api, busy, pullTimes } = compose({
        metadata,
        blobs,
        root: { accessKeyId: rootKey.accessKeyId, secret: rootKey.secretAccessKey, account: config.account },
        sealingKey,
        publicUrl,
        defaultRegion: config.region,
        regions: config.regions,
        createOnPush: config.createOnPush,
        limits: config.limits,
        clock,
        log,
        send: sendContent,
      });
      opened.defer(startRoutines(config, { metadata, blobs, clock }, pullTimes, metrics, log));
      server.serve({ registry, api, busy });
      serving = metadata;
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

export interface Stores {
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
}

/** A misspelled operation would be a limit that limits nothing. */
function checkRates({ limits: { rates } }: Config): void {
  const unknown = rates.own.find(({ operation }) => operation !== everyOther && !operationNames.includes(operation));
  if (unknown) throw new CannotStart(`limits.rates names ${unknown.operation}, and there is no such operation`);
}

/** Where nobody chose the port, a second Berth on the machine does without metrics rather than not start. */
async function listenForMetrics({ metricsListen }: Config, metrics: Metrics, log: Log): Promise<() => Promise<void>> {
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
const pullTimesEveryMs = 5_000;
const uploadsEveryMs = 15 * 60_000;
const uploadsFirstMs = 10_000;
const collectFirstMs = 30_000;
const straysEveryMs = 24 * 3_600_000;
/** Not at the start: a walk of the store is not what somebody who starts a registry waits for. */
const straysFirstMs = 3_600_000;

/** What a registry does by the way. What is still to be written when it stops, is. */
function startRoutines(
  { uploadExpiryHours, gc }: Config,
  stores: Stores & { clock: () => Date },
  pullTimes: { flush(): Promise<void> },
  metrics: Metrics,
  log: Log,
): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const failed = (routine: string) => (error: unknown) => {
    if (!signal.aborted) log.error({ error, routine }, "a routine failed");
  };
  async function expire() {
    const before = new Date(stores.clock().getTime() - uploadExpiryHours * 3_600_000);
    const { sessions, orphans } = await expireUploads(stores, before);
    if (sessions + orphans > 0) log.info({ sessions, orphans }, "abandoned uploads were dropped");
  }
  async function collect() {
    let counted: Collected = { repositories: 0, links: 0, blobs: 0, bytes: 0 };
    const collected = await collectGarbage(stores, {
      graceMs: gc.grace,
      signal,
      // Batch by batch, so that a run that is cut short has said what it freed.
      progress(now) {
        metrics.collected({ blobs: now.blobs - counted.blobs, bytes: now.bytes - counted.bytes });
        counted = now;
      },
      failed: ({ digest }, error) => log.error({ digest, error }, "the bytes of a collected blob could not be removed"),
    });
    metrics.waiting(await stores.metadata.read.garbage.waiting());
    if (collected.blobs + collected.links + collected.repositories > 0)
      log.info({ ...collected }, "garbage was collected");
  }
  async function sweep() {
    const swept = await sweepStrays(stores, { signal });
    metrics.collected(swept);
    if (swept.blobs > 0) log.info({ ...swept }, "copies that nothing names were removed");
  }
  const routines = [
    every(pullTimesEveryMs, pullTimes.flush, failed("pull times")),
    // Soon after the start too, for what a crash left behind.
    every(uploadsEveryMs, expire, failed("abandoned uploads"), uploadsFirstMs),
    every(gc.every, collect, failed("garbage collection"), Math.min(gc.every, collectFirstMs)),
    every(straysEveryMs, sweep, failed("strays"), straysFirstMs),
  ];
  return async () => {
    stopping.abort(new Error("the registry stops"));
    for (const routine of routines) await routine.stop();
    await pullTimes.flush().catch(failed("pull times"));
  };
}

/** The root key pair of a Berth with this configuration, if it has been started before or was given one. */
export async function findRootKey(config: Config): Promise<RootKeyPair | undefined> {
  try {
    return config.rootKey ?? (await readRootKey(credentialsFile(config)));
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

async function openDatabase(config: Config): Promise<Metadata> {
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
  if (error instanceof KeyFileUnusable) return new CannotStart(error.message, { cause: error });
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
