import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-organizations";
import type { AccountId } from "../../domain/names.ts";
import { account, inProcess } from "../testing.ts";

let world: Awaited<ReturnType<typeof inProcess>>;
let client: sdk.OrganizationsClient;
beforeEach(async () => {
  world = await inProcess();
  client = world.organizations;
});
afterEach(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

const text = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });
const denyDelete = text({ Effect: "Deny", Action: "ecr:DeleteRepository", Resource: "*" });
const SERVICE_CONTROL_POLICY = "SERVICE_CONTROL_POLICY" as const;

/** Name, text and reason of the error that the call ends with. */
async function errorOf(call: Promise<unknown>) {
  const error = await call.then(
    () => undefined,
    (thrown) => thrown,
  );
  return error && [error.name, error.message, ...(error.Reason === undefined ? [] : [error.Reason])];
}

async function found() {
  await client.send(new sdk.CreateOrganizationCommand({}));
  const { Roots = [] } = await client.send(new sdk.ListRootsCommand({}));
  return Roots[0]?.Id as string;
}

async function newUnit(ParentId: string, Name: string) {
  const { OrganizationalUnit: unit } = await client.send(new sdk.CreateOrganizationalUnitCommand({ ParentId, Name }));
  return unit as Required<sdk.OrganizationalUnit>;
}

async function newAccount(AccountName: string, more: Partial<sdk.CreateAccountCommandInput> = {}) {
  const Email = `${AccountName}@example.com`;
  const input = { AccountName, Email, ...more };
  const { CreateAccountStatus: status } = await client.send(new sdk.CreateAccountCommand(input));
  return status as Required<sdk.CreateAccountStatus>;
}

async function newPolicy(Name: string, Content = denyDelete) {
  const input = { Name, Description: "", Content, Type: SERVICE_CONTROL_POLICY };
  const { Policy } = await client.send(new sdk.CreatePolicyCommand(input));
  return Policy?.PolicySummary?.Id as string;
}

/** The client of an account's root user. */
async function rootOf(id: string) {
  const { accessKeyId, secret } = await world.accounts.replaceRootKey(id as AccountId);
  return world.organizationsAs({ accessKeyId, secretAccessKey: secret });
}

