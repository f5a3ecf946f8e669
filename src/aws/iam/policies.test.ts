import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { account, inProcess } from "../testing.ts";
import { refused } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const document = (...actions: string[]) =>
  JSON.stringify({ Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: actions, Resource: "*" }] });
const pull = document("ecr:BatchGetImage");
const pullOnly = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly";
const policyArn = (name: string, path = "/") => `arn:aws:iam::${account}:policy${path}${name}`;
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" }],
});

async function createPolicy(PolicyName: string, more: Partial<sdk.CreatePolicyCommandInput> = {}) {
  const input = { PolicyName, PolicyDocument: pull, ...more };
  const { Policy } = await berth.iam.send(new sdk.CreatePolicyCommand(input));
  return Policy as sdk.Policy;
}

async function createRole(RoleName: string) {
  await berth.iam.send(new sdk.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust }));
}

describe("a managed policy", () => {
  test("is created and read back", async () => {
    const Tags = [{ Key: "team", Value: "blue" }];
    const created = await createPolicy("push", { Path: "/team/", Description: "may push", Tags });
    const PolicyArn = policyArn("push", "/team/");
    expect(created).toMatchObject({ Arn: PolicyArn, DefaultVersionId: "v1", AttachmentCount: 0, IsAttachable: true });
    expect(created.PolicyId).toMatch(/^ANPA[A-Z0-9]{17}$/);
    const { Policy } = await berth.iam.send(new sdk.GetPolicyCommand({ PolicyArn }));
    expect(Policy).toMatchObject({ PolicyName: "push", Path: "/team/", Description: "may push", Tags });
    const get = new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId: "v1" });
    const { PolicyVersion } = await berth.iam.send(get);
    expect(decodeURIComponent(PolicyVersion?.Document ?? "")).toBe(pull);
    expect(PolicyVersion).toMatchObject({ VersionId: "v1", IsDefaultVersion: true });
  });

  test("has a name that no other policy of the account has", async () => {
    await createPolicy("push");
    expect(await refused(createPolicy("Push", { Path: "/x/" }))).toEqual([
      "EntityAlreadyExistsException",
      "A policy called Push already exists. Duplicate names are not allowed.",
      409,
    ]);
  });

  test("must be a policy, of the new version, and not too long", async () => {
    const create = (PolicyDocument: string) => createPolicy("push", { PolicyDocument });
    expect((await refused(create("{}")))[0]).toBe("MalformedPolicyDocumentException");
    expect((await refused(create(pull.replace("2012-10-17", "2008-10-17"))))[0]).toBe(
      "MalformedPolicyDocumentException",
    );
    expect((await refused(create(trust)))[0]).toBe("MalformedPolicyDocumentException");
    const long = document(...Array.from({ length: 300 }, (_, index) => `ecr:GetSomethingLong${index}`));
    expect(await refused(create(long))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for PolicySize: 6144",
      409,
    ]);
    // White space does not count.
    await create(JSON.stringify(JSON.parse(pull), null, 2).replaceAll("\n", `\n${" ".repeat(2000)}`));
  });

  test("has five versions at the most, of which one counts", async () => {
    const { Arn: PolicyArn } = await createPolicy("push");
    const add = (SetAsDefault?: boolean) =>
      berth.iam.send(new sdk.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument: pull, SetAsDefault }));
    expect((await add()).PolicyVersion).toMatchObject({ VersionId: "v2", IsDefaultVersion: false });
    expect((await add(true)).PolicyVersion).toMatchObject({ VersionId: "v3", IsDefaultVersion: true });
    await add();
    await add();
    expect(await refused(add())).toEqual([
      "LimitExceededException",
      "A managed policy can have up to 5 versions. Before you create a new version, you must delete an existing version.",
      409,
    ]);
    const remove = (VersionId: string) => berth.iam.send(new sdk.DeletePolicyVersionCommand({ PolicyArn, VersionId }));
    expect(await refused(remove("v3"))).toEqual([
      "DeleteConflictException",
      "Cannot delete the default version of a policy.",
      409,
    ]);
    await remove("v2");
    expect(await refused(remove("v2"))).toEqual([
      "NoSuchEntityException",
      `Policy ${PolicyArn} version v2 does not exist or is not attachable.`,
      404,
    ]);
    // Numbers are never given twice.
    expect((await add()).PolicyVersion?.VersionId).toBe("v6");
    await berth.iam.send(new sdk.SetDefaultPolicyVersionCommand({ PolicyArn, VersionId: "v1" }));
    const listed = await berth.iam.send(new sdk.ListPolicyVersionsCommand({ PolicyArn }));
    expect(listed.Versions?.map(({ VersionId, IsDefaultVersion }) => [VersionId, IsDefaultVersion])).toEqual([
      ["v6", false],
      ["v5", false],
      ["v4", false],
      ["v3", false],
      ["v1", true],
    ]);
    const first = await berth.iam.send(new sdk.ListPolicyVersionsCommand({ PolicyArn, MaxItems: 3 }));
    const rest = new sdk.ListPolicyVersionsCommand({ PolicyArn, MaxItems: 3, Marker: first.Marker });
    expect((await berth.iam.send(rest)).Versions?.map(({ VersionId }) => VersionId)).toEqual(["v3", "v1"]);
    expect((await refused(berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn }))))[1]).toBe(
      "This policy has more than one version. Before you delete a policy, you must delete the policy's versions. The default version is deleted with the policy.",
    );
    for (const version of ["v3", "v4", "v5", "v6"]) await remove(version);
    await berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn }));
    expect(await refused(berth.iam.send(new sdk.GetPolicyCommand({ PolicyArn })))).toEqual([
      "NoSuchEntityException",
      `Policy ${PolicyArn} was not found.`,
      404,
    ]);
  });

  test("has tags", async () => {
    const { Arn: PolicyArn } = await createPolicy("push");
    const Tags = [{ Key: "team", Value: "blue" }];
    await berth.iam.send(new sdk.TagPolicyCommand({ PolicyArn, Tags }));
    expect((await berth.iam.send(new sdk.ListPolicyTagsCommand({ PolicyArn }))).Tags).toEqual(Tags);
    await berth.iam.send(new sdk.UntagPolicyCommand({ PolicyArn, TagKeys: ["team"] }));
    expect((await berth.iam.send(new sdk.ListPolicyTagsCommand({ PolicyArn }))).Tags).toEqual([]);
  });

  test("of another account is not there", async () => {
    const PolicyArn = "arn:aws:iam::999999999999:policy/push";
    expect((await refused(berth.iam.send(new sdk.GetPolicyCommand({ PolicyArn }))))[0]).toBe("NoSuchEntityException");
    await createRole("cluster");
    const attach = new sdk.AttachRolePolicyCommand({ RoleName: "cluster", PolicyArn });
    expect((await refused(berth.iam.send(attach)))[1]).toBe(`Policy ${PolicyArn} does not exist or is not attachable.`);
  });
});

