import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom, type Random } from "../../test/support/random.ts";
import { compilePolicy } from "./compile.ts";
import { operatorNames } from "./conditions/index.ts";
import { decide } from "./decide.ts";
import { checkPolicyDocument, type PolicyKind } from "./document.ts";
import { Malformed } from "./grammar.ts";
import type { Asker, Policies, Question } from "./question.ts";
import { parseTemplate } from "./template.ts";
import { compileMatcher } from "./wildcards.ts";

const accounts = ["111122223333", "444455556666"];
const repositories = ["app", "team/app", "team/api", "x*"];
const actions = ["ecr:BatchGetImage", "ecr:PutImage", "ecr:DeleteRepository"];
const keys = ["aws:PrincipalTag/team", "aws:TagKeys", "aws:SourceIp", "aws:CurrentTime", "s3:max-keys"];
const values = ["web", "data", "10.1.2.3", "10.0.0.0/8", "2026-03-01", "5", "true", "*", "arn:aws:iam::1:role/x"];

type Statement = Record<string, unknown>;
type Layer = "identity" | "boundary" | "session" | "resource";

const arnOf = (account: string, name: string) => `arn:aws:ecr:eu-west-1:${account}:repository/${name}`;

function askerOf(random: Random): Asker {
  const account = random.pick(accounts);
  const user = `arn:aws:iam::${account}:user/u`;
  switch (random.pick(["root", "user", "role", "federated", "anonymous"] as const)) {
    case "root":
      return {
        kind: "root",
        account,
        arn: `arn:aws:iam::${account}:root`,
        identityArn: `arn:aws:iam::${account}:root`,
      };
    case "user":
      return { kind: "user", account, arn: user, identityArn: user };
    case "role": {
      const arn = `arn:aws:sts::${account}:assumed-role/r/s`;
      return { kind: "role", account, arn, identityArn: `arn:aws:iam::${account}:role/r` };
    }
    case "federated":
      return { kind: "federated", account, arn: `arn:aws:sts::${account}:federated-user/f`, identityArn: user };
    default:
      return { kind: "anonymous", account: "", arn: "*", identityArn: "*" };
  }
}

function questionOf(random: Random): Question {
  const context = new Map<string, string | string[]>();
  for (const key of keys) {
    if (random.chance(0.5)) continue;
    context.set(
      key.toLowerCase(),
      random.chance(0.3) ? [random.pick(values), random.pick(values)] : random.pick(values),
    );
  }
  const resourceAccount = random.pick(accounts);
  const resource = arnOf(resourceAccount, random.pick(repositories));
  return { action: random.pick(actions), resource, resourceAccount, principal: askerOf(random), context };
}

function conditionName(random: Random): string {
  const operator = random.pick(operatorNames);
  if (operator === "Null") return operator;
  return random.pick(["", "", "ForAllValues:", "ForAnyValue:"]) + operator + random.pick(["", "", "IfExists"]);
}

function statementOf(random: Random, layer: Layer, Effect = random.pick(["Allow", "Allow", "Deny"])): Statement {
  const account = random.pick(accounts);
  const principal = random.pick([
    "*",
    { AWS: account },
    { AWS: [`arn:aws:iam::${account}:user/u`, `arn:aws:iam::${account}:role/r`] },
    { AWS: `arn:aws:sts::${account}:assumed-role/r/s` },
  ]);
  const resource = random.pick([
    "*",
    arnOf("*", "*"),
    arnOf(account, "team/*"),
    arnOf("*", `\${aws:PrincipalTag/team}`),
  ]);
  return {
    Effect,
    [random.chance(0.8) ? "Action" : "NotAction"]: random.pick(["*", "ecr:*", "ecr:batch*", ...actions]),
    [random.chance(0.8) ? "Resource" : "NotResource"]: resource,
    ...(layer === "resource" && { [random.chance(0.8) ? "Principal" : "NotPrincipal"]: principal }),
    ...(random.chance(0.4) && { Condition: { [conditionName(random)]: { [random.pick(keys)]: random.pick(values) } } }),
  };
}

type Documents = Record<Layer, Statement[] | undefined>;

function documentsOf(random: Random): Documents {
  const some = (layer: Layer, chance: number) =>
    random.chance(chance) ? Array.from({ length: 1 + random.below(3) }, () => statementOf(random, layer)) : undefined;
  return {
    identity: some("identity", 0.9),
    boundary: some("boundary", 0.2),
    session: some("session", 0.2),
    resource: some("resource", 0.6),
  };
}

function policiesOf(documents: Documents): Policies {
  const compile = (layer: Layer) => {
    const statements = documents[layer];
    const kind = layer === "resource" ? "repository" : layer;
    const text = JSON.stringify({ Version: "2012-10-17", Statement: statements });
    return statements && [compilePolicy(text, { kind, name: layer })];
  };
  return {
    identity: compile("identity") ?? [],
    boundary: compile("boundary"),
    session: compile("session"),
    resource: compile("resource") ?? [],
  };
}

const answer = (question: Question, documents: Documents) => {
  const { allowed, because } = decide(question, policiesOf(documents));
  return { allowed, because };
};

