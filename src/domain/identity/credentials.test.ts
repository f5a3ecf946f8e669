import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import type { Principal } from "../access.ts";
import type { Region } from "../names.ts";
import { federatedPrincipal, rolePrincipal, type SigningKey } from "./credentials.ts";
import type { Identity } from "./ports.ts";
import { account, identityWorld, otherAccount, rootKey, userArn } from "./testing.ts";

let world: Awaited<ReturnType<typeof identityWorld>>;
beforeEach(async () => {
  world = await identityWorld();
});
afterEach(() => world.close());

const unknown = { state: "unknown" } as const;
const find = (accessKeyId: string, token?: string) => world.credentials.find(accessKeyId, token);

async function active(accessKeyId: string, token?: string): Promise<SigningKey> {
  const found = await find(accessKeyId, token);
  if (found.state !== "active") throw new Error(found.state);
  return found;
}

describe("long-term keys", () => {
  test("of the configured root user", async () => {
    const root = { kind: "root", account, arn: `arn:aws:iam::${account}:root`, userId: account } as const;
    expect(await find("AKIAROOT")).toEqual({
      state: "active",
      accessKeyId: "AKIAROOT",
      secret: "root-secret",
      principal: root,
      temporary: false,
      longTermKeyId: "AKIAROOT",
    });
    expect(await find("AKIAROO")).toEqual(unknown);
  });

  test("of another account's root user", async () => {
    const pair = { accessKeyId: "AKIAOTHERROOT", secret: "theirs" };
    const rootSealedSecret = world.sealer.seal("root-key", pair);
    await world.account(otherAccount, { rootKeyId: pair.accessKeyId, rootSealedSecret });
    const key = await active("AKIAOTHERROOT");
    expect(key).toMatchObject({ secret: "theirs", principal: { kind: "root", account: otherAccount } });
    await world.change(({ accounts }) => accounts.update(otherAccount, { status: "SUSPENDED" }));
    world.principals.changed();
    expect(await find("AKIAOTHERROOT")).toEqual(unknown);
  });

  test("of a user, while they are active", async () => {
    const user = await world.user("ci", { path: "/build/" });
    await world.key(user, "AKIAUSER");
    const principal = {
      kind: "user",
      account,
      arn: `arn:aws:iam::${account}:user/build/ci`,
      userId: user.uniqueId,
      identityId: user.uniqueId,
    } as const;
    expect(await active("AKIAUSER")).toMatchObject({ secret: "secret of AKIAUSER", principal, temporary: false });
    await world.change(({ accessKeys }) => accessKeys.setStatus("AKIAUSER", "Inactive"));
    world.principals.changed();
    expect(await find("AKIAUSER")).toEqual(unknown);
    expect(await world.credentials.accountOf("AKIAUSER")).toBe(account);
    expect(await world.credentials.accountOf("AKIANOBODY")).toBeUndefined();
  });

  test("a sealed secret is of use for its own key only", async () => {
    const user = await world.user("ci");
    await world.key(user, "AKIAUSER");
    const stolen = world.sealer.seal("access-key", { accessKeyId: "AKIAUSER", secret: "x" });
    await world.key(user, "AKIASECOND", { sealedSecret: stolen });
    expect(await find("AKIASECOND")).toEqual(unknown);
  });

  test("of an account that is not there", async () => {
    await world.key(await world.user("lost", { account: otherAccount }), "AKIALOST");
    expect(await find("AKIALOST")).toEqual(unknown);
  });

  test("what another process takes away is gone within a second", async () => {
    const user = await world.user("ci");
    await world.key(user, "AKIAUSER");
    const elsewhere = world.process();
    expect((await elsewhere.credentials.find("AKIAUSER")).state).toBe("active");
    await world.change(({ accessKeys }) => accessKeys.delete("AKIAUSER"));
    await Bun.sleep(600);
    expect(await elsewhere.credentials.find("AKIAUSER")).toEqual(unknown);
  });

  test("a key that somebody asked for before it was there is found within a second", async () => {
    const user = await world.user("ci");
    expect(await find("AKIANEW")).toEqual(unknown);
    await world.key(user, "AKIANEW");
    await Bun.sleep(600);
    expect((await active("AKIANEW")).principal.arn).toBe(userArn("ci"));
  });
});

