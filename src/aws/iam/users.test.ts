import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DescribeRepositoriesCommand } from "@aws-sdk/client-ecr";
import * as sdk from "@aws-sdk/client-iam";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { account, inProcess, root } from "../testing.ts";

let berth: Awaited<ReturnType<typeof inProcess>>;
beforeEach(async () => {
  berth = await inProcess({ enforced: true });
});
afterEach(async () => {
  expect(berth.problems).toEqual([]);
  await berth.close();
});

const arnOf = (rest: string) => `arn:aws:iam::${account}:${rest}`;
const documentOf = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
const allow = (Action: string | string[], Resource = "*", Condition?: object) =>
  documentOf({ Effect: "Allow", Action, Resource, Condition });
const limits = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPowerUser";
type KeyPair = { accessKeyId: string; secretAccessKey: string };

async function createUser(UserName: string, more: Partial<sdk.CreateUserCommandInput> = {}): Promise<sdk.User> {
  const { User } = await berth.iam.send(new sdk.CreateUserCommand({ UserName, ...more }));
  return User as sdk.User;
}

const createGroup = (GroupName: string, Path?: string) =>
  berth.iam.send(new sdk.CreateGroupCommand({ GroupName, Path }));
const join = (GroupName: string, UserName: string) =>
  berth.iam.send(new sdk.AddUserToGroupCommand({ GroupName, UserName }));

async function createKey(UserName: string): Promise<KeyPair> {
  const { AccessKey } = await berth.iam.send(new sdk.CreateAccessKeyCommand({ UserName }));
  return { accessKeyId: AccessKey?.AccessKeyId ?? "", secretAccessKey: AccessKey?.SecretAccessKey ?? "" };
}

/** A user who may do what the policy says, as a client. */
async function userWho(UserName: string, PolicyDocument: string) {
  await createUser(UserName);
  await berth.iam.send(new sdk.PutUserPolicyCommand({ UserName, PolicyName: "p", PolicyDocument }));
  return berth.iamAs(await createKey(UserName));
}

type Refused = [name: string, message: string, status?: number];

async function refused(sent: Promise<unknown>): Promise<Refused> {
  try {
    await sent;
  } catch (error) {
    const { name, message, $metadata } = error as sdk.IAMServiceException;
    return [name, message, $metadata.httpStatusCode];
  }
  throw new Error("it was not refused");
}

const noUser = (name: string): Refused => ["NoSuchEntityException", `The user with name ${name} cannot be found.`, 404];
const noGroup = (name: string): Refused => [
  "NoSuchEntityException",
  `The group with name ${name} cannot be found.`,
  404,
];
const conflict = (what: string): Refused => [
  "DeleteConflictException",
  `Cannot delete entity, must ${what} first.`,
  409,
];

