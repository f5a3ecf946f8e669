import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { account, inProcess } from "../testing.ts";
import { arnOf, refused } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const trust = (principal: unknown = { Service: "ecs-tasks.amazonaws.com" }) =>
  JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Effect: "Allow", Principal: principal, Action: "sts:AssumeRole" }],
  });
const anything = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Action: "ecr:*", Resource: "*" }],
});

async function createRole(RoleName: string, more: Partial<sdk.CreateRoleCommandInput> = {}) {
  const input = { RoleName, AssumeRolePolicyDocument: trust(), ...more };
  const { Role } = await berth.iam.send(new sdk.CreateRoleCommand(input));
  return Role as sdk.Role;
}

describe("a role", () => {
  test("is created and read back as it was sent", async () => {
    const created = await createRole("cluster", {
      Path: "/team/",
      Description: "pulls images",
      MaxSessionDuration: 7200,
      Tags: [{ Key: "team", Value: "blue" }],
    });
    expect(created.Arn).toBe(arnOf("role/team/cluster"));
    expect(created.RoleId).toMatch(/^AROA[A-Z0-9]{17}$/);
    const { Role } = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    expect(Role).toMatchObject({
      Path: "/team/",
      RoleName: "cluster",
      RoleId: created.RoleId,
      Description: "pulls images",
      MaxSessionDuration: 7200,
      Tags: [{ Key: "team", Value: "blue" }],
      CreateDate: created.CreateDate,
    });
    expect(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "")).toBe(trust());
    expect(berth.newest().text).toContain("%7B%22Version%22%3A%222012-10-17%22");
  });

  test("has a name that no other role has, whatever its case", async () => {
    await createRole("cluster");
    expect(await refused(createRole("CLUSTER", { Path: "/x/" }))).toEqual([
      "EntityAlreadyExistsException",
      "Role with name CLUSTER already exists.",
      409,
    ]);
  });

  test("that is not there is told by name", async () => {
    const message = "The role with name nobody cannot be found.";
    const RoleName = "nobody";
    for (const command of [
      new sdk.GetRoleCommand({ RoleName }),
      new sdk.DeleteRoleCommand({ RoleName }),
      new sdk.UpdateRoleCommand({ RoleName }),
      new sdk.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust() }),
      new sdk.ListRolePoliciesCommand({ RoleName }),
      new sdk.ListAttachedRolePoliciesCommand({ RoleName }),
      new sdk.ListInstanceProfilesForRoleCommand({ RoleName }),
      new sdk.ListRoleTagsCommand({ RoleName }),
      new sdk.PutRolePolicyCommand({ RoleName, PolicyName: "p", PolicyDocument: anything }),
    ]) {
      expect(await refused(berth.iam.send(command as never))).toEqual(["NoSuchEntityException", message, 404]);
    }
  });

  test("has sessions of one to twelve hours", async () => {
    expect(await refused(createRole("long", { MaxSessionDuration: 43_201 }))).toEqual([
      "ValidationError",
      "1 validation error detected: Value '43201' at 'maxSessionDuration' failed to satisfy constraint: Member must have value less than or equal to 43200",
      400,
    ]);
    expect((await refused(createRole("short", { MaxSessionDuration: 3599 })))[0]).toBe("ValidationError");
    expect((await createRole("usual")).MaxSessionDuration).toBe(3600);
  });

  test("is updated", async () => {
    await createRole("cluster", { Description: "before" });
    await berth.iam.send(new sdk.UpdateRoleCommand({ RoleName: "cluster", MaxSessionDuration: 3601 }));
    const first = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    expect(first.Role).toMatchObject({ Description: "before", MaxSessionDuration: 3601 });
    const changed = new sdk.UpdateRoleDescriptionCommand({ RoleName: "cluster", Description: "after" });
    expect((await berth.iam.send(changed)).Role).toMatchObject({ Description: "after", MaxSessionDuration: 3601 });
    await berth.iam.send(new sdk.UpdateRoleDescriptionCommand({ RoleName: "cluster", Description: "" }));
    const last = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    expect(last.Role?.Description).toBeUndefined();
  });

  test("is deleted once it has no policies", async () => {
    await createRole("cluster");
    const role = { RoleName: "cluster" };
    const PolicyArn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly";
    await berth.iam.send(new sdk.AttachRolePolicyCommand({ ...role, PolicyArn }));
    await berth.iam.send(new sdk.PutRolePolicyCommand({ ...role, PolicyName: "own", PolicyDocument: anything }));
    const remove = () => berth.iam.send(new sdk.DeleteRoleCommand(role));
    expect(await refused(remove())).toEqual([
      "DeleteConflictException",
      "Cannot delete entity, must detach all policies first.",
      409,
    ]);
    await berth.iam.send(new sdk.DetachRolePolicyCommand({ ...role, PolicyArn }));
    expect(await refused(remove())).toEqual([
      "DeleteConflictException",
      "Cannot delete entity, must delete policies first.",
      409,
    ]);
    await berth.iam.send(new sdk.DeleteRolePolicyCommand({ ...role, PolicyName: "own" }));
    await remove();
    expect((await refused(berth.iam.send(new sdk.GetRoleCommand(role))))[0]).toBe("NoSuchEntityException");
  });

  test("has tags whose keys are the same whatever their case", async () => {
    await createRole("cluster", { Tags: [{ Key: "Team", Value: "blue" }] });
    const role = { RoleName: "cluster" };
    const tags = [
      { Key: "team", Value: "red" },
      { Key: "cost", Value: "" },
    ];
    await berth.iam.send(new sdk.TagRoleCommand({ ...role, Tags: tags }));
    const listed = await berth.iam.send(new sdk.ListRoleTagsCommand(role));
    expect(listed.Tags).toEqual([
      { Key: "cost", Value: "" },
      { Key: "team", Value: "red" },
    ]);
    await berth.iam.send(new sdk.UntagRoleCommand({ ...role, TagKeys: ["TEAM", "none"] }));
    expect((await berth.iam.send(new sdk.ListRoleTagsCommand(role))).Tags).toEqual([{ Key: "cost", Value: "" }]);
    const twice = [
      { Key: "a", Value: "1" },
      { Key: "A", Value: "2" },
    ];
    expect(await refused(berth.iam.send(new sdk.TagRoleCommand({ ...role, Tags: twice })))).toEqual([
      "InvalidInputException",
      "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
      400,
    ]);
  });

  test("has no instance profiles", async () => {
    await createRole("cluster");
    const answer = await berth.iam.send(new sdk.ListInstanceProfilesForRoleCommand({ RoleName: "cluster" }));
    expect(answer).toMatchObject({ InstanceProfiles: [], IsTruncated: false });
  });
});