describe("an organisation", () => {
  test("is founded once, and describes itself", async () => {
    expect(await errorOf(client.send(new sdk.DescribeOrganizationCommand({})))).toEqual([
      "AWSOrganizationsNotInUseException",
      "Your account is not a member of an organization.",
    ]);
    expect(await errorOf(client.send(new sdk.ListAccountsCommand({})))).toEqual([
      "AWSOrganizationsNotInUseException",
      "Your account is not a member of an organization.",
    ]);
    const billing = client.send(new sdk.CreateOrganizationCommand({ FeatureSet: "CONSOLIDATED_BILLING" }));
    expect(await errorOf(billing)).toEqual([
      "InvalidInputException",
      "You specified an invalid value.",
      "INVALID_ENUM",
    ]);
    const { Organization: made } = await client.send(new sdk.CreateOrganizationCommand({ FeatureSet: "ALL" }));
    const id = made?.Id;
    expect(id).toMatch(/^o-[a-z0-9]{10}$/);
    expect(made).toEqual({
      Id: id as string,
      Arn: `arn:aws:organizations::${account}:organization/${id}`,
      FeatureSet: "ALL",
      MasterAccountArn: `arn:aws:organizations::${account}:account/${id}/${account}`,
      MasterAccountId: account,
      MasterAccountEmail: `${account}@accounts.invalid`,
      AvailablePolicyTypes: [],
    });
    const { Organization: described } = await client.send(new sdk.DescribeOrganizationCommand({}));
    expect(described).toEqual(made as sdk.Organization);
    expect(await errorOf(client.send(new sdk.CreateOrganizationCommand({})))).toEqual([
      "AlreadyInOrganizationException",
      "The AWS account is already a member of an organization.",
    ]);
    const { Accounts } = await client.send(new sdk.ListAccountsCommand({}));
    expect(Accounts).toMatchObject([{ Id: account, JoinedMethod: "INVITED", Status: "ACTIVE", State: "ACTIVE" }]);
  });

  test("ends when nobody else is in it", async () => {
    const root = await found();
    const unit = await newUnit(root, "dev");
    const remove = () => client.send(new sdk.DeleteOrganizationCommand({}));
    const notEmpty =
      "The organization isn't empty. To delete an organization, you must first remove all accounts except the management account, delete all OUs, and delete all policies.";
    expect(await errorOf(remove())).toEqual(["OrganizationNotEmptyException", notEmpty]);
    await client.send(new sdk.DeleteOrganizationalUnitCommand({ OrganizationalUnitId: unit.Id }));
    const { AccountId } = await newAccount("dev");
    expect(await errorOf(remove())).toEqual(["OrganizationNotEmptyException", notEmpty]);
    const master = client.send(new sdk.RemoveAccountFromOrganizationCommand({ AccountId: account }));
    expect((await errorOf(master))?.[0]).toBe("MasterCannotLeaveOrganizationException");
    await client.send(new sdk.RemoveAccountFromOrganizationCommand({ AccountId }));
    await world.accounts.join(AccountId as AccountId);
    await expect(world.accounts.join(AccountId as AccountId)).rejects.toThrow("is in the organization already");
    expect((await client.send(new sdk.ListParentsCommand({ ChildId: AccountId }))).Parents?.[0]?.Id).toBe(root);
    const input = { TargetId: AccountId, Filter: SERVICE_CONTROL_POLICY };
    expect((await client.send(new sdk.ListPoliciesForTargetCommand(input))).Policies).toHaveLength(1);
    await client.send(new sdk.RemoveAccountFromOrganizationCommand({ AccountId }));
    await remove();
    await expect(world.accounts.join(AccountId as AccountId)).rejects.toThrow("there is no organization");
    expect((await errorOf(client.send(new sdk.ListRootsCommand({}))))?.[0]).toBe("AWSOrganizationsNotInUseException");
    expect(await found()).toMatch(/^r-/);
    expect(await world.metadata.read.accounts.find(AccountId as AccountId)).toMatchObject({ parentId: undefined });
  });

  test("belongs to the configured account", async () => {
    const { account: other, rootKey } = await world.accounts.create({ name: "other" });
    const theirs = world.organizationsAs({ accessKeyId: rootKey.accessKeyId, secretAccessKey: rootKey.secret });
    const denied = ["AccessDeniedException", "You don't have permissions to access this resource."];
    expect(await errorOf(theirs.send(new sdk.CreateOrganizationCommand({})))).toEqual(denied);
    await found();
    // Somebody outside.
    const outside = ["AWSOrganizationsNotInUseException", "Your account is not a member of an organization."];
    expect(await errorOf(theirs.send(new sdk.DescribeOrganizationCommand({})))).toEqual(outside);
    const theirAccount = client.send(new sdk.DescribeAccountCommand({ AccountId: other.id }));
    expect(await errorOf(theirAccount)).toEqual([
      "AccountNotFoundException",
      "You specified an account that doesn't exist.",
    ]);
    // A member may know where it is, and no more.
    const { AccountId } = await newAccount("member");
    const member = await rootOf(AccountId);
    const { Organization } = await member.send(new sdk.DescribeOrganizationCommand({}));
    expect(Organization?.MasterAccountId).toBe(account);
    for (const command of [
      new sdk.ListAccountsCommand({}),
      new sdk.ListRootsCommand({}),
      new sdk.CloseAccountCommand({ AccountId }),
      new sdk.ListPoliciesCommand({ Filter: "TAG_POLICY" }),
      new sdk.DeleteOrganizationCommand({}),
    ]) {
      expect(await errorOf(member.send(command as never))).toEqual(denied);
    }
    expect((await errorOf(member.send(new sdk.CreateOrganizationCommand({}))))?.[0]).toBe(
      "AlreadyInOrganizationException",
    );
  });
});

