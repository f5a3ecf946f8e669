import type { Config } from "./config.ts";
import type { AuditMetadata } from "./domain/audit/ports.ts";
import { expireRecords } from "./domain/audit/retention.ts";
import type { KeyMetadata, KeyWrapper } from "./domain/keys/ports.ts";
import { tendKeys } from "./domain/keys/upkeep.ts";
import { type Collected, collectGarbage, type Stores } from "./domain/registry/collection.ts";
import { expireUploads } from "./domain/registry/upload-expiry.ts";
import { usageOverview } from "./domain/registry/usage.ts";
import type { SecretMetadata } from "./domain/secrets/ports.ts";
import { removeDueSecrets } from "./domain/secrets/secrets.ts";
import { every } from "./jobs/schedule.ts";
import type { Log } from "./server/log.ts";
import type { Metrics } from "./server/metrics.ts";

/** What a registry does by the way, from memory of this process alone: see `background.ts` for what is to be remembered. */
export interface RoutineWork {
  readonly name: string;
  readonly everyMs: number;
  readonly firstAfterMs?: number;
  /** `signal` is aborted when Berth stops. */
  run(signal: AbortSignal): Promise<unknown>;
  /** Whether to run once more when Berth stops. */
  readonly isLast?: boolean;
}

const seconds = 1000;
const minutes = 60 * seconds;
const hours = 60 * minutes;

/** In each process that serves, since each has its own to write. */
export function writePullTimes(pullTimes: { flush(): Promise<void> }): RoutineWork {
  return { name: "pull times", everyMs: 5 * seconds, run: pullTimes.flush, isLast: true };
}

/** In each process that serves, likewise. Nobody needs to know by the second when a key was used. */
export function writeKeyUses(keyUses: { flush(): Promise<void> }): RoutineWork {
  return { name: "key uses", everyMs: minutes, run: keyUses.flush, isLast: true };
}

/** Once for all processes that share a port. Machines that share a database all do it, so it must be safe to do twice. */
export function routinesDoneOnce(
  { uploadExpiryHours, gc, audit, usage }: Config,
  stores: Stores & { readonly metadata: AuditMetadata & KeyMetadata & SecretMetadata; readonly keyWrapper: KeyWrapper },
  metrics: Pick<Metrics, "collected" | "waiting" | "used">,
  log: Log,
): RoutineWork[] {
  async function expire() {
    const before = new Date(stores.clock().getTime() - uploadExpiryHours * hours);
    const { sessions, orphans } = await expireUploads(stores, before);
    if (sessions + orphans > 0) log.info({ sessions, orphans }, "abandoned uploads were dropped");
  }
  async function collect(signal: AbortSignal) {
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
    const { repositories, links, blobs } = collected;
    if (repositories + links + blobs > 0) log.info({ ...collected }, "garbage was collected");
  }
  async function expireAudit(signal: AbortSignal) {
    const { newest } = await stores.metadata.read.audit.ends();
    // Whoever rewrites the whole chain does not rewrite the log.
    log.info({ sequence: newest.sequence, hash: newest.hash.toHex() }, "the end of the audit trail");
    if (audit.retention === 0) return;
    const before = new Date(stores.clock().getTime() - audit.retention);
    const removed = await expireRecords(stores.metadata, { before, signal });
    if (removed > 0) log.info({ removed, before }, "audit records were removed: their time is over");
  }
  async function tend(signal: AbortSignal) {
    const { metadata, keyWrapper: wrapper, clock } = stores;
    const { destroyed, rotated } = await tendKeys({ metadata, wrapper, clock }, { signal });
    if (destroyed + rotated > 0)
      log.info({ destroyed, rotated }, "encryption keys were destroyed or rotated: their time has come");
  }
  async function removeSecrets(signal: AbortSignal) {
    const removed = await removeDueSecrets(stores.metadata, stores.clock(), signal);
    if (removed > 0) log.info({ removed }, "secrets were removed: their time is over");
  }
  let shownRun: number | undefined;
  async function showUsage() {
    const overview = await usageOverview(stores.metadata, usage.repositoriesInMetrics, shownRun);
    if (overview) metrics.used(overview);
    shownRun = overview?.run.id ?? shownRun;
  }
  return [
    // Soon after the start too, for what a crash left behind.
    { name: "abandoned uploads", everyMs: 15 * minutes, firstAfterMs: 10 * seconds, run: expire },
    {
      name: "garbage collection",
      everyMs: gc.every,
      firstAfterMs: Math.min(gc.every, 30 * seconds),
      run: collect,
    },
    { name: "encryption keys", everyMs: 5 * minutes, firstAfterMs: 20 * seconds, run: tend },
    { name: "deleted secrets", everyMs: 5 * minutes, firstAfterMs: 25 * seconds, run: removeSecrets },
    { name: "usage metrics", everyMs: 5 * minutes, firstAfterMs: seconds, run: showUsage },
    { name: "audit retention", everyMs: hours, firstAfterMs: minutes, run: expireAudit },
  ];
}

/** Answers how to stop them. What is still to be written then, is. */
export function startRoutines(works: readonly RoutineWork[], log: Log): () => Promise<void> {
  const stopping = new AbortController();
  const { signal } = stopping;
  const failed = (routine: string) => (error: unknown) => {
    if (!signal.aborted) log.error({ error, routine }, "a routine failed");
  };
  const routines = works.map(({ name, everyMs, run, firstAfterMs }) =>
    every(everyMs, () => run(signal), failed(name), firstAfterMs),
  );
  return async () => {
    stopping.abort(new Error("the registry stops"));
    for (const routine of routines) await routine.stop();
    for (const { name, run, isLast } of works) {
      if (isLast) await run(signal).catch((error) => log.error({ error, routine: name }, "a routine failed"));
    }
  };
}