test("roles are listed in pages, by path", async () => {
  for (const name of ["b", "A", "c"]) await createRole(name, { Path: name === "c" ? "/other/" : "/team/" });
  const list = (input: sdk.ListRolesCommandInput) => berth.iam.send(new sdk.ListRolesCommand(input));
  const first = await list({ MaxItems: 2 });
  expect(first.Roles?.map(({ RoleName }) => RoleName)).toEqual(["A", "b"]);
  expect(first.IsTruncated).toBe(true);
  const second = await list({ MaxItems: 2, Marker: first.Marker });
  expect(second.Roles?.map(({ RoleName }) => RoleName)).toEqual(["c"]);
  expect(second.IsTruncated).toBe(false);
  expect(second.Marker).toBeUndefined();
  expect((await list({ PathPrefix: "/team/" })).Roles).toHaveLength(2);
  // A marker is good for the list that it came from.
  expect((await refused(list({ PathPrefix: "/team/", Marker: first.Marker })))[0]).toBe("ValidationError");
});

describe("a trust policy", () => {
  test("must be one", async () => {
    const create = (AssumeRolePolicyDocument: string) => createRole("cluster", { AssumeRolePolicyDocument });
    expect((await refused(create("{")))[0]).toBe("MalformedPolicyDocumentException");
    expect((await refused(create(anything)))[0]).toBe("MalformedPolicyDocumentException");
    const large = trust({ AWS: Array.from({ length: 100 }, (_, i) => String(100_000_000_000 + i)) }).replace(
      '"Action"',
      `"Sid": "${"x".repeat(1000)}", "Action"`,
    );
    expect(await refused(create(large))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for ACLSizePerRole: 2048",
      409,
    ]);
  });

  test("names nobody who does not exist", async () => {
    const nobody = arnOf("user/nobody");
    expect(await refused(createRole("cluster", { AssumeRolePolicyDocument: trust({ AWS: nobody }) }))).toEqual([
      "MalformedPolicyDocumentException",
      `Invalid principal in policy: "AWS":"${nobody}"`,
      400,
    ]);
    await createRole("cluster", { Path: "/team/" });
    const PolicyDocument = trust({ AWS: arnOf("role/cluster") }); // without its path
    const update = new sdk.UpdateAssumeRolePolicyCommand({ RoleName: "cluster", PolicyDocument });
    expect((await refused(berth.iam.send(update)))[1]).toBe(
      `Invalid principal in policy: "AWS":"${arnOf("role/cluster")}"`,
    );
  });

  test("shows whoever is gone by unique id, and does not mean the next one of that name", async () => {
    const deployer = await createRole("deployer");
    const text = trust({ AWS: [arnOf("role/deployer"), account] });
    await createRole("cluster", { AssumeRolePolicyDocument: text });
    const shown = async () => {
      const { Role } = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
      return JSON.parse(decodeURIComponent(Role?.AssumeRolePolicyDocument ?? "")).Statement[0].Principal;
    };
    expect(await shown()).toEqual({ AWS: [arnOf("role/deployer"), account] });
    await berth.iam.send(new sdk.DeleteRoleCommand({ RoleName: "deployer" }));
    expect(await shown()).toEqual({ AWS: [deployer.RoleId, account] });
    await createRole("deployer");
    expect(await shown()).toEqual({ AWS: [deployer.RoleId, account] });
    const again = new sdk.UpdateAssumeRolePolicyCommand({ RoleName: "cluster", PolicyDocument: text });
    await berth.iam.send(again);
    expect(await shown()).toEqual({ AWS: [arnOf("role/deployer"), account] });
  });
});