/** Layers that are set, with one more statement in one of them. */
function add(random: Random, documents: Documents, effect: "Allow" | "Deny"): Documents {
  // A boundary that was not there, or a session's policy, would be a limit of its own.
  const layer = random.pick(
    (["identity", "boundary", "session", "resource"] as const).filter(
      (one) => documents[one] !== undefined || one === "identity" || one === "resource",
    ),
  );
  const statements = [...(documents[layer] ?? [])];
  statements.splice(random.below(statements.length + 1), 0, statementOf(random, layer, effect));
  return { ...documents, [layer]: statements };
}

function repeat(times: number, seed: string, round: (random: Random) => void): void {
  const random = createRandom(seed);
  for (let index = 0; index < times; index++) round(random);
}

describe("whatever the policies are", () => {
  test("the random ones allow and deny for every reason", () => {
    const reasons = new Map<string, number>();
    repeat(4000, "reasons", (random) => {
      const question = questionOf(random);
      const because = answer(question, documentsOf(random)).because.replace(question.action, "that");
      reasons.set(because, (reasons.get(because) ?? 0) + 1);
    });
    expect([...reasons.keys()].sort()).toEqual([
      "because a resource-based policy allows the that action",
      "because an identity-based policy allows the that action",
      "because no identity-based policy allows the that action",
      "because no permissions boundary allows the that action",
      "because no resource-based policy allows the that action",
      "because no session policy allows the that action",
      "because the caller is the root user of the account",
      "with an explicit deny in a permissions boundary",
      "with an explicit deny in a resource-based policy",
      "with an explicit deny in a session policy",
      "with an explicit deny in an identity-based policy",
    ]);
    expect(Math.min(...reasons.values())).toBeGreaterThan(10);
  });

  test("a further Deny never allows more", () => {
    repeat(4000, "deny", (random) => {
      const [question, documents] = [questionOf(random), documentsOf(random)];
      const more = add(random, documents, "Deny");
      if (answer(question, more).allowed) expect(answer(question, documents).allowed).toBe(true);
    });
  });

  test("a further Allow never denies more", () => {
    repeat(4000, "allow", (random) => {
      const [question, documents] = [questionOf(random), documentsOf(random)];
      const more = add(random, documents, "Allow");
      if (answer(question, documents).allowed) expect(answer(question, more).allowed).toBe(true);
    });
  });

  test("the order of statements does not matter", () => {
    repeat(3000, "order", (random) => {
      const [question, documents] = [questionOf(random), documentsOf(random)];
      const turned = Object.fromEntries(
        Object.entries(documents).map(([layer, statements]) => [layer, statements?.toReversed()]),
      ) as Documents;
      expect(answer(question, turned)).toEqual(answer(question, documents));
    });
  });

  test("the case of actions and condition keys does not matter", () => {
    const shout = (statement: Statement): Statement =>
      Object.fromEntries(
        Object.entries(statement).map(([member, value]) => {
          if (member === "Action" || member === "NotAction") return [member, String(value).toUpperCase()];
          if (member !== "Condition") return [member, value];
          const [name = "", lines] = Object.entries(value as Record<string, Statement>)[0] ?? [];
          const upper = Object.entries(lines ?? {}).map(([key, wanted]) => [key.toUpperCase(), wanted]);
          return [member, { [name]: Object.fromEntries(upper) }];
        }),
      );
    repeat(3000, "case", (random) => {
      const [question, documents] = [questionOf(random), documentsOf(random)];
      const loud = Object.fromEntries(
        Object.entries(documents).map(([layer, statements]) => [layer, statements?.map(shout)]),
      ) as Documents;
      expect(answer(question, loud)).toEqual(answer(question, documents));
    });
  });

  test("a policy cut in two decides the same", () => {
    repeat(2000, "cut", (random) => {
      const [question, documents] = [questionOf(random), documentsOf(random)];
      const whole = policiesOf(documents);
      const cut = documents.identity?.flatMap((one) => policiesOf({ ...documents, identity: [one] }).identity) ?? [];
      const { allowed, because } = decide(question, { ...whole, identity: cut });
      expect({ allowed, because }).toEqual(answer(question, documents));
    });
  });
});

