import { describe, expect, test } from "bun:test";
import { checkPolicyDocument, fitsFirstRegistryScope, type PolicyKind, policySize } from "./document.ts";

type Members = Record<string, unknown>;

const base: Record<PolicyKind, Members> = {
  identity: { Effect: "Allow", Action: "ecr:*", Resource: "*" },
  boundary: { Effect: "Allow", Action: "ecr:*", Resource: "*" },
  session: { Effect: "Allow", Action: "ecr:*", Resource: "*" },
  "service-control": { Effect: "Deny", Action: "ecr:*", Resource: "*" },
  "resource-control": { Effect: "Deny", Principal: "*", Action: "ecr:*", Resource: "*" },
  trust: { Effect: "Allow", Principal: { AWS: "111122223333" }, Action: "sts:AssumeRole" },
  repository: { Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" },
  registry: { Effect: "Allow", Principal: { AWS: "111122223333" }, Action: "ecr:CreateRepository", Resource: "*" },
  key: { Effect: "Allow", Principal: { AWS: "111122223333" }, Action: "kms:Decrypt", Resource: "*" },
};
const kinds = Object.keys(base) as PolicyKind[];

/** A good statement of the kind with other members; a member that is `undefined` is left out. */
const policyOf = (kind: PolicyKind, ...changes: Members[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: changes.map((change) => ({ ...base[kind], ...change })) });
const check = (kind: PolicyKind, ...changes: Members[]) => checkPolicyDocument(policyOf(kind, ...changes), kind);

describe("a good policy of each kind", () => {
  for (const kind of kinds) test(kind, () => expect(check(kind, {})).toEqual({}));
});

const syntax = "Syntax errors in policy.";
const legacy = "The policy failed legacy parsing";
const vendor = "Actions/Conditions must be prefaced by a vendor, e.g., iam, sdb, ec2, etc.";
const iamPaths =
  'IAM resource path must either be "*" or start with user/, federated-user/, role/, group/, instance-profile/, mfa/, ' +
  "server-certificate/, policy/, sms-mfa/, saml-provider/, oidc-provider/, report/, access-report/.";

describe("what AWS says is wrong with an identity policy", () => {
  const bad: [name: string, change: Members, message: string][] = [
    ["a principal", { Principal: "*" }, "Policy document should not specify a principal."],
    ["all but a principal", { NotPrincipal: { AWS: "*" } }, "Policy document should not specify a principal."],
    ["no action", { Action: undefined }, "Policy statement must contain actions."],
    ["no action in the list", { Action: [] }, "Policy statement must contain actions."],
    ["no resource", { Resource: undefined }, "Policy statement must contain resources."],
    ["no resource in the list", { Resource: [] }, "Policy statement must contain resources."],
    ["no resource and a bad action", { Action: "x", Resource: undefined }, "Policy statement must contain resources."],
    ["both kinds of action", { NotAction: [] }, syntax],
    ["both kinds of resource", { NotResource: [] }, syntax],
    ["no effect", { Effect: undefined }, syntax],
    ["another effect", { Effect: "Maybe" }, syntax],
    ["an effect in another case", { Effect: "allow" }, legacy],
    ["an unknown member", { Extra: 1 }, syntax],
    ["an action without a service", { Action: "PutImage" }, vendor],
    ["no action in the text", { Action: "" }, vendor],
    ["two colons in an action", { Action: "ecr:Put:Image" }, "Actions/Condition can contain only one colon."],
    ["a blank in the service", { Action: "e cr:PutImage" }, "Vendor e cr is not valid"],
    ["a wildcard in the service", { Action: "ec*:PutImage" }, "Vendor ec* is not valid"],
    ["a blank in an action", { Action: "ecr:Put Image" }, legacy],
    ["a resource that is a word", { Resource: "app" }, 'Resource app must be in ARN format or "*".'],
    ["an empty resource", { Resource: "" }, 'Resource  must be in ARN format or "*".'],
    ["the second resource of a list", { Resource: ["*", "app"] }, 'Resource app must be in ARN format or "*".'],
    ["another partition", { Resource: "a:b:c:d:e:f:g" }, 'Partition "b" is not valid for resource "arn:b:c:d:e:f:g".'],
    ["a partition and no more", { Resource: "a:b" }, 'Partition "b" is not valid for resource "arn:b:*:*:*:*".'],
    ["no service", { Resource: "arn:aws" }, "Resource vendor must be fully qualified and cannot contain regexes."],
    [
      "a wildcard for the service",
      { Resource: "arn:aws:*:*:*:*" },
      "Resource vendor must be fully qualified and cannot contain regexes.",
    ],
    ["an ARN that is cut short", { Resource: "arn:aws:s3::bucket" }, legacy],
    ["an ARN without an end", { Resource: "arn:aws:ecr:eu-west-1:111122223333:" }, legacy],
    ["an ARN without a service", { Resource: "arn:aws::eu-west-1:111122223333:x" }, legacy],
    ["an ARN that is cut short, without an action", { Action: undefined, Resource: "arn:aws:s3::bucket" }, legacy],
    ["a variable for the account", { Resource: `arn:aws:ecr:*:\${aws:PrincipalAccount}:repository/*` }, legacy],
    [
      "a region in an ARN of IAM",
      { Resource: "arn:aws:iam:eu-west-1:111122223333:user/u" },
      "IAM resource arn:aws:iam:eu-west-1:111122223333:user/u cannot contain region information.",
    ],
    ["a path that IAM does not have", { Resource: "arn:aws:iam::111122223333:users/u" }, iamPaths],
    ["a condition key without a service", { Condition: { StringEquals: { team: "x" } } }, vendor],
    ["an operator that there is not", { Condition: { StringIs: { "aws:x": "y" } } }, syntax],
    ["a date that is none", { Condition: { DateLessThan: { "aws:CurrentTime": "soon" } } }, legacy],
    ["the second date of a list", { Condition: { DateEquals: { "aws:CurrentTime": ["2026", "soon"] } } }, legacy],
    ["a number that is none", { Condition: { NumericEquals: { "s3:max-keys": "ten" } } }, legacy],
    ["a network that is none", { Condition: { IpAddress: { "aws:SourceIp": "10.0.0.0/33" } } }, legacy],
    ["a truth that is none", { Condition: { Bool: { "aws:SecureTransport": "yes" } } }, legacy],
    ["bytes that are none", { Condition: { BinaryEquals: { "aws:x": "?" } } }, legacy],
    ["a number that JSON rounds", { Condition: { StringEquals: { "aws:x": 2 ** 53 } } }, syntax],
    ["a Null that is neither", { Condition: { Null: { "aws:x": "x" } } }, legacy],
    [
      "a Sid with a blank",
      { Sid: "a b" },
      "Statement IDs (SID) must be alpha-numeric. Check that your input satisfies the regular expression [0-9A-Za-z]*",
    ],
  ];
  for (const [name, change, message] of bad) {
    test(name, () => expect(check("identity", change).message).toBe(message));
  }

  test("a Sid that is there twice", () => {
    const same = "Statement IDs (SID) in a single policy must be unique.";
    expect(check("identity", { Sid: "a" }, { Sid: "a" }).message).toBe(same);
    expect(check("identity", { Sid: "" }, { Sid: "" })).toEqual({});
  });
  test("the old version, and none", () => {
    const old = "Policy document must be version 2012-10-17 or greater.";
    for (const Version of ["2008-10-17", undefined]) {
      const text = JSON.stringify({ Version, Statement: base.identity });
      expect(checkPolicyDocument(text, "identity").message).toBe(old);
      expect(checkPolicyDocument(text, "boundary").message).toBe(old);
      expect(checkPolicyDocument(text, "session").message).toBeUndefined();
    }
  });
  test("what is no JSON", () => expect(checkPolicyDocument("no", "identity").message).toBe(syntax));
});

describe("an identity policy may be about", () => {
  const good: [name: string, change: Members][] = [
    ["all services", { Action: "*:*" }],
    ["a service with a point or a dash in its name", { Action: ["a4b.x:y", "ecr-public:*"] }],
    ["all but some actions", { Action: undefined, NotAction: ["iam:*"] }],
    ["all but some resources", { Resource: undefined, NotResource: "arn:aws:ecr:*:*:repository/a" }],
    ["other partitions", { Resource: ["arn:aws-cn:ecr:*:*:*", "arn:*:ecr:*:*:*"] }],
    ["ARNs that end early", { Resource: ["arn:aws:ecr", "arn:aws:ecr:*"] }],
    ["IAM", { Resource: ["arn:aws:iam::*:*", "arn:aws:iam::111122223333:role/*", "arn:aws:iam"] }],
    ["variables", { Resource: `arn:aws:ecr:*:*:repository/\${aws:username, 'x'}/*` }],
    ["dates of all forms", { Condition: { DateLessThan: { "aws:x": ["2026", "2026-01", "1767225600", 1767225600] } } }],
  ];
  for (const [name, change] of good) test(name, () => expect(check("identity", change)).toEqual({}));
});

describe("a trust policy", () => {
  const bad: [name: string, change: Members, message: string][] = [
    ["without a principal", { Principal: undefined }, "Missing required field Principal"],
    ["for a bare star", { Principal: "*" }, 'AssumeRolepolicy contained an invalid principal: "STAR":"*".'],
    [
      "for a pattern of accounts",
      { Principal: { AWS: "arn:aws:iam::*:root" } },
      'Invalid principal in policy: "AWS":"arn:aws:iam::*:root"',
    ],
    [
      "for a service that is none",
      { Principal: { Service: "lambda" } },
      'Invalid principal in policy: "SERVICE":"lambda"',
    ],
    [
      "for all but somebody",
      { Principal: undefined, NotPrincipal: { AWS: "*" } },
      "AssumeRole policy must not contain NotPrincipal field.",
    ],
    ["with a resource", { Resource: "*" }, "Has prohibited field Resource"],
    ["with all but a resource", { NotResource: "*" }, "Has prohibited field Resource"],
    ["for another service", { Action: "ecr:*" }, "AssumeRole policy may only specify STS AssumeRole actions."],
    ["for all actions", { Action: "*" }, "AssumeRole policy may only specify STS AssumeRole actions."],
    ["without an action", { Action: undefined }, "Policy statement must contain actions."],
  ];
  for (const [name, change, message] of bad) {
    test(`is refused ${name}`, () => expect(check("trust", change).message).toBe(message));
  }
  test("has Sids of its own for each statement", () => {
    expect(check("trust", { Sid: "a" }, { Sid: "a" }).message).toContain("must be unique");
  });
  test("may ask about an issuer's claims", () => {
    const StringEquals = {
      "token.actions.githubusercontent.com:sub": "repo:acme/app:ref:refs/heads/main",
      "oidc.eks.eu-west-1.amazonaws.com/id/0123ABC:aud": "sts.amazonaws.com",
      "gitlab.example.com:8443/a_b:sub": "x",
    };
    expect(check("trust", { Action: "sts:AssumeRoleWithWebIdentity", Condition: { StringEquals } })).toEqual({});
  });
  test("may name services, providers, everybody of AWS and the old version", () => {
    const Principal = {
      AWS: ["*", "arn:aws:iam::111122223333:role/a/b"],
      Service: ["ecr.amazonaws.com", "ecs-tasks.amazonaws.com"],
      Federated: "arn:aws:iam::111122223333:oidc-provider/gitlab.example.com",
    };
    const Action = ["sts:AssumeRole", "sts:AssumeRoleWithWebIdentity", "sts:TagSession", "STS:SetSourceIdentity"];
    expect(check("trust", { Principal, Action })).toEqual({});
    const old = JSON.stringify({ Version: "2008-10-17", Statement: base.trust });
    expect(checkPolicyDocument(old, "trust")).toEqual({});
  });
});

describe("an organization's policy", () => {
  const always = "The provided policy document does not meet the requirements of the specified policy type.";
  const bad: [kind: PolicyKind, name: string, change: Members][] = [
    ["service-control", "names somebody", { Principal: "*" }],
    ["service-control", "names no resource", { Resource: undefined }],
    ["service-control", "names a resource that is none", { Resource: "x" }],
    ["resource-control", "names nobody", { Principal: undefined }],
    ["resource-control", "names somebody", { Principal: { AWS: "111122223333" } }],
    ["resource-control", "leaves somebody out", { Principal: undefined, NotPrincipal: "*" }],
    ["resource-control", "allows", { Effect: "Allow" }],
  ];
  for (const [kind, name, change] of bad) {
    test(`of ${kind} is refused when it ${name}`, () => expect(check(kind, change).message).toBe(always));
  }
  test("may have blanks in its Sids, twice", () => {
    expect(check("service-control", { Sid: "a b" }, { Sid: "a b" })).toEqual({});
  });
});

describe("a registry policy", () => {
  test("has to name resources", () => expect(check("registry", { Resource: undefined }).problem).toBeString());
  test("is about ECR only", () => expect(check("registry", { Action: "s3:GetObject" }).problem).toBeString());

  const scopes: [action: unknown, fits: boolean][] = [
    ["ecr:ReplicateImage", true],
    ["ECR:createrepository", true],
    [["ecr:BatchImportUpstreamImage", "ecr:ReplicateImage"], true],
    ["ecr:*", true],
    ["ecr:BatchGetImage", false],
    [["ecr:ReplicateImage", "ecr:PutImage"], false],
    ["ecr:Replicate*", false],
    ["*", true],
  ];
  for (const [Action, fits] of scopes) {
    test(`for ${Action} ${fits ? "fits" : "does not fit"} the first scope`, () => {
      expect(fitsFirstRegistryScope(policyOf("registry", { Action }))).toBe(fits);
    });
  }
  test("for all but some actions does not fit the first scope", () => {
    const text = policyOf("registry", { Action: undefined, NotAction: "ecr:PutImage" });
    expect(fitsFirstRegistryScope(text)).toBe(false);
  });
});

describe("the size of a policy", () => {
  const long = (kind: PolicyKind, size: number, blanks = 0) => {
    const text = policyOf(kind, { Sid: "x" });
    const blown = text.replace('"x"', `"x${"x".repeat(size - policySize(text, kind) - (kind in sent ? blanks : 0))}"`);
    return blown + " ".repeat(blanks);
  };
  const sent = { repository: 1, registry: 1, "service-control": 1, "resource-control": 1 };
  const limits: [kind: PolicyKind, limit: number][] = [
    ["identity", 6144],
    ["boundary", 6144],
    ["session", 2048],
    ["trust", 2048],
    ["service-control", 5120],
    ["resource-control", 5120],
    ["repository", 10_240],
    ["registry", 10_240],
  ];
  for (const [kind, limit] of limits) {
    test(`of ${kind} is ${limit} at the most`, () => {
      expect(checkPolicyDocument(long(kind, limit), kind)).toEqual({});
      expect(checkPolicyDocument(long(kind, limit + 1), kind).isTooLong).toBe(true);
      expect(checkPolicyDocument(long(kind, limit, 100), kind)).toEqual({});
      const isSent = kind in sent;
      expect(checkPolicyDocument(`${long(kind, limit)} `, kind).isTooLong).toBe(isSent ? true : undefined);
    });
  }
  test("may be another for an inline policy", () => {
    const text = long("identity", 2049);
    expect(checkPolicyDocument(text, "identity", { maxCharacters: 2048 }).isTooLong).toBe(true);
    expect(checkPolicyDocument(long("identity", 10_240), "identity", { maxCharacters: 10_240 })).toEqual({});
  });
  test("has an end, whatever is counted", () => {
    expect(checkPolicyDocument(`${long("identity", 100)}${" ".repeat(200_000)}`, "identity").isTooLong).toBe(true);
  });
});
