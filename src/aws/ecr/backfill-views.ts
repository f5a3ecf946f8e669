import type { Backfill, BackfillResult } from "../../domain/replication/ports.ts";
import { destinationView } from "./replication-shapes.ts";

/** A backfill as it is begun and stopped. */
export function backfillView({ id, registry, destination, status, startedAt }: Backfill) {
  return {
    replicationBackfillId: id,
    registryId: registry.account,
    destination: destinationView(destination),
    status,
    startedAt,
  };
}

export function backfillSummary({ id, destination, status, failureCode, progress, startedAt, endedAt }: Backfill) {
  return {
    replicationBackfillId: id,
    destination: destinationView(destination),
    status,
    failureCode,
    progress: progress && {
      totalReplicationCount: progress.total,
      completedReplicationCount: progress.completed,
      failedReplicationCount: progress.failed,
      failureCodes: [...progress.failureCodes],
    },
    startedAt,
    endedAt,
  };
}

export function resultView({ repository, digest, tag, status, failureCode, partFailureCodes }: BackfillResult) {
  return {
    repositoryName: repository,
    imageId: { imageDigest: digest, imageTag: tag },
    status,
    failureCode,
    subImageFailureCodes: partFailureCodes && [...partFailureCodes],
  };
}
