import { expect, test } from "bun:test";
import type { AccountId, Region, RepositoryName } from "../names.ts";
import { inOrderOfTrial, matchRule } from "./rule-matching.ts";
import type { PullThroughRule } from "./rules.ts";

const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };

function rule(prefix: string, upstreamPrefix = "ROOT"): PullThroughRule {
  const at = new Date(0);
  const of = { registry, prefix, upstreamPrefix, upstreamUrl: "quay.io", upstream: "quay" } as const;
  return { ...of, createdAt: at, updatedAt: at, options: {} };
}

/** The prefix of the rule that matched, and the upstream's name for the repository. Rules are `PREFIX` or `PREFIX=UPSTREAM`. */
function found(rules: string, name: string): string | undefined {
  const all = rules.split(" ").map((text) => rule(...(text.split("=") as [string, string?])));
  const match = matchRule(inOrderOfTrial(all), name as RepositoryName);
  return match && `${match.rule.prefix}: ${match.upstreamRepository}`;
}

test.each([
  ["p", "p/x/y", "p: x/y"],
  ["p=q", "p/x", "p: q/x"],
  ["p=p", "p/x", "p: p/x"],
  ["p/q=a/b", "p/q/x", "p/q: a/b/x"],
  ["ROOT", "library/alpine", "ROOT: library/alpine"],
  ["ROOT p p/q", "p/q/x", "p/q: x"],
  ["ROOT p/q p", "p/x", "p: x"],
  ["p/q ROOT p", "x", "ROOT: x"],
  // As long as the word that stands for all, and shorter.
  ["ROOT abc", "abc/x", "abc: x"],
  // A prefix ends where a segment does.
  ["p", "px/y", undefined],
  ["p", "p", undefined],
  ["p", "q/p/x", undefined],
])("of %s, %s falls under %s", (rules, name, expected) => {
  expect(found(rules, name)).toBe(expected as string);
});
