import { randomBytes } from "node:crypto";
import { hostname } from "node:os";
import { allOperations } from "./aws/index.ts";
import { startBackground } from "./background.ts";
import { compose, composeDomain, type DomainParts } from "./compose.ts";
import { type Config, publicUrlOf } from "./config.ts";
import { nudging } from "./domain/jobs/nudges.ts";
import type { EcrTokens } from "./domain/pull-through/ecr-sign-in.ts";
import { everyOther } from "./domain/rates.ts";
import type { Metadata } from "./domain/registry/ports.ts";
import type { OpenRemote } from "./domain/registry/remote-registry.ts";
import {
  CannotStart,
  explained,
  makeDataDirectory,
  openStores,
  type RootKeyInUse,
  rootKeyFor,
  sealingKeyFile,
} from "./opening.ts";
import { createEcrTokens } from "./remotes/ecr-tokens.ts";
import { createIssuerKeys } from "./remotes/issuer-keys.ts";
import { openPeers } from "./remotes/peers.ts";
import { createRemotes } from "./remotes/registry/index.ts";
import { createTransport } from "./remotes/registry/transport.ts";
import { routinesDoneOnce, startRoutines, writeKeyUses, writePullTimes } from "./routines.ts";
import { CannotListen, startServer } from "./server/listener.ts";
import type { Log } from "./server/log.ts";
import {
  type Address,
  type Counted,
  createMetrics,
  type Metrics,
  type MetricsListener,
  sumMetrics,
} from "./server/metrics.ts";
import { sendContent } from "./server/send.ts";
import { openSharedPort } from "./server/shared-port.ts";
import { openTls, type Tls, type TlsKeeper } from "./server/tls.ts";
import { openSealingKey } from "./storage/keys.ts";
import { startWorkers } from "./workers/workers.ts";

export interface Berth {
  /** Where it listens. */
  readonly url: string;
  /** Where clients reach it; a template when it has `{account}` in it. */
  readonly publicUrl: string;
  readonly rootKey: RootKeyInUse;
  /** Reads the TLS files now rather than in a few seconds. Absent without TLS. */
  readonly reload?: () => void;
  /** Finishes the requests in flight, within the configured time, and closes everything. */
  stop(): Promise<void>;
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
    const tls = keepTls(config, opened, log);
    const metrics = createMetrics(() => server.inFlight);
    const { observe } = metrics;
    const { listen, trustedProxies } = config;
    const limits = listenerLimits(config);
    const server = startServer({
      listen,
      ready: () => ready(serving, log),
      tls: tls?.current,
      log,
      observe,
      limits,
      trustedProxies,
    });
    tls?.watch(server.renew);
    const stop = async () => {
      await server.stop(config.shutdownGraceSeconds * 1000);
      await opened.disposeAsync();
    };
    try {
      opened.defer(await listenForMetrics(config, metrics, log));
      const { rootKey, publicUrl, stores, notes, nudge, openTarget, ...surfaces } = await openRegistry(
        config,
        server.port,
        opened,
        log,
        { metrics },
      );
      const routines = [...notes, ...routinesDoneOnce(config, stores, metrics, log)];
      opened.defer(startRoutines(routines, log));
      const background = await startBackground({
        stores,
        openTarget,
        ...backgroundOf(config),
        metrics,
        log,
        worker: workerName(),
      });
      opened.defer(() => background.stop());
      nudge.to(background.nudge);
      server.serve(surfaces);
      serving = stores.metadata;
      return { url: server.url, publicUrl, rootKey, reload: tls?.look, stop };
    } catch (error) {
      await stop();
      throw error;
    }
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
}

/** Before anything is made, as the port is: who starts with files that cannot be used is told, and nothing is left behind. */
function keepTls({ tls: files }: Config, opened: AsyncDisposableStack, log: Log): TlsKeeper | undefined {
  return files && opened.adopt(openTls(files, log), (keeper) => keeper.stop());
}

/** Opens what keeps and builds what decides, and leaves in `opened` how to close it. */
async function openRegistry(
  config: Config,
  port: number,
  opened: AsyncDisposableStack,
  log: Log,
  { metrics, isWorker = false }: { metrics: Pick<Metrics, "caches">; isWorker?: boolean },
) {
  // The supervisor has asked: a worker that starts anew while the keeper is away can serve what needs no key.
  const stores = await openStores(config, { prove: !isWorker });
  const { metadata: plain, blobs, tiers, keyWrapper } = opened.use(stores);
  const nudge = createNudge();
  const metadata = nudging(plain, nudge.give);
  const sealingKey = await openSealingKey(sealingKeyFile(config));
  // Last, because whoever starts Berth sees a new key pair only if the start succeeds.
  const rootKey = await rootKeyFor(config, log);
  const publicUrl = publicUrlOf(config, port);
  const { registry, api, busy, pullTimes, keyUses, accounts, audit, openTarget, pullThrough } = compose({
    ...domainParts(config, { ...stores, metadata }, { rootKey, sealingKey, publicUrl, ...openRemotes(opened), log }),
    cacheCounts: metrics.caches,
    publicAccess: config.publicAccess,
    certificateIdentities: config.tls?.clientIdentities,
    send: sendContent,
  });
  // Before the stores are closed, and behind the last request.
  opened.defer(() => audit.close());
  opened.defer(() => pullThrough.close());
  await accounts.ensureConfigured();
  const notes = [writePullTimes(pullTimes), writeKeyUses(keyUses)];
  return {
    registry,
    api,
    busy,
    notes,
    nudge,
    rootKey,
    publicUrl,
    openTarget,
    stores: { metadata, blobs, tiers, keyWrapper, clock },
  };
}

const clock = () => new Date();

