import { describe, expect, test } from "bun:test";
import { compilePolicy, namedPrincipals } from "./compile.ts";
import { createPolicyCompiler } from "./compiler.ts";
import { decide, explain } from "./decide.ts";
import { Malformed } from "./grammar.ts";
import type { Question } from "./question.ts";

const account = "111122223333";
const user = `arn:aws:iam::${account}:user/u`;
const identity = { kind: "identity", name: "the user's own" } as const;
const documentOf = (...Statement: unknown[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const grant = { Sid: "grant", Effect: "Allow", Action: "ecr:*", Resource: "*" };

const question: Question = {
  action: "ecr:BatchGetImage",
  resource: `arn:aws:ecr:eu-west-1:${account}:repository/app`,
  resourceAccount: account,
  principal: { kind: "user", account, arn: user, identityArn: user, uniqueId: "AIDAEXAMPLEUSER00001" },
  context: new Map([["aws:username", "u"]]),
};

test("a policy knows the keys that it asks about", () => {
  const text = documentOf(
    { ...grant, Resource: [`arn:aws:ecr:*:*:repository/\${AWS:UserName}`, `arn:aws:ecr:*:*:\${*}`] },
    {
      ...grant,
      Condition: {
        StringLike: { "berth:ImageTag": `\${aws:PrincipalTag/Team, 'x'}-*` },
        ArnLike: { "aws:SourceArn": `arn:*:\${aws:PrincipalAccount}` },
        Null: { "aws:TokenIssueTime": "true" },
        NumericEquals: { "s3:max-keys": 1 },
      },
    },
  );
  expect([...compilePolicy(text, identity).keys].sort()).toEqual([
    "aws:principalaccount",
    "aws:principaltag/team",
    "aws:sourcearn",
    "aws:tokenissuetime",
    "aws:username",
    "berth:imagetag",
    "s3:max-keys",
  ]);
  const old = JSON.stringify({ ...JSON.parse(text), Version: "2008-10-17" });
  expect([...compilePolicy(old, identity).keys].sort()).toEqual([
    "aws:sourcearn",
    "aws:tokenissuetime",
    "berth:imagetag",
    "s3:max-keys",
  ]);
});

test("a text that is no policy is not compiled", () => {
  for (const text of ["", "{}", documentOf({ ...grant, Effect: "allow" })]) {
    expect(() => compilePolicy(text, identity)).toThrow(Malformed);
    expect(() => namedPrincipals(text)).toThrow(Malformed);
  }
});

test("a statement without what its kind of policy needs is about nothing", () => {
  const open = { Effect: "Allow", Principal: "*", Action: "*", Resource: "*" };
  const allowedBy = (kind: "identity" | "repository" | "registry", statement: object) => {
    const policies = [compilePolicy(documentOf(statement), { kind, name: kind })];
    const [identity, resource] = kind === "identity" ? [policies, []] : [[], policies];
    return decide(question, { identity, resource }).allowed;
  };
  for (const kind of ["identity", "repository", "registry"] as const) {
    expect(allowedBy(kind, open)).toBe(true);
    expect(allowedBy(kind, { ...open, Action: undefined })).toBe(false);
    expect(allowedBy(kind, { ...open, Resource: undefined })).toBe(kind === "repository");
    expect(allowedBy(kind, { ...open, Principal: undefined })).toBe(kind === "identity");
  }
});

test("users, roles and sessions that a policy names are told, each once", () => {
  const session = `arn:aws:sts::${account}:assumed-role/r/s`;
  const text = documentOf(
    { Effect: "Allow", Action: "ecr:*", Principal: { AWS: [user, account, `arn:aws:iam::${account}:root`, "*"] } },
    { Effect: "Deny", Action: "ecr:*", NotPrincipal: { AWS: [session, user, "AIDAEXAMPLEUSER00001"] } },
    { Effect: "Allow", Action: "ecr:*", Principal: { Service: "ecr.amazonaws.com" } },
    { Effect: "Allow", Action: "ecr:*", Principal: "*" },
  );
  expect(namedPrincipals(text)).toEqual([user, session]);
  expect(namedPrincipals(documentOf(grant))).toEqual([]);
});

describe("the compiler", () => {
  const repository = { kind: "repository", name: "app" } as const;
  const text = documentOf({ Effect: "Allow", Action: "ecr:*", Principal: { AWS: user } });

  test("compiles a text once for each kind and binding, whatever the policy is called", () => {
    const { compile } = createPolicyCompiler(10);
    const first = compile(text, repository);
    expect(compile(text, { ...repository })).toBe(first);
    const named = compile(text, { ...repository, name: "other" });
    expect(named.statements).toBe(first.statements);
    expect(named.source.name).toBe("other");
    expect(compile(text, { kind: "registry", name: "app" }).statements).not.toBe(first.statements);
    const bindings = new Map([[user, "AIDAEXAMPLEUSER00001"]]);
    const bound = compile(text, repository, { bindings });
    expect(bound.statements).not.toBe(first.statements);
    expect(compile(text, repository, { bindings: new Map(bindings) }).statements).toBe(bound.statements);
    bindings.set(user, "AIDAEXAMPLEUSER00002");
    expect(compile(text, repository, { bindings }).statements).not.toBe(bound.statements);
  });

  test("forgets what was not asked for the longest", () => {
    const { compile } = createPolicyCompiler(2);
    const [a, b, c] = ["a", "b", "c"].map((Sid) => documentOf({ ...grant, Sid })) as [string, string, string];
    const [first, second] = [compile(a, identity), compile(b, identity)];
    compile(a, identity);
    compile(c, identity);
    expect(compile(a, identity)).toBe(first);
    expect(compile(b, identity)).not.toBe(second);
  });

  test("forgets bindings that were not asked for the longest", () => {
    const { compile } = createPolicyCompiler(2);
    const boundTo = (id: number) => compile(text, repository, { bindings: new Map([[user, `AIDA${id}`]]) });
    const [first, second] = [boundTo(1), boundTo(2)];
    for (let id = 3; id <= 16; id++) boundTo(id);
    expect(boundTo(1)).toBe(first);
    boundTo(17);
    expect(boundTo(1)).toBe(first);
    expect(boundTo(2)).not.toBe(second);
  });

  test("forgets long texts sooner: what is made of a text is many times as large", () => {
    const texts = Array.from({ length: 5 }, (_, index) => documentOf({ ...grant, Sid: `${index}` }));
    const [first = "", second = ""] = texts;
    const { compile } = createPolicyCompiler(100, first.length * 3);
    const [one, two] = [compile(first, identity), compile(second, identity)];
    expect(compile(first, identity)).toBe(one);
    for (const text of texts.slice(2, 4)) compile(text, identity);
    expect(compile(first, identity)).toBe(one);
    expect(compile(second, identity)).not.toBe(two);
    // One that is longer than all that there is room for is of use while it is the newest.
    const long = documentOf({ ...grant, Sid: "x".repeat(first.length * 4) });
    expect(compile(long, identity)).toBe(compile(long, identity));
    expect(compile(first, identity)).not.toBe(one);
  });

  test("counts what it made of a text for others, too", () => {
    const { compile } = createPolicyCompiler(100, text.length * 3);
    const other = documentOf({ ...grant, Sid: "other" });
    const kept = compile(other, identity);
    for (let id = 0; id < 4; id++) compile(text, repository, { bindings: new Map([[user, `AIDA${id}`]]) });
    expect(compile(other, identity)).not.toBe(kept);
  });

  test("remembers no failure", () => {
    const { compile } = createPolicyCompiler(2);
    for (let round = 0; round < 2; round++) expect(() => compile("{", identity)).toThrow(Malformed);
  });
});

describe("an explanation", () => {
  const compile = (kind: "identity" | "boundary" | "repository" | "service-control", ...statements: unknown[]) =>
    compilePolicy(documentOf(...statements), { kind, name: kind });
  const limited = (key: string) => ({ ...grant, Sid: "limited", Condition: { StringEquals: { [key]: "x" } } });

  test("tells each layer in the order in which they are asked, and what matched", () => {
    const all = compile("service-control", grant);
    const { allowed, because, layers } = explain(question, {
      identity: [compile("identity", grant, { ...grant, Sid: "more" })],
      boundary: [compile("boundary", { ...grant, Action: "s3:*" })],
      serviceControl: [[all], [compile("service-control", { ...grant, Action: "s3:*" }), all]],
      resource: [compile("repository", { Effect: "Deny", Principal: "*", Action: "ecr:Put*" })],
    });
    expect({ allowed, because }).toEqual({
      allowed: false,
      because: "because no permissions boundary allows the ecr:BatchGetImage action",
    });
    expect(layers.map(({ kind, verdict, statements }) => [kind, verdict, statements.map(({ sid }) => sid)])).toEqual([
      ["service-control", "allowed", ["grant", "grant"]],
      ["repository", "implicitDeny", []],
      ["identity", "allowed", ["grant", "more"]],
      ["boundary", "implicitDeny", []],
    ]);
  });

  test("names the keys that a statement about this asks for in vain", () => {
    const { missingKeys } = explain(question, {
      identity: [
        compile("identity", limited("aws:PrincipalTag/Team"), limited("aws:username"), {
          ...limited("s3:prefix"),
          Action: "s3:*",
        }),
        compile("identity", { ...grant, Resource: `arn:aws:ecr:*:*:repository/\${aws:SourceIdentity}` }),
      ],
      resource: [],
    });
    expect(missingKeys).toEqual(["aws:principaltag/team", "aws:sourceidentity"]);
  });

  test("leaves out policies that do not count for strangers", () => {
    const stranger: Question = {
      ...question,
      principal: { kind: "anonymous", account: "", arn: "*", identityArn: "*" },
    };
    const { layers } = explain(stranger, {
      identity: [compile("identity", grant)],
      resource: [compile("repository", { Effect: "Allow", Principal: "*", Action: "*" })],
    });
    expect(layers.map(({ kind }) => kind)).toEqual(["repository"]);
  });

  test("names the level that is silent as a deny, when another level denies", () => {
    const { layers } = explain(question, {
      identity: [compile("identity", grant)],
      serviceControl: [
        [compile("service-control", { ...grant, Action: "s3:*" })],
        [compile("service-control", { ...grant, Effect: "Deny", Sid: "stop" })],
      ],
      resource: [],
    });
    expect(layers[0]).toMatchObject({ verdict: "explicitDeny", statements: [{ sid: "stop", index: 0 }] });
  });
});

test("what a policy says about an action does not depend on what it was asked before", () => {
  const text = JSON.stringify({
    Version: "2012-10-17",
    Statement: [
      {
        Sid: "Even",
        Effect: "Allow",
        Action: Array.from({ length: 100 }, (_, n) => `ecr:Action${2 * n}`),
        Resource: "*",
      },
      { Sid: "All", Effect: "Allow", NotAction: "ecr:Action7", Resource: "*" },
    ],
  });
  const policy = compilePolicy(text, { kind: "identity", name: "test" });
  for (let round = 0; round < 3; round++) {
    for (let number = 0; number < 100; number++) {
      const sids = policy.about(`ecr:action${number}`).map(({ sid }) => sid);
      expect(sids).toEqual([...(number % 2 === 0 ? ["Even"] : []), ...(number === 7 ? [] : ["All"])]);
    }
  }
});
