import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  BatchGetImageCommand,
  DeregisterPullTimeUpdateExclusionCommand,
  DescribeImagesCommand,
  ListPullTimeUpdateExclusionsCommand,
  RegisterPullTimeUpdateExclusionCommand,
} from "@aws-sdk/client-ecr";
import { CreateRoleCommand, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { AssumeRoleCommand } from "@aws-sdk/client-sts";
import { account, type InProcess, inProcess } from "./support/berth.ts";
import { allow, type Person } from "./support/people.ts";

let berth: InProcess;
const repositoryName = "pull-times";
beforeAll(async () => {
  berth = await inProcess({ createOnPush: true });
  await berth.pushImage(repositoryName, "v1", "pulled");
});
afterAll(() => berth.close());

const register = (principalArn: string) =>
  berth.ecr().send(new RegisterPullTimeUpdateExclusionCommand({ principalArn }));
const deregister = (principalArn: string) =>
  berth.ecr().send(new DeregisterPullTimeUpdateExclusionCommand({ principalArn }));
const list = (input: object = {}) => berth.ecr().send(new ListPullTimeUpdateExclusionsCommand(input));
const roleArn = (name: string) => `arn:aws:iam::${account}:role/${name}`;

async function lastPull(): Promise<number | undefined> {
  await berth.flushPullTimes();
  const { imageDetails } = await berth.ecr().send(new DescribeImagesCommand({ repositoryName }));
  return imageDetails?.[0]?.lastRecordedPullTime?.getTime();
}

/** Whether a pull is recorded. Each is a second after the one before. */
async function isRecorded(pull: () => Promise<unknown>): Promise<boolean> {
  berth.now = new Date(Math.trunc(berth.now.getTime() / 1000) * 1000 + 1000);
  await pull();
  return (await lastPull()) === berth.now.getTime();
}

const pulling = allow("ecr:*");
const pullOver = (person: Person) => async () => {
  expect((await berth.ociAs(person, "GET", `/v2/${repositoryName}/manifests/v1`)).status).toBe(200);
};
const pullBy = (credentials: object) => () =>
  berth.ecr({ credentials }).send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));

describe("an excluded principal", () => {
  test("leaves no trace when it pulls, by either surface; others do", async () => {
    const scanner = await berth.crowd.user(account, "scanner", pulling);
    const developer = await berth.crowd.user(account, "developer", pulling);
    const both = (person: Person) => [pullOver(person), pullBy(person)];
    for (const pull of both(scanner)) expect(await isRecorded(pull)).toBe(true);
    await register(scanner.principal.arn);
    for (const pull of both(scanner)) expect(await isRecorded(pull)).toBe(false);
    for (const pull of both(developer)) expect(await isRecorded(pull)).toBe(true);
    await deregister(scanner.principal.arn);
    for (const pull of both(scanner)) expect(await isRecorded(pull)).toBe(true);
  });

  test("is a role in each of its sessions", async () => {
    const [iam, sts] = [berth.iam(), berth.sts()];
    const sessions: object[] = [];
    for (const RoleName of ["scanners", "deployers"]) {
      const trust = { ...allow("sts:AssumeRole").Statement, Resource: undefined, Principal: { AWS: account } };
      const AssumeRolePolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: trust });
      await iam.send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument }));
      const PolicyDocument = JSON.stringify(pulling);
      await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "pull", PolicyDocument }));
      const { Credentials } = await sts.send(
        new AssumeRoleCommand({ RoleArn: roleArn(RoleName), RoleSessionName: "session" }),
      );
      sessions.push({
        accessKeyId: Credentials?.AccessKeyId,
        secretAccessKey: Credentials?.SecretAccessKey,
        sessionToken: Credentials?.SessionToken,
      });
    }
    const [scanner = {}, deployer = {}] = sessions;
    await register(roleArn("scanners"));
    expect(await isRecorded(pullBy(scanner))).toBe(false);
    expect(await isRecorded(pullBy(deployer))).toBe(true);
    await deregister(roleArn("scanners"));
  });
});

describe("the list", () => {
  test("has each principal once, and says when it was added", async () => {
    const principalArn = roleArn("path/to/once");
    expect(await register(principalArn)).toMatchObject({ principalArn, createdAt: expect.any(Date) });
    await expect(register(principalArn)).rejects.toMatchObject({ name: "ExclusionAlreadyExistsException" });
    expect((await list()).pullTimeUpdateExclusions).toEqual([principalArn]);
    expect(await deregister(principalArn)).toMatchObject({ principalArn });
    await expect(deregister(principalArn)).rejects.toMatchObject({ name: "ExclusionNotFoundException" });
    expect((await list()).pullTimeUpdateExclusions).toEqual([]);
  });

  test("has a hundred at the most, in pages", async () => {
    const arns = Array.from({ length: 100 }, (_, index) => roleArn(`r${String(index).padStart(3, "0")}`));
    for (const arn of arns) await register(arn);
    await expect(register(roleArn("one-more"))).rejects.toMatchObject({ name: "LimitExceededException" });
    await expect(register(arns[0] ?? "")).rejects.toMatchObject({ name: "ExclusionAlreadyExistsException" });
    const first = await list({ maxResults: 60 });
    const second = await list({ maxResults: 60, nextToken: first.nextToken });
    expect(second.nextToken).toBeUndefined();
    const listed = [first, second].flatMap(({ pullTimeUpdateExclusions = [] }) => pullTimeUpdateExclusions);
    expect(listed).toEqual(arns);
    for (const arn of arns) await deregister(arn);
  });

  test("takes ARNs of roles and users only", async () => {
    const bad = ["x", `arn:aws:iam::${account}:group/g`, `arn:aws:iam::${account}:root`, roleArn(""), roleArn("a b")];
    for (const arn of [...bad, roleArn("x".repeat(200))]) {
      await expect(register(arn)).rejects.toMatchObject({ name: "InvalidParameterException" });
    }
  });
});
