import type { AuditMetadata } from "./domain/audit/ports.ts";
import { type AuditTrail, createTrail } from "./domain/audit/trail.ts";
import type { JobKind } from "./domain/jobs/kinds.ts";
import { schedule, unschedule } from "./domain/jobs/schedules.ts";
import type { Registry } from "./domain/names.ts";
import type { Stores } from "./domain/registry/collection.ts";
import { createKeptByRetention } from "./domain/registry/kept-by-retention.ts";
import { alignEvaluations } from "./domain/registry/lifecycle-jobs.ts";
import type { Metadata, Tiers } from "./domain/registry/ports.ts";
import type { OpenTarget } from "./domain/replication/target.ts";
import type { ReplicatingNouns } from "./domain/replication/trigger.ts";
import { evaluateLifecycleHandler } from "./jobs/evaluate-lifecycle.ts";
import type { JobHandler } from "./jobs/handler.ts";
import { recordLifecycle } from "./jobs/lifecycle-events.ts";
import { measureUsageHandler, measureUsageKind } from "./jobs/measure-usage.ts";
import { moveBlobsHandler, moveBlobsKind } from "./jobs/move-blobs.ts";
import { forgetPreviewHandler, previewLifecycleHandler } from "./jobs/preview-lifecycle.ts";
import { backfillHandler, removeReplicaHandler, replicateImageHandler } from "./jobs/replicate.ts";
import { recordReplicas } from "./jobs/replication-events.ts";
import { type Runner, startRunner } from "./jobs/runner.ts";
import { sweepStraysHandler, sweepStraysKind } from "./jobs/sweep-strays.ts";
import type { Log } from "./server/log.ts";
import type { Metrics } from "./server/metrics.ts";

/**
 * The jobs of this Berth: what does them, and what is done again and again. A kind of jobs is a file in `jobs/` and a line
 * here. Work that each process has to do for itself, or that costs nothing when there is nothing to do, is a routine
 * (`routines.ts`).
 */

export interface BackgroundParts {
  readonly stores: Omit<Stores, "metadata"> & {
    readonly metadata: Metadata<ReplicatingNouns> & AuditMetadata;
    readonly tiers?: Tiers;
  };
  readonly home: Registry;
  /** Opens where replicas go. */
  readonly openTarget: OpenTarget;
  readonly settings: {
    /** From one evaluation of a lifecycle policy to the next. */
    readonly lifecycle: { readonly interval: number };
    /** For how long what is deleted can be brought back. */
    readonly undelete: { readonly window: number };
    /** How often usage is measured, 0 for never, and how long it is kept. */
    readonly usage: { readonly every: number; readonly retention: number };
  };
  readonly metrics: Pick<Metrics, "collected" | "jobEnded" | "jobsCounted">;
  readonly log: Log;
  /** Names this process among all that share the database. */
  readonly worker: string;
}

const minutes = 60_000;
const hours = 60 * minutes;
const firstMeasureAfterMs = 2 * minutes;

function handlersOf({ stores, openTarget, settings, metrics, log }: BackgroundParts, audit: AuditTrail): JobHandler[] {
  const { metadata, clock } = stores;
  const retention = createKeptByRetention(clock);
  const lifecycle = { metadata, clock, retention, record: recordLifecycle(audit, clock) };
  const replicating = { metadata, openTarget, clock, ended: recordReplicas(audit, clock) };
  const evaluation = { ...lifecycle, everyMs: settings.lifecycle.interval, undeleteMs: settings.undelete.window };
  return [
    evaluateLifecycleHandler(evaluation, (evaluated, { account, name }) => {
      if (evaluated.acted + evaluated.failed > 0) {
        log.info({ account, repository: name, ...evaluated }, "a lifecycle policy was evaluated");
      }
    }),
    previewLifecycleHandler(lifecycle),
    forgetPreviewHandler(lifecycle),
    sweepStraysHandler(stores, (swept) => {
      metrics.collected(swept);
      if (swept.blobs > 0) log.info({ ...swept }, "copies that nothing names were removed");
    }),
    measureUsageHandler({ ...stores, retentionMs: settings.usage.retention }, (run) =>
      log.info({ run }, "it was measured what storage is used for"),
    ),
    replicateImageHandler(replicating),
    backfillHandler(replicating),
    removeReplicaHandler(replicating, ({ account, name, digest, tag, to }, error) =>
      log.warn({ account, repository: name, digest, tag, to, error }, "what was removed stays at a destination"),
    ),
    moveBlobsHandler(stores, {
      moved(moved) {
        const { archived, restored, activated } = moved;
        if (archived + restored + activated > 0) log.info({ ...moved }, "blobs of archived images were moved");
      },
      failed: ({ digest }, error) => log.error({ digest, error }, "a blob of an archived image could not be moved"),
    }),
  ];
}

/** What there is once in a deployment. What belongs to a repository is scheduled where the repository is changed. */
function schedulesOf({ stores: { tiers }, settings: { usage } }: BackgroundParts): readonly OneSchedule[] {
  const moves = tiers ? [{ kind: moveBlobsKind, everyMs: minutes }] : [];
  const measures = usage.every > 0 ? [{ kind: measureUsageKind, everyMs: usage.every }] : [];
  return [{ kind: sweepStraysKind, everyMs: 24 * hours }, ...moves, ...measures];
}

interface OneSchedule {
  readonly kind: JobKind<Record<string, never>>;
  readonly everyMs: number;
}

/** In one of the processes that share a port. Machines that share a database each do it. */
export async function startBackground(parts: BackgroundParts): Promise<Runner> {
  const { stores, home, settings, metrics, log, worker } = parts;
  const { metadata, clock } = stores;
  await metadata.transact(async (nouns) => {
    const now = clock();
    for (const { kind, everyMs } of schedulesOf(parts)) {
      // Who has just begun with Berth need not wait a day for the first figures.
      const isFirst = kind === measureUsageKind && (await nouns.usage.newest()) === undefined;
      const firstAt = isFirst ? new Date(now.getTime() + firstMeasureAfterMs) : undefined;
      await schedule(nouns, kind, {}, { everyMs, now, firstAt });
    }
    if (settings.usage.every === 0) await unschedule(nouns, measureUsageKind);
  });
  await alignEvaluations(metadata, { everyMs: settings.lifecycle.interval, now: clock() });
  const audit = createTrail({ metadata, home, clock, log });
  const runner = await startRunner({
    metadata,
    clock,
    log,
    worker,
    handlers: handlersOf(parts, audit),
    ended: metrics.jobEnded,
    counted: metrics.jobsCounted,
  });
  async function stop() {
    await runner.stop();
    await audit.close();
  }
  return { ...runner, stop };
}
