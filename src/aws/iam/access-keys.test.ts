import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-iam";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { account, inProcess } from "../testing.ts";
import { allow, arnOf, documentOf, limits, made, type Refused, refused } from "./testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
let as: ReturnType<typeof made>;
beforeEach(async () => {
  berth = await inProcess();
  as = made(berth);
});
afterEach(async () => {
  expect(berth.problems).toEqual([]);
  await berth.close();
});

describe("access keys", () => {
  const list = async (UserName: string) =>
    (await berth.iam.send(new sdk.ListAccessKeysCommand({ UserName }))).AccessKeyMetadata;

  test("sign until they are switched off or deleted", async () => {
    const { Arn, UserId } = await as.createUser("anna");
    const { AccessKey } = await berth.iam.send(new sdk.CreateAccessKeyCommand({ UserName: "anna" }));
    expect(AccessKey).toEqual({
      UserName: "anna",
      AccessKeyId: expect.stringMatching(/^AKIA[A-Z2-7]{16}$/),
      Status: "Active",
      SecretAccessKey: expect.stringMatching(/^[A-Za-z0-9+/]{40}$/),
      CreateDate: expect.any(Date),
    });
    const { AccessKeyId = "", SecretAccessKey = "", CreateDate } = AccessKey ?? {};
    expect(await list("anna")).toEqual([{ UserName: "anna", AccessKeyId, Status: "Active", CreateDate }]);
    const sts = berth.stsAs({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey });
    const whoAmI = () => sts.send(new GetCallerIdentityCommand({}));
    expect(await whoAmI()).toMatchObject({ Arn, UserId, Account: account });
    const set = (Status: "Active" | "Inactive") =>
      berth.iam.send(new sdk.UpdateAccessKeyCommand({ UserName: "anna", AccessKeyId, Status }));
    await set("Inactive");
    expect((await refused(whoAmI()))[0]).toBe("InvalidClientTokenId");
    expect((await list("anna"))?.[0]?.Status).toBe("Inactive");
    await set("Active");
    expect(await whoAmI()).toMatchObject({ Arn });
    await berth.iam.send(new sdk.DeleteAccessKeyCommand({ UserName: "anna", AccessKeyId }));
    expect((await refused(whoAmI()))[0]).toBe("InvalidClientTokenId");
    expect(await list("anna")).toEqual([]);
  });

  test("are two at the most, and belong to one user", async () => {
    for (const name of ["anna", "bert"]) await as.createUser(name);
    const { accessKeyId: AccessKeyId } = await as.createKey("anna");
    await as.createKey("anna");
    expect(await refused(as.createKey("anna"))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for AccessKeysPerUser: 2",
      409,
    ]);
    const missing: Refused = ["NoSuchEntityException", `The Access Key with id ${AccessKeyId} cannot be found.`, 404];
    const UserName = "bert";
    const update = new sdk.UpdateAccessKeyCommand({ UserName, AccessKeyId, Status: "Inactive" });
    expect(await refused(berth.iam.send(update))).toEqual(missing);
    expect(await refused(berth.iam.send(new sdk.DeleteAccessKeyCommand({ UserName, AccessKeyId })))).toEqual(missing);
    expect(await list("anna")).toHaveLength(2);
  });

  test("keep no secret in the database that could be read or moved to another key", async () => {
    await as.createUser("anna");
    const [one, two] = [await as.createKey("anna"), await as.createKey("anna")];
    const { accessKeys } = berth.metadata.read;
    const [first, second] = [await accessKeys.find(one.accessKeyId), await accessKeys.find(two.accessKeyId)];
    expect(JSON.stringify(first)).not.toContain(one.secretAccessKey);
    const sealedSecret = second?.sealedSecret ?? "";
    await berth.metadata.transact(async ({ accessKeys }) => {
      await accessKeys.delete(one.accessKeyId);
      if (first) await accessKeys.create({ ...first, sealedSecret });
    });
    const moved = berth.stsAs({ ...one, secretAccessKey: two.secretAccessKey });
    expect((await refused(moved.send(new GetCallerIdentityCommand({}))))[0]).toBe("InvalidClientTokenId");
  });

  test("tell when they were last used", async () => {
    await as.createUser("anna");
    const keys = await as.createKey("anna");
    const AccessKeyId = keys.accessKeyId;
    const lastUsed = () => berth.iam.send(new sdk.GetAccessKeyLastUsedCommand({ AccessKeyId }));
    const never = { ServiceName: "N/A", Region: "N/A" };
    expect(await lastUsed()).toMatchObject({ UserName: "anna", AccessKeyLastUsed: never });
    await berth.stsAs(keys).send(new GetCallerIdentityCommand({}));
    await berth.keyUses.flush();
    const used = (await lastUsed()).AccessKeyLastUsed;
    expect(used).toEqual({ LastUsedDate: expect.any(Date), ServiceName: "sts", Region: "us-east-1" });
    expect(await refused(berth.iam.send(new sdk.GetAccessKeyLastUsedCommand({ AccessKeyId: "A".repeat(20) })))).toEqual(
      ["NoSuchEntityException", `The Access Key with id ${"A".repeat(20)} cannot be found.`, 404],
    );
  });
});

