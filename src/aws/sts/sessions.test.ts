import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  AssumeRoleCommand,
  type AssumeRoleCommandInput,
  DecodeAuthorizationMessageCommand,
  GetAccessKeyInfoCommand,
  GetCallerIdentityCommand,
  GetFederationTokenCommand,
  type GetFederationTokenCommandInput,
  GetSessionTokenCommand,
  STSServiceException,
} from "@aws-sdk/client-sts";
import type { Identity } from "../../domain/identity/ports.ts";
import { allowing, otherAccount, peopleIn } from "../../domain/identity/testing.ts";
import { account, inProcess, root } from "../testing.ts";

interface Keys {
  accessKeyId: string;
  secretAccessKey: string;
  sessionToken?: string;
}

let world: Awaited<ReturnType<typeof inProcess>>;
let people: ReturnType<typeof peopleIn>;
let ci: Identity;
let ciKeys: Keys;
const rootKeys = { accessKeyId: root.accessKeyId, secretAccessKey: root.secret };
const roleArn = `arn:aws:iam::${account}:role/deploy`;
const ciArn = `arn:aws:iam::${account}:user/ci`;

beforeEach(async () => {
  world = await inProcess();
  people = peopleIn({ metadata: world.metadata, sealer: world.sealer, clock: world.now });
  ci = await people.user("ci");
  ciKeys = await people.key(ci, "AKIAUSERSKEY00000000");
});
afterEach(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

function trusting(principal: unknown, condition?: object, action: unknown = "sts:AssumeRole"): string {
  const statement = { Effect: "Allow", Principal: principal, Action: action, Condition: condition };
  return JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
}

const allActions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"];

/** A role that the user may assume, by its trust policy. */
async function role(trustPolicy = trusting({ AWS: ciArn }, undefined, allActions), more: Partial<Identity> = {}) {
  return people.role("deploy", { trustPolicy, ...more });
}

async function allowCi(document: string) {
  await people.change(({ identities }) => identities.putInlinePolicy(ci.id, "p", document));
  world.principals.changed();
}

const wish = { RoleArn: roleArn, RoleSessionName: "build-1" };
const assume = (keys: Keys, more: Partial<AssumeRoleCommandInput> = {}) =>
  world.stsAs(keys).send(new AssumeRoleCommand({ ...wish, ...more }));
const federate = (keys: Keys, more: Partial<GetFederationTokenCommandInput> = {}) =>
  world.stsAs(keys).send(new GetFederationTokenCommand({ Name: "bob", ...more }));
const whoIs = (keys: Keys) => world.stsAs(keys).send(new GetCallerIdentityCommand({}));

type Made = { Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string } };
function keysOf({ Credentials: made = {} }: Made): Keys {
  const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = made;
  return { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
}

/** What a client sees of a refusal. */
async function refusal(call: Promise<unknown>) {
  try {
    await call;
  } catch (error) {
    if (error instanceof STSServiceException) {
      return [error.$metadata.httpStatusCode, error.name, error.message];
    }
    throw error;
  }
  throw new Error("it was not refused");
}

const deniedTo = (arn: string, action = "sts:AssumeRole", resource = roleArn) => [
  403,
  "AccessDenied",
  `User: ${arn} is not authorized to perform: ${action} on resource: ${resource}`,
];

describe("AssumeRole", () => {
  test("makes a session of the role", async () => {
    const { uniqueId } = await role();
    const made = await assume(ciKeys);
    const arn = `arn:aws:sts::${account}:assumed-role/deploy/build-1`;
    expect(made).toMatchObject({ AssumedRoleUser: { AssumedRoleId: `${uniqueId}:build-1`, Arn: arn } });
    expect(made.Credentials?.AccessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    expect(Math.ceil(((made.Credentials?.Expiration?.getTime() ?? 0) - world.now().getTime()) / 1000)).toBe(3600);
    expect(made.PackedPolicySize).toBeUndefined();
    expect(await whoIs(keysOf(made))).toMatchObject({ Arn: arn, UserId: `${uniqueId}:build-1`, Account: account });
  });

  test("says the same of a missing role, a trust policy that says no, and a missing permission", async () => {
    expect(await refusal(assume(ciKeys))).toEqual(deniedTo(ciArn));
    await role(trusting({ AWS: `arn:aws:iam::${account}:user/other` }));
    expect(await refusal(assume(ciKeys))).toEqual(deniedTo(ciArn));
    await people.role("delegated", { trustPolicy: trusting({ AWS: account }) });
    const RoleArn = `arn:aws:iam::${account}:role/delegated`;
    expect(await refusal(assume(ciKeys, { RoleArn }))).toEqual(deniedTo(ciArn, "sts:AssumeRole", RoleArn));
    await allowCi(allowing("sts:AssumeRole", RoleArn));
    expect((await assume(ciKeys, { RoleArn })).AssumedRoleUser?.Arn).toEndWith("/delegated/build-1");
  });

  test("a role that was made again is another one", async () => {
    const old = await role();
    const keys = keysOf(await assume(ciKeys));
    await people.change(({ identities }) => identities.delete(old.id));
    world.principals.changed();
    await role();
    expect(await refusal(whoIs(keys))).toEqual([
      403,
      "InvalidClientTokenId",
      "The security token included in the request is invalid.",
    ]);
  });

  test("a user who was made again is not the one that is trusted", async () => {
    await role(trusting({ AWS: ciArn }), { trustBindings: new Map([[ciArn, "AIDAANOTHER"]]) });
    expect(await refusal(assume(ciKeys))).toEqual(deniedTo(ciArn));
  });

  test("from another account, both sides have to allow", async () => {
    await people.account(otherAccount);
    const stranger = await people.user("stranger", { account: otherAccount });
    const keys = await people.key(stranger, "AKIASTRANGERSKEY0000");
    const arn = `arn:aws:iam::${otherAccount}:user/stranger`;
    await role(trusting({ AWS: otherAccount }));
    expect(await refusal(assume(keys))).toEqual(deniedTo(arn));
    await people.change(({ identities }) => identities.putInlinePolicy(stranger.id, "p", allowing("sts:*")));
    world.principals.changed();
    expect(await whoIs(keysOf(await assume(keys)))).toMatchObject({ Account: account });
  });

  test("a root user may where the trust policy says so", async () => {
    await role(trusting({ AWS: `arn:aws:iam::${account}:root` }));
    expect((await assume(rootKeys)).AssumedRoleUser?.Arn).toEndWith("/deploy/build-1");
  });

  test("outlives the key that made it, and ends where a policy cuts it off", async () => {
    const deploy = await role();
    await people.change(({ identities }) =>
      identities.putInlinePolicy(deploy.id, "p", allowing("sts:DecodeAuthorizationMessage")),
    );
    const keys = keysOf(await assume(ciKeys));
    await people.change(({ accessKeys }) => accessKeys.delete(ciKeys.accessKeyId));
    world.principals.changed();
    const decode = () => world.stsAs(keys).send(new DecodeAuthorizationMessageCommand({ EncodedMessage: "x" }));
    expect((await refusal(decode()))[1]).toBe("InvalidAuthorizationMessageException");
    const before = new Date(world.now().getTime() + 60_000).toISOString();
    const condition = { DateLessThan: { "aws:TokenIssueTime": before } };
    const cut = { Effect: "Deny", Action: "*", Resource: "*", Condition: condition };
    const document = JSON.stringify({ Version: "2012-10-17", Statement: cut });
    await people.change(({ identities }) => identities.putInlinePolicy(deploy.id, "cut", document));
    world.principals.changed();
    expect(await refusal(decode())).toEqual([
      403,
      "AccessDenied",
      `User: arn:aws:sts::${account}:assumed-role/deploy/build-1 is not authorized to perform: sts:DecodeAuthorizationMessage on resource: * with an explicit deny in an identity-based policy`,
    ]);
  });

  test("lasts as long as its role allows, and an hour in a chain", async () => {
    const seconds = async (keys: Keys, DurationSeconds?: number, RoleArn = roleArn) => {
      const { Credentials } = await assume(keys, { DurationSeconds, RoleArn });
      return Math.ceil(((Credentials?.Expiration?.getTime() ?? 0) - world.now().getTime()) / 1000);
    };
    await role(trusting({ AWS: ciArn }), { maxSessionSeconds: 7200 });
    expect(await seconds(ciKeys, 7200)).toBe(7200);
    expect(await refusal(assume(ciKeys, { DurationSeconds: 7201 }))).toEqual([
      400,
      "ValidationError",
      "The requested DurationSeconds exceeds the MaxSessionDuration set for this role.",
    ]);
    const nextArn = `arn:aws:iam::${account}:role/next`;
    await people.role("next", { trustPolicy: trusting({ AWS: roleArn }), maxSessionSeconds: 43_200 });
    const keys = keysOf(await assume(ciKeys));
    expect(await seconds(keys, 3600, nextArn)).toBe(3600);
    expect(await refusal(assume(keys, { DurationSeconds: 3601, RoleArn: nextArn }))).toEqual([
      400,
      "ValidationError",
      "The requested DurationSeconds exceeds the 1 hour session limit for roles assumed by role chaining.",
    ]);
  });

  test("is trusted under conditions: external id, session name, source identity, tags", async () => {
    const condition = {
      StringEquals: { "sts:ExternalId": "42", "sts:SourceIdentity": "ann", "aws:RequestTag/team": "blue" },
      StringLike: { "sts:RoleSessionName": "build-*" },
      "ForAllValues:StringEquals": { "aws:TagKeys": ["team"], "sts:TransitiveTagKeys": ["team"] },
    };
    await role(trusting({ AWS: ciArn }, condition, allActions));
    const right = { ExternalId: "42", SourceIdentity: "ann", Tags: [{ Key: "team", Value: "blue" }] };
    expect(await assume(ciKeys, right)).toMatchObject({ SourceIdentity: "ann", PackedPolicySize: 1 });
    const wrong: Partial<AssumeRoleCommandInput>[] = [
      { ExternalId: "43" },
      { ExternalId: undefined },
      { SourceIdentity: "bob" },
      { RoleSessionName: "other" },
      { Tags: [{ Key: "team", Value: "red" }] },
      { Tags: [...right.Tags, { Key: "more", Value: "" }] },
      { Tags: [] },
    ];
    for (const change of wrong) expect(await refusal(assume(ciKeys, { ...right, ...change }))).toEqual(deniedTo(ciArn));
  });

  test("tags and source identity need permissions of their own", async () => {
    await role(trusting({ AWS: ciArn }));
    expect(await refusal(assume(ciKeys, { Tags: [{ Key: "a", Value: "b" }] }))).toEqual(
      deniedTo(ciArn, "sts:TagSession"),
    );
    expect(await refusal(assume(ciKeys, { SourceIdentity: "ann" }))).toEqual(deniedTo(ciArn, "sts:SetSourceIdentity"));
  });

  test("transitive tags and the source identity go along the chain", async () => {
    await role();
    await people.role("next", { trustPolicy: trusting({ AWS: roleArn }, undefined, allActions) });
    const RoleArn = `arn:aws:iam::${account}:role/next`;
    const Tags = [
      { Key: "Team", Value: "blue" },
      { Key: "step", Value: "1" },
    ];
    const first = await assume(ciKeys, { Tags, TransitiveTagKeys: ["team"], SourceIdentity: "ann" });
    const keys = keysOf(first);
    const second = await assume(keys, { RoleArn });
    expect(second.SourceIdentity).toBe("ann");
    const { principal } = (await world.credentials.find(
      second.Credentials?.AccessKeyId ?? "",
      second.Credentials?.SessionToken,
    )) as { principal: { session: object } };
    expect(principal.session).toMatchObject({
      tags: { Team: "blue" },
      transitiveTagKeys: ["Team"],
      sourceIdentity: "ann",
    });
    expect(await refusal(assume(keys, { RoleArn, Tags: [{ Key: "TEAM", Value: "red" }] }))).toEqual([
      400,
      "InvalidParameterValue",
      "One of the specified transitive tag keys can't be set because it conflicts with a transitive tag key from the calling session.",
    ]);
    expect(await refusal(assume(keys, { RoleArn, SourceIdentity: "bob" }))).toEqual([
      400,
      "ValidationError",
      "The source identity is already set for this assume role session",
    ]);
  });

  test("a chain needs permission for what it brings along", async () => {
    await role();
    await people.role("next", { trustPolicy: trusting({ AWS: roleArn }) });
    const RoleArn = `arn:aws:iam::${account}:role/next`;
    const session = `arn:aws:sts::${account}:assumed-role/deploy/build-1`;
    const tagged = { Tags: [{ Key: "a", Value: "b" }], TransitiveTagKeys: ["a"] };
    const byTags = keysOf(await assume(ciKeys, tagged));
    expect(await refusal(assume(byTags, { RoleArn }))).toEqual(deniedTo(session, "sts:TagSession", RoleArn));
    const bySource = keysOf(await assume(ciKeys, { SourceIdentity: "ann" }));
    expect(await refusal(assume(bySource, { RoleArn }))).toEqual(deniedTo(session, "sts:SetSourceIdentity", RoleArn));
  });

  test("session policies limit what the role may", async () => {
    const deploy = await role();
    await people.change(({ identities }) => identities.putInlinePolicy(deploy.id, "p", allowing("*")));
    const decode = (keys: Keys) =>
      refusal(world.stsAs(keys).send(new DecodeAuthorizationMessageCommand({ EncodedMessage: "x" })));
    expect((await decode(keysOf(await assume(ciKeys))))[1]).toBe("InvalidAuthorizationMessageException");
    const limited = await assume(ciKeys, { Policy: allowing("ecr:*") });
    expect(limited.PackedPolicySize).toBeGreaterThan(0);
    expect(await decode(keysOf(limited))).toEqual([
      403,
      "AccessDenied",
      `User: arn:aws:sts::${account}:assumed-role/deploy/build-1 is not authorized to perform: sts:DecodeAuthorizationMessage on resource: * because no session policy allows the sts:DecodeAuthorizationMessage action`,
    ]);
  });

  test("policies are checked", async () => {
    await role();
    expect((await refusal(assume(ciKeys, { Policy: "{" }))).slice(0, 2)).toEqual([
      400,
      "MalformedPolicyDocumentException",
    ]);
    expect((await refusal(assume(ciKeys, { Policy: "{}" }))).slice(0, 2)).toEqual([
      400,
      "MalformedPolicyDocumentException",
    ]);
    const missing = `arn:aws:iam::${account}:policy/none`;
    expect(await refusal(assume(ciKeys, { PolicyArns: [{ arn: missing }] }))).toEqual([
      400,
      "ValidationError",
      `Policy ${missing} does not exist or is not attachable.`,
    ]);
    const foreign = `arn:aws:iam::${otherAccount}:policy/none`;
    expect(await refusal(assume(ciKeys, { PolicyArns: [{ arn: foreign }] }))).toEqual([
      400,
      "ValidationError",
      `ARN ${foreign} is not valid.`,
    ]);
    const long = { arn: `arn:aws:iam::aws:policy/${"x".repeat(400)}` };
    expect(await refusal(assume(ciKeys, { PolicyArns: Array(6).fill(long) }))).toEqual([
      400,
      "PackedPolicyTooLargeException",
      "Packed policy consumes 125% of allotted space, please use smaller policy.",
    ]);
  });

  test("tags have a room that is shared", async () => {
    await role();
    const Tags = Array.from({ length: 50 }, (_, index) => ({ Key: `key-${index}`, Value: "v".repeat(100) }));
    const [status, name, message] = await refusal(assume(ciKeys, { Tags }));
    expect([status, name]).toEqual([400, "PackedPolicyTooLargeException"]);
    expect(message).toMatch(/^Packed size of session tags consumes 1\d\d% of allotted space\.$/);
    const twice = [
      { Key: "a", Value: "1" },
      { Key: "A", Value: "2" },
    ];
    expect(await refusal(assume(ciKeys, { Tags: twice }))).toEqual([
      400,
      "InvalidParameterValue",
      "Duplicate tag keys found. Please note that Tag keys are case insensitive.",
    ]);
    expect(await refusal(assume(ciKeys, { TransitiveTagKeys: ["a"] }))).toEqual([
      400,
      "InvalidParameterValue",
      "The specified transitive tag key must be included in the requested tags.",
    ]);
  });

  test("a session with all that there is room for has a token that fits into headers", async () => {
    await role();
    const Tags = Array.from({ length: 40 }, (_, index) => ({ Key: `key-${index}`, Value: "v".repeat(88) }));
    const made = await assume(ciKeys, { Tags });
    expect(made.PackedPolicySize).toBeGreaterThan(90);
    expect(made.Credentials?.SessionToken?.length).toBeLessThan(7000);
    expect(await whoIs(keysOf(made))).toMatchObject({ Account: account });
  });

  test.each([
    ["a role that is none", { RoleArn: "arn:aws:iam::111122223333:user/deploy" }, /^arn:.*:user\/deploy is invalid$/],
    ["a short name", { RoleSessionName: "x" }, /'roleSessionName'.*length greater than or equal to 2/],
    ["a name with a slash", { RoleSessionName: "a/b" }, /'roleSessionName'.*pattern/],
    ["a short time", { DurationSeconds: 899 }, /'durationSeconds'.*greater than or equal to 900/],
    ["a long time", { DurationSeconds: 43_201 }, /'durationSeconds'.*less than or equal to 43200/],
    ["a context", { ProvidedContexts: [{ ProviderArn: roleArn }] }, /^ProvidedContexts are not supported/],
  ])("refuses %s", async (_, change, message) => {
    await role();
    const [status, name, text] = await refusal(assume(ciKeys, change));
    expect([status, name]).toEqual([400, "ValidationError"]);
    expect(text).toMatch(message);
  });

  test("no device's code is right", async () => {
    await role();
    const SerialNumber = `arn:aws:iam::${account}:mfa/ci`;
    expect(await refusal(assume(ciKeys, { SerialNumber, TokenCode: "123456" }))).toEqual([
      403,
      "AccessDenied",
      "MultiFactorAuthentication failed with invalid MFA one time pass code.",
    ]);
  });
});

describe("GetFederationToken", () => {
  test("makes somebody for whom the user vouches, within its permissions", async () => {
    await allowCi(allowing("sts:*"));
    const made = await federate(ciKeys, { Policy: allowing("sts:GetAccessKeyInfo") });
    const arn = `arn:aws:sts::${account}:federated-user/bob`;
    expect(made.FederatedUser).toEqual({ FederatedUserId: `${account}:bob`, Arn: arn });
    const keys = keysOf(made);
    expect(await whoIs(keys)).toMatchObject({ Arn: arn, UserId: `${account}:bob` });
    const info = new GetAccessKeyInfoCommand({ AccessKeyId: ciKeys.accessKeyId });
    expect(await world.stsAs(keys).send(info)).toMatchObject({ Account: account });
    const decode = new DecodeAuthorizationMessageCommand({ EncodedMessage: "x" });
    expect((await refusal(world.stsAs(keys).send(decode)))[1]).toBe("AccessDenied");
    await people.change(({ accessKeys }) => accessKeys.setStatus(ciKeys.accessKeyId, "Inactive"));
    world.principals.changed();
    expect((await refusal(whoIs(keys)))[1]).toBe("InvalidClientTokenId");
  });

  test("without policies, it may do nothing", async () => {
    await allowCi(allowing("*"));
    const keys = keysOf(await federate(ciKeys));
    const info = new GetAccessKeyInfoCommand({ AccessKeyId: ciKeys.accessKeyId });
    expect((await refusal(world.stsAs(keys).send(info)))[1]).toBe("AccessDenied");
    const byRoot = keysOf(await federate(rootKeys));
    expect((await refusal(world.stsAs(byRoot).send(info)))[1]).toBe("AccessDenied");
    const withPolicy = keysOf(await federate(rootKeys, { Policy: allowing("sts:*") }));
    expect(await world.stsAs(withPolicy).send(info)).toMatchObject({ Account: account });
  });

  test("needs its permission", async () => {
    const arn = `arn:aws:sts::${account}:federated-user/bob`;
    expect(await refusal(federate(ciKeys))).toEqual([
      403,
      "AccessDenied",
      `User: ${ciArn} is not authorized to perform: sts:GetFederationToken on resource: ${arn} because no identity-based policy allows the sts:GetFederationToken action`,
    ]);
    await allowCi(allowing("sts:GetFederationToken"));
    const [, , message] = await refusal(federate(ciKeys, { Tags: [{ Key: "a", Value: "b" }] }));
    expect(message).toContain("sts:TagSession");
  });

  test("cannot assume roles, and cannot be made by a session", async () => {
    await allowCi(allowing("sts:*"));
    await role(trusting({ AWS: account }));
    const keys = keysOf(await federate(ciKeys, { Policy: allowing("*") }));
    expect(await refusal(assume(keys))).toEqual(deniedTo(`arn:aws:sts::${account}:federated-user/bob`));
    const session = keysOf(await world.stsAs(ciKeys).send(new GetSessionTokenCommand({})));
    expect(await refusal(federate(session))).toEqual([
      403,
      "AccessDenied",
      "Cannot call GetFederationToken with session credentials",
    ]);
  });
});

describe("GetSessionToken of a user", () => {
  test("lasts up to 36 hours, and dies with the key", async () => {
    const made = await world.stsAs(ciKeys).send(new GetSessionTokenCommand({ DurationSeconds: 129_600 }));
    const expiration = made.Credentials?.Expiration?.getTime() ?? 0;
    expect(Math.ceil((expiration - world.now().getTime()) / 1000)).toBe(129_600);
    const keys = keysOf(made);
    expect(await whoIs(keys)).toMatchObject({ Arn: ciArn, UserId: ci.uniqueId, Account: account });
    await people.change(({ accessKeys }) => accessKeys.delete(ciKeys.accessKeyId));
    world.principals.changed();
    expect((await refusal(whoIs(keys)))[1]).toBe("InvalidClientTokenId");
  });
});

describe("GetAccessKeyInfo", () => {
  test("tells the account of a key, whatever its state", async () => {
    const info = (AccessKeyId: string) => world.stsAs(rootKeys).send(new GetAccessKeyInfoCommand({ AccessKeyId }));
    await people.change(({ accessKeys }) => accessKeys.setStatus(ciKeys.accessKeyId, "Inactive"));
    expect(await info(ciKeys.accessKeyId)).toMatchObject({ Account: account });
    expect((await refusal(info("AKIANOBODYSKEY000000")))[1]).toBe("ValidationError");
  });
});

test("requests are noted as uses of their key once they are verified", async () => {
  await whoIs(ciKeys);
  await refusal(whoIs({ ...ciKeys, accessKeyId: ciKeys.accessKeyId, secretAccessKey: "wrong" }));
  await world.keyUses.flush();
  const kept = await world.metadata.read.accessKeys.find(ciKeys.accessKeyId);
  expect(kept?.lastUsed).toEqual({ at: world.now(), service: "sts", region: "us-east-1" });
  const other = await people.key(ci, "AKIASECONDKEY0000000");
  await refusal(whoIs({ ...other, secretAccessKey: "wrong" }));
  await world.keyUses.flush();
  expect((await world.metadata.read.accessKeys.find(other.accessKeyId))?.lastUsed).toBeUndefined();
});

test("STS is there also for those whose region is not served", async () => {
  const european = await inProcess({ regions: ["eu-west-1" as never] });
  expect(await european.sts.send(new GetCallerIdentityCommand({}))).toMatchObject({ Account: account });
  await european.close();
});