describe("AWS's own policies", () => {
  test("are there for everybody", async () => {
    const { Policy } = await berth.iam.send(new sdk.GetPolicyCommand({ PolicyArn: pullOnly }));
    expect(Policy).toMatchObject({ PolicyName: "AmazonEC2ContainerRegistryPullOnly", Path: "/", IsAttachable: true });
    const get = new sdk.GetPolicyVersionCommand({ PolicyArn: pullOnly, VersionId: Policy?.DefaultVersionId });
    const { PolicyVersion } = await berth.iam.send(get);
    expect(JSON.parse(decodeURIComponent(PolicyVersion?.Document ?? "")).Statement[0].Action).toEqual([
      "ecr:GetAuthorizationToken",
      "ecr:BatchGetImage",
      "ecr:GetDownloadUrlForLayer",
      "ecr:BatchImportUpstreamImage",
    ]);
    const { Versions } = await berth.iam.send(new sdk.ListPolicyVersionsCommand({ PolicyArn: pullOnly }));
    expect(Versions).toHaveLength(1);
  });

  test("are good policies", async () => {
    const { Policies } = await berth.iam.send(new sdk.ListPoliciesCommand({ Scope: "AWS", MaxItems: 1000 }));
    expect(Policies?.length).toBeGreaterThanOrEqual(14);
    for (const { Arn: PolicyArn, PolicyName } of Policies ?? []) {
      const { PolicyVersion } = await berth.iam.send(new sdk.GetPolicyVersionCommand({ PolicyArn, VersionId: "v1" }));
      const PolicyDocument = decodeURIComponent(PolicyVersion?.Document ?? "");
      await createPolicy(`copy-of-${PolicyName}`, { PolicyDocument });
    }
  });

  test("are changed by nobody", async () => {
    for (const command of [
      new sdk.DeletePolicyCommand({ PolicyArn: pullOnly }),
      new sdk.CreatePolicyVersionCommand({ PolicyArn: pullOnly, PolicyDocument: pull }),
      new sdk.SetDefaultPolicyVersionCommand({ PolicyArn: pullOnly, VersionId: "v1" }),
      new sdk.TagPolicyCommand({ PolicyArn: pullOnly, Tags: [{ Key: "a", Value: "b" }] }),
    ]) {
      const [name, message, status] = await refused(berth.iam.send(command as never));
      expect([name, status]).toEqual(["AccessDenied", 403]);
      expect(message).toMatch(new RegExp(`^User: arn:aws:iam::${account}:root is not authorized to perform: iam:`));
    }
  });

  test("of services are for service-linked roles", async () => {
    await createRole("cluster");
    const PolicyArn = "arn:aws:iam::aws:policy/aws-service-role/ECRReplicationServiceRolePolicy";
    expect(await refused(berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName: "cluster", PolicyArn })))).toEqual([
      "PolicyNotAttachableException",
      "Cannot attach a Service Role Policy to a Customer Role.",
      400,
    ]);
  });
});