describe("permissions", () => {
  test("are decided on the root, unit, account or policy that is named, and before it is looked at", async () => {
    await world.close();
    world = await inProcess({ enforced: true });
    client = world.organizations;
    const root = await found();
    const unit = await newUnit(root, "dev");
    const { Organization } = await client.send(new sdk.DescribeOrganizationCommand({}));
    const arn = (rest: string) => `arn:aws:organizations::${account}:${rest}`;
    const ops = await newUser("ops", [
      { Effect: "Allow", Action: "organizations:List*", Resource: unit.Arn },
      { Effect: "Allow", Action: "organizations:AttachPolicy", Resource: arn("policy/*") },
      {
        Effect: "Allow",
        Action: "organizations:CreatePolicy",
        Resource: "*",
        Condition: { StringEquals: { "organizations:PolicyType": "RESOURCE_CONTROL_POLICY" } },
      },
    ]);
    const refused = (action: string, resource: string) => [
      "AccessDeniedException",
      `User: arn:aws:iam::${account}:user/ops is not authorized to perform: organizations:${action} on resource: ${resource} because no identity-based policy allows the organizations:${action} action`,
    ];
    const under = (ParentId: string) => ops.send(new sdk.ListAccountsForParentCommand({ ParentId }));
    expect((await under(unit.Id)).Accounts).toEqual([]);
    const rootArn = arn(`root/${Organization?.Id}/${root}`);
    expect(await errorOf(under(root))).toEqual(refused("ListAccountsForParent", rootArn));
    // Neither answer tells whether there is such a unit or policy.
    const absent = `${unit.Id.slice(0, -8)}00000000`;
    const absentArn = arn(`ou/${Organization?.Id}/${absent}`);
    expect(await errorOf(under(absent))).toEqual(refused("ListAccountsForParent", absentArn));
    const describeAbsent = ops.send(new sdk.DescribePolicyCommand({ PolicyId: "p-00000000" }));
    const absentPolicy = arn(`policy/${Organization?.Id}/service_control_policy/p-00000000`);
    expect(await errorOf(describeAbsent)).toEqual(refused("DescribePolicy", absentPolicy));
    // A policy that may be attached needs a target that may take it.
    const PolicyId = await newPolicy("no deletes");
    const attach = ops.send(new sdk.AttachPolicyCommand({ PolicyId, TargetId: unit.Id }));
    expect(await errorOf(attach)).toEqual(refused("AttachPolicy", unit.Arn));
    const write = (Type: sdk.PolicyType) =>
      ops.send(new sdk.CreatePolicyCommand({ Name: "n", Description: "", Content: "{}", Type }));
    expect(await errorOf(write(SERVICE_CONTROL_POLICY))).toEqual(refused("CreatePolicy", "*"));
    expect((await errorOf(write("RESOURCE_CONTROL_POLICY")))?.[0]).toBe("MalformedPolicyDocumentException");
  });
});

/** A user of the management account. */
async function newUser(name: string, statements: object[]): Promise<sdk.OrganizationsClient> {
  const [accessKeyId, secret] = ["AKIAOPSOPSOPSOPSOPSO", "ops-secret"];
  await world.metadata.transact(async ({ identities, accessKeys }) => {
    const common = { account: account as AccountId, createdAt: new Date() };
    const user = { ...common, kind: "user" as const, path: "/", name, uniqueId: "AIDAOPS", tags: new Map() };
    const identityId = (await identities.create(user))?.id as number;
    await identities.putInlinePolicy(identityId, "own", text(...statements));
    const sealedSecret = world.sealer.seal("access-key", { accessKeyId, secret });
    await accessKeys.create({ ...common, accessKeyId, identityId, sealedSecret, status: "Active" });
  });
  return world.organizationsAs({ accessKeyId, secretAccessKey: secret });
}

