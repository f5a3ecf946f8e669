import type { RepositoryName } from "../names.ts";
import type { ScanFrequency, ScanningConfiguration } from "./scanning-ports.ts";
import { matchesWildcard } from "./tag-mutability.ts";

/** Which repositories a scanning configuration means (ECR user guide, "Filters to choose which repositories are scanned"). */

/** A filter without `*` matches every name that contains it; with `*` the whole name must match. */
export function scanFilterMatches(filter: string, name: string): boolean {
  return filter.includes("*") ? matchesWildcard(filter, name) : name.includes(filter);
}

export interface AppliedScanning {
  readonly frequency: ScanFrequency;
  /** Those of the rule that match. */
  readonly filters: readonly string[];
}

/** When several rules match, the first of these counts. */
const precedence = ["CONTINUOUS_SCAN", "SCAN_ON_PUSH", "MANUAL"] as const;

/** A repository that no rule matches is scanned by hand, where that is possible at all. */
export function appliedScanning({ rules }: ScanningConfiguration, name: RepositoryName): AppliedScanning {
  for (const frequency of precedence) {
    const filters = rules
      .filter((rule) => rule.frequency === frequency)
      .flatMap((rule) => rule.filters)
      .filter((filter) => scanFilterMatches(filter, name));
    if (filters.length > 0) return { frequency, filters };
  }
  return { frequency: "MANUAL", filters: [] };
}

/** What is wrong with a configuration beyond its single members. */
export function scanningProblem({ scanType, rules }: ScanningConfiguration): string | undefined {
  const frequencies = rules.map(({ frequency }) => frequency);
  if (new Set(frequencies).size < frequencies.length) return "There can be one rule at most for each scan frequency";
  if (scanType === "BASIC" && frequencies.includes("CONTINUOUS_SCAN")) {
    return "The scan frequency CONTINUOUS_SCAN needs the scan type ENHANCED";
  }
  return undefined;
}
