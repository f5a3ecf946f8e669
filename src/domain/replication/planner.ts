import type { Registry, RepositoryName } from "../names.ts";
import type { Destination, ReplicationRule } from "./ports.ts";

/** Where images of a repository go: each destination once, in the order of the rules. Pure. */
export function destinationsOf(
  rules: readonly ReplicationRule[],
  name: RepositoryName,
  source: Registry,
): Destination[] {
  const found = new Map<string, Destination>();
  for (const { destinations, prefixes } of rules) {
    if (prefixes.length > 0 && !prefixes.some((prefix) => name.startsWith(prefix))) continue;
    for (const destination of destinations) {
      if (!isSame(destination, source)) found.set(`${destination.account}/${destination.region}`, destination);
    }
  }
  return [...found.values()];
}

export function isSame(one: Registry, other: Registry): boolean {
  return one.account === other.account && one.region === other.region;
}
