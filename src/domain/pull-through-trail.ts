import type { Granted } from "./access.ts";
import type { Happening } from "./audit/happening.ts";
import type { AuditTrail } from "./audit/trail.ts";
import type { RepositoryName } from "./names.ts";
import type { CacheRecords } from "./pull-through/cached-manifests.ts";

/**
 * What pulls through a cache change here, on record beside the pulls that led to it (ECR user guide, "Logging Amazon ECR
 * actions with CloudTrail"). Nobody called these operations: they are told under the request of the pull.
 */
export function pullThroughRecords(audit: Pick<AuditTrail, "note" | "write">, clock: () => Date): CacheRecords {
  const happening = (operation: string, granted: Granted, input: object, output: object): Happening => {
    const { caller, registry, needs, decisions } = granted;
    const { requestId, sourceIp, userAgent, secureTransport, certificate } = caller;
    return {
      at: clock().getTime(),
      arrival: { requestId, sourceIp, userAgent, secureTransport, certificate },
      who: { principal: caller.principal },
      ...registry,
      service: "ecr",
      operation,
      readOnly: false,
      input,
      output,
      needs,
      decisions,
    };
  };
  const inRegistry = ({ registry: { account } }: Granted, repositoryName: RepositoryName) => ({
    registryId: account,
    repositoryName,
  });
  return {
    made: (name, granted) => {
      const repository = inRegistry(granted, name);
      return audit.write(happening("CreateRepository", granted, repository, { repository }));
    },
    // As pulls and pushes, which wait for their records only while there is no room for more.
    imported: async (name, granted, { digest: imageDigest, tag: imageTag }) => {
      const repository = inRegistry(granted, name);
      const imageId = { imageDigest, imageTag };
      const input = { ...repository, imageIds: [imageId] };
      await audit.note(happening("BatchImportUpstreamImage", granted, input, { imageId }));
    },
  };
}
