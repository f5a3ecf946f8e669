import type { Happening } from "../domain/audit/happening.ts";
import { eventIdAt } from "../domain/audit/record.ts";
import type { AuditTrail } from "../domain/audit/trail.ts";
import { repositoryArn } from "../domain/names.ts";
import { replicator, replicatorOf } from "../domain/replication/local-target.ts";
import type { ReplicaJob } from "../domain/replication/ports.ts";
import type { ReplicaOutcome } from "../domain/replication/replicating.ts";

/** Puts on record, where an image was to go, that it has arrived or will not. */
export function recordReplicas(audit: Pick<AuditTrail, "write">, clock: () => Date) {
  return (job: ReplicaJob, outcome: ReplicaOutcome): Promise<void> => audit.write(happeningOf(job, outcome, clock()));
}

function happeningOf({ account, region, name, digest, to }: ReplicaJob, outcome: ReplicaOutcome, at: Date): Happening {
  const requestId = eventIdAt(at.getTime());
  return {
    at: at.getTime(),
    arrival: { requestId, sourceIp: replicator, userAgent: replicator, secureTransport: false },
    who: { principal: replicatorOf(account, requestId).principal },
    ...to,
    service: "ecr",
    operation: "ReplicateImage",
    readOnly: false,
    input: {
      registryId: to.account,
      repositoryName: name,
      imageIds: [{ imageDigest: digest }],
      sourceAccount: account,
      sourceRegion: region,
    },
    output: outcome.status === "COMPLETE" ? { withoutTags: outcome.without } : undefined,
    needs: [{ action: "ecr:ReplicateImage", resource: repositoryArn(to, name) }],
    failure:
      outcome.status === "FAILED"
        ? { code: outcome.failureCode, message: outcome.error instanceof Error ? outcome.error.message : "" }
        : undefined,
  };
}
