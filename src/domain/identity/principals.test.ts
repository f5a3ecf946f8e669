import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import { compilePolicy } from "../../policy/compile.ts";
import type { PoliciesOfPrincipal, Principal } from "../access.ts";
import type { Arn } from "../names.ts";
import { federatedPrincipal, rolePrincipal, rootPrincipal, userPrincipal } from "./credentials.ts";
import { account, allowing, identityWorld, otherAccount } from "./testing.ts";

const scp = compilePolicy(allowing("*"), { kind: "service-control", name: "FullAWSAccess" });
const pullOnly = "arn:aws:iam::aws:policy/PullOnly" as Arn;

let world: Awaited<ReturnType<typeof identityWorld>>;
beforeEach(async () => {
  world = await identityWorld({
    managedDocument: (arn) => (arn === pullOnly ? allowing("ecr:Get*") : undefined),
    organization: {
      of: async (id) =>
        id === account
          ? { serviceControl: [[scp], [scp]], organizationId: "o-1", organizationPath: "o-1/r-1/" }
          : { serviceControl: [] },
    },
  });
});
afterEach(() => world.close());

const of = async (principal: Principal) => (await world.principals.of(principal)) as PoliciesOfPrincipal;
const names = (policies: PoliciesOfPrincipal["identity"] | undefined) => policies?.map(({ source }) => source.name);

async function managed(name: string, action: string): Promise<Arn> {
  const arn = `arn:aws:iam::${account}:policy/${name}` as Arn;
  const policy = {
    account,
    arn,
    path: "/",
    name,
    uniqueId: `ANPA${name}`,
    defaultVersion: "v1",
    nextVersion: 2,
    createdAt: world.clock(),
    updatedAt: world.clock(),
    tags: new Map(),
  };
  const first = { version: "v1", document: allowing(action), createdAt: world.clock() };
  await world.change(({ managedPolicies }) => managedPolicies.create(policy, first));
  return arn;
}