test("policies are listed by scope, use and path, in pages", async () => {
  await createRole("cluster");
  for (const name of ["c", "A", "b"]) await createPolicy(name, { Path: name === "c" ? "/team/" : "/" });
  const RoleName = "cluster";
  await berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn: policyArn("b") }));
  await berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn: pullOnly }));
  const PermissionsBoundary = policyArn("A");
  await berth.iam.send(new sdk.PutRolePermissionsBoundaryCommand({ RoleName, PermissionsBoundary }));

  async function names(input: sdk.ListPoliciesCommandInput) {
    const all: (string | undefined)[] = [];
    for await (const { Policies = [] } of sdk.paginateListPolicies({ client: berth.iam, pageSize: 2 }, input)) {
      expect(Policies.length).toBeLessThanOrEqual(2);
      all.push(...Policies.map(({ PolicyName }) => PolicyName));
    }
    return all;
  }
  expect(await names({ Scope: "Local" })).toEqual(["A", "b", "c"]);
  expect(await names({ Scope: "Local", PathPrefix: "/team/" })).toEqual(["c"]);
  const everything = await names({});
  expect(everything.slice(0, 4)).toEqual(["A", "b", "c", "AdministratorAccess"]);
  expect(everything).toEqual([...new Set(everything)]);
  expect(await names({ OnlyAttached: true })).toEqual(["b", "AmazonEC2ContainerRegistryPullOnly"]);
  expect(await names({ PolicyUsageFilter: "PermissionsBoundary" })).toEqual(["A"]);
  expect(await names({ Scope: "AWS", PolicyUsageFilter: "PermissionsPolicy" })).toEqual([
    "AmazonEC2ContainerRegistryPullOnly",
  ]);
  const { Policies } = await berth.iam.send(new sdk.ListPoliciesCommand({ Scope: "Local" }));
  expect(Policies?.map((policy) => [policy.AttachmentCount, policy.PermissionsBoundaryUsageCount])).toEqual([
    [0, 1],
    [1, 0],
    [0, 0],
  ]);
});

