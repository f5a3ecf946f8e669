import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import * as sdk from "@aws-sdk/client-organizations";
import type { AccountId } from "../../domain/names.ts";
import { account, inProcess } from "../testing.ts";
import { errorOf, organizer, policyText, SERVICE_CONTROL_POLICY } from "./testing.ts";

let world: Awaited<ReturnType<typeof inProcess>>;
let client: sdk.OrganizationsClient;
let organize: ReturnType<typeof organizer>;
beforeEach(async () => {
  world = await inProcess();
  client = world.organizations;
  organize = organizer(client);
});
afterEach(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

/** The client of an account's root user. */
async function rootOf(id: string) {
  const { accessKeyId, secret } = await world.accounts.replaceRootKey(id as AccountId);
  return world.organizationsAs({ accessKeyId, secretAccessKey: secret });
}

describe("an organization", () => {
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
    const root = await organize.found();
    const unit = await organize.newUnit(root, "dev");
    const remove = () => client.send(new sdk.DeleteOrganizationCommand({}));
    const notEmpty =
      "The organization isn't empty. To delete an organization, you must first remove all accounts except the management account, delete all OUs, and delete all policies.";
    expect(await errorOf(remove())).toEqual(["OrganizationNotEmptyException", notEmpty]);
    await client.send(new sdk.DeleteOrganizationalUnitCommand({ OrganizationalUnitId: unit.Id }));
    const { AccountId } = await organize.newAccount("dev");
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
    expect(await organize.found()).toMatch(/^r-/);
    expect(await world.metadata.read.accounts.find(AccountId as AccountId)).toMatchObject({ parentId: undefined });
  });

  test("belongs to the configured account", async () => {
    const { account: other, rootKey } = await world.accounts.create({ name: "other" });
    const theirs = world.organizationsAs({ accessKeyId: rootKey.accessKeyId, secretAccessKey: rootKey.secret });
    const denied = ["AccessDeniedException", "You don't have permissions to access this resource."];
    expect(await errorOf(theirs.send(new sdk.CreateOrganizationCommand({})))).toEqual(denied);
    await organize.found();
    // Somebody outside.
    const outside = ["AWSOrganizationsNotInUseException", "Your account is not a member of an organization."];
    expect(await errorOf(theirs.send(new sdk.DescribeOrganizationCommand({})))).toEqual(outside);
    const theirAccount = client.send(new sdk.DescribeAccountCommand({ AccountId: other.id }));
    expect(await errorOf(theirAccount)).toEqual([
      "AccountNotFoundException",
      "You specified an account that doesn't exist.",
    ]);
    // A member may know where it is, and no more.
    const { AccountId } = await organize.newAccount("member");
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

describe("accounts", () => {
  test("are made at once, with a role for the management account", async () => {
    const root = await organize.found();
    const status = await organize.newAccount("dev");
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
      { name: "AdministratorAccess", document: policyText({ Effect: "Allow", Action: "*", Resource: "*" }) },
    ]);
    const named = await organize.newAccount("named", { RoleName: "admin" });
    expect(await identities.find(named.AccountId as AccountId, "role", "admin")).toBeDefined();
  });

  test("have an email each, whatever its case", async () => {
    await organize.found();
    await organize.newAccount("dev");
    const status = await organize.newAccount("again", { Email: "DEV@example.com" });
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
    await organize.found();
    const pattern = [
      "InvalidInputException",
      "You provided a value that does not match the required pattern.",
      "INVALID_PATTERN",
    ];
    expect(await errorOf(organize.newAccount("dev", { Email: "nobody" }))).toEqual(pattern);
    expect(await errorOf(organize.newAccount("d\u00e9v"))).toEqual(pattern);
    expect(await errorOf(organize.newAccount("dev", { RoleName: "no spaces" }))).toEqual(pattern);
    const tagged = await errorOf(organize.newAccount("dev", { Tags: [{ Key: "a", Value: "b" }] }));
    expect(tagged?.[0]).toBe("InvalidInputException");
    expect((await errorOf(client.send(new sdk.DescribeAccountCommand({ AccountId: "12" }))))?.[0]).toBe(
      "InvalidInputException",
    );
  });

  test("are listed in pages, without those outside", async () => {
    const root = await organize.found();
    const ids = [account];
    for (const name of ["aa", "bb", "cc", "dd"]) ids.push((await organize.newAccount(name)).AccountId);
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
    await organize.found();
    const { AccountId } = await organize.newAccount("dev");
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
    const root = await organize.found();
    const unit = await organize.newUnit(root, "dev");
    const { AccountId } = await organize.newAccount("dev");
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
    const root = await organize.found();
    const dev = await organize.newUnit(root, "dev");
    const prod = await organize.newUnit(root, "prod");
    expect(dev).toMatchObject({ Name: "dev" });
    expect(dev.Id).toMatch(new RegExp(`^ou-${root.slice(2)}-[a-z0-9]{8}$`));
    expect(await errorOf(organize.newUnit(root, "dev"))).toEqual([
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
    const below = await organize.newUnit(dev.Id, "below");
    const remove = (OrganizationalUnitId: string) =>
      client.send(new sdk.DeleteOrganizationalUnitCommand({ OrganizationalUnitId }));
    expect((await errorOf(remove(dev.Id)))?.[0]).toBe("OrganizationalUnitNotEmptyException");
    for (const { Id } of [below, dev, prod]) await remove(Id);
    expect(await errorOf(remove(dev.Id))).toEqual([
      "OrganizationalUnitNotFoundException",
      "You specified an organizational unit that doesn't exist.",
    ]);
    expect((await errorOf(organize.newUnit(dev.Id, "x")))?.[0]).toBe("ParentNotFoundException");
  });

  test("lie five deep at the most", async () => {
    let parent = await organize.found();
    for (let depth = 1; depth <= 5; depth++) parent = (await organize.newUnit(parent, `level ${depth}`)).Id;
    expect((await errorOf(organize.newUnit(parent, "level 6")))?.[2]).toBe("OU_DEPTH_LIMIT_EXCEEDED");
  });
});
