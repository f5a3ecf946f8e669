import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { account, inProcess } from "../testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

type Statement = Record<string, unknown>;
const policy = (...statements: Statement[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const allow = (Action: string | string[], more: Statement = {}): Statement => {
  return { Effect: "Allow", Action, Resource: "*", ...more };
};
const deny = (Action: string, more: Statement = {}): Statement => ({ ...allow(Action, more), Effect: "Deny" });
const repository = `arn:aws:ecr:us-east-1:${account}:repository/app`;

const custom = (input: Partial<sdk.SimulateCustomPolicyCommandInput>) =>
  berth.iam.send(
    new sdk.SimulateCustomPolicyCommand({
      PolicyInputList: [policy(allow("ecr:PutImage"))],
      ActionNames: ["ecr:PutImage"],
      ...input,
    }),
  );

async function decisions(input: Partial<sdk.SimulateCustomPolicyCommandInput>) {
  return (await custom(input)).EvaluationResults?.map(({ EvalDecision }) => EvalDecision);
}

async function refused(sent: Promise<unknown>): Promise<[name: string, message: string]> {
  try {
    await sent;
  } catch (error) {
    const { name, message } = error as Error;
    return [name, message];
  }
  throw new Error("it was not refused");
}

describe("a simulation of given policies", () => {
  test("answers each action on each resource", async () => {
    const { EvaluationResults } = await custom({
      PolicyInputList: [policy(allow("ecr:PutImage", { Resource: repository })), policy(deny("ecr:Delete*"))],
      ActionNames: ["ecr:PutImage", "ecr:DeleteRepository"],
      ResourceArns: [repository, `${repository}2`],
    });
    expect(
      EvaluationResults?.map((result) => [result.EvalActionName, result.EvalResourceName, result.EvalDecision]),
    ).toEqual([
      ["ecr:PutImage", repository, "allowed"],
      ["ecr:PutImage", `${repository}2`, "implicitDeny"],
      ["ecr:DeleteRepository", repository, "explicitDeny"],
      ["ecr:DeleteRepository", `${repository}2`, "explicitDeny"],
    ]);
  });

  test("of many statements reads each policy once, and is refused beyond what can be answered soon", async () => {
    const asking = (index: number) => allow("ecr:*", { Condition: { StringLike: { [`k:${index}`]: "*a*b*c" } } });
    const PolicyInputList = [policy(...Array.from({ length: 1000 }, (_, index) => asking(index)))];
    const ActionNames = Array.from({ length: 1000 }, (_, index) => `ecr:Get${index}`);
    const began = performance.now();
    const { EvaluationResults } = await custom({ PolicyInputList, ActionNames, MaxItems: 100 });
    expect(EvaluationResults?.length).toBe(100);
    expect(EvaluationResults?.[0]?.MissingContextValues?.length).toBe(1000);
    const [name, message] = await refused(custom({ PolicyInputList, ActionNames, MaxItems: 1000 }));
    expect([name, message]).toEqual(["InvalidInputException", expect.stringContaining("MaxItems")]);
    expect(performance.now() - began).toBeLessThan(10_000);
  }, 60_000);

  test("names the statements that decided, and where they stand", async () => {
    const text = JSON.stringify({ Version: "2012-10-17", Statement: [allow("ecr:*"), deny("ecr:PutImage")] }, null, 4);
    const { EvaluationResults = [] } = await custom({
      PolicyInputList: [policy(allow("s3:*")), text],
      ActionNames: ["ecr:PutImage", "ecr:GetAuthorizationToken", "sqs:SendMessage"],
    });
    const [denied, allowed, neither] = EvaluationResults.map(({ MatchedStatements }) => MatchedStatements);
    const of = { SourcePolicyId: "PolicyInputList.2", SourcePolicyType: "IAM Policy" };
    expect(allowed as unknown).toEqual([
      { ...of, StartPosition: { Line: 3, Column: 19 }, EndPosition: { Line: 8, Column: 10 } },
    ]);
    expect(denied as unknown).toEqual([
      { ...of, StartPosition: { Line: 8, Column: 11 }, EndPosition: { Line: 13, Column: 10 } },
    ]);
    expect(neither).toEqual([]);
  });

  test("tells which condition keys it misses, as the policy writes them", async () => {
    const PolicyInputList = [
      policy(allow("ecr:*", { Condition: { StringEquals: { "aws:ResourceTag/Team": "blue" } } })),
    ];
    const { EvaluationResults } = await custom({ PolicyInputList });
    expect(EvaluationResults?.[0]).toMatchObject({
      EvalDecision: "implicitDeny",
      MissingContextValues: ["aws:ResourceTag/Team"],
    });
    const entry = (value: string) => [
      { ContextKeyName: "AWS:resourcetag/team", ContextKeyType: "string" as const, ContextKeyValues: [value] },
    ];
    expect(await decisions({ PolicyInputList, ContextEntries: entry("blue") })).toEqual(["allowed"]);
    expect(await decisions({ PolicyInputList, ContextEntries: entry("red") })).toEqual(["implicitDeny"]);
  });

  test.each<[sdk.ContextKeyTypeEnum, string, string, string[], string[]]>([
    ["stringList", "ForAllValues:StringEquals", "a", ["a"], ["a", "b"]],
    ["numeric", "NumericLessThan", "10", ["9"], ["10"]],
    ["boolean", "Bool", "true", ["true"], ["false"]],
    ["ip", "IpAddress", "10.0.0.0/8", ["10.1.2.3"], ["11.1.2.3"]],
    ["date", "DateGreaterThan", "2026-01-01T00:00:00Z", ["2026-06-01T00:00:00Z"], ["2025-06-01T00:00:00Z"]],
  ])("knows values of the type %s", async (ContextKeyType, operator, value, right, wrong) => {
    const PolicyInputList = [policy(allow("ecr:*", { Condition: { [operator]: { "x:key": value } } }))];
    const withValues = (ContextKeyValues: string[]) =>
      decisions({ PolicyInputList, ContextEntries: [{ ContextKeyName: "x:key", ContextKeyType, ContextKeyValues }] });
    expect(await withValues(right)).toEqual(["allowed"]);
    expect(await withValues(wrong)).toEqual(["implicitDeny"]);
  });

  test("refuses a value that is not of its type", async () => {
    const entry = { ContextKeyName: "x:key", ContextKeyType: "numeric" as const, ContextKeyValues: ["many"] };
    expect((await refused(custom({ ContextEntries: [entry] })))[0]).toBe("InvalidInputException");
    const several = { ...entry, ContextKeyValues: ["1", "2"] };
    expect((await refused(custom({ ContextEntries: [several] })))[0]).toBe("InvalidInputException");
  });

  test("stays within a boundary and an organization's policies", async () => {
    const within = { PermissionsBoundaryPolicyInputList: [policy(allow("s3:*"))] };
    expect((await custom(within)).EvaluationResults?.[0]).toMatchObject({
      EvalDecision: "implicitDeny",
      PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false },
    });
    const levels = [
      { ServiceControlPolicyInputList: [policy(allow("*"))] },
      { ServiceControlPolicyInputList: [policy(allow("*"), deny("ecr:PutImage"))] },
    ];
    expect((await custom({ OrderedOrganizationPolicyInputList: levels })).EvaluationResults?.[0]).toMatchObject({
      EvalDecision: "explicitDeny",
      OrganizationsDecisionDetail: { AllowedByOrganizations: false },
    });
  });

  test("takes a resource's policy along, with somebody whom it means", async () => {
    const CallerArn = `arn:aws:iam::${account}:user/ci`;
    const ResourcePolicy = policy({ Effect: "Allow", Principal: { AWS: CallerArn }, Action: "ecr:PutImage" });
    const input = { PolicyInputList: [policy(allow("s3:*"))], ResourcePolicy, ResourceArns: [repository] };
    expect((await custom({ ...input, CallerArn })).EvaluationResults?.[0]).toMatchObject({
      EvalDecision: "allowed",
      MatchedStatements: [{ SourcePolicyId: "ResourcePolicy", SourcePolicyType: "Resource Policy" }],
    });
    expect(await decisions({ ...input, CallerArn: `${CallerArn}2` })).toEqual(["implicitDeny"]);
    // Across accounts both sides have to allow.
    const other = { ResourceArns: [repository.replace(account, "999999999999")] };
    expect(await decisions({ ...input, CallerArn, ...other })).toEqual(["implicitDeny"]);
    expect(await refused(custom(input))).toEqual([
      "InvalidInputException",
      "Invalid caller - Caller cannot be null or empty.",
    ]);
  });

  test("comes in pages", async () => {
    const input = { ActionNames: ["ecr:A", "ecr:PutImage", "ecr:C"], MaxItems: 2 };
    const first = await custom(input);
    expect(first.EvaluationResults).toHaveLength(2);
    expect(first.IsTruncated).toBe(true);
    const second = await custom({ ...input, Marker: first.Marker });
    expect(second.EvaluationResults?.map(({ EvalActionName }) => EvalActionName)).toEqual(["ecr:C"]);
    expect(second.IsTruncated).toBe(false);
    const others = { ...input, ActionNames: ["ecr:A"], Marker: first.Marker };
    expect((await refused(custom(others)))[0]).toBe("ValidationError");
  });

  test("refuses what is no policy or no action", async () => {
    expect((await refused(custom({ PolicyInputList: ["{}"] })))[0]).toBe("InvalidInputException");
    const resource = { ResourcePolicy: "[]", CallerArn: `arn:aws:iam::${account}:user/ci` };
    expect((await refused(custom(resource)))[0]).toBe("InvalidInputException");
    expect((await refused(custom({ ActionNames: ["PutImage"] })))[0]).toBe("InvalidInputException");
    expect((await refused(custom({ ActionNames: ["ecr:*"] })))[0]).toBe("InvalidInputException");
  });
});

describe("a simulation of somebody's policies", () => {
  const RoleName = "deployer";
  const PolicySourceArn = `arn:aws:iam::${account}:role/team/deployer`;
  const simulate = (input: Partial<sdk.SimulatePrincipalPolicyCommandInput> = {}) =>
    berth.iam.send(
      new sdk.SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames: ["ecr:PutImage"], ...input }),
    );
  const result = async (input?: Partial<sdk.SimulatePrincipalPolicyCommandInput>) =>
    (await simulate(input)).EvaluationResults?.[0];
  const put = (PolicyName: string, ...statements: Statement[]) =>
    berth.iam.send(new sdk.PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument: policy(...statements) }));

  beforeEach(async () => {
    const trust = policy({ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" });
    const role = { RoleName, Path: "/team/", AssumeRolePolicyDocument: trust, Tags: [{ Key: "team", Value: "blue" }] };
    await berth.iam.send(new sdk.CreateRoleCommand(role));
  });

  test("counts inline and managed policies, its tags and its boundary", async () => {
    expect((await result())?.EvalDecision).toBe("implicitDeny");
    await put("push", allow("ecr:PutImage", { Condition: { StringEquals: { "aws:PrincipalTag/team": "blue" } } }));
    expect(await result()).toMatchObject({
      EvalDecision: "allowed",
      MatchedStatements: [{ SourcePolicyId: "role_deployer_push", SourcePolicyType: "IAM Policy" }],
      MissingContextValues: [],
    });
    const PolicyArn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly";
    await berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn }));
    expect(await result({ ActionNames: ["ecr:ListImages"] })).toMatchObject({
      EvalDecision: "allowed",
      MatchedStatements: [{ SourcePolicyId: "AmazonEC2ContainerRegistryReadOnly" }],
    });
    const bounded = { RoleName, PermissionsBoundary: PolicyArn };
    await berth.iam.send(new sdk.PutRolePermissionsBoundaryCommand(bounded));
    expect(await result()).toMatchObject({
      EvalDecision: "implicitDeny",
      PermissionsBoundaryDecisionDetail: { AllowedByPermissionsBoundary: false },
    });
    const looser = { PermissionsBoundaryPolicyInputList: [policy(allow("*"))] };
    expect((await result(looser))?.EvalDecision).toBe("allowed");
  });

  test("takes more policies along, and leaves some out", async () => {
    await put("guard", deny("ecr:PutImage"));
    const PolicyInputList = [policy(allow("ecr:PutImage"))];
    expect((await result({ PolicyInputList }))?.EvalDecision).toBe("explicitDeny");
    const inline = { PolicyName: "guard", AttachmentType: "role" as const, AttachmentName: RoleName };
    const without: sdk.PolicyIdentifier[] = [{ InlinePolicyIdentifier: inline }];
    expect((await result({ PolicyInputList, PolicyExclusionList: without }))?.EvalDecision).toBe("allowed");
    const types: sdk.PolicyIdentifier[] = [{ PolicyType: "inline" }];
    expect((await result({ PolicyInputList, PolicyExclusionList: types }))?.EvalDecision).toBe("allowed");
    const others: sdk.PolicyIdentifier[] = [{ PolicyArn: "arn:aws:iam::aws:policy/*" }];
    expect((await result({ PolicyInputList, PolicyExclusionList: others }))?.EvalDecision).toBe("explicitDeny");
  });

  test("is not kept busy by a pattern with many wildcards", async () => {
    const PolicyArn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly";
    await berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn }));
    const without = [{ PolicyArn: `arn:${"*".repeat(2000)}!` }];
    const began = performance.now();
    await result({ PolicyExclusionList: without });
    expect(performance.now() - began).toBeLessThan(1000);
  }, 20_000);

  test("knows its source by its whole ARN: permission was asked for that, path included", async () => {
    const source = `arn:aws:iam::${account}:role/`;
    for (const PolicySourceArn of [`${source}allowed/${RoleName}`, source + RoleName.toUpperCase()]) {
      const simulated = berth.iam.send(
        new sdk.SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames: ["ecr:PutImage"] }),
      );
      expect((await refused(simulated))[0]).toBe("NoSuchEntityException");
      const keys = berth.iam.send(new sdk.GetContextKeysForPrincipalPolicyCommand({ PolicySourceArn }));
      expect((await refused(keys))[0]).toBe("NoSuchEntityException");
    }
  });

  test("of a user counts those of its groups; of a group, its own", async () => {
    const [UserName, GroupName] = ["ci", "team"];
    await berth.iam.send(new sdk.CreateUserCommand({ UserName }));
    await berth.iam.send(new sdk.CreateGroupCommand({ GroupName }));
    await berth.iam.send(new sdk.AddUserToGroupCommand({ UserName, GroupName }));
    const Resource = `${repository.replace(/app$/, "")}\${aws:username}`;
    const PolicyDocument = policy(allow("ecr:PutImage", { Resource }));
    await berth.iam.send(new sdk.PutGroupPolicyCommand({ GroupName, PolicyName: "push", PolicyDocument }));
    const ResourceArns = [repository.replace(/app$/, "ci")];
    const user = { PolicySourceArn: `arn:aws:iam::${account}:user/ci`, ResourceArns };
    expect(await result(user)).toMatchObject({
      EvalDecision: "allowed",
      MatchedStatements: [{ SourcePolicyId: "group_team_push" }],
    });
    const group = { PolicySourceArn: `arn:aws:iam::${account}:group/team`, ResourceArns };
    expect(await result(group)).toMatchObject({
      EvalDecision: "implicitDeny",
      MissingContextValues: ["aws:username"],
    });
    expect((await result({ ...group, CallerArn: user.PolicySourceArn }))?.EvalDecision).toBe("allowed");
  });

  test("is of somebody of the account", async () => {
    expect(await refused(simulate({ PolicySourceArn: PolicySourceArn.replace("deployer", "nobody") }))).toEqual([
      "NoSuchEntityException",
      "The role with name nobody cannot be found.",
    ]);
    const session = `arn:aws:sts::${account}:assumed-role/deployer/session`;
    expect(await refused(simulate({ PolicySourceArn: session }))).toEqual([
      "InvalidInputException",
      `Invalid Entity Arn: ${session} does not clearly define entity type and name.`,
    ]);
    const elsewhere = PolicySourceArn.replace(account, "999999999999");
    expect((await refused(simulate({ PolicySourceArn: elsewhere })))[0]).toBe("InvalidInputException");
  });
});

