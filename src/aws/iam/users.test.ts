import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { DescribeRepositoriesCommand } from "@aws-sdk/client-ecr";
import * as sdk from "@aws-sdk/client-iam";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { account, inProcess, root } from "../testing.ts";
import { allow, arnOf, limits, made, type Refused, refused } from "./testing.ts";

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
    const created = await as.createUser("Anna", { Path: "/ci/", PermissionsBoundary: limits, Tags });
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
    const { UserId, CreateDate } = await as.createUser("anna");
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
    await as.createUser("anna");
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
    expect(await refused(as.createUser("bert", { PermissionsBoundary: arnOf("policy/absent") }))).toEqual([
      "NoSuchEntityException",
      `Policy ${arnOf("policy/absent")} does not exist or is not attachable.`,
      404,
    ]);
    await as.createUser("a".repeat(64));
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
    const { UserId } = await as.createUser("anna");
    const keys = await as.createKey("anna");
    const whoAmI = async () => (await berth.stsAs(keys).send(new GetCallerIdentityCommand({}))).Arn;
    expect(await whoAmI()).toBe(arnOf("user/anna"));
    await as.createUser("bert");
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
    const { UserId } = await as.createUser(UserName);
    const PolicyDocument = allow("ecr:*");
    const { accessKeyId: AccessKeyId } = await as.createKey(UserName);
    await berth.iam.send(new sdk.PutUserPolicyCommand({ UserName, PolicyName: "p", PolicyDocument }));
    await berth.iam.send(new sdk.AttachUserPolicyCommand({ UserName, PolicyArn: limits }));
    await as.createGroup("team");
    await as.join("team", UserName);
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
    expect((await as.createUser(UserName)).UserId).not.toBe(UserId);
  });

  test("has tags, whose keys have no case", async () => {
    const UserName = "anna";
    await as.createUser(UserName, { Tags: [{ Key: "team", Value: "blue" }] });
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
    await as.createUser(UserName);
    await berth.iam.send(new sdk.PutUserPermissionsBoundaryCommand({ UserName, PermissionsBoundary: limits }));
    const boundary = async () =>
      (await berth.iam.send(new sdk.GetUserCommand({ UserName }))).User?.PermissionsBoundary?.PermissionsBoundaryArn;
    expect(await boundary()).toBe(limits);
    await berth.iam.send(new sdk.DeleteUserPermissionsBoundaryCommand({ UserName }));
    expect(await boundary()).toBeUndefined();
  });

  test("asks for itself without its name; who is no user cannot", async () => {
    const asAnna = await as.userWho("anna", allow("iam:*", arnOf("user/anna")));
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
    await as.createUser(UserName);
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
    await as.createUser(name, { Path: name === "a" ? "/" : "/t/", Tags: [{ Key: "k", Value: "v" }] });
    await as.createGroup(name, name === "a" ? "/" : "/t/");
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
    const { Group } = await as.createGroup("team", "/ci/");
    expect(Group).toEqual({
      Path: "/ci/",
      GroupName: "team",
      GroupId: expect.stringMatching(/^AGPA[A-Z2-7]{17}$/),
      Arn: arnOf("group/ci/team"),
      CreateDate: expect.any(Date),
    });
    expect(await refused(as.createGroup("Team"))).toEqual([
      "EntityAlreadyExistsException",
      "Group with name Team already exists.",
      409,
    ]);
    for (const name of ["b", "A", "c"]) {
      await as.createUser(name);
      await as.join("team", name);
      await as.join("team", name);
    }
    const members = (input: Partial<sdk.GetGroupCommandInput> = {}) =>
      berth.iam.send(new sdk.GetGroupCommand({ GroupName: "team", ...input }));
    const first = await members({ MaxItems: 2 });
    expect(first.Group).toEqual(Group);
    expect(first.Users?.map(({ UserName }) => UserName)).toEqual(["A", "b"]);
    const rest = await members({ MaxItems: 2, Marker: first.Marker });
    expect([rest.Users?.map(({ UserName }) => UserName), rest.IsTruncated]).toEqual([["c"], false]);
    await as.createGroup("other");
    await as.join("other", "b");
    const groups = await berth.iam.send(new sdk.ListGroupsForUserCommand({ UserName: "b" }));
    expect(groups.Groups?.map(({ GroupName }) => GroupName)).toEqual(["other", "team"]);
    const leave = { GroupName: "team", UserName: "b" };
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand(leave));
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand(leave));
    expect((await members()).Users?.map(({ UserName }) => UserName)).toEqual(["A", "c"]);
    expect(await refused(as.join("team", "nobody"))).toEqual(noUser("nobody"));
    expect(await refused(as.join("nowhere", "A"))).toEqual(noGroup("nowhere"));
  });

  test("moves, and goes when it has nothing any more", async () => {
    const { Group } = await as.createGroup("team");
    await as.createGroup("taken");
    const update = (input: Partial<sdk.UpdateGroupCommandInput>) =>
      berth.iam.send(new sdk.UpdateGroupCommand({ GroupName: "team", ...input }));
    expect((await refused(update({ NewGroupName: "Taken" })))[1]).toBe("Group with name Taken already exists.");
    await update({ NewGroupName: "crew", NewPath: "/x/" });
    const GroupName = "crew";
    const found = await berth.iam.send(new sdk.GetGroupCommand({ GroupName }));
    expect(found.Group).toMatchObject({ GroupId: Group?.GroupId, Arn: arnOf("group/x/crew") });
    await as.createUser("anna");
    await as.join(GroupName, "anna");
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
    await as.createUser("anna");
    for (let number = 0; number < 11; number++) await as.createGroup(`g${number}`);
    for (let number = 0; number < 10; number++) await as.join(`g${number}`, "anna");
    await as.join("g0", "anna");
    expect(await refused(as.join("g10", "anna"))).toEqual([
      "LimitExceededException",
      "Cannot exceed quota for GroupsPerUser: 10",
      409,
    ]);
  });

  test("gives its members what it may, at once, and takes it away again", async () => {
    await as.createUser("anna");
    await as.createGroup("pullers");
    const PolicyDocument = allow("ecr:DescribeRepositories");
    await berth.iam.send(new sdk.PutGroupPolicyCommand({ GroupName: "pullers", PolicyName: "p", PolicyDocument }));
    const ecr = berth.ecrAs(await as.createKey("anna"));
    const list = () => ecr.send(new DescribeRepositoriesCommand({}));
    expect((await refused(list()))[0]).toBe("AccessDeniedException");
    await as.join("pullers", "anna");
    expect((await list()).repositories).toEqual([]);
    await berth.iam.send(new sdk.RemoveUserFromGroupCommand({ GroupName: "pullers", UserName: "anna" }));
    expect((await refused(list()))[0]).toBe("AccessDeniedException");
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
    for (const name of ["a", "b"]) await as.createUser(name);
    await as.createGroup("g");
    const { SummaryMap } = await berth.iam.send(new sdk.GetAccountSummaryCommand({}));
    expect(SummaryMap).toMatchObject({ Users: 2, Groups: 1, Roles: 0, Policies: 0, AccessKeysPerUserQuota: 2 });
    expect(berth.newest().text).toContain("<SummaryMap><entry><key>Users</key><value>2</value></entry>");
  });
});