describe("attachments", () => {
  const RoleName = "cluster";
  const attach = (PolicyArn: string) => berth.iam.send(new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn }));
  beforeEach(() => createRole(RoleName));

  test("come and go", async () => {
    const { Arn = "" } = await createPolicy("push", { Path: "/team/" });
    await attach(Arn);
    await attach(Arn);
    await attach(pullOnly);
    const list = (more: object = {}) => berth.iam.send(new sdk.ListAttachedRolePoliciesCommand({ RoleName, ...more }));
    expect((await list()).AttachedPolicies).toEqual([
      { PolicyName: "push", PolicyArn: Arn },
      { PolicyName: "AmazonEC2ContainerRegistryPullOnly", PolicyArn: pullOnly },
    ]);
    expect((await list({ PathPrefix: "/team/" })).AttachedPolicies).toHaveLength(1);
    const first = await list({ MaxItems: 1 });
    expect((await list({ MaxItems: 1, Marker: first.Marker })).AttachedPolicies?.[0]?.PolicyArn).toBe(pullOnly);
    expect((await refused(berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn: Arn }))))[1]).toBe(
      "Cannot delete a policy attached to entities.",
    );
    await berth.iam.send(new sdk.DetachRolePolicyCommand({ RoleName, PolicyArn: Arn }));
    expect(await refused(berth.iam.send(new sdk.DetachRolePolicyCommand({ RoleName, PolicyArn: Arn })))).toEqual([
      "NoSuchEntityException",
      `Policy ${Arn} was not found.`,
      404,
    ]);
    await berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn: Arn }));
  });

  test("are ten at the most", async () => {
    for (let index = 0; index < 10; index++) await attach((await createPolicy(`p${index}`)).Arn ?? "");
    expect(await refused(attach(pullOnly))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for PoliciesPerRole: 10",
      409,
    ]);
    await attach(policyArn("p9")); // is there
  });

  test("are on users and groups, too", async () => {
    await berth.iam.send(new sdk.CreateUserCommand({ UserName: "ci" }));
    await berth.iam.send(new sdk.CreateGroupCommand({ GroupName: "team" }));
    const { Arn: PolicyArn = "" } = await createPolicy("push");
    const user = { UserName: "ci", PolicyArn };
    const group = { GroupName: "team", PolicyArn };
    await berth.iam.send(new sdk.AttachUserPolicyCommand(user));
    await berth.iam.send(new sdk.AttachGroupPolicyCommand(group));
    const attached = [{ PolicyName: "push", PolicyArn }];
    const ofUser = await berth.iam.send(new sdk.ListAttachedUserPoliciesCommand({ UserName: "ci" }));
    expect(ofUser.AttachedPolicies).toEqual(attached);
    const ofGroup = await berth.iam.send(new sdk.ListAttachedGroupPoliciesCommand({ GroupName: "team" }));
    expect(ofGroup.AttachedPolicies).toEqual(attached);
    const entities = await berth.iam.send(new sdk.ListEntitiesForPolicyCommand({ PolicyArn }));
    expect(entities.PolicyUsers?.[0]).toMatchObject({ UserName: "ci", UserId: expect.stringMatching(/^AIDA/) });
    expect(entities.PolicyGroups?.[0]).toMatchObject({ GroupName: "team", GroupId: expect.stringMatching(/^AGPA/) });
    expect((await berth.iam.send(new sdk.GetPolicyCommand({ PolicyArn }))).Policy?.AttachmentCount).toBe(2);
    await berth.iam.send(new sdk.DetachUserPolicyCommand(user));
    await berth.iam.send(new sdk.DetachGroupPolicyCommand(group));
    expect((await refused(berth.iam.send(new sdk.DetachGroupPolicyCommand(group))))[0]).toBe("NoSuchEntityException");
    const nobody = new sdk.AttachUserPolicyCommand({ UserName: "nobody", PolicyArn });
    expect((await refused(berth.iam.send(nobody)))[1]).toBe("The user with name nobody cannot be found.");
  });

  test("are found from the policy's side", async () => {
    await createRole("other");
    const { Arn: PolicyArn = "" } = await createPolicy("push");
    await attach(PolicyArn);
    const bounded = { RoleName: "other", PermissionsBoundary: PolicyArn };
    await berth.iam.send(new sdk.PutRolePermissionsBoundaryCommand(bounded));
    const list = (more: object = {}) => berth.iam.send(new sdk.ListEntitiesForPolicyCommand({ PolicyArn, ...more }));
    const names = async (more?: object) => (await list(more)).PolicyRoles?.map((role) => role.RoleName);
    expect(await names()).toEqual(["cluster", "other"]);
    expect(await names({ PolicyUsageFilter: "PermissionsPolicy" })).toEqual(["cluster"]);
    expect(await names({ PolicyUsageFilter: "PermissionsBoundary" })).toEqual(["other"]);
    expect(await names({ EntityFilter: "User" })).toEqual([]);
    const first = await list({ MaxItems: 1 });
    expect(first.PolicyRoles?.map((role) => role.RoleName)).toEqual(["cluster"]);
    expect(await names({ MaxItems: 1, Marker: first.Marker })).toEqual(["other"]);
  });
});

