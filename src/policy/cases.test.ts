import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CompiledPolicy, compilePolicy } from "./compile.ts";
import { operatorNames } from "./conditions/index.ts";
import { decide, explain } from "./decide.ts";
import { checkPolicyDocument, type PolicyKind } from "./document.ts";
import type { Asker, Policies, Question } from "./question.ts";

/** Whole decisions, as AWS documents them. A policy is a list of statements in the new version, or a document. */
interface Case {
  readonly name: string;
  readonly request: {
    readonly by: string;
    readonly action: string;
    readonly resource: string;
    /** The account that owns the resource, where the resource does not say. */
    readonly account?: string;
    readonly context?: Record<string, string | string[]>;
  };
  readonly policies: Partial<Record<Exclude<Layer, Level>, unknown>> & Partial<Record<Level, readonly unknown[]>>;
  readonly bindings?: Record<string, string>;
  readonly expect: { readonly allowed: boolean; readonly because: string; readonly sid?: string };
}

type Level = "serviceControl" | "resourceControl";
type Layer = "identity" | "boundary" | "session" | "repository" | "registry" | "trust" | "key" | Level;

const account = "111122223333";
const other = "444455556666";
const user = `arn:aws:iam::${account}:user/u`;
const plain = (kind: Asker["kind"], owner: string, arn: string, more?: Partial<Asker>): Asker => ({
  kind,
  account: owner,
  arn,
  identityArn: arn,
  ...more,
});
const askers: Record<string, Asker> = {
  root: plain("root", account, `arn:aws:iam::${account}:root`),
  user: plain("user", account, user, { uniqueId: "AIDAEXAMPLEUSER00001" }),
  session: plain("role", account, `arn:aws:sts::${account}:assumed-role/r/s`, {
    identityArn: `arn:aws:iam::${account}:role/r`,
    uniqueId: "AROAEXAMPLEROLE00001",
  }),
  federated: plain("federated", account, `arn:aws:sts::${account}:federated-user/f`, {
    identityArn: user,
    uniqueId: "AIDAEXAMPLEUSER00001",
  }),
  "other root": plain("root", other, `arn:aws:iam::${other}:root`),
  "other user": plain("user", other, `arn:aws:iam::${other}:user/c`, { uniqueId: "AIDAEXAMPLEUSER00002" }),
  "other session": plain("role", other, `arn:aws:sts::${other}:assumed-role/q/t`, {
    identityArn: `arn:aws:iam::${other}:role/q`,
    uniqueId: "AROAEXAMPLEROLE00002",
  }),
  anonymous: plain("anonymous", "", "*"),
  "web identity": plain("web-identity", "", "web-identity", {
    provider: `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com`,
  }),
  service: plain("service", "", "ecr.amazonaws.com", { provider: "ecr.amazonaws.com" }),
};

function questionOf({ request }: Case): Question {
  const principal = askers[request.by];
  if (!principal) throw new Error(`who is ${request.by}?`);
  const context = new Map(Object.entries(request.context ?? {}).map(([key, value]) => [key.toLowerCase(), value]));
  return {
    action: request.action,
    resource: request.resource,
    resourceAccount: request.account ?? request.resource.split(":")[4] ?? account,
    principal,
    context,
  };
}

function policiesOf({ policies, bindings }: Case): Policies {
  const bound = new Map(Object.entries(bindings ?? {}));
  const compile = (kind: PolicyKind) => (policy: unknown) => {
    const document = Array.isArray(policy) ? { Version: "2012-10-17", Statement: policy } : policy;
    // No statements is what a policy cannot say, and a case for a role that trusts nobody can.
    if (Array.isArray(policy) && policy.length === 0) return [];
    return [compilePolicy(JSON.stringify(document), { kind, name: `the ${kind} policy` }, { bindings: bound })];
  };
  const one = (kind: PolicyKind, policy: unknown): CompiledPolicy[] | undefined => {
    return policy === undefined ? undefined : compile(kind)(policy);
  };
  const { identity, boundary, session, repository, registry, trust, key, serviceControl, resourceControl } = policies;
  const resource = [one("repository", repository), one("registry", registry), one("trust", trust), one("key", key)];
  return {
    identity: one("identity", identity) ?? [],
    boundary: one("boundary", boundary),
    session: one("session", session),
    serviceControl: serviceControl?.map(compile("service-control")),
    resourceControl: resourceControl?.map(compile("resource-control")),
    resource: resource.flatMap((some) => some ?? []),
    resourceMustAllow: trust !== undefined || key !== undefined,
  };
}

const folder = join(import.meta.dir, "cases");
const files = readdirSync(folder).sort();
const cases = files.flatMap((file) => {
  const list = JSON.parse(readFileSync(join(folder, file), "utf8")) as Case[];
  return list.map((one): [string, Case] => [`${file.replace(".json", "")}: ${one.name}`, one]);
});

const kindsOf: Record<Layer, PolicyKind> = {
  identity: "identity",
  boundary: "boundary",
  session: "session",
  repository: "repository",
  registry: "registry",
  trust: "trust",
  key: "key",
  serviceControl: "service-control",
  resourceControl: "resource-control",
};

/** What nobody could store, and is decided all the same: policies of the old version, and AWS's RCPFullAWSAccess. */
const unstorable = [
  "Policy document must be version 2012-10-17 or greater.",
  "The provided policy document does not meet the requirements of the specified policy type.",
];

test("the policies of the cases could be stored", () => {
  const problems = cases.flatMap(([name, { policies }]) =>
    Object.entries(policies).flatMap(([layer, policy]) => {
      const list = layer.endsWith("Control") ? (policy as unknown[]) : [policy];
      return list.flatMap((one) => {
        if (Array.isArray(one) && one.length === 0) return [];
        const document = Array.isArray(one) ? { Version: "2012-10-17", Statement: one } : one;
        const { problem, message } = checkPolicyDocument(JSON.stringify(document), kindsOf[layer as Layer]);
        return problem === undefined || unstorable.includes(message ?? "") ? [] : [`${name}: ${problem}`];
      });
    }),
  );
  expect(problems).toEqual([]);
});

for (const [name, one] of cases) {
  test(name, () => {
    const { allowed, because, statement } = decide(questionOf(one), policiesOf(one));
    expect({ allowed, because, sid: statement?.sid }).toEqual({ sid: undefined, ...one.expect });
    expect(explain(questionOf(one), policiesOf(one))).toMatchObject({ allowed, because });
  });
}

test("there are many cases, each has a name of its own, and they know every operator in every form", () => {
  expect(cases.length).toBeGreaterThanOrEqual(400);
  expect(new Set(cases.map(([name]) => name)).size).toBe(cases.length);
  const text = JSON.stringify(cases);
  const forms = operatorNames.flatMap((name) => {
    if (name === "Null") return [name];
    return [name, `${name}IfExists`, `ForAllValues:${name}`, `ForAnyValue:${name}`, `ForAnyValue:${name}IfExists`];
  });
  expect(forms.filter((form) => !text.includes(`"${form}":`))).toEqual([]);
});