describe("a user", () => {
  test("is created and read back, whatever the case of the name", async () => {
    const Tags = [{ Key: "team", Value: "blue" }];
    const created = await createUser("Anna", { Path: "/ci/", PermissionsBoundary: limits, Tags });
    expect(created).toEqual({
      Path: "/ci/",
      UserName: "Anna",
      UserId: expect.stringMatching(/^AIDA[A-Z2-7]{17}$/),
      Arn: arnOf("user/ci/Anna"),
      CreateDate: expect.any(Date),
      PermissionsBoundary: { PermissionsBoundaryType: "Policy" as never, PermissionsBoundaryArn: limits },
      Tags,
    });
    const { User } = await berth.iam.send(new sdk.GetUserCommand({ UserName: "ANNA" }));
    expect(User).toEqual(created);
  });

  test("has a document as AWS writes it", async () => {
    const { UserId, CreateDate } = await createUser("anna");
    const { text, headers } = berth.newest();
    const created = `${CreateDate?.toISOString().slice(0, 19)}Z`;
    expect(text).toBe(
      `<CreateUserResponse xmlns="https://iam.amazonaws.com/doc/2010-05-08/"><CreateUserResult><User><Path>/</Path><UserName>anna</UserName><UserId>${UserId}</UserId><Arn>${arnOf("user/anna")}</Arn><CreateDate>${created}</CreateDate></User></CreateUserResult><ResponseMetadata><RequestId>${headers.get("x-amzn-requestid")}</RequestId></ResponseMetadata></CreateUserResponse>`,
    );
    await berth.iam.send(new sdk.DeleteUserCommand({ UserName: "anna" }));
    expect(berth.newest().text).toMatch(
      /^<DeleteUserResponse xmlns="[^"]+"><ResponseMetadata><RequestId>[^<]+<\/RequestId><\/ResponseMetadata><\/DeleteUserResponse>$/,
    );
  });

  test("has a name of its own and of the right characters", async () => {
    await createUser("anna");
    const create = (UserName: string, Path?: string) =>
      refused(berth.iam.send(new sdk.CreateUserCommand({ UserName, Path })));
    expect(await create("ANNA")).toEqual(["EntityAlreadyExistsException", "User with name ANNA already exists.", 409]);
    expect(await create("an/na")).toEqual([
      "ValidationError",
      "The specified value for userName is invalid. It must contain only alphanumeric characters and/or the following: +=,.@_-",
      400,
    ]);
    expect(await create("bert", "ci")).toEqual([
      "ValidationError",
      "The specified value for path is invalid. It must begin and end with / and contain only alphanumeric characters and/or / characters.",
      400,
    ]);
    expect(await create("a".repeat(65))).toEqual([
      "ValidationError",
      `1 validation error detected: Value '${"a".repeat(65)}' at 'userName' failed to satisfy constraint: Member must have length less than or equal to 64`,
      400,
    ]);
    expect(await refused(createUser("bert", { PermissionsBoundary: arnOf("policy/absent") }))).toEqual([
      "NoSuchEntityException",
      `Policy ${arnOf("policy/absent")} does not exist or is not attachable.`,
      404,
    ]);
    await createUser("a".repeat(64));
  });

  test("who is not there is not found by anything", async () => {
    const UserName = "nobody";
    const commands = [
      new sdk.GetUserCommand({ UserName }),
      new sdk.UpdateUserCommand({ UserName, NewPath: "/x/" }),
      new sdk.DeleteUserCommand({ UserName }),
      new sdk.TagUserCommand({ UserName, Tags: [{ Key: "a", Value: "b" }] }),
      new sdk.UntagUserCommand({ UserName, TagKeys: ["a"] }),
      new sdk.ListUserTagsCommand({ UserName }),
      new sdk.ListGroupsForUserCommand({ UserName }),
      new sdk.CreateAccessKeyCommand({ UserName }),
      new sdk.ListAccessKeysCommand({ UserName }),
      new sdk.UpdateAccessKeyCommand({ UserName, AccessKeyId: "AKIAAAAAAAAAAAAAAAAA", Status: "Inactive" }),
      new sdk.DeleteAccessKeyCommand({ UserName, AccessKeyId: "AKIAAAAAAAAAAAAAAAAA" }),
      new sdk.PutUserPermissionsBoundaryCommand({ UserName, PermissionsBoundary: limits }),
      new sdk.DeleteUserPermissionsBoundaryCommand({ UserName }),
      new sdk.ListMFADevicesCommand({ UserName }),
      new sdk.ListSigningCertificatesCommand({ UserName }),
      new sdk.ListSSHPublicKeysCommand({ UserName }),
      new sdk.ListServiceSpecificCredentialsCommand({ UserName }),
      new sdk.GetLoginProfileCommand({ UserName }),
      new sdk.DeleteLoginProfileCommand({ UserName }),
    ];
    for (const command of commands) expect(await refused(berth.iam.send(command as never))).toEqual(noUser("nobody"));
  });

  test("moves and gets another name, and stays who it is", async () => {
    const { UserId } = await createUser("anna");
    const keys = await createKey("anna");
    const whoAmI = async () => (await berth.stsAs(keys).send(new GetCallerIdentityCommand({}))).Arn;
    expect(await whoAmI()).toBe(arnOf("user/anna"));
    await createUser("bert");
    const rename = (UserName: string, NewUserName?: string, NewPath?: string) =>
      berth.iam.send(new sdk.UpdateUserCommand({ UserName, NewUserName, NewPath }));
    expect(await refused(rename("anna", "Bert"))).toEqual([
      "EntityAlreadyExistsException",
      "User with name Bert already exists.",
      409,
    ]);
    await rename("anna", "Carla", "/x/");
    expect(await refused(berth.iam.send(new sdk.GetUserCommand({ UserName: "anna" })))).toEqual(noUser("anna"));
    const { User } = await berth.iam.send(new sdk.GetUserCommand({ UserName: "carla" }));
    expect(User).toMatchObject({ UserId, UserName: "Carla", Arn: arnOf("user/x/Carla") });
    // At once, and with the same key.
    expect(await whoAmI()).toBe(arnOf("user/x/Carla"));
    await rename("carla", undefined, "/");
    expect(await whoAmI()).toBe(arnOf("user/Carla"));
  });

  test("goes only when it has nothing any more, and re-created it is another", async () => {
    const UserName = "anna";
    const { UserId } = await createUser(UserName);
    const PolicyDocument = allow("ecr:*");
    const { accessKeyId: AccessKeyId } = await createKey(UserName);
    await berth.iam.send(new sdk.PutUserPolicyCommand({ UserName, PolicyName: "p", PolicyDocument }));
    await berth.iam.send(new sdk.AttachUserPolicyCommand({ UserName, PolicyArn: limits }));
    await createGroup("team");
    await join("team", UserName);
    const remove = () => berth.iam.send(new sdk.DeleteUserCommand({ UserName }));
    expect(await refused(remove())).toEqual(conflict("remove users from group"));
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand({ UserName, GroupName: "team" }));
    expect(await refused(remove())).toEqual(conflict("detach all policies"));
    await berth.iam.send(new sdk.DetachUserPolicyCommand({ UserName, PolicyArn: limits }));
    expect(await refused(remove())).toEqual(conflict("delete policies"));
    await berth.iam.send(new sdk.DeleteUserPolicyCommand({ UserName, PolicyName: "p" }));
    expect(await refused(remove())).toEqual(conflict("delete access keys"));
    await berth.iam.send(new sdk.DeleteAccessKeyCommand({ UserName, AccessKeyId }));
    await remove();
    expect(await refused(remove())).toEqual(noUser(UserName));
    expect((await createUser(UserName)).UserId).not.toBe(UserId);
  });

  test("has tags, whose keys have no case", async () => {
    const UserName = "anna";
    await createUser(UserName, { Tags: [{ Key: "team", Value: "blue" }] });
    const tag = (...pairs: [string, string][]) =>
      berth.iam.send(new sdk.TagUserCommand({ UserName, Tags: pairs.map(([Key, Value]) => ({ Key, Value })) }));
    const tags = async () =>
      (await berth.iam.send(new sdk.ListUserTagsCommand({ UserName }))).Tags?.map(({ Key, Value }) => [Key, Value]);
    await tag(["Team", "red"], ["stage", ""]);
    expect(await tags()).toEqual([
      ["Team", "red"],
      ["stage", ""],
    ]);
    await berth.iam.send(new sdk.UntagUserCommand({ UserName, TagKeys: ["TEAM", "absent"] }));
    expect(await tags()).toEqual([["stage", ""]]);
    expect(await refused(tag(["a", "1"], ["A", "2"]))).toEqual([
      "InvalidInputException",
      "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
      400,
    ]);
    expect((await refused(tag(["aws:a", "1"])))[0]).toBe("InvalidInputException");
    expect((await refused(tag(["a!", "1"])))[0]).toBe("InvalidInputException");
    const many = Array.from({ length: 50 }, (_, number): [string, string] => [`key-${number}`, "x"]);
    expect((await refused(tag(...many)))[0]).toBe("LimitExceededException");
    await tag(...many.slice(1));
    const first = await berth.iam.send(new sdk.ListUserTagsCommand({ UserName, MaxItems: 30 }));
    expect([first.Tags?.length, first.IsTruncated]).toEqual([30, true]);
    const rest = await berth.iam.send(new sdk.ListUserTagsCommand({ UserName, MaxItems: 30, Marker: first.Marker }));
    expect([rest.Tags?.length, rest.IsTruncated, rest.Marker]).toEqual([20, false, undefined]);
  });

  test("has a boundary", async () => {
    const UserName = "anna";
    await createUser(UserName);
    await berth.iam.send(new sdk.PutUserPermissionsBoundaryCommand({ UserName, PermissionsBoundary: limits }));
    const boundary = async () =>
      (await berth.iam.send(new sdk.GetUserCommand({ UserName }))).User?.PermissionsBoundary?.PermissionsBoundaryArn;
    expect(await boundary()).toBe(limits);
    await berth.iam.send(new sdk.DeleteUserPermissionsBoundaryCommand({ UserName }));
    expect(await boundary()).toBeUndefined();
  });

  test("asks for itself without its name; who is no user cannot", async () => {
    const asAnna = await userWho("anna", allow("iam:*", arnOf("user/anna")));
    expect((await asAnna.send(new sdk.GetUserCommand({}))).User?.UserName).toBe("anna");
    expect((await asAnna.send(new sdk.ListAccessKeysCommand({}))).AccessKeyMetadata).toHaveLength(1);
    const { AccessKey } = await asAnna.send(new sdk.CreateAccessKeyCommand({}));
    const AccessKeyId = AccessKey?.AccessKeyId;
    await asAnna.send(new sdk.UpdateAccessKeyCommand({ AccessKeyId, Status: "Inactive" }));
    await asAnna.send(new sdk.DeleteAccessKeyCommand({ AccessKeyId }));
    expect((await asAnna.send(new sdk.ListMFADevicesCommand({}))).MFADevices).toEqual([]);
    const { User } = await berth.iam.send(new sdk.GetUserCommand({}));
    expect(User).toMatchObject({ UserId: account, Arn: arnOf("root") });
    expect(User?.UserName).toBeUndefined();
    const { AccessKeyMetadata } = await berth.iam.send(new sdk.ListAccessKeysCommand({}));
    expect(AccessKeyMetadata).toEqual([{ AccessKeyId: root.accessKeyId, Status: "Active" }]);
    expect(await refused(berth.iam.send(new sdk.CreateAccessKeyCommand({})))).toEqual([
      "ValidationError",
      "Must specify userName when calling with non-User credentials",
      400,
    ]);
  });

  test("has nothing else that proves who it is", async () => {
    const UserName = "anna";
    await createUser(UserName);
    const { iam } = berth;
    expect(await iam.send(new sdk.ListMFADevicesCommand({ UserName }))).toMatchObject({ MFADevices: [] });
    expect(await iam.send(new sdk.ListSigningCertificatesCommand({ UserName }))).toMatchObject({ Certificates: [] });
    expect(await iam.send(new sdk.ListSSHPublicKeysCommand({ UserName }))).toMatchObject({ SSHPublicKeys: [] });
    expect(await iam.send(new sdk.ListServiceSpecificCredentialsCommand({ UserName }))).toMatchObject({
      ServiceSpecificCredentials: [],
    });
    expect(await iam.send(new sdk.ListVirtualMFADevicesCommand({}))).toMatchObject({ VirtualMFADevices: [] });
    const noProfile: Refused = ["NoSuchEntityException", "Login Profile for User anna cannot be found.", 404];
    expect(await refused(iam.send(new sdk.GetLoginProfileCommand({ UserName })))).toEqual(noProfile);
    expect(await refused(iam.send(new sdk.DeleteLoginProfileCommand({ UserName })))).toEqual(noProfile);
  });
});

