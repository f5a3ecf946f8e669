import { describe, expect, test } from "bun:test";
import type { RepositoryName } from "../names.ts";
import type { ScanningRule, ScanType } from "./scanning-ports.ts";
import { appliedScanning, scanFilterMatches, scanningProblem } from "./scanning-rules.ts";

describe("filters", () => {
  const names = ["prod", "repo-prod", "prod-repo", "repo-prod-repo", "prodrepo"];
  test.each<[filter: string, matched: string[]]>([
    ["prod", names],
    ["*prod", ["prod", "repo-prod"]],
    ["prod*", ["prod", "prod-repo", "prodrepo"]],
    ["*prod*", names],
    ["prod*repo", ["prod-repo", "prodrepo"]],
    ["*", names],
    ["r*o*d", ["repo-prod"]],
    ["prod*prod", []],
    ["staging", []],
  ])("%s", (filter, matched) => {
    expect(names.filter((name) => scanFilterMatches(filter, name))).toEqual(matched);
  });

  test("a hundred wildcards cost no more than a few", () => {
    expect(scanFilterMatches(`${"*a".repeat(100)}*b`, "a".repeat(256))).toBe(false);
  });
});

const rule = (frequency: ScanningRule["frequency"], ...filters: string[]): ScanningRule => ({ frequency, filters });
const name = "team/app" as RepositoryName;

describe("a repository", () => {
  test.each<[what: string, scanType: ScanType, rules: ScanningRule[], applied: object]>([
    ["no rule", "BASIC", [], { frequency: "MANUAL", filters: [] }],
    ["a rule for others", "BASIC", [rule("SCAN_ON_PUSH", "other")], { frequency: "MANUAL", filters: [] }],
    ["a rule for nobody", "BASIC", [rule("SCAN_ON_PUSH")], { frequency: "MANUAL", filters: [] }],
    [
      "those filters of a rule that match",
      "BASIC",
      [rule("SCAN_ON_PUSH", "team/*", "other", "app")],
      { frequency: "SCAN_ON_PUSH", filters: ["team/*", "app"] },
    ],
    [
      "continuous before on push",
      "ENHANCED",
      [rule("SCAN_ON_PUSH", "*"), rule("CONTINUOUS_SCAN", "team/*")],
      { frequency: "CONTINUOUS_SCAN", filters: ["team/*"] },
    ],
    [
      "on push where continuous is for others",
      "ENHANCED",
      [rule("CONTINUOUS_SCAN", "prod*"), rule("SCAN_ON_PUSH", "*")],
      { frequency: "SCAN_ON_PUSH", filters: ["*"] },
    ],
    [
      "on push before by hand",
      "BASIC",
      [rule("MANUAL", "*"), rule("SCAN_ON_PUSH", "app")],
      { frequency: "SCAN_ON_PUSH", filters: ["app"] },
    ],
  ])("%s", (_, scanType, rules, applied) => {
    expect(appliedScanning({ scanType, rules }, name)).toEqual(applied as never);
  });
});

describe("a configuration", () => {
  const problem = (scanType: ScanType, ...rules: ScanningRule[]) => scanningProblem({ scanType, rules });
  test("is as good as its scan type allows", () => {
    expect(problem("BASIC")).toBeUndefined();
    expect(problem("BASIC", rule("SCAN_ON_PUSH", "*"), rule("MANUAL", "x"))).toBeUndefined();
    expect(problem("ENHANCED", rule("SCAN_ON_PUSH", "*"), rule("CONTINUOUS_SCAN", "x"))).toBeUndefined();
    expect(problem("BASIC", rule("CONTINUOUS_SCAN", "*"))).toMatch("needs the scan type ENHANCED");
    expect(problem("BASIC", rule("MANUAL", "a"), rule("MANUAL", "b"))).toMatch("one rule at most");
  });
});