describe("policies and facts", () => {
  test("of a user: its own, its groups', its boundary", async () => {
    const boundary = await managed("limit", "ecr:*");
    const attached = await managed("own", "ecr:Put*");
    const user = await world.user("ci", { boundary, tags: new Map([["Team", "blue"]]) });
    const group = await world.group("builders");
    await world.change(async ({ identities }) => {
      await identities.putInlinePolicy(user.id, "push", allowing("ecr:PutImage"));
      await identities.attach(user.id, attached);
      await identities.join(group.id, user.id);
      await identities.putInlinePolicy(group.id, "pull", allowing("ecr:BatchGetImage"));
      await identities.attach(group.id, pullOnly);
    });
    const policies = await of(userPrincipal(user));
    expect(names(policies.identity)?.toSorted()).toEqual([
      attached,
      pullOnly,
      "inline policy pull of group builders",
      "inline policy push of user ci",
    ]);
    expect(names(policies.boundary)).toEqual([boundary]);
    expect(policies.session).toBeUndefined();
    expect(policies.serviceControl).toEqual([[scp], [scp]]);
    expect(policies.facts).toEqual({
      "aws:username": "ci",
      "aws:principaltag/team": "blue",
      "aws:principalorgid": "o-1",
      "aws:principalorgpaths": ["o-1/r-1/"],
    });
  });

  test("a group's loss and a user's end are seen at once where they were made", async () => {
    const user = await world.user("ci");
    const group = await world.group("builders");
    await world.change(async ({ identities }) => {
      await identities.join(group.id, user.id);
      await identities.putInlinePolicy(group.id, "pull", allowing("ecr:BatchGetImage"));
    });
    const principal = userPrincipal(user);
    expect((await of(principal)).identity).toHaveLength(1);
    await world.change(({ identities }) => identities.leave(group.id, user.id));
    world.principals.changed();
    expect((await of(principal)).identity).toHaveLength(0);
    await world.change(({ identities }) => identities.delete(user.id));
    world.principals.changed();
    await world.user("ci");
    expect(await world.principals.of(principal)).toBeUndefined();
  });

  test("a boundary that is gone allows nothing", async () => {
    const user = await world.user("ci", { boundary: "arn:aws:iam::aws:policy/Gone" as Arn });
    expect((await of(userPrincipal(user))).boundary).toEqual([]);
  });

  test("of a role's session: session policies, and session tags that win", async () => {
    const limit = await managed("limit", "ecr:*");
    const tags = new Map([
      ["Team", "blue"],
      ["cost", "1"],
    ]);
    const role = await world.role("deploy", { tags });
    const session = { issuedAt: 0, name: "s", policies: [allowing("*")], policyArns: [limit, pullOnly] };
    const policies = await of(rolePrincipal(role, { ...session, tags: { team: "red" } }));
    expect(policies.session?.map(({ source }) => source)).toEqual([
      { kind: "session", name: "session policy" },
      { kind: "session", name: limit },
      { kind: "session", name: pullOnly },
    ]);
    expect(policies.facts).toMatchObject({ "aws:principaltag/team": "red", "aws:principaltag/cost": "1" });
    expect(policies.facts["aws:username"]).toBeUndefined();
    // One that was deleted since is one that allows nothing, not one that was never there.
    const gone = await of(rolePrincipal(role, { issuedAt: 0, name: "s", policyArns: [`${limit}-gone`] }));
    expect(gone.session).toEqual([]);
  });

  test("a federated user has its user's policies, and none without session policies", async () => {
    const user = await world.user("ci");
    await world.change(({ identities }) => identities.putInlinePolicy(user.id, "push", allowing("ecr:PutImage")));
    const plain = await of(federatedPrincipal(userPrincipal(user), { issuedAt: 0, name: "bob" }));
    expect(names(plain.identity)).toEqual(["inline policy push of user ci"]);
    expect(plain.session).toEqual([]);
    const byRoot = { issuedAt: 0, name: "bob", policies: [allowing("ecr:*")] };
    const ofRoot = await of(federatedPrincipal(rootPrincipal(account), byRoot));
    expect(ofRoot.identity).toHaveLength(1);
    expect(ofRoot.session).toHaveLength(1);
  });

  test("of a root user: what the organization says, and nothing once it is suspended", async () => {
    expect(await of(rootPrincipal(account))).toMatchObject({ identity: [], serviceControl: [[scp], [scp]] });
    expect(await world.principals.of(rootPrincipal(otherAccount))).toBeUndefined();
    await world.account(otherAccount);
    expect(await of(rootPrincipal(otherAccount))).toMatchObject({ identity: [] });
    await world.change(({ accounts }) => accounts.update(otherAccount, { status: "SUSPENDED" }));
    world.principals.changed();
    expect(await world.principals.of(rootPrincipal(otherAccount))).toBeUndefined();
  });

  test("nobody takes another's place", async () => {
    const user = await world.user("ci");
    const role = await world.role("deploy");
    const principal = userPrincipal(user);
    expect(await world.principals.of({ ...principal, identityId: undefined })).toBeUndefined();
    expect(await world.principals.of({ ...principal, identityId: role.uniqueId })).toBeUndefined();
    expect(await world.principals.of({ ...rootPrincipal(account), identityId: user.uniqueId })).toBeUndefined();
    await world.account(otherAccount);
    expect(await world.principals.of({ ...principal, account: otherAccount })).toBeUndefined();
  });
});

describe("somebody by ARN", () => {
  test("users, roles, sessions and root users", async () => {
    const user = await world.user("ci", { path: "/a/b/" });
    const role = await world.role("deploy");
    const describe = (arn: string) => world.principals.describe(arn);
    expect(await describe(`arn:aws:iam::${account}:user/a/b/ci`)).toEqual(userPrincipal(user));
    expect(await describe(`arn:aws:iam::${account}:root`)).toEqual(rootPrincipal(account));
    const roleArn = `arn:aws:iam::${account}:role/deploy`;
    expect(await describe(roleArn)).toEqual({
      kind: "role",
      account,
      arn: roleArn,
      userId: role.uniqueId,
      identityId: role.uniqueId,
    });
    const session = { name: "s", issuedAt: world.clock().getTime() };
    expect(await describe(`arn:aws:sts::${account}:assumed-role/deploy/s`)).toEqual(rolePrincipal(role, session));
  });

  test.each([
    "user/ci",
    "user/a/ci",
    "user/a/b/CI",
    "user/a/b/ci/",
    "user/",
    "role/a/b/ci",
    "group/g",
    "rooted",
    "policy/x",
  ])("not %s", async (name) => {
    await world.user("ci", { path: "/a/b/" });
    await world.group("g");
    expect(await world.principals.describe(`arn:aws:iam::${account}:${name}`)).toBeUndefined();
  });

  test.each(["", "x", "arn:aws:sts::1:assumed-role/deploy/s", `arn:aws:sts::${account}:assumed-role/deploy`])(
    "not '%s'",
    async (arn) => {
      await world.role("deploy");
      expect(await world.principals.describe(arn)).toBeUndefined();
    },
  );
});
