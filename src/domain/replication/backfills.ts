import { randomUUID } from "node:crypto";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { enqueue } from "../jobs/kinds.ts";
import type { Metadata } from "../registry/ports.ts";
import { backfillKind, nameOf } from "./jobs.ts";
import { isSame } from "./planner.ts";
import type { Backfill, BackfillPlace, BackfillResult, Destination } from "./ports.ts";
import type { ReplicatingNouns } from "./trigger.ts";

/**
 * Backfills: what was there before there were rules (ECR API reference, StartReplicationBackfill). Each method acts in the
 * registry that the grant is for.
 */
export interface BackfillService {
  /** @throws InvalidParameter, ReplicationBackfillInProgress, LimitExceeded */
  start(granted: Granted, destination: Destination): Promise<Backfill>;
  /** @throws ReplicationBackfillNotFound, ReplicationBackfillInvalidStatus */
  stop(granted: Granted, id: string): Promise<Backfill>;
  /** Newest first. */
  list(granted: Granted, page: { readonly after?: BackfillPlace; readonly limit: number }): Promise<Backfill[]>;
  /** @throws ReplicationBackfillNotFound */
  describe(granted: Granted, id: string): Promise<Backfill>;
  /** Of one that has ended. */
  results(
    backfill: Backfill,
    page: { readonly after?: number; readonly limit: number; readonly status?: BackfillResult["status"] },
  ): Promise<BackfillResult[]>;
}

const maxOpen = 10;
/** For so long they can be looked at after their end. */
export const keptMs = 90 * 24 * 60 * 60_000;

export interface BackfillParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  readonly clock: () => Date;
}

export function createBackfills({ metadata, clock }: BackfillParts): BackfillService {
  const endedSince = () => new Date(clock().getTime() - keptMs);

  return {
    async start({ registry }, destination) {
      return metadata.transact(async (nouns) => {
        const rules = (await nouns.replication.configuration(registry))?.rules ?? [];
        if (!rules.some(({ destinations }) => destinations.some((one) => isSame(one, destination)))) {
          throw refuse("InvalidParameter", {
            member: "destination",
            constraint: `The destination ${nameOf(destination)} is not configured in the registry's replication configuration`,
          });
        }
        const now = clock();
        const backfill: Backfill = { id: randomUUID(), registry, destination, status: "PREPARING", startedAt: now };
        if (!(await nouns.backfills.create(backfill))) {
          throw refuse("ReplicationBackfillInProgress", { registry, region: destination.region });
        }
        if ((await nouns.backfills.countOpen(registry)) > maxOpen) {
          const reason = `A registry can have at most ${maxOpen} replication backfills in progress`;
          throw refuse("LimitExceeded", { reason });
        }
        await enqueue(nouns, backfillKind, { ...registry, id: backfill.id }, { key: backfill.id, now });
        return backfill;
      });
    },

    async stop({ registry }, id) {
      return metadata.transact(async (nouns) => {
        const { backfills } = nouns;
        const backfill = await backfills.lock(registry, id);
        if (!backfill) throw refuse("ReplicationBackfillNotFound", { registry, id });
        const { status } = backfill;
        if (backfill.endedAt) throw refuse("ReplicationBackfillInvalidStatus", { id, status });
        // Nothing is on its way while it is found out what is to go.
        const change =
          status === "PREPARING"
            ? ({ status: "STOPPED", endedAt: clock() } as const)
            : ({ status: "STOPPING" } as const);
        await backfills.update(id, change);
        // Its job may be a dead letter.
        await enqueue(nouns, backfillKind, { ...registry, id }, { key: id, now: clock() });
        return { ...backfill, ...change };
      });
    },

    list: ({ registry }, page) => metadata.read.backfills.list(registry, endedSince(), page),
    async describe({ registry }, id) {
      const backfill = await metadata.read.backfills.find(registry, id);
      if (!backfill || (backfill.endedAt && backfill.endedAt <= endedSince())) {
        throw refuse("ReplicationBackfillNotFound", { registry, id });
      }
      return backfill;
    },
    results: async ({ id, endedAt }, page) => (endedAt ? metadata.read.backfills.results(id, page) : []),
  };
}