test("users and groups are listed by name and path, page by page", async () => {
  for (const name of ["b", "C", "a"]) {
    await createUser(name, { Path: name === "a" ? "/" : "/t/", Tags: [{ Key: "k", Value: "v" }] });
    await createGroup(name, name === "a" ? "/" : "/t/");
  }
  const users = (input: sdk.ListUsersCommandInput) => berth.iam.send(new sdk.ListUsersCommand(input));
  const groups = (input: sdk.ListGroupsCommandInput) => berth.iam.send(new sdk.ListGroupsCommand(input));
  const names = ({ Users }: { Users?: sdk.User[] }) => Users?.map(({ UserName }) => UserName);
  const all = await users({});
  expect([names(all), all.IsTruncated, all.Marker]).toEqual([["a", "b", "C"], false, undefined]);
  expect(all.Users?.[0]?.Tags).toBeUndefined();
  expect(names(await users({ PathPrefix: "/t" }))).toEqual(["b", "C"]);
  const first = await users({ MaxItems: 2 });
  expect([names(first), first.IsTruncated]).toEqual([["a", "b"], true]);
  expect(names(await users({ MaxItems: 2, Marker: first.Marker }))).toEqual(["C"]);
  const invalid: Refused = ["ValidationError", "Invalid Marker.", 400];
  expect(await refused(users({ Marker: first.Marker, PathPrefix: "/t" }))).toEqual(invalid);
  expect(await refused(groups({ Marker: first.Marker }))).toEqual(invalid);
  expect(await refused(users({ Marker: "x" }))).toEqual(invalid);
  const page = await groups({ PathPrefix: "/t/", MaxItems: 1 });
  expect(page.Groups?.map(({ Arn }) => Arn)).toEqual([arnOf("group/t/b")]);
  const rest = await groups({ PathPrefix: "/t/", MaxItems: 1, Marker: page.Marker });
  expect(rest.Groups?.map(({ Arn }) => Arn)).toEqual([arnOf("group/t/C")]);
});