describe("wildcards", () => {
  const context = { get: () => undefined };
  const matcherOf = (pattern: string) => compileMatcher(parseTemplate(pattern, { wildcards: true, variables: false }));

  /** Tries everything. */
  function oracle(pattern: string, text: string): boolean {
    if (pattern === "") return text === "";
    const [first, rest] = [pattern.charAt(0), pattern.slice(1)];
    if (first === "*") return oracle(rest, text) || (text !== "" && oracle(pattern, text.slice(1)));
    return text !== "" && (first === "?" || first === text.charAt(0)) && oracle(rest, text.slice(1));
  }

  test("match as trying everything does", () => {
    const seen = new Set<boolean>();
    repeat(30_000, "wildcards", (random) => {
      const some = (letters: string, most: number) =>
        Array.from({ length: random.below(most) }, () => random.pick([...letters])).join("");
      const [pattern, text] = [some("aab*?", 8), some("aab", 9)];
      const matches = matcherOf(pattern)(text, context);
      seen.add(matches);
      if (matches !== oracle(pattern, text)) throw new Error(`'${pattern}' and '${text}': ${matches}`);
    });
    expect(seen.size).toBe(2);
  });

  test("match in long texts as in short ones", () => {
    const seen = new Set<boolean>();
    repeat(1500, "long", (random) => {
      const some = (letters: string, length: number) =>
        Array.from({ length }, () => random.pick([...letters])).join("");
      const text = some("ab", 300);
      const from = random.below(200);
      const opened = [...text.slice(from, from + 70)].map((letter) => (random.chance(0.7) ? "?" : letter)).join("");
      const piece = random.chance(0.5) ? opened : `${opened.slice(0, -1)}${random.pick(["a", "b", "c"])}`;
      const places = text.length - piece.length + 1;
      const fits = (at: number) => [...piece].every((letter, index) => letter === "?" || letter === text[at + index]);
      const found = Array.from({ length: places }, (_, at) => at).some(fits);
      seen.add(found);
      if (matcherOf(`*${piece}*`)(text, context) !== found) throw new Error(`'${piece}' in '${text}'`);
    });
    expect(seen.size).toBe(2);
  });

  const hostile: [name: string, pattern: string, text: string][] = [
    ["many stars", `${"a*".repeat(5000)}b`, "a".repeat(100_000)],
    ["many stars and question marks", `${"a*?".repeat(3000)}b`, "a".repeat(100_000)],
    ["stars alone", "*".repeat(10_000), "a".repeat(100_000)],
    ["long pieces", `*${"a".repeat(5000)}b*`, "a".repeat(20_000)],
    ["long pieces with question marks", `*${"a?".repeat(2500)}b*`, "a".repeat(20_000)],
  ];
  for (const [name, pattern, text] of hostile) {
    test(`take no time: ${name}`, () => {
      const start = performance.now();
      matcherOf(pattern)(text, context);
      expect(performance.now() - start).toBeLessThan(500);
    });
  }

  test("variables take no time to find", () => {
    const start = performance.now();
    parseTemplate("${".repeat(50_000), { wildcards: true, variables: true });
    parseTemplate(`\${${" ".repeat(100_000)}`, { wildcards: true, variables: true });
    parseTemplate("${a, '".repeat(20_000), { wildcards: true, variables: true });
    expect(performance.now() - start).toBeLessThan(1000);
  });
});

describe("documents that were spoiled", () => {
  const kinds: PolicyKind[] = [
    "identity",
    "boundary",
    "session",
    "service-control",
    "resource-control",
    "trust",
    "repository",
    "registry",
  ];
  const folder = join(import.meta.dir, "cases");
  const documents = readdirSync(folder).flatMap((file) => {
    const cases = JSON.parse(readFileSync(join(folder, file), "utf8")) as { policies: Record<string, unknown> }[];
    return cases.flatMap(({ policies }) => {
      return Object.values(policies).map((Statement) => JSON.stringify({ Version: "2012-10-17", Statement }));
    });
  });

  test("are refused or read, and nothing else happens", () => {
    let refused = 0;
    const start = performance.now();
    repeat(6000, "spoil", (random) => {
      let text = random.pick(documents);
      for (let change = 0; change <= random.below(4); change++) text = spoil(random, text, random.pick(documents));
      const kind = random.pick(kinds);
      const { problem, message } = checkPolicyDocument(text, kind);
      expect(typeof message).toBe(typeof problem);
      if (problem !== undefined) refused++;
      try {
        const policy = compilePolicy(text, { kind, name: "spoiled" });
        const question = questionOf(random);
        expect(decide(question, { identity: [policy], resource: [policy] }).because).toBeString();
      } catch (error) {
        // Whatever passes the check can be compiled.
        if (!(error instanceof Malformed) || problem === undefined) throw error;
      }
    });
    expect(refused).toBeGreaterThan(1000);
    expect(performance.now() - start).toBeLessThan(20_000);
  });

  function spoil(random: Random, text: string, other: string): string {
    const at = random.below(text.length + 1);
    const piece = random.pick([
      "{",
      "}",
      "[",
      "]",
      '"',
      ",",
      ":",
      "null",
      "*",
      "${",
      "\u0000",
      "\ud800",
      "__proto__",
      "1e999",
    ]);
    switch (random.below(6)) {
      case 0:
        return text.slice(0, at);
      case 1:
        return text.slice(0, at) + piece + text.slice(at);
      case 2:
        return text.slice(0, at) + text.slice(at + 1 + random.below(5));
      case 3:
        return text.slice(0, at) + other.slice(random.below(other.length));
      case 4:
        return text.replace(
          /"[A-Z][A-Za-z]+"/,
          random.pick(['"Sid"', '"NotAction"', '"Principal"', '"__proto__"', '"Condition"']),
        );
      default:
        return text.replace(
          /"[^"]*"(?=[,\]}])/,
          random.pick(["{}", "[]", "1", "null", '""', '"*"', '"a:b:c:d:e:f:g"']),
        );
    }
  }
});