describe("accounts", () => {
  test("are made at once, with a role for the management account", async () => {
    const root = await found();
    const status = await newAccount("dev");
    expect(status).toMatchObject({ AccountName: "dev", State: "SUCCEEDED" });
    const asked = await client.send(new sdk.DescribeCreateAccountStatusCommand({ CreateAccountRequestId: status.Id }));
    expect(asked.CreateAccountStatus).toEqual(status);
    const { CreateAccountStatuses } = await client.send(new sdk.ListCreateAccountStatusCommand({}));
    expect(CreateAccountStatuses).toEqual([status]);
    const failed = await client.send(new sdk.ListCreateAccountStatusCommand({ States: ["FAILED"] }));
    expect(failed.CreateAccountStatuses).toEqual([]);
    const { Account } = await client.send(new sdk.DescribeAccountCommand({ AccountId: status.AccountId }));
    expect(Account).toMatchObject({ Name: "dev", Email: "dev@example.com", Status: "ACTIVE", JoinedMethod: "CREATED" });
    const { Parents } = await client.send(new sdk.ListParentsCommand({ ChildId: status.AccountId }));
    expect(Parents).toEqual([{ Id: root, Type: "ROOT" }]);

    const { identities } = world.metadata.read;
    const role = await identities.find(status.AccountId as AccountId, "role", "OrganizationAccountAccessRole");
    expect(role?.uniqueId).toMatch(/^AROA[A-Z2-7]{17}$/);
    expect(JSON.parse(role?.trustPolicy ?? "")).toEqual({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: { AWS: `arn:aws:iam::${account}:root` }, Action: "sts:AssumeRole" }],
    });
    expect(await identities.inlinePolicies(role?.id ?? 0)).toEqual([
      { name: "AdministratorAccess", document: text({ Effect: "Allow", Action: "*", Resource: "*" }) },
    ]);
    const named = await newAccount("named", { RoleName: "admin" });
    expect(await identities.find(named.AccountId as AccountId, "role", "admin")).toBeDefined();
  });

  test("have an email each, whatever its case", async () => {
    await found();
    await newAccount("dev");
    const status = await newAccount("again", { Email: "DEV@example.com" });
    expect(status).toMatchObject({ State: "FAILED", FailureReason: "EMAIL_ALREADY_EXISTS" });
    expect(status.AccountId).toBeUndefined();
    const asked = await client.send(new sdk.DescribeCreateAccountStatusCommand({ CreateAccountRequestId: status.Id }));
    expect(asked.CreateAccountStatus).toEqual(status);
    for (const CreateAccountRequestId of [`car-${account}`, "car-123456789012", "car-abcdefgh"]) {
      const unknown = client.send(new sdk.DescribeCreateAccountStatusCommand({ CreateAccountRequestId }));
      expect((await errorOf(unknown))?.[0]).toBe("CreateAccountStatusNotFoundException");
    }
    expect((await client.send(new sdk.ListAccountsCommand({}))).Accounts).toHaveLength(2);
  });

  test("are refused with names, emails and tags that they cannot have", async () => {
    await found();
    const pattern = [
      "InvalidInputException",
      "You provided a value that does not match the required pattern.",
      "INVALID_PATTERN",
    ];
    expect(await errorOf(newAccount("dev", { Email: "nobody" }))).toEqual(pattern);
    expect(await errorOf(newAccount("d\u00e9v"))).toEqual(pattern);
    expect(await errorOf(newAccount("dev", { RoleName: "no spaces" }))).toEqual(pattern);
    const tagged = await errorOf(newAccount("dev", { Tags: [{ Key: "a", Value: "b" }] }));
    expect(tagged?.[0]).toBe("InvalidInputException");
    expect((await errorOf(client.send(new sdk.DescribeAccountCommand({ AccountId: "12" }))))?.[0]).toBe(
      "InvalidInputException",
    );
  });

  test("are listed in pages, without those outside", async () => {
    const root = await found();
    const ids = [account];
    for (const name of ["aa", "bb", "cc", "dd"]) ids.push((await newAccount(name)).AccountId);
    for (const name of ["x", "y", "z"]) await world.accounts.create({ name });
    const seen: (string | undefined)[] = [];
    const paginators = [
      sdk.paginateListAccounts({ client, pageSize: 2 }, {}),
      sdk.paginateListAccountsForParent({ client, pageSize: 2 }, { ParentId: root }),
    ];
    for (const paginator of paginators) {
      seen.length = 0;
      for await (const { Accounts = [] } of paginator) {
        expect(Accounts.length).toBeLessThanOrEqual(2);
        seen.push(...Accounts.map(({ Id }) => Id));
      }
      expect(seen).toEqual(ids.toSorted());
    }
    const { NextToken } = await client.send(new sdk.ListAccountsCommand({ MaxResults: 2 }));
    const elsewhere = client.send(new sdk.ListAccountsForParentCommand({ ParentId: root, NextToken }));
    expect((await errorOf(elsewhere))?.[2]).toBe("INVALID_NEXT_TOKEN");
  });

  test("are closed, which suspends them, and only once", async () => {
    await found();
    const { AccountId } = await newAccount("dev");
    const member = await rootOf(AccountId);
    await member.send(new sdk.DescribeOrganizationCommand({}));
    await client.send(new sdk.CloseAccountCommand({ AccountId }));
    const { Account } = await client.send(new sdk.DescribeAccountCommand({ AccountId }));
    expect(Account).toMatchObject({ Status: "SUSPENDED", State: "SUSPENDED" });
    expect((await errorOf(client.send(new sdk.CloseAccountCommand({ AccountId }))))?.[0]).toBe(
      "AccountAlreadyClosedException",
    );
    expect((await errorOf(client.send(new sdk.CloseAccountCommand({ AccountId: account }))))?.[2]).toBe(
      "CANNOT_CLOSE_MANAGEMENT_ACCOUNT",
    );
  });

  test("move between root and units", async () => {
    const root = await found();
    const unit = await newUnit(root, "dev");
    const { AccountId } = await newAccount("dev");
    const move = (SourceParentId: string, DestinationParentId: string) =>
      client.send(new sdk.MoveAccountCommand({ AccountId, SourceParentId, DestinationParentId }));
    const absent = `${unit.Id.slice(0, -8)}00000000`;
    expect((await errorOf(move(absent, root)))?.[0]).toBe("SourceParentNotFoundException");
    expect((await errorOf(move(unit.Id, root)))?.[0]).toBe("DuplicateAccountException");
    expect((await errorOf(move(root, absent)))?.[0]).toBe("DestinationParentNotFoundException");
    await move(root, unit.Id);
    const { Children } = await client.send(new sdk.ListChildrenCommand({ ParentId: unit.Id, ChildType: "ACCOUNT" }));
    expect(Children).toEqual([{ Id: AccountId, Type: "ACCOUNT" }]);
    const parentsOf = (ChildId: string) => client.send(new sdk.ListParentsCommand({ ChildId }));
    expect((await parentsOf(AccountId)).Parents).toEqual([{ Id: unit.Id, Type: "ORGANIZATIONAL_UNIT" }]);
    expect((await parentsOf(unit.Id)).Parents).toEqual([{ Id: root, Type: "ROOT" }]);
    for (const child of [absent, "999999999999"]) {
      expect((await errorOf(parentsOf(child)))?.[0]).toBe("ChildNotFoundException");
    }
    const { Accounts } = await client.send(new sdk.ListAccountsForParentCommand({ ParentId: root }));
    expect(Accounts?.map(({ Id }) => Id)).toEqual([account]);
  });
});

