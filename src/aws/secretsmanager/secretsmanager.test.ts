import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sm from "@aws-sdk/client-secrets-manager";
import type { Region } from "../../domain/names.ts";
import { removeDueSecrets } from "../../domain/secrets/secrets.ts";
import { account, inProcess, root } from "../testing.ts";

/** The official client; every answer is compared with its model (../testing.ts). */

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess();
});
afterEach(async () => {
  expect(berth.problems).toEqual([]);
  await berth.close();
});

/** Its clock goes as that of the server does now. */
const now = () => berth.secretsAs({ accessKeyId: root.accessKeyId, secretAccessKey: root.secret });

const create = (Name: string, more: object = {}) => berth.secrets.send(new sm.CreateSecretCommand({ Name, ...more }));
const read = (SecretId: string, more: object = {}) =>
  berth.secrets.send(new sm.GetSecretValueCommand({ SecretId, ...more }));
const put = (SecretId: string, SecretString: string, more: object = {}) =>
  berth.secrets.send(new sm.PutSecretValueCommand({ SecretId, SecretString, ...more }));
const remove = (SecretId: string, more: object = {}) =>
  berth.secrets.send(new sm.DeleteSecretCommand({ SecretId, ...more }));
const show = (SecretId: string) => berth.secrets.send(new sm.DescribeSecretCommand({ SecretId }));
const list = (input: object = {}) => berth.secrets.send(new sm.ListSecretsCommand(input));
const names = async (input: object = {}) => (await list(input)).SecretList?.map(({ Name }) => Name);

const day = 24 * 3600;
const token = (letter: string) => letter.repeat(32);

describe("a secret", () => {
  test("is read by its name, its ARN, and its ARN without what is random", async () => {
    const { ARN = "", VersionId } = await create("app/one", { SecretString: "first", Description: "d" });
    expect(ARN).toMatch(new RegExp(`^arn:aws:secretsmanager:us-east-1:${account}:secret:app/one-[A-Za-z0-9]{6}$`));
    for (const id of ["app/one", ARN, ARN.slice(0, -7)]) {
      expect(await read(id)).toMatchObject({
        ARN,
        Name: "app/one",
        VersionId,
        SecretString: "first",
        VersionStages: ["AWSCURRENT"],
      });
    }
    expect(await show(ARN)).toMatchObject({
      ARN,
      Name: "app/one",
      Description: "d",
      VersionIdsToStages: { [VersionId ?? ""]: ["AWSCURRENT"] },
    });
  });

  test("may have a name that ends as an ARN does", async () => {
    await create("app-AbCdEf", { SecretString: "longer" });
    const { ARN = "" } = await create("app", { SecretString: "shorter" });
    expect((await read("app-AbCdEf")).SecretString).toBe("longer");
    expect((await read(`arn:aws:secretsmanager:us-east-1:${account}:secret:app-AbCdEf`)).SecretString).toBe("longer");
    expect((await read(ARN)).SecretString).toBe("shorter");
  });

  test("holds bytes as well as a text", async () => {
    const SecretBinary = Uint8Array.of(0, 255, 7);
    await create("bytes", { SecretBinary });
    const found = await read("bytes");
    expect([...(found.SecretBinary ?? [])]).toEqual([...SecretBinary]);
    expect(found.SecretString).toBeUndefined();
  });

  test("without a value has none to read", async () => {
    await create("empty");
    await expect(read("empty")).rejects.toMatchObject({
      name: "ResourceNotFoundException",
      message: "Secrets Manager can't find the specified secret value for staging label: AWSCURRENT",
    });
    await put("empty", "now");
    expect((await read("empty")).SecretString).toBe("now");
  });

  test.each([
    ["a name that is none", { Name: "two words" }, "InvalidParameterException"],
    ["a key of its own", { KmsKeyId: "alias/mine" }, "InvalidParameterException"],
    ["replicas", { AddReplicaRegions: [{ Region: "eu-west-1" }] }, "InvalidParameterException"],
    ["a text and bytes", { SecretString: "a", SecretBinary: Uint8Array.of(1) }, "InvalidParameterException"],
    ["more than 65,536 bytes", { SecretString: "ä".repeat(32_769) }, "InvalidParameterException"],
    ["tags of AWS", { Tags: [{ Key: "aws:x", Value: "" }] }, "InvalidParameterException"],
    [
      "51 tags",
      { Tags: Array.from({ length: 51 }, (_, i) => ({ Key: `k${i}`, Value: "" })) },
      "LimitExceededException",
    ],
    ["a name that is taken", { Name: "taken", SecretString: "other" }, "ResourceExistsException"],
  ])("is not made with %s", async (_what, input, name) => {
    await create("taken", { SecretString: "first" });
    await expect(create("refused", input)).rejects.toMatchObject({ name });
    expect(await names()).toEqual(["taken"]);
  });

  test("is made with 65,536 bytes", async () => {
    const SecretString = "ä".repeat(32_768);
    await create("large", { SecretString });
    expect((await read("large")).SecretString).toBe(SecretString);
  });

  test("is made once, however often the same request comes", async () => {
    const input = { SecretString: "same", ClientRequestToken: token("a") };
    const first = await create("again", input);
    expect((await create("again", input)).ARN).toBe(first.ARN as string);
    await expect(create("again", { ...input, SecretString: "other" })).rejects.toMatchObject({
      name: "ResourceExistsException",
    });
  });
});