test("the condition keys that policies ask about are told once, as they are written", async () => {
  const PolicyInputList = [
    policy(
      allow("ecr:*", {
        // biome-ignore lint/suspicious/noTemplateCurlyInString: a variable of policies
        Resource: "arn:aws:ecr:*:*:repository/${aws:PrincipalTag/team}/*",
        Condition: { StringEquals: { "ecr:ResourceTag/Env": "prod" }, Bool: { "aws:SecureTransport": "true" } },
      }),
    ),
    policy(deny("ecr:*", { Condition: { Bool: { "aws:securetransport": "false" } } })),
  ];
  const { ContextKeyNames } = await berth.iam.send(new sdk.GetContextKeysForCustomPolicyCommand({ PolicyInputList }));
  expect(ContextKeyNames?.map((key) => key.toLowerCase())).toEqual([
    "aws:principaltag/team",
    "aws:securetransport",
    "ecr:resourcetag/env",
  ]);
  expect(ContextKeyNames).toContain("ecr:ResourceTag/Env");
  const trust = policy({ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" });
  const RoleName = "deployer";
  await berth.iam.send(new sdk.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }));
  const inline = { RoleName, PolicyName: "p", PolicyDocument: PolicyInputList[0] };
  await berth.iam.send(new sdk.PutRolePolicyCommand(inline));
  const PolicySourceArn = `arn:aws:iam::${account}:role/deployer`;
  const own = await berth.iam.send(new sdk.GetContextKeysForPrincipalPolicyCommand({ PolicySourceArn }));
  expect(own.ContextKeyNames).toHaveLength(3);
});
