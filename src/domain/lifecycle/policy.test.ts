import { describe, expect, test } from "bun:test";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../../../test/support/random.ts";
import { checkLifecyclePolicy } from "./policy.ts";
import { policyOf } from "./testing.ts";

/** A policy, as a document or as text, and what ECR finds wrong with it: nothing where that is null. */
interface Case {
  readonly name: string;
  readonly policy: unknown;
  readonly detail: string | null;
}

const cases = JSON.parse(readFileSync(join(import.meta.dir, "cases", "refusals.json"), "utf8")) as Case[];
const textOf = ({ policy }: Case) => (typeof policy === "string" ? policy : JSON.stringify(policy)).padEnd(100);

describe("lifecycle policy texts", () => {
  for (const one of cases) {
    test(`${one.detail === null ? "taken" : "refused"}: ${one.name}`, () => {
      const checked = checkLifecyclePolicy(textOf(one));
      if (one.detail === null) expect(checked).toMatchObject({ policy: { text: textOf(one) } });
      else {
        const constraint = `Lifecycle policy validation failure: ${one.detail}`;
        expect(checked).toEqual({ problem: { member: "LifecyclePolicyText", constraint } });
      }
    });
  }

  test("there are many, and each has a name of its own", () => {
    expect(cases.length).toBeGreaterThanOrEqual(100);
    expect(new Set(cases.map(({ name }) => name)).size).toBe(cases.length);
  });
});

test("the length is counted first, blanks and all", () => {
  const text = textOf(cases[0] as Case).trim();
  const long = (length: number) => checkLifecyclePolicy(text.padEnd(length));
  const problem = (bound: string) => {
    return { problem: { member: "lifecyclePolicyText", constraint: `Member must have length ${bound}` } };
  };
  expect(checkLifecyclePolicy("{}")).toEqual(problem("greater than or equal to 100"));
  expect(checkLifecyclePolicy("x".repeat(99))).toEqual(problem("greater than or equal to 100"));
  expect(long(30_720)).toHaveProperty("policy");
  expect(long(30_721)).toEqual(problem("less than or equal to 30720"));
});

test("rules come in order of priority, the text as it was", () => {
  const { rules, text } = policyOf(["7: any, p>5", "3: PP a*+b*, c>2, archive"]);
  expect(rules).toEqual([
    {
      priority: 3,
      description: undefined,
      selection: {
        tagStatus: "tagged",
        tagPatternList: ["a*", "b*"],
        tagPrefixList: undefined,
        storageClass: "standard",
        countType: "imageCountMoreThan",
        countNumber: 2,
      },
      action: "transition",
    },
    expect.objectContaining({ priority: 7, action: "expire" }),
  ]);
  expect(JSON.parse(text).rules.map(({ rulePriority }: { rulePriority: number }) => rulePriority)).toEqual([7, 3]);
});

test("whatever the text, there is an answer, and long names in it are cut", () => {
  const random = createRandom("lifecycle policy texts");
  const pieces = [
    '"rules"',
    ":",
    "[",
    "]",
    "{",
    "}",
    ",",
    "null",
    "1",
    "-1",
    "1e999",
    '"any"',
    "true",
    '"tagStatus"',
    "\\",
    '"',
  ];
  for (let round = 0; round < 500; round++) {
    const length = random.below(60);
    const text = Array.from({ length }, () => random.pick(pieces)).join("");
    expect(Object.keys(checkLifecyclePolicy(text.padEnd(100)))).toHaveLength(1);
  }
  // Documents with one member replaced, removed or added.
  const values = [null, 0, -1, 1.5, "", "x", [], {}, true, ["v"], [null]];
  for (let round = 0; round < 500; round++) {
    const document = structuredClone(random.pick(cases.filter(({ policy }) => typeof policy === "object")).policy);
    let at = document as Record<string, unknown>;
    for (let depth = random.below(4); depth > 0; depth--) {
      const inner = Object.values(at).filter((value) => typeof value === "object" && value !== null);
      if (inner.length > 0) at = random.pick(inner) as Record<string, unknown>;
    }
    const [key] = [random.pick([...Object.keys(at), "more"])];
    if (random.chance(0.3)) delete at[key];
    else at[key] = random.pick(values);
    expect(Object.keys(checkLifecyclePolicy(JSON.stringify(document).padEnd(100)))).toHaveLength(1);
  }
  const name = "n".repeat(20_000);
  const checked = checkLifecyclePolicy(JSON.stringify({ rules: [], [name]: 1 }));
  expect("problem" in checked && checked.problem.constraint.length).toBeLessThan(500);
});
