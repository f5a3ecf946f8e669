import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  type MetricObjectWithValues,
  type MetricValue,
  Registry,
} from "prom-client";
import { CannotListen, type Finished } from "./listener.ts";
import { createUsageMetrics, type MeasuredUsage } from "./usage-metrics.ts";

export interface Metrics {
  /** Counts a request whose answer has been handed over. */
  observe(finished: Finished): void;
  /** Counts what garbage collection removed from the store. */
  collected(freed: { readonly blobs: number; readonly bytes: number }): void;
  /** What waits for garbage collection, as counted by its newest run. */
  waiting(queues: { readonly links: number; readonly blobs: number; readonly removals: number }): void;
  /** Times an attempt at a job. */
  jobEnded(attempt: { readonly kind: string; readonly outcome: string; readonly ms: number }): void;
  /** The jobs in the database, of all processes that share it, as counted a moment ago. */
  jobsCounted(counts: readonly { readonly kind: string; readonly state: string; readonly jobs: number }[]): void;
  /** What pull-through caches do. */
  readonly caches: {
    pulled(outcome: string): void;
    received(bytes: number): void;
    failed(problem: string): void;
  };
  /** What storage is used for, as of the newest measurement. */
  used(usage: MeasuredUsage): void;
  /** What this process has counted, in a form that can be sent to another. */
  count(): Promise<Counted>;
  /** Serves `GET /metrics` in Prometheus's text format. @throws CannotListen */
  listen(address: Address): MetricsListener;
}

export interface Address {
  readonly host: string;
  readonly port: number;
}

export interface MetricsListener {
  readonly url: string;
  stop(): Promise<void>;
}

export type Counted = readonly MetricObjectWithValues<MetricValue<string>>[];

const jobSecondsBuckets = [0.01, 0.1, 1, 10, 60, 600, 3600];
/** Half a millisecond for a manifest, minutes for a layer. */
const secondsBuckets = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1, 5, 30, 120, 600];

export function createMetrics(requestsInFlight: () => number): Metrics {
  const registry = new Registry();
  const registers = [registry];
  const requests = new Counter({
    name: "berth_http_requests_total",
    help: "Requests whose answer was handed over",
    labelNames: ["surface", "operation", "status"],
    registers,
  });
  const seconds = new Histogram({
    name: "berth_http_request_seconds",
    help: "Time from a request's head to its answer's head",
    labelNames: ["surface"],
    buckets: secondsBuckets,
    registers,
  });
  const freedBlobs = new Counter({
    name: "berth_gc_blobs_removed_total",
    help: "Blobs that garbage collection removed from the store",
    registers,
  });
  const freedBytes = new Counter({
    name: "berth_gc_bytes_freed_total",
    help: "Bytes that garbage collection freed in the store",
    registers,
  });
  const queued = new Gauge({
    name: "berth_gc_waiting",
    help: "What waits for garbage collection: layers that no image needs, blobs that no repository has, bytes to remove",
    labelNames: ["queue"],
    registers,
  });
  const jobSeconds = new Histogram({
    name: "berth_job_seconds",
    help: "Time that attempts at background jobs took: done, failed (tried again later), dead (failed for the last time), released (by a stop), lost (to another worker)",
    labelNames: ["kind", "outcome"],
    buckets: jobSecondsBuckets,
    registers,
  });
  const jobs = new Gauge({
    name: "berth_jobs",
    help: "Background jobs in the database: waiting, running, dead (failed for the last time), done (traces). The same from all who share a database",
    labelNames: ["kind", "state"],
    registers,
  });
  const throughCaches = new Counter({
    name: "berth_pull_through_pulls_total",
    help: "Pulls of images through caches: hit (fresh), revalidated (unchanged at the upstream), miss (brought), stale (the upstream failed), absent",
    labelNames: ["outcome"],
    registers,
  });
  const upstreamBytes = new Counter({
    name: "berth_pull_through_bytes_total",
    help: "Bytes of layers that caches got from upstreams",
    registers,
  });
  const upstreamFailures = new Counter({
    name: "berth_pull_through_upstream_errors_total",
    help: "Failures of upstreams: denied, throttled, unavailable, out-of-bounds, nonsense, refused",
    labelNames: ["problem"],
    registers,
  });
  const used = createUsageMetrics(registers);
  gauge("berth_http_requests_in_flight", "Requests whose answers are not fully sent", requestsInFlight);
  gauge("process_resident_memory_bytes", "Memory in use", () => process.memoryUsage.rss());
  gauge("process_cpu_seconds_total", "Processor time used", () => {
    const { user, system } = process.cpuUsage();
    return (user + system) / 1e6;
  });
  const start = Date.now() / 1000 - process.uptime();
  gauge("process_start_time_seconds", "When the process began, in seconds since 1970", () => start);

  function gauge(name: string, help: string, read: () => number): void {
    new Gauge({
      name,
      help,
      registers,
      collect() {
        this.set(read());
      },
    });
  }

  return {
    observe({ route, operation = "", status, ms }) {
      requests.inc({ surface: route, operation, status: String(status) });
      seconds.observe({ surface: route }, ms / 1000);
    },
    collected({ blobs, bytes }) {
      freedBlobs.inc(blobs);
      freedBytes.inc(bytes);
    },
    waiting(queues) {
      for (const [queue, count] of Object.entries(queues)) queued.set({ queue }, count);
    },
    jobEnded: ({ kind, outcome, ms }) => jobSeconds.observe({ kind, outcome }, ms / 1000),
    jobsCounted(counts) {
      // What there is none of any more is not in the counts.
      jobs.reset();
      for (const { kind, state, jobs: count } of counts) jobs.set({ kind, state }, count);
    },
    caches: {
      pulled: (outcome) => throughCaches.inc({ outcome }),
      received: (bytes) => upstreamBytes.inc(bytes),
      failed: (problem) => upstreamFailures.inc({ problem }),
    },
    used,
    count: () => registry.getMetricsAsJSON(),
    listen: (address) => listenForMetrics(address, async () => registry),
  };
}