interface DomainKeys {
  readonly rootKey: RootKeyInUse;
  readonly sealingKey: Uint8Array;
  readonly publicUrl: string;
  readonly openRemote: OpenRemote;
  readonly ecrTokens: EcrTokens;
  readonly log: Log;
}

/** What speaks to other registries, and leaves in `opened` how to close it. */
function openRemotes(opened: AsyncDisposableStack): Pick<DomainKeys, "openRemote" | "ecrTokens"> {
  const { open } = opened.adopt(createRemotes({ clock }), (remotes) => remotes.close());
  const reach = { private: false, loopback: false, insecure: false };
  const transport = opened.adopt(createTransport({ reach }), (made) => made.close());
  return { openRemote: open, ecrTokens: createEcrTokens({ clock, transport }) };
}

/** What the domain is made of, over stores that are open. */
function domainParts(
  config: Config,
  { metadata, blobs, keyWrapper, keyring }: Awaited<ReturnType<typeof openStores>>,
  { rootKey, sealingKey, publicUrl, openRemote, ecrTokens, log }: DomainKeys,
): DomainParts {
  return {
    metadata,
    blobs,
    root: { accessKeyId: rootKey.accessKeyId, secret: rootKey.secretAccessKey, account: config.account },
    sealingKey,
    keyWrapper,
    keyring,
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
    foreignLayers: config.foreignLayers,
    upstreams: config.pullThrough,
    openRemote,
    ecrTokens,
    undeleteMs: config.undelete.window,
    limits: config.limits,
    audit: config.audit,
    lifecycleEveryMs: config.lifecycle.interval,
    peers: openPeers(config.replication, openRemote),
    replicatedBytesPerSecond: config.replication.bytesPerSecond,
    clock,
    log,
  };
}

/** What puts jobs into the queue is there before what does them, and in a worker without it: another process looks by itself. */
function createNudge() {
  let nudge = () => {};
  return {
    give: () => nudge(),
    to(listener: () => void) {
      nudge = listener;
    },
  };
}

function backgroundOf(config: Config) {
  return { home: { account: config.account, region: config.region }, settings: config };
}

/** For people who ask who has a job, and unlike any other, also of a container that starts again under the same name. */
function workerName(): string {
  return `${hostname().slice(0, 64)}:${process.pid}:${randomBytes(4).toString("hex")}`;
}

/** What a supervisor asks of each worker. */
export interface WorkerTask {
  /** With the root key pair in it. */
  readonly config: Config;
  /** The one that all of them listen on. */
  readonly port: number;
  /** The supervisor alone reads the files. The only part of a task that changes. */
  readonly tls?: Tls;
}

export interface RunningWorker {
  /** What it has counted. */
  count(): Promise<Counted>;
  /** Goes by a task that has changed. */
  follow(task: WorkerTask): void;
  /** Finishes the requests in flight, within the configured time, and closes everything. */
  stop(): Promise<void>;
}

/** One of the processes that serve; a supervisor does what is done once. @throws CannotStart */
export async function startWorker({ config, port, tls }: WorkerTask, log: Log): Promise<RunningWorker> {
  const opened = new AsyncDisposableStack();
  try {
    const metrics = createMetrics(() => server.inFlight);
    const { stores, notes, registry, api, busy } = await openRegistry(config, port, opened, log, {
      metrics,
      isWorker: true,
    });
    opened.defer(startRoutines(notes, log));
    const { observe } = metrics;
    const listen = { ...config.listen, port };
    // Last: a connection that comes here while this process cannot serve it is one that another could have served.
    const server = startServer({
      listen,
      reusePort: true,
      ready: () => ready(stores.metadata, log),
      tls,
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
    const follow = (changed: WorkerTask) => {
      try {
        if (changed.tls) server.renew(changed.tls);
      } catch (error) {
        log.error({ error }, "the TLS certificate could not be renewed: the one before stays");
      }
    };
    return { count: metrics.count, follow, stop };
  } catch (error) {
    await opened.disposeAsync();
    throw explained(error);
  }
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
    const tls = keepTls(config, opened, log);
    const port = openSharedPort({ listen: config.listen, ready: () => ready(undefined, log), tls: tls?.current, log });
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
      const stores = { ...opened.use(await openStores(config, { prove: true })), clock };
      const sealingKey = await openSealingKey(sealingKeyFile(config));
      const rootKey = await rootKeyFor(config, log);
      const task: WorkerTask = { config: { ...config, rootKey }, port: port.port };
      tls?.watch((renewed) => {
        port.renew(renewed);
        workers.change({ ...task, tls: renewed });
      });
      await workers.begin({ ...task, tls: tls?.current });
      opened.defer(startRoutines(routinesDoneOnce(config, stores, own, log), log));
      const { openTarget, audit } = composeDomain(
        domainParts(config, stores, {
          rootKey,
          sealingKey,
          publicUrl: publicUrlOf(config, port.port),
          ...openRemotes(opened),
          log,
        }),
      );
      opened.defer(() => audit.close());
      const background = await startBackground({
        stores,
        openTarget,
        ...backgroundOf(config),
        metrics: own,
        log,
        worker: workerName(),
      });
      opened.defer(() => background.stop());
      return { url: port.url, publicUrl: publicUrlOf(config, port.port), rootKey, reload: tls?.look, stop };
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

async function ready(metadata: Metadata | undefined, log: Log): Promise<void> {
  if (!metadata) throw Object.assign(new Error("not everything is open yet"), { name: "Starting" });
  try {
    await metadata.ping();
  } catch (cause) {
    log.warn({ error: cause }, "not ready: the database does not answer");
    throw Object.assign(new Error("the database does not answer", { cause }), { name: "DatabaseUnreachable" });
  }
}
