import { refuse } from "../errors.ts";
import { parseRegion, type Registry } from "../names.ts";
import { nameOf } from "./jobs.ts";
import { isSame } from "./planner.ts";
import type { Destination, ReplicationRule } from "./ports.ts";

/** ECR's quota (ECR user guide, "Private image replication"). */
const maxDestinations = 25;

/**
 * What the shape of a request cannot say. `reaches` tells whether images can get to a region at all.
 * @throws InvalidParameter, Validation
 */
export function checkRules(
  rules: readonly ReplicationRule[],
  source: Registry,
  reaches: (destination: Destination) => boolean,
): void {
  const destinations = rules.flatMap((rule) => rule.destinations);
  if (destinations.some((destination) => isSame(destination, source))) {
    throw refuse("InvalidParameter", {
      member: "replicationConfiguration",
      constraint: "Replication destination cannot be the same as the source registry",
    });
  }
  const away = destinations.find((destination) => !parseRegion(destination.region) || !reaches(destination));
  if (away) {
    throw refuse("InvalidParameter", {
      member: "replicationConfiguration",
      constraint: `Replication destination region '${away.region}' is not supported`,
    });
  }
  if (new Set(destinations.map(nameOf)).size > maxDestinations) {
    throw refuse("Validation", {
      reason: `A replication configuration can have at most ${maxDestinations} unique destinations across all rules`,
    });
  }
}
