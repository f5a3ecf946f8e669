import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { account, inProcess } from "../testing.ts";
import { refused } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(() => berth.close());

const pullOnly = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly";
const trust = JSON.stringify({
  Version: "2012-10-17",
  Statement: [{ Effect: "Allow", Principal: { AWS: account }, Action: "sts:AssumeRole" }],
});

describe("whoever manages roles", () => {
  /** From here on a user asks who has these statements and no others. */
  async function asAdmin(statements: object[]) {
    const UserName = "admin";
    await berth.iam.send(new sdk.CreateUserCommand({ UserName }));
    const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: statements });
    await berth.iam.send(new sdk.PutUserPolicyCommand({ UserName, PolicyName: "admin", PolicyDocument }));
    const { AccessKey } = await berth.iam.send(new sdk.CreateAccessKeyCommand({ UserName }));
    const { AccessKeyId: accessKeyId = "", SecretAccessKey: secretAccessKey = "" } = AccessKey ?? {};
    const iam = berth.iamAs({ accessKeyId, secretAccessKey });
    berth = { ...berth, iam };
  }
  const allow = (Action: string | string[], Resource: string, Condition?: object) => ({
    Effect: "Allow",
    Action,
    Resource,
    Condition,
  });

  test("is bound to a path, which the name of a role alone does not tell", async () => {
    await asAdmin([allow(["iam:CreateRole", "iam:GetRole"], `arn:aws:iam::${account}:role/team/*`)]);
    const create = (Path: string) =>
      berth.iam.send(new sdk.CreateRoleCommand({ RoleName: "cluster", Path, AssumeRolePolicyDocument: trust }));
    await create("/team/");
    expect(await refused(create("/other/"))).toEqual([
      "AccessDenied",
      `User: arn:aws:iam::${account}:user/admin is not authorized to perform: iam:CreateRole on resource: arn:aws:iam::${account}:role/other/cluster because no identity-based policy allows the iam:CreateRole action`,
      403,
    ]);
    await berth.iam.send(new sdk.GetRoleCommand({ RoleName: "cluster" }));
    // Whether there is one that may not be seen, nobody learns.
    expect((await refused(berth.iam.send(new sdk.GetRoleCommand({ RoleName: "nobody" }))))[0]).toBe("AccessDenied");
  });

  test("may be bound to policies and boundaries", async () => {
    const isPull = { ArnEquals: { "iam:PolicyARN": pullOnly } };
    const isBounded = { StringEquals: { "iam:PermissionsBoundary": pullOnly } };
    await asAdmin([
      allow("iam:AttachRolePolicy", "*", { ...isPull, ...isBounded }),
      allow(["iam:CreateRole", "iam:PutRolePermissionsBoundary"], "*", isBounded),
    ]);
    const role = { RoleName: "cluster" };
    const create = (PermissionsBoundary?: string) =>
      berth.iam.send(new sdk.CreateRoleCommand({ ...role, AssumeRolePolicyDocument: trust, PermissionsBoundary }));
    expect((await refused(create()))[0]).toBe("AccessDenied");
    await create(pullOnly);
    const attach = (PolicyArn: string) => berth.iam.send(new sdk.AttachRolePolicyCommand({ ...role, PolicyArn }));
    await attach(pullOnly);
    const administrator = "arn:aws:iam::aws:policy/AdministratorAccess";
    expect((await refused(attach(administrator)))[0]).toBe("AccessDenied");
    const loosen = new sdk.PutRolePermissionsBoundaryCommand({ ...role, PermissionsBoundary: administrator });
    expect((await refused(berth.iam.send(loosen)))[0]).toBe("AccessDenied");
  });

  test("may be bound to tags, of the request and of the role", async () => {
    const isBlue = { StringEquals: { "aws:RequestTag/team": "blue" } };
    const wasBlue = { StringEquals: { "iam:ResourceTag/team": "blue" } };
    await asAdmin([
      allow("iam:CreateRole", "*"),
      allow("iam:TagRole", "*", isBlue),
      allow("iam:DeleteRole", "*", wasBlue),
    ]);
    const create = (RoleName: string, team?: string) => {
      const Tags = team === undefined ? undefined : [{ Key: "team", Value: team }];
      return berth.iam.send(new sdk.CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: trust, Tags }));
    };
    await create("plain");
    await create("blue", "blue");
    expect((await refused(create("red", "red")))[1]).toContain("iam:TagRole");
    expect((await refused(berth.iam.send(new sdk.DeleteRoleCommand({ RoleName: "plain" }))))[0]).toBe("AccessDenied");
    await berth.iam.send(new sdk.DeleteRoleCommand({ RoleName: "blue" }));
  });
});