describe("units", () => {
  test("are made, renamed, listed and deleted", async () => {
    const root = await found();
    const dev = await newUnit(root, "dev");
    const prod = await newUnit(root, "prod");
    expect(dev).toMatchObject({ Name: "dev" });
    expect(dev.Id).toMatch(new RegExp(`^ou-${root.slice(2)}-[a-z0-9]{8}$`));
    expect(await errorOf(newUnit(root, "dev"))).toEqual([
      "DuplicateOrganizationalUnitException",
      "An OU with the same name already exists.",
    ]);
    const rename = (OrganizationalUnitId: string, Name: string) =>
      client.send(new sdk.UpdateOrganizationalUnitCommand({ OrganizationalUnitId, Name }));
    expect((await errorOf(rename(dev.Id, "prod")))?.[0]).toBe("DuplicateOrganizationalUnitException");
    expect((await rename(dev.Id, "test")).OrganizationalUnit?.Name).toBe("test");
    const { OrganizationalUnits } = await client.send(
      new sdk.ListOrganizationalUnitsForParentCommand({ ParentId: root }),
    );
    expect(OrganizationalUnits?.map(({ Name }) => Name).toSorted()).toEqual(["prod", "test"]);
    const below = await newUnit(dev.Id, "below");
    const remove = (OrganizationalUnitId: string) =>
      client.send(new sdk.DeleteOrganizationalUnitCommand({ OrganizationalUnitId }));
    expect((await errorOf(remove(dev.Id)))?.[0]).toBe("OrganizationalUnitNotEmptyException");
    for (const { Id } of [below, dev, prod]) await remove(Id);
    expect(await errorOf(remove(dev.Id))).toEqual([
      "OrganizationalUnitNotFoundException",
      "You specified an organizational unit that doesn't exist.",
    ]);
    expect((await errorOf(newUnit(dev.Id, "x")))?.[0]).toBe("ParentNotFoundException");
  });

  test("lie five deep at the most", async () => {
    let parent = await found();
    for (let depth = 1; depth <= 5; depth++) parent = (await newUnit(parent, `level ${depth}`)).Id;
    expect((await errorOf(newUnit(parent, "level 6")))?.[2]).toBe("OU_DEPTH_LIMIT_EXCEEDED");
  });
});