describe("sessions", () => {
  const session = { issuedAt: 0, name: "s" };
  let user: Identity;
  beforeEach(async () => {
    user = await world.user("ci");
    await world.key(user, "AKIAUSER");
  });

  async function issue(principal: Principal, parent: string | undefined, seconds = 900) {
    const { accessKeyId, sessionToken } = await world.credentials.issueSession(principal, parent, seconds);
    return () => find(accessKeyId, sessionToken);
  }

  const change = async (work: Parameters<typeof world.change>[0]) => {
    await world.change(work);
    world.principals.changed();
  };

  test("of a user die with the key", async () => {
    const { principal } = await active("AKIAUSER");
    const byUser = await issue({ ...principal, session }, "AKIAUSER");
    const federated = await issue(federatedPrincipal(principal, session), "AKIAUSER");
    expect(await byUser()).toMatchObject({ state: "active", temporary: true, longTermKeyId: "AKIAUSER" });
    expect(await federated()).toMatchObject({
      state: "active",
      principal: { kind: "federated", identityId: user.uniqueId },
    });
    await change(({ accessKeys }) => accessKeys.setStatus("AKIAUSER", "Inactive"));
    expect(await byUser()).toEqual(unknown);
    expect(await federated()).toEqual(unknown);
  });

  test("of a user that gets another name go by it, and never by that of whoever has the old one now", async () => {
    const { principal } = await active("AKIAUSER");
    const issuedAt = world.clock().getTime();
    const again = await world.credentials.issueSession({ ...principal, session: { issuedAt } }, "AKIAUSER", 900);
    const federated = federatedPrincipal(principal, { name: "guest", issuedAt });
    const guest = await world.credentials.issueSession(federated, "AKIAUSER", 900);
    const region = "us-east-1" as Region;
    const { password } = world.registryTokens.issue(
      principal,
      { accessKeyId: "AKIAUSER", longTermKeyId: "AKIAUSER" },
      region,
    );
    await world.change(({ identities }) => identities.update(user.id, { name: "new" }));
    await world.user("ci");
    world.principals.changed();
    const session = await active(again.accessKeyId, again.sessionToken);
    expect(session.principal).toMatchObject({ arn: userArn("new"), session: { issuedAt } });
    expect(await world.registryTokens.open(password, region)).toMatchObject({ principal: { arn: userArn("new") } });
    expect((await active(guest.accessKeyId, guest.sessionToken)).principal).toEqual({
      ...federated,
      identityArn: userArn("new"),
    });
  });

  test("of a user are not another's, whose key has the same id", async () => {
    const { principal } = await active("AKIAUSER");
    const find = await issue({ ...principal, session }, "AKIAUSER");
    await change(async ({ accessKeys, identities }) => {
      await accessKeys.delete("AKIAUSER");
      await identities.delete(user.id);
    });
    await world.key(await world.user("ci"), "AKIAUSER");
    expect(await find()).toEqual(unknown);
  });

  test("of a role live without a key, and die with the role", async () => {
    const role = await world.role("deploy", { path: "/ci/" });
    const found = await issue(rolePrincipal(role, session), undefined);
    const key = await found();
    expect(key).toMatchObject({
      state: "active",
      principal: {
        kind: "role",
        arn: `arn:aws:sts::${account}:assumed-role/deploy/s`,
        userId: `${role.uniqueId}:s`,
        identityArn: `arn:aws:iam::${account}:role/ci/deploy`,
      },
    });
    expect(key).not.toHaveProperty("longTermKeyId", expect.any(String));
    await change(({ accessKeys }) => accessKeys.delete("AKIAUSER"));
    expect((await found()).state).toBe("active");
    await change(({ identities }) => identities.delete(role.id));
    await world.role("deploy", { path: "/ci/" });
    expect(await found()).toEqual(unknown);
  });

  test("end, and only with their own key id", async () => {
    const { principal } = await active("AKIAUSER");
    const made = await world.credentials.issueSession(principal, "AKIAUSER", 900);
    expect(await find("ASIAOTHER", made.sessionToken)).toEqual(unknown);
    expect(await find(made.accessKeyId)).toEqual(unknown);
    expect(await find("AKIAUSER", made.sessionToken)).toEqual(unknown);
    world.pass(900);
    expect(await find(made.accessKeyId, made.sessionToken)).toEqual({ state: "expired" });
  });

  test("of a suspended account", async () => {
    await world.account(account);
    const root = await issue((await active("AKIAROOT")).principal, "AKIAROOT");
    const role = await issue(rolePrincipal(await world.role("deploy"), session), undefined);
    expect([(await root()).state, (await role()).state]).toEqual(["active", "active"]);
    await change(({ accounts }) => accounts.update(account, { status: "SUSPENDED" }));
    expect([await root(), await role()]).toEqual([unknown, unknown]);
  });

  test("a registry token lives as its session does, and says when it was made", async () => {
    const region = "us-east-1" as Region;
    const role = await world.role("deploy");
    const principal = rolePrincipal(role, { ...session, policies: ["{}"] });
    const { password } = world.registryTokens.issue(principal, { accessKeyId: "ASIADEPLOY" }, region);
    expect(await world.registryTokens.open(password, region)).toEqual({
      state: "active",
      principal,
      accessKeyId: "ASIADEPLOY",
      issuedAt: world.clock(),
      scope: undefined,
    });
    await change(({ identities }) => identities.delete(role.id));
    expect(await world.registryTokens.open(password, region)).toEqual(unknown);
    const user = await active("AKIAUSER");
    const byUser = world.registryTokens.issue(user.principal, user, region);
    await change(({ accessKeys }) => accessKeys.setStatus("AKIAUSER", "Inactive"));
    expect(await world.registryTokens.open(byUser.password, region)).toEqual(unknown);
  });
});

describe("the last use of a key", () => {
  test("is written in batches", async () => {
    const user = await world.user("ci");
    await world.key(user, "AKIAUSER");
    const key = await active("AKIAUSER");
    world.credentials.used(key, "sts", "us-east-1");
    world.pass(5);
    world.credentials.used(key, "ecr", "eu-west-1");
    const kept = async () => (await world.metadata.read.accessKeys.find("AKIAUSER"))?.lastUsed;
    expect(await kept()).toBeUndefined();
    await world.keyUses.flush();
    expect(await kept()).toEqual({ at: world.clock(), service: "ecr", region: "eu-west-1" });
  });

  test("a session is a use of its role, not of a key", async () => {
    const role = await world.role("deploy");
    const principal = rolePrincipal(role, { issuedAt: 0, name: "s" });
    const made = await world.credentials.issueSession(principal, undefined, 900);
    world.credentials.used(await active(made.accessKeyId, made.sessionToken), "ecr", "eu-west-1");
    world.credentials.used(await active(rootKey.accessKeyId), "ecr", "eu-west-1");
    await world.keyUses.flush();
    const kept = await world.metadata.read.identities.ofUniqueId(role.uniqueId);
    expect(kept).toMatchObject({ lastUsedAt: world.clock(), lastUsedRegion: "eu-west-1" });
  });
});