describe("a group", () => {
  test("has members", async () => {
    const { Group } = await createGroup("team", "/ci/");
    expect(Group).toEqual({
      Path: "/ci/",
      GroupName: "team",
      GroupId: expect.stringMatching(/^AGPA[A-Z2-7]{17}$/),
      Arn: arnOf("group/ci/team"),
      CreateDate: expect.any(Date),
    });
    expect(await refused(createGroup("Team"))).toEqual([
      "EntityAlreadyExistsException",
      "Group with name Team already exists.",
      409,
    ]);
    for (const name of ["b", "A", "c"]) {
      await createUser(name);
      await join("team", name);
      await join("team", name);
    }
    const members = (input: Partial<sdk.GetGroupCommandInput> = {}) =>
      berth.iam.send(new sdk.GetGroupCommand({ GroupName: "team", ...input }));
    const first = await members({ MaxItems: 2 });
    expect(first.Group).toEqual(Group);
    expect(first.Users?.map(({ UserName }) => UserName)).toEqual(["A", "b"]);
    const rest = await members({ MaxItems: 2, Marker: first.Marker });
    expect([rest.Users?.map(({ UserName }) => UserName), rest.IsTruncated]).toEqual([["c"], false]);
    await createGroup("other");
    await join("other", "b");
    const groups = await berth.iam.send(new sdk.ListGroupsForUserCommand({ UserName: "b" }));
    expect(groups.Groups?.map(({ GroupName }) => GroupName)).toEqual(["other", "team"]);
    const leave = { GroupName: "team", UserName: "b" };
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand(leave));
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand(leave));
    expect((await members()).Users?.map(({ UserName }) => UserName)).toEqual(["A", "c"]);
    expect(await refused(join("team", "nobody"))).toEqual(noUser("nobody"));
    expect(await refused(join("nowhere", "A"))).toEqual(noGroup("nowhere"));
  });

  test("moves, and goes when it has nothing any more", async () => {
    const { Group } = await createGroup("team");
    await createGroup("taken");
    const update = (input: Partial<sdk.UpdateGroupCommandInput>) =>
      berth.iam.send(new sdk.UpdateGroupCommand({ GroupName: "team", ...input }));
    expect((await refused(update({ NewGroupName: "Taken" })))[1]).toBe("Group with name Taken already exists.");
    await update({ NewGroupName: "crew", NewPath: "/x/" });
    const GroupName = "crew";
    const found = await berth.iam.send(new sdk.GetGroupCommand({ GroupName }));
    expect(found.Group).toMatchObject({ GroupId: Group?.GroupId, Arn: arnOf("group/x/crew") });
    await createUser("anna");
    await join(GroupName, "anna");
    await berth.iam.send(new sdk.AttachGroupPolicyCommand({ GroupName, PolicyArn: limits }));
    const policy = { GroupName, PolicyName: "p", PolicyDocument: allow("ecr:*") };
    await berth.iam.send(new sdk.PutGroupPolicyCommand(policy));
    const remove = () => berth.iam.send(new sdk.DeleteGroupCommand({ GroupName }));
    expect(await refused(remove())).toEqual(conflict("remove users from group"));
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand({ GroupName, UserName: "anna" }));
    expect(await refused(remove())).toEqual(conflict("detach all policies"));
    await berth.iam.send(new sdk.DetachGroupPolicyCommand({ GroupName, PolicyArn: limits }));
    expect(await refused(remove())).toEqual(conflict("delete policies"));
    await berth.iam.send(new sdk.DeleteGroupPolicyCommand({ GroupName, PolicyName: "p" }));
    await remove();
    expect(await refused(remove())).toEqual(noGroup(GroupName));
  });

  test("is one of ten at the most of a user", async () => {
    await createUser("anna");
    for (let number = 0; number < 11; number++) await createGroup(`g${number}`);
    for (let number = 0; number < 10; number++) await join(`g${number}`, "anna");
    await join("g0", "anna");
    expect(await refused(join("g10", "anna"))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for GroupsPerUser: 10",
      409,
    ]);
  });

  test("gives its members what it may, at once, and takes it away again", async () => {
    await createUser("anna");
    await createGroup("pullers");
    const PolicyDocument = allow("ecr:DescribeRepositories");
    await berth.iam.send(new sdk.PutGroupPolicyCommand({ GroupName: "pullers", PolicyName: "p", PolicyDocument }));
    const ecr = berth.ecrAs(await createKey("anna"));
    const list = () => ecr.send(new DescribeRepositoriesCommand({}));
    expect((await refused(list()))[0]).toBe("AccessDeniedException");
    await join("pullers", "anna");
    expect((await list()).repositories).toEqual([]);
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand({ GroupName: "pullers", UserName: "anna" }));
    expect((await refused(list()))[0]).toBe("AccessDeniedException");
  });
});