describe("versions", () => {
  test("the newest is current, and the one before it previous", async () => {
    const first = await create("v", { SecretString: "one" });
    const second = await put("v", "two");
    const third = await put("v", "three");
    expect((await read("v")).SecretString).toBe("three");
    expect((await read("v", { VersionStage: "AWSPREVIOUS" })).SecretString).toBe("two");
    expect((await read("v", { VersionId: first.VersionId })).SecretString).toBe("one");
    await expect(read("v", { VersionId: first.VersionId, VersionStage: "AWSCURRENT" })).rejects.toMatchObject({
      name: "ResourceNotFoundException",
    });
    expect((await show("v")).VersionIdsToStages).toEqual({
      [third.VersionId ?? ""]: ["AWSCURRENT"],
      [second.VersionId ?? ""]: ["AWSPREVIOUS"],
    });
    const versions = await berth.secrets.send(
      new sm.ListSecretVersionIdsCommand({ SecretId: "v", IncludeDeprecated: true }),
    );
    expect(versions.Versions).toHaveLength(3);
  });

  test("the same token and value change nothing; the same token and another value are refused", async () => {
    await create("v", { SecretString: "one" });
    const first = await put("v", "two", { ClientRequestToken: token("b") });
    await put("v", "three");
    expect(await put("v", "two", { ClientRequestToken: token("b") })).toMatchObject({ VersionId: first.VersionId });
    expect((await read("v")).SecretString).toBe("three");
    await expect(put("v", "four", { ClientRequestToken: token("b") })).rejects.toMatchObject({
      name: "ResourceExistsException",
    });
  });

  test("a label of one's own moves from version to version", async () => {
    const { VersionId: one = "" } = await create("v", { SecretString: "one" });
    const { VersionId: two = "" } = await put("v", "two", { VersionStages: ["BLUE"] });
    expect((await read("v")).SecretString).toBe("one");
    const move = (input: object) =>
      berth.secrets.send(new sm.UpdateSecretVersionStageCommand({ SecretId: "v", VersionStage: "BLUE", ...input }));
    await expect(move({ MoveToVersionId: one })).rejects.toMatchObject({ name: "InvalidParameterException" });
    await move({ RemoveFromVersionId: two, MoveToVersionId: one });
    expect((await read("v", { VersionStage: "BLUE" })).SecretString).toBe("one");
    await move({ RemoveFromVersionId: one });
    await expect(read("v", { VersionStage: "BLUE" })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await expect(move({ VersionStage: "AWSCURRENT", RemoveFromVersionId: one })).rejects.toMatchObject({
      name: "InvalidParameterException",
    });
    await move({ VersionStage: "AWSCURRENT", RemoveFromVersionId: one, MoveToVersionId: two });
    expect((await show("v")).VersionIdsToStages).toEqual({ [one]: ["AWSPREVIOUS"], [two]: ["AWSCURRENT"] });
  });

  test("the oldest of those without a label go when there are 100", async () => {
    const { VersionId } = await create("v", { SecretString: "0" });
    for (let count = 1; count <= 101; count++) {
      berth.pass(1);
      await put("v", String(count));
    }
    const { Versions = [] } = await berth.secrets.send(
      new sm.ListSecretVersionIdsCommand({ SecretId: "v", IncludeDeprecated: true }),
    );
    expect(Versions).toHaveLength(100);
    await expect(read("v", { VersionId })).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    expect((await read("v")).SecretString).toBe("101");
  });

  test("an update changes the value, the description, or both", async () => {
    await create("v", { SecretString: "one", Description: "old" });
    const update = (input: object) => berth.secrets.send(new sm.UpdateSecretCommand({ SecretId: "v", ...input }));
    expect((await update({ Description: "new" })).VersionId).toBeUndefined();
    expect((await update({ SecretString: "two" })).VersionId).toBeDefined();
    expect(await show("v")).toMatchObject({ Description: "new" });
    expect((await read("v")).SecretString).toBe("two");
  });
});

describe("deletion", () => {
  test("can be taken back within its window, in which nobody reads the value", async () => {
    await create("d", { SecretString: "one" });
    const { DeletionDate } = await remove("d", { RecoveryWindowInDays: 7 });
    expect(DeletionDate?.getTime()).toBeCloseTo(berth.now().getTime() + 7 * day * 1000, -4);
    for (const attempt of [() => read("d"), () => put("d", "two"), () => remove("d"), () => create("d")]) {
      await expect(attempt()).rejects.toMatchObject({ name: "InvalidRequestException" });
    }
    expect((await show("d")).DeletedDate).toBeDefined();
    expect(await names()).toEqual([]);
    expect(await names({ IncludePlannedDeletion: true })).toEqual(["d"]);
    await berth.secrets.send(new sm.RestoreSecretCommand({ SecretId: "d" }));
    expect((await read("d")).SecretString).toBe("one");
  });

  test("is for good when the window is over", async () => {
    const { ARN } = await create("d", { SecretString: "one" });
    await remove("d");
    berth.pass(30 * day + 1);
    const missing = { name: "ResourceNotFoundException" };
    await expect(now().send(new sm.DescribeSecretCommand({ SecretId: "d" }))).rejects.toMatchObject(missing);
    await expect(now().send(new sm.RestoreSecretCommand({ SecretId: "d" }))).rejects.toMatchObject(missing);
    const again = await now().send(new sm.CreateSecretCommand({ Name: "d", SecretString: "two" }));
    expect(again.ARN).not.toBe(ARN as string);
    await expect(now().send(new sm.GetSecretValueCommand({ SecretId: ARN }))).rejects.toMatchObject(missing);
  });

  test("leaves nothing behind when the window is over", async () => {
    await create("d", { SecretString: "one" });
    await create("kept", { SecretString: "two" });
    await remove("d");
    const due = (seconds: number) =>
      removeDueSecrets(berth.metadata, new Date(berth.now().getTime() + seconds * 1000), AbortSignal.timeout(60_000));
    expect(await due(30 * day - 1)).toBe(0);
    expect(await due(30 * day)).toBe(1);
    expect(
      (await berth.metadata.read.secrets.list({ account: root.account, region: "us-east-1" as Region })).map(
        ({ name }) => name,
      ),
    ).toEqual(["kept"]);
  });

  test("without recovery is for good at once, also in the window of another, and of what is not there", async () => {
    await create("d", { SecretString: "one" });
    await remove("d");
    await remove("d", { ForceDeleteWithoutRecovery: true });
    await expect(show("d")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
    await create("d", { SecretString: "two" });
    await remove("d", { ForceDeleteWithoutRecovery: true });
    await remove("d", { ForceDeleteWithoutRecovery: true });
    await expect(remove("d")).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  });

  test.each([
    { RecoveryWindowInDays: 6 },
    { RecoveryWindowInDays: 31 },
    { RecoveryWindowInDays: 7, ForceDeleteWithoutRecovery: true },
  ])("not by %p", async (how) => {
    await create("d", { SecretString: "one" });
    await expect(remove("d", how)).rejects.toMatchObject({ name: "InvalidParameterException" });
    expect((await read("d")).SecretString).toBe("one");
  });
});

test("lists by pages, filters and orders", async () => {
  for (const name of ["b/one", "a/one", "b/two"]) {
    await create(name, {
      SecretString: name,
      Tags: [{ Key: name.slice(0, 1), Value: "x" }],
      Description: `of ${name}`,
    });
    berth.pass(1);
  }
  expect(await names()).toEqual(["b/two", "a/one", "b/one"]);
  expect(await names({ SortOrder: "asc" })).toEqual(["b/one", "a/one", "b/two"]);
  expect(await names({ SortBy: "name", SortOrder: "asc" })).toEqual(["a/one", "b/one", "b/two"]);
  expect(await names({ Filters: [{ Key: "name", Values: ["b/"] }] })).toEqual(["b/two", "b/one"]);
  expect(await names({ Filters: [{ Key: "name", Values: ["!b/"] }] })).toEqual(["a/one"]);
  expect(await names({ Filters: [{ Key: "tag-key", Values: ["a"] }] })).toEqual(["a/one"]);
  expect(await names({ Filters: [{ Key: "description", Values: ["of b/t"] }] })).toEqual(["b/two"]);
  const first = await list({ MaxResults: 2 });
  await remove("a/one", { ForceDeleteWithoutRecovery: true });
  const second = await list({ MaxResults: 2, NextToken: first.NextToken });
  expect([first, second].map(({ SecretList }) => SecretList?.map(({ Name }) => Name))).toEqual([
    ["b/two", "a/one"],
    ["b/one"],
  ]);
  await expect(list({ NextToken: first.NextToken, MaxResults: 2, SortBy: "name" })).rejects.toMatchObject({
    name: "InvalidNextTokenException",
  });
});

test("tags come and go", async () => {
  await create("t", { SecretString: "x", Tags: [{ Key: "a", Value: "1" }] });
  await berth.secrets.send(new sm.TagResourceCommand({ SecretId: "t", Tags: [{ Key: "b", Value: "2" }] }));
  await berth.secrets.send(new sm.UntagResourceCommand({ SecretId: "t", TagKeys: ["a", "c"] }));
  expect((await show("t")).Tags).toEqual([{ Key: "b", Value: "2" }]);
  const policy = await berth.secrets.send(new sm.GetResourcePolicyCommand({ SecretId: "t" }));
  expect([policy.Name, policy.ResourcePolicy]).toEqual(["t", undefined]);
});

test("every operation says that a secret is not there", async () => {
  const SecretId = "ghost";
  const stage = { SecretId, VersionStage: "AWSCURRENT", MoveToVersionId: token("a") };
  const commands = [
    new sm.GetSecretValueCommand({ SecretId }),
    new sm.PutSecretValueCommand({ SecretId, SecretString: "x" }),
    new sm.UpdateSecretCommand({ SecretId, SecretString: "x" }),
    new sm.UpdateSecretVersionStageCommand(stage),
    new sm.DescribeSecretCommand({ SecretId }),
    new sm.ListSecretVersionIdsCommand({ SecretId }),
    new sm.DeleteSecretCommand({ SecretId }),
    new sm.RestoreSecretCommand({ SecretId }),
    new sm.TagResourceCommand({ SecretId, Tags: [] }),
    new sm.UntagResourceCommand({ SecretId, TagKeys: [] }),
    new sm.GetResourcePolicyCommand({ SecretId }),
  ];
  for (const command of commands) {
    await expect(berth.secrets.send(command as never)).rejects.toMatchObject({ name: "ResourceNotFoundException" });
  }
});