describe("policies", () => {
  test("that allow everything hang everywhere", async () => {
    const root = await found();
    const unit = await newUnit(root, "dev");
    const { AccountId } = await newAccount("dev");
    for (const TargetId of [root, unit.Id, AccountId, account]) {
      for (const [Filter, id] of [
        [SERVICE_CONTROL_POLICY, "p-FullAWSAccess"],
        ["RESOURCE_CONTROL_POLICY", "p-RCPFullAWSAccess"],
      ] as const) {
        const { Policies } = await client.send(new sdk.ListPoliciesForTargetCommand({ TargetId, Filter }));
        expect(Policies).toMatchObject([{ Id: id, AwsManaged: true }]);
      }
    }
    const { Targets } = await client.send(new sdk.ListTargetsForPolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect(Targets?.map(({ TargetId, Type, Name }) => [TargetId, Type, Name]).toSorted()).toEqual(
      [
        [root, "ROOT", "Root"],
        [unit.Id, "ORGANIZATIONAL_UNIT", "dev"],
        [AccountId, "ACCOUNT", "dev"],
        [account, "ACCOUNT", "root"],
      ].toSorted(),
    );
    const { Policy } = await client.send(new sdk.DescribePolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect(Policy?.PolicySummary?.Arn).toBe("arn:aws:organizations::aws:policy/service_control_policy/p-FullAWSAccess");
    const remove = client.send(new sdk.DeletePolicyCommand({ PolicyId: "p-FullAWSAccess" }));
    expect((await errorOf(remove))?.[2]).toBe("IMMUTABLE_POLICY");
    const tags = await client.send(new sdk.ListTagsForResourceCommand({ ResourceId: root }));
    expect(tags.Tags).toEqual([]);
    const others = await client.send(new sdk.ListPoliciesCommand({ Filter: "TAG_POLICY" }));
    expect(others.Policies).toEqual([]);
    const services = await client.send(new sdk.ListAWSServiceAccessForOrganizationCommand({}));
    expect(services.EnabledServicePrincipals).toEqual([]);
    const administrators = await client.send(new sdk.ListDelegatedAdministratorsCommand({}));
    expect(administrators.DelegatedAdministrators).toEqual([]);
  });

  test("are written, changed and deleted", async () => {
    await found();
    const id = await newPolicy("no deletes");
    expect(id).toMatch(/^p-[a-z0-9]{8}$/);
    expect(await errorOf(newPolicy("no deletes"))).toEqual([
      "DuplicatePolicyException",
      "A policy with the specified name and type already exists.",
    ]);
    expect(await errorOf(newPolicy("bad", "{}"))).toEqual([
      "MalformedPolicyDocumentException",
      "The provided policy document does not meet the requirements of the specified policy type.",
    ]);
    const long = text({ Effect: "Deny", Action: "ecr:*", Resource: "*", Sid: "x".repeat(5_120) });
    expect((await errorOf(newPolicy("long", long)))?.[2]).toBe("POLICY_CONTENT_LIMIT_EXCEEDED");
    const Content = text({ Effect: "Deny", Action: "ecr:PutImage", Resource: "*" });
    const update = { PolicyId: id, Name: "renamed", Description: "d", Content };
    const { Policy } = await client.send(new sdk.UpdatePolicyCommand(update));
    expect(Policy).toMatchObject({
      Content,
      PolicySummary: { Id: id, Name: "renamed", Description: "d", AwsManaged: false },
    });
    const { Policies } = await client.send(new sdk.ListPoliciesCommand({ Filter: SERVICE_CONTROL_POLICY }));
    expect(Policies?.map(({ Name }) => Name).toSorted()).toEqual(["FullAWSAccess", "renamed"]);
    await client.send(new sdk.DeletePolicyCommand({ PolicyId: id }));
    expect(await errorOf(client.send(new sdk.DescribePolicyCommand({ PolicyId: id })))).toEqual([
      "PolicyNotFoundException",
      "You specified a policy that doesn't exist.",
    ]);
    const type = { Name: "n", Description: "", Content, Type: "TAG_POLICY" as const };
    expect((await errorOf(client.send(new sdk.CreatePolicyCommand(type))))?.[0]).toBe(
      "PolicyTypeNotAvailableForOrganizationException",
    );
  });

  test("hang where they are attached, while their type is switched on", async () => {
    const RootId = await found();
    const PolicyType = SERVICE_CONTROL_POLICY;
    const ids = [];
    for (const name of ["a", "b", "c", "d", "e"]) ids.push(await newPolicy(name));
    const [a = "", , , , e = ""] = ids;
    const attach = (PolicyId: string, TargetId = RootId) =>
      client.send(new sdk.AttachPolicyCommand({ PolicyId, TargetId }));
    const detach = (PolicyId: string, TargetId = RootId) =>
      client.send(new sdk.DetachPolicyCommand({ PolicyId, TargetId }));
    const attached = async () => {
      const input = { TargetId: RootId, Filter: PolicyType };
      const { Policies = [] } = await client.send(new sdk.ListPoliciesForTargetCommand(input));
      return Policies.map(({ Id }) => Id);
    };
    expect(await errorOf(attach(a))).toEqual([
      "PolicyTypeNotEnabledException",
      "This operation can be performed only for enabled policy types.",
    ]);
    const { Root } = await client.send(new sdk.EnablePolicyTypeCommand({ RootId, PolicyType }));
    expect(Root?.PolicyTypes).toEqual([{ Type: PolicyType, Status: "ENABLED" }]);
    expect(await errorOf(client.send(new sdk.EnablePolicyTypeCommand({ RootId, PolicyType })))).toEqual([
      "PolicyTypeAlreadyEnabledException",
      "The specified policy type is already enabled.",
    ]);
    const elsewhere = client.send(new sdk.EnablePolicyTypeCommand({ RootId: "r-0000", PolicyType }));
    expect((await errorOf(elsewhere))?.[0]).toBe("RootNotFoundException");
    expect((await errorOf(attach(a, "999999999999")))?.[0]).toBe("TargetNotFoundException");
    expect((await errorOf(attach("p-00000000")))?.[0]).toBe("PolicyNotFoundException");
    for (const id of ids.slice(0, 4)) await attach(id);
    expect((await errorOf(attach(a)))?.[0]).toBe("DuplicatePolicyAttachmentException");
    expect((await errorOf(attach(e)))?.[2]).toBe("MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED");
    expect((await errorOf(client.send(new sdk.DeletePolicyCommand({ PolicyId: a }))))?.[0]).toBe(
      "PolicyInUseException",
    );
    await detach("p-FullAWSAccess");
    for (const id of ids.slice(1, 4)) await detach(id);
    expect(await errorOf(detach(a))).toEqual([
      "ConstraintViolationException",
      "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
      "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
    ]);
    expect((await errorOf(detach(e)))?.[0]).toBe("PolicyNotAttachedException");
    expect((await errorOf(detach("p-RCPFullAWSAccess")))?.[2]).toBe("NON_DETACHABLE_POLICY");
    expect(await attached()).toEqual([a]);

    await client.send(new sdk.DisablePolicyTypeCommand({ RootId, PolicyType }));
    expect(await attached()).toEqual(["p-FullAWSAccess"]);
    expect((await errorOf(client.send(new sdk.DisablePolicyTypeCommand({ RootId, PolicyType }))))?.[0]).toBe(
      "PolicyTypeNotEnabledException",
    );
  });
});