describe("inline policies", () => {
  const RoleName = "cluster";
  const put = (PolicyName: string, PolicyDocument = pull) =>
    berth.iam.send(new sdk.PutRolePolicyCommand({ RoleName, PolicyName, PolicyDocument }));
  beforeEach(() => createRole(RoleName));

  test("are put, read, listed and deleted", async () => {
    await put("b");
    await put("a");
    await put("b", document("ecr:PutImage"));
    const get = (PolicyName: string) => berth.iam.send(new sdk.GetRolePolicyCommand({ RoleName, PolicyName }));
    const read = await get("b");
    expect([read.RoleName, read.PolicyName]).toEqual([RoleName, "b"]);
    expect(decodeURIComponent(read.PolicyDocument ?? "")).toBe(document("ecr:PutImage"));
    const first = await berth.iam.send(new sdk.ListRolePoliciesCommand({ RoleName, MaxItems: 1 }));
    expect(first).toMatchObject({ PolicyNames: ["a"], IsTruncated: true });
    const second = new sdk.ListRolePoliciesCommand({ RoleName, Marker: first.Marker });
    expect(await berth.iam.send(second)).toMatchObject({ PolicyNames: ["b"], IsTruncated: false });
    await berth.iam.send(new sdk.DeleteRolePolicyCommand({ RoleName, PolicyName: "b" }));
    const gone = ["NoSuchEntityException", "The role policy with name b cannot be found.", 404] as const;
    expect(await refused(get("b"))).toEqual([...gone]);
    const again = new sdk.DeleteRolePolicyCommand({ RoleName, PolicyName: "b" });
    expect(await refused(berth.iam.send(again))).toEqual([...gone]);
  });

  test("of one role have a size together", async () => {
    const long = document(...Array.from({ length: 200 }, (_, index) => `ecr:GetSomethingLong${index}`));
    expect(long.length).toBeGreaterThan(10_240 / 2);
    expect(long.length).toBeLessThan(10_240 - pull.length);
    await put("a", long);
    await put("a", long); // instead of itself
    await put("small");
    expect(await refused(put("b", long))).toEqual([
      "LimitExceededException",
      "Maximum policy size of 10240 bytes exceeded for role cluster",
      409,
    ]);
  });

  test("of users and groups have smaller sizes", async () => {
    await berth.iam.send(new sdk.CreateUserCommand({ UserName: "ci" }));
    await berth.iam.send(new sdk.CreateGroupCommand({ GroupName: "team" }));
    const long = (length: number) => pull.replace("ecr:BatchGetImage", `ecr:${"x".repeat(length - pull.length + 13)}`);
    expect(long(2048)).toHaveLength(2048);
    const user = { UserName: "ci", PolicyName: "p" };
    await berth.iam.send(new sdk.PutUserPolicyCommand({ ...user, PolicyDocument: long(2048) }));
    const longer = new sdk.PutUserPolicyCommand({ ...user, PolicyDocument: long(2049) });
    expect((await refused(berth.iam.send(longer)))[1]).toBe("Maximum policy size of 2048 bytes exceeded for user ci");
    expect((await berth.iam.send(new sdk.ListUserPoliciesCommand({ UserName: "ci" }))).PolicyNames).toEqual(["p"]);
    const read = await berth.iam.send(new sdk.GetUserPolicyCommand(user));
    expect(decodeURIComponent(read.PolicyDocument ?? "")).toBe(long(2048));
    await berth.iam.send(new sdk.DeleteUserPolicyCommand(user));
    expect((await refused(berth.iam.send(new sdk.GetUserPolicyCommand(user))))[1]).toBe(
      "The user policy with name p cannot be found.",
    );
    const group = { GroupName: "team", PolicyName: "p" };
    await berth.iam.send(new sdk.PutGroupPolicyCommand({ ...group, PolicyDocument: long(5120) }));
    const longest = new sdk.PutGroupPolicyCommand({ ...group, PolicyDocument: long(5121) });
    expect((await refused(berth.iam.send(longest)))[1]).toBe(
      "Maximum policy size of 5120 bytes exceeded for group team",
    );
    expect((await berth.iam.send(new sdk.ListGroupPoliciesCommand({ GroupName: "team" }))).PolicyNames).toEqual(["p"]);
    expect((await berth.iam.send(new sdk.GetGroupPolicyCommand(group))).GroupName).toBe("team");
    await berth.iam.send(new sdk.DeleteGroupPolicyCommand(group));
    expect((await refused(berth.iam.send(new sdk.DeleteGroupPolicyCommand(group))))[1]).toBe(
      "The group policy with name p cannot be found.",
    );
  });

  test("must be policies", async () => {
    expect((await refused(put("a", trust)))[0]).toBe("MalformedPolicyDocumentException");
  });
});