describe("permissions", () => {
  const denied = "AccessDenied";

  test("are asked for the real path of who is there, and nobody learns who is", async () => {
    await as.createUser("hidden", { Path: "/secret/" });
    const anna = await as.userWho("anna", allow("iam:GetUser", arnOf("user/secret/*")));
    const get = (UserName: string) => anna.send(new sdk.GetUserCommand({ UserName }));
    expect((await get("hidden")).User?.UserName).toBe("hidden");
    expect(await refused(get("absent"))).toEqual([
      denied,
      `User: ${arnOf("user/anna")} is not authorized to perform: iam:GetUser on resource: ${arnOf("user/absent")} because no identity-based policy allows the iam:GetUser action`,
      403,
    ]);
    const bert = await as.userWho("bert", allow("iam:GetUser", arnOf("user/h*")));
    expect((await refused(bert.send(new sdk.GetUserCommand({ UserName: "hidden" }))))[0]).toBe(denied);
  });

  test("can ask for tags of the request and of the user", async () => {
    const Tags = [{ Key: "Team", Value: "blue" }];
    const byRequest = { StringEquals: { "aws:RequestTag/team": "blue" } };
    const onlyTeam = { "ForAllValues:StringEquals": { "aws:TagKeys": ["Team"] } };
    const tagged = { StringEquals: { "iam:ResourceTag/team": "blue" } };
    const anna = await as.userWho(
      "anna",
      documentOf(
        {
          Effect: "Allow",
          Action: ["iam:CreateUser", "iam:TagUser"],
          Resource: "*",
          Condition: { ...byRequest, ...onlyTeam },
        },
        { Effect: "Allow", Action: "iam:DeleteUser", Resource: "*", Condition: tagged },
      ),
    );
    const create = (UserName: string, tags?: sdk.Tag[]) =>
      anna.send(new sdk.CreateUserCommand({ UserName, Tags: tags }));
    await create("new", Tags);
    expect((await refused(create("other")))[0]).toBe(denied);
    expect((await refused(create("other", [...Tags, { Key: "x", Value: "y" }])))[0]).toBe(denied);
    await as.createUser("untagged");
    expect((await refused(anna.send(new sdk.DeleteUserCommand({ UserName: "untagged" }))))[0]).toBe(denied);
    await anna.send(new sdk.DeleteUserCommand({ UserName: "new" }));
  });

  test("to create with tags include those to tag; to move, those for where it goes", async () => {
    const anna = await as.userWho("anna", allow(["iam:CreateUser", "iam:UpdateUser"], arnOf("user/ci/*")));
    const Tags = [{ Key: "a", Value: "b" }];
    const create = (more: object) => anna.send(new sdk.CreateUserCommand({ UserName: "bot", Path: "/ci/", ...more }));
    expect((await refused(create({ Tags })))[1]).toContain("iam:TagUser");
    await create({});
    const move = (NewPath: string) => anna.send(new sdk.UpdateUserCommand({ UserName: "bot", NewPath }));
    expect((await refused(move("/admins/")))[0]).toBe(denied);
    await move("/ci/x/");
  });

  test("can ask for a boundary", async () => {
    const condition = { StringEquals: { "iam:PermissionsBoundary": limits } };
    const anna = await as.userWho("anna", allow(["iam:CreateUser", "iam:PutUserPermissionsBoundary"], "*", condition));
    const create = (UserName: string, PermissionsBoundary?: string) =>
      anna.send(new sdk.CreateUserCommand({ UserName, PermissionsBoundary }));
    expect((await refused(create("bot")))[0]).toBe(denied);
    await create("bot", limits);
    const widen = {
      UserName: "bot",
      PermissionsBoundary: "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryFullAccess",
    };
    expect((await refused(anna.send(new sdk.PutUserPermissionsBoundaryCommand(widen))))[0]).toBe(denied);
  });
});