/** The metrics of several processes as those of one. */
export interface SummedMetrics {
  /** Keeps what a process has counted that is gone, since a sum that went down would look like a new beginning. */
  remember(counted: Counted): void;
  /** @throws CannotListen */
  listen(address: Address): MetricsListener;
}

/** @param read the processes that run, by the name that they shall have */
export function sumMetrics(read: () => Promise<readonly { worker: string; counted: Counted }[]>): SummedMetrics {
  let gone: Promise<Counted> = Promise.resolve([]);
  // What is in flight or in use was, and is no more.
  const lasting = (counted: Counted) => counted.filter(({ type }) => String(type) !== "gauge");
  const summed = (parts: readonly Counted[]) => AggregatorRegistry.aggregate([...parts]) as Registry;
  return {
    remember(counted) {
      gone = gone.then(async (before) => lasting(await summed([before, counted]).getMetricsAsJSON()));
    },
    listen: (address) =>
      listenForMetrics(address, async () => {
        const running = (await read()).map(({ worker, counted }) => ofProcess(worker, counted));
        return summed([await gone, ...running]);
      }),
  };
}

/** What is a process's own, its memory for one, stays apart; the rest adds up. */
function ofProcess(worker: string, counted: Counted): Counted {
  return counted.map((metric) => {
    if (!metric.name.startsWith("process_")) return metric;
    return { ...metric, values: metric.values.map((value) => ({ ...value, labels: { ...value.labels, worker } })) };
  });
}

function listenForMetrics({ host, port }: Address, read: () => Promise<Registry>): MetricsListener {
  let server: Bun.Server<unknown>;
  try {
    server = Bun.serve({
      hostname: host,
      port,
      development: false,
      reusePort: false,
      async fetch(request) {
        if (new URL(request.url).pathname !== "/metrics") return new Response("See /metrics\n", { status: 404 });
        const registry = await read();
        return new Response(await registry.metrics(), { headers: { "content-type": registry.contentType } });
      },
    });
  } catch (cause) {
    throw new CannotListen((cause as NodeJS.ErrnoException).code ?? "unknown", host, port, { cause });
  }
  return { url: `${server.url.origin}/metrics`, stop: () => server.stop(true) };
}
