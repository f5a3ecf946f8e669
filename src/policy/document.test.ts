import { describe, expect, test } from "bun:test";
import { checkPolicyDocument } from "./document.ts";

const statement = { Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" };
const policyOf = (...statements: unknown[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const withStatement = (members: Record<string, unknown>) => policyOf({ ...statement, ...members });
const withPrincipal = (Principal: unknown) => withStatement({ Principal });
const withCondition = (Condition: unknown) => withStatement({ Condition });
const problemOf = (text: string) => checkPolicyDocument(text, "repository").problem;

describe("a repository policy may be", () => {
  const good: [name: string, text: string][] = [
    ["one statement without a list", JSON.stringify({ Statement: statement })],
    ["of the old version, with an id", JSON.stringify({ Version: "2008-10-17", Id: "x", Statement: [statement] })],
    ["with the same Sid twice, and blanks in it", policyOf({ ...statement, Sid: "a b" }, { ...statement, Sid: "a b" })],
    ["for an account's root", withPrincipal({ AWS: "arn:aws:iam::444455556666:root" })],
    ["for an account", withPrincipal({ AWS: ["444455556666", "*"] })],
    [
      "for users and roles",
      withPrincipal({ AWS: ["arn:aws:iam::444455556666:user/a/b", "arn:aws:iam::444455556666:role/x"] }),
    ],
    [
      "for sessions",
      withPrincipal({
        AWS: ["arn:aws:sts::444455556666:assumed-role/R/s", "arn:aws:sts::444455556666:federated-user/f"],
      }),
    ],
    ["for a principal that is gone", withPrincipal({ AWS: "AROAIOSFODNN7EXAMPLE" })],
    ["for services", withPrincipal({ Service: ["lambda.amazonaws.com", "logs.us-east-1.amazonaws.com"] })],
    ["against everybody but some", policyOf({ Effect: "Deny", NotPrincipal: { AWS: "444455556666" }, Action: "*" })],
    ["for patterns of actions", withStatement({ Action: ["ecr:*", "ECR:batch?etImage", "*"] })],
    ["for all actions but some", policyOf({ Effect: "Deny", Principal: "*", NotAction: "ecr:BatchGetImage" })],
    ["with resources", withStatement({ Resource: ["*", "arn:aws:ecr:*:111122223333:repository/a*"] })],
    ["with all resources but some", withStatement({ NotResource: "arn:aws:ecr:eu-west-1:111122223333:repository/a" })],
    [
      "with conditions",
      withCondition({ StringEquals: { "aws:PrincipalOrgID": "o-1" }, Bool: { "aws:SecureTransport": true } }),
    ],
    ["with set operators", withCondition({ "ForAllValues:StringLikeIfExists": { "aws:TagKeys": ["a", "b*"] } })],
    ["with Null", withCondition({ "ForAnyValue:Null": { "aws:TagKeys": "true" }, Null: { "aws:x": false } })],
    [
      "with numbers, dates, addresses and ARNs",
      withCondition({
        NumericLessThanEquals: { "aws:x": 3 },
        DateGreaterThanIfExists: { "aws:CurrentTime": "2026-01-01T00:00:00Z" },
        NotIpAddress: { "aws:SourceIp": ["10.0.0.0/8"] },
        ArnLike: { "aws:SourceArn": "arn:*" },
      }),
    ],
  ];
  for (const [name, text] of good) test(name, () => expect(problemOf(text)).toBeUndefined());
});

describe("a repository policy is refused", () => {
  const bad: [name: string, text: string, problem: string][] = [
    ["when empty", "", "not valid JSON"],
    ["when not an object", "[]", "the policy must be an object"],
    ["without statements", "{}", "Statement[0] must be an object"],
    ["with an empty list of statements", policyOf(), "Statement is empty"],
    ["with a statement that is none", policyOf(null), "Statement[0] must be an object"],
    ["of another version", JSON.stringify({ Version: "2020-01-01", Statement: statement }), "Version must be one of"],
    [
      "with an unknown member",
      JSON.stringify({ Statement: statement, version: "2012-10-17" }),
      "unknown member 'version'",
    ],
    ["with an unknown member of a statement", withStatement({ resource: "*" }), "unknown member 'resource'"],
    [
      "with __proto__",
      `{"Statement":{"__proto__":1,"Effect":"Allow","Principal":"*","Action":"*"}}`,
      "unknown member '__proto__'",
    ],
    ["with the same key twice", '{"Statement":[],"Statement":[]}', "'Statement' appears twice"],
    ["with only Effect", policyOf({ Effect: "Allow" }), "must have either Principal or NotPrincipal"],
    ["with Effect in lower case", withStatement({ Effect: "allow" }), "Effect must be Allow or Deny"],
    ["without Effect", policyOf({ Principal: "*", Action: "*" }), "Effect must be Allow or Deny"],
    ["without a principal", policyOf({ Effect: "Allow", Action: "*" }), "must have either Principal"],
    ["with both kinds of principal", withStatement({ NotPrincipal: "*" }), "must have either Principal"],
    ["with a wildcard in a principal", withPrincipal({ AWS: "arn:aws:iam::444455556666:user/*" }), "AWS principal"],
    ["with a group", withPrincipal({ AWS: "arn:aws:iam::444455556666:group/g" }), "AWS principal"],
    ["with a short account", withPrincipal({ AWS: "4444" }), "AWS principal"],
    ["with a bare name", withPrincipal("root"), "Principal must be an object"],
    ["with a list of principals", withPrincipal(["*"]), "Principal must be an object"],
    ["with an unknown kind of principal", withPrincipal({ aws: "*" }), "unknown member 'aws'"],
    ["with no principal in the object", withPrincipal({}), "Principal is empty"],
    ["with an empty list of principals", withPrincipal({ AWS: [] }), "Principal.AWS is empty"],
    ["with a number as principal", withPrincipal({ AWS: 444455556666 }), "must be a string"],
    ["with a service that is none", withPrincipal({ Service: "*" }), "Service principal"],
    ["without an action", policyOf({ Effect: "Allow", Principal: "*" }), "must have either Action or NotAction"],
    ["with both kinds of action", withStatement({ NotAction: "*" }), "must have either Action or NotAction"],
    ["with no action in the list", withStatement({ Action: [] }), "Action is empty"],
    ["with another service's action", withStatement({ Action: ["ecr:*", "s3:GetObject"] }), "action 's3:GetObject'"],
    ["with an action without a service", withStatement({ Action: "BatchGetImage" }), "action 'BatchGetImage'"],
    ["with a nameless action", withStatement({ Action: "ecr:" }), "action 'ecr:'"],
    ["with a resource that is no ARN", withStatement({ Resource: "repository/a" }), "not an ARN"],
    ["with both kinds of resource", withStatement({ Resource: "*", NotResource: "*" }), "must have either Resource"],
    ["with a number as Sid", withStatement({ Sid: 1 }), "Sid must be a string"],
    ["with an unknown operator", withCondition({ StringIs: { "aws:x": "a" } }), "condition operator 'StringIs'"],
    ["with an operator in lower case", withCondition({ stringEquals: { "aws:x": "a" } }), "condition operator"],
    ["with NullIfExists", withCondition({ NullIfExists: { "aws:x": "true" } }), "condition operator 'NullIfExists'"],
    ["with an unknown set operator", withCondition({ "ForSome:StringLike": { "aws:x": "a" } }), "condition operator"],
    [
      "with a condition key without a prefix",
      withCondition({ StringLike: { SourceIp: "a" } }),
      "condition key 'SourceIp'",
    ],
    ["with a condition that is a list", withCondition([]), "Condition must be an object"],
    ["with a condition value that is an object", withCondition({ StringLike: { "aws:x": {} } }), "must be a string"],
    ["with a condition value that is null", withCondition({ StringLike: { "aws:x": [null] } }), "must be a string"],
    ["with no condition value", withCondition({ StringLike: { "aws:x": [] } }), "must be a string"],
    ["when too deep", policyOf(JSON.parse(`${'{"Condition":'.repeat(20)}{}${"}".repeat(20)}`)), "nested deeper"],
    ["when too long", withStatement({ Sid: "x".repeat(10_240) }), "longer than 10240 characters"],
  ];
  for (const [name, text, problem] of bad) test(name, () => expect(problemOf(text)).toContain(problem));
});

test.each([
  "aws:SourceIp",
  "token.actions.githubusercontent.com:sub",
  "oidc.example.com/id/1A_b:aud",
  "k8s.example.com:6443:sub",
])("asks about the key %s", (key) => {
  expect(problemOf(withCondition({ StringLike: { [key]: "a" } }))).toBeUndefined();
});

test("10,240 characters are not too many", () => {
  const text = withStatement({ Sid: "" });
  expect(problemOf(withStatement({ Sid: "x".repeat(10_240 - text.length) }))).toBeUndefined();
  expect(problemOf(withStatement({ Sid: "x".repeat(10_241 - text.length) }))).toBeDefined();
});