describe("access keys", () => {
  const list = async (UserName: string) =>
    (await berth.iam.send(new sdk.ListAccessKeysCommand({ UserName }))).AccessKeyMetadata;

  test("sign until they are switched off or deleted", async () => {
    const { Arn, UserId } = await createUser("anna");
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
    for (const name of ["anna", "bert"]) await createUser(name);
    const { accessKeyId: AccessKeyId } = await createKey("anna");
    await createKey("anna");
    expect(await refused(createKey("anna"))).toEqual([
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
    await createUser("anna");
    const [one, two] = [await createKey("anna"), await createKey("anna")];
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
    await createUser("anna");
    const keys = await createKey("anna");
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
    await createUser("hidden", { Path: "/secret/" });
    const anna = await userWho("anna", allow("iam:GetUser", arnOf("user/secret/*")));
    const get = (UserName: string) => anna.send(new sdk.GetUserCommand({ UserName }));
    expect((await get("hidden")).User?.UserName).toBe("hidden");
    expect(await refused(get("absent"))).toEqual([
      denied,
      `User: ${arnOf("user/anna")} is not authorized to perform: iam:GetUser on resource: ${arnOf("user/absent")} because no identity-based policy allows the iam:GetUser action`,
      403,
    ]);
    const bert = await userWho("bert", allow("iam:GetUser", arnOf("user/h*")));
    expect((await refused(bert.send(new sdk.GetUserCommand({ UserName: "hidden" }))))[0]).toBe(denied);
  });

  test("can ask for tags of the request and of the user", async () => {
    const Tags = [{ Key: "Team", Value: "blue" }];
    const byRequest = { StringEquals: { "aws:RequestTag/team": "blue" } };
    const onlyTeam = { "ForAllValues:StringEquals": { "aws:TagKeys": ["Team"] } };
    const tagged = { StringEquals: { "iam:ResourceTag/team": "blue" } };
    const anna = await userWho(
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
    await createUser("untagged");
    expect((await refused(anna.send(new sdk.DeleteUserCommand({ UserName: "untagged" }))))[0]).toBe(denied);
    await anna.send(new sdk.DeleteUserCommand({ UserName: "new" }));
  });

  test("to create with tags include those to tag; to move, those for where it goes", async () => {
    const anna = await userWho("anna", allow(["iam:CreateUser", "iam:UpdateUser"], arnOf("user/ci/*")));
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
    const anna = await userWho("anna", allow(["iam:CreateUser", "iam:PutUserPermissionsBoundary"], "*", condition));
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

describe("the account", () => {
  test("has one alias", async () => {
    const aliases = async () => (await berth.iam.send(new sdk.ListAccountAliasesCommand({}))).AccountAliases;
    const create = (AccountAlias: string) => berth.iam.send(new sdk.CreateAccountAliasCommand({ AccountAlias }));
    const remove = (AccountAlias: string) => berth.iam.send(new sdk.DeleteAccountAliasCommand({ AccountAlias }));
    expect(await aliases()).toEqual([]);
    await create("our-company");
    await create("other-2");
    expect(await aliases()).toEqual(["other-2"]);
    const missing = "The account alias our-company cannot be found.";
    expect(await refused(remove("our-company"))).toEqual(["NoSuchEntityException", missing, 404]);
    await remove("other-2");
    expect(await aliases()).toEqual([]);
    for (const alias of ["ab", "Upper", "a--b", "-ab"])
      expect((await refused(create(alias)))[0]).toBe("ValidationError");
    const other = await berth.accounts.create({ name: "other" });
    await berth.metadata.transact(({ accounts }) => accounts.setAlias(other.account.id, "theirs"));
    const taken = "The account alias theirs already exists.";
    expect(await refused(create("theirs"))).toEqual(["EntityAlreadyExistsException", taken, 409]);
  });

  test("is summed up", async () => {
    for (const name of ["a", "b"]) await createUser(name);
    await createGroup("g");
    const { SummaryMap } = await berth.iam.send(new sdk.GetAccountSummaryCommand({}));
    expect(SummaryMap).toMatchObject({ Users: 2, Groups: 1, Roles: 0, Policies: 0, AccessKeysPerUserQuota: 2 });
    expect(berth.newest().text).toContain("<SummaryMap><entry><key>Users</key><value>2</value></entry>");
  });
});