describe("a permissions boundary", () => {
  const boundary = "arn:aws:iam::aws:policy/PowerUserAccess";

  test("is set, shown and taken away", async () => {
    const created = await createRole("cluster", { PermissionsBoundary: boundary });
    const own = arnOf("policy/limits");
    expect(created.PermissionsBoundary?.PermissionsBoundaryArn).toBe(boundary);
    const put = (PermissionsBoundary: string) =>
      berth.iam.send(new sdk.PutRolePermissionsBoundaryCommand({ RoleName: "cluster", PermissionsBoundary }));
    expect(await refused(put(own))).toEqual([
      "NoSuchEntityException",
      `Policy ${own} does not exist or is not attachable.`,
      404,
    ]);
    await berth.iam.send(new sdk.CreatePolicyCommand({ PolicyName: "limits", PolicyDocument: anything }));
    await put(own);
    const { Role } = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    expect(Role?.PermissionsBoundary?.PermissionsBoundaryArn).toBe(own);
    expect((await refused(berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn: own }))))[1]).toBe(
      "Cannot delete a policy attached to entities.",
    );
    await berth.iam.send(new sdk.DeleteRolePermissionsBoundaryCommand({ RoleName: "cluster" }));
    const { Role: after } = await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    expect(after?.PermissionsBoundary).toBeUndefined();
    await berth.iam.send(new sdk.DeletePolicyCommand({ PolicyArn: own }));
  });
});

describe("a service-linked role", () => {
  const service = "replication.ecr.amazonaws.com";
  const create = (input: Partial<sdk.CreateServiceLinkedRoleCommandInput> = {}) =>
    berth.iam.send(new sdk.CreateServiceLinkedRoleCommand({ AWSServiceName: service, ...input }));

  test("is the service's own", async () => {
    const { Role } = await create();
    expect(Role?.Arn).toBe(arnOf(`role/aws-service-role/${service}/AWSServiceRoleForECRReplication`));
    const RoleName = "AWSServiceRoleForECRReplication";
    const attached = await berth.iam.send(new sdk.ListAttachedRolePoliciesCommand({ RoleName }));
    expect(attached.AttachedPolicies).toEqual([
      {
        PolicyName: "ECRReplicationServiceRolePolicy",
        PolicyArn: "arn:aws:iam::aws:policy/aws-service-role/ECRReplicationServiceRolePolicy",
      },
    ]);
    for (const command of [
      new sdk.DeleteRoleCommand({ RoleName }),
      new sdk.PutRolePolicyCommand({ RoleName, PolicyName: "p", PolicyDocument: anything }),
      new sdk.UpdateAssumeRolePolicyCommand({ RoleName, PolicyDocument: trust() }),
      new sdk.AttachRolePolicyCommand({ RoleName, PolicyArn: "arn:aws:iam::aws:policy/AdministratorAccess" }),
    ]) {
      expect(await refused(berth.iam.send(command as never))).toEqual([
        "UnmodifiableEntityException",
        `Cannot perform the operation on the protected role '${RoleName}' - this role is only modifiable by AWS`,
        400,
      ]);
    }
    expect(await refused(create())).toEqual([
      "InvalidInputException",
      `Service role name ${RoleName} has been taken in this account, please try a different suffix.`,
      400,
    ]);
    const { DeletionTaskId } = await berth.iam.send(new sdk.DeleteServiceLinkedRoleCommand({ RoleName }));
    const status = new sdk.GetServiceLinkedRoleDeletionStatusCommand({ DeletionTaskId });
    expect((await berth.iam.send(status)).Status).toBe("SUCCEEDED");
    await create();
  });

  test("is there for the services of a registry only, under their names only", async () => {
    expect((await refused(create({ AWSServiceName: "ecs.amazonaws.com" })))[0]).toBe("InvalidInputException");
    expect((await refused(create({ CustomSuffix: "x" })))[1]).toBe(`Custom suffix is not allowed for ${service}`);
    const Path = `/aws-service-role/${service}/`;
    expect((await refused(createRole("AWSServiceRoleForECRReplication", { Path })))[0]).toBe("ValidationError");
    await createRole("ordinary");
    const remove = new sdk.DeleteServiceLinkedRoleCommand({ RoleName: "ordinary" });
    expect((await refused(berth.iam.send(remove)))[0]).toBe("NoSuchEntityException");
  });
});
