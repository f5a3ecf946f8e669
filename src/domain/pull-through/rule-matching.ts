import type { RepositoryName } from "../names.ts";
import type { PullThroughRule, RuleMatch } from "./rules.ts";

/** Instead of a prefix: every repository. */
export const root = "ROOT";

/** Rules in the order in which they are tried: the longest prefix first, and last what takes the rest. */
export function inOrderOfTrial(rules: readonly PullThroughRule[]): PullThroughRule[] {
  const lengthOf = ({ prefix }: PullThroughRule) => (prefix === root ? 0 : prefix.length);
  return [...rules].sort((one, other) => lengthOf(other) - lengthOf(one));
}

/** The first of `rules` that the name falls under (ECR user guide, "Pull through cache rules"). */
export function matchRule(rules: readonly PullThroughRule[], name: RepositoryName): RuleMatch | undefined {
  for (const rule of rules) {
    const rest = withoutPrefix(name, rule.prefix);
    if (rest !== undefined) return { rule, upstreamRepository: withPrefix(rest, rule.upstreamPrefix) };
  }
  return undefined;
}

/** A prefix ends where a segment of the name does. */
function withoutPrefix(name: string, prefix: string): string | undefined {
  if (prefix === root) return name;
  return name.startsWith(`${prefix}/`) ? name.slice(prefix.length + 1) : undefined;
}

function withPrefix(rest: string, prefix: string): string {
  return prefix === root ? rest : `${prefix}/${rest}`;
}
