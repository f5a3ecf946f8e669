import type { Granted } from "../access.ts";
import type { Digest, RepositoryName } from "../names.ts";
import { type ImageReference, imageNotFound, resolveImage } from "../registry/image-references.ts";
import type { Metadata } from "../registry/ports.ts";
import { existing } from "../registry/repositories.ts";
import { checkRules } from "./configuration.ts";
import type { Destination, Replica, ReplicationRule } from "./ports.ts";
import type { ReplicatingNouns } from "./trigger.ts";

/** Where a registry's images go, and how far they have come. Each method acts in the registry that the grant is for. */
export interface ReplicationService {
  rules(granted: Granted): Promise<readonly ReplicationRule[]>;
  /** Replaces them. What is on its way goes on. @throws InvalidParameter, Validation */
  setRules(granted: Granted, rules: readonly ReplicationRule[]): Promise<void>;
  /** @throws RepositoryNotFound, ImageNotFound */
  status(
    granted: Granted,
    name: RepositoryName,
    reference: ImageReference,
  ): Promise<{ readonly digest: Digest; readonly replicas: readonly Replica[] }>;
}

export interface ReplicationParts {
  readonly metadata: Metadata<ReplicatingNouns>;
  /** Whether images can get to a region: it is served here, or by a peer. */
  readonly reaches: (destination: Destination) => boolean;
  readonly clock: () => Date;
}

/** Far beyond the last attempt of any job: whoever had it was never heard of again. */
const patienceMs = 7 * 24 * 60 * 60_000;

export function createReplication({ metadata, reaches, clock }: ReplicationParts): ReplicationService {
  function shown(replica: Replica): Replica {
    const isLost = replica.status === "IN_PROGRESS" && clock().getTime() - replica.changedAt.getTime() > patienceMs;
    return isLost ? { ...replica, status: "FAILED", failureCode: "Interrupted" } : replica;
  }

  return {
    rules: async ({ registry }) => (await metadata.read.replication.configuration(registry))?.rules ?? [],
    async setRules({ registry }, rules) {
      checkRules(rules, registry, reaches);
      await metadata.transact(({ replication }) => replication.setRules(registry, rules));
    },
    async status({ registry }, name, reference) {
      const repository = await existing(metadata.read.repositories, registry, name);
      const image = await resolveImage(metadata.read, repository.id, reference);
      if (!image) throw imageNotFound(registry, name, reference);
      const replicas = await metadata.read.replication.ofImage(image.id);
      return { digest: image.digest, replicas: replicas.map(shown) };
    },
  };
}
