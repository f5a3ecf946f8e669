import { afterEach, beforeEach, describe, expect, test } from "bun:test";
import {
  AssumeRoleWithWebIdentityCommand,
  type AssumeRoleWithWebIdentityCommandInput,
  GetAccessKeyInfoCommand,
  GetCallerIdentityCommand,
  STSServiceException,
} from "@aws-sdk/client-sts";
import { configurationPath, keysPath, startIssuer, type TestIssuer } from "../../../test/support/issuer.ts";
import { allowing, peopleIn } from "../../domain/identity/testing.ts";
import type { AccountId, Arn } from "../../domain/names.ts";
import { createIssuerKeys } from "../../remotes/issuer-keys.ts";
import { account, inProcess, root } from "../testing.ts";

let world: Awaited<ReturnType<typeof inProcess>>;
let people: ReturnType<typeof peopleIn>;
let issuer: TestIssuer;
const roleArn = `arn:aws:iam::${account}:role/deploy`;
const sub = "repo:berth/berth:ref:refs/heads/main";

beforeEach(async () => {
  world = await inProcess({ issuerKeys: localKeys(() => world.now()) });
  people = peopleIn({ metadata: world.metadata, sealer: world.sealer, clock: world.now });
  issuer = startIssuer({ clock: world.now });
  await provide();
});
afterEach(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
  await issuer[Symbol.asyncDispose]();
});

const localKeys = (clock: () => Date) =>
  createIssuerKeys({ allowPrivate: false, allowInsecure: true, clock, log: { warn: () => {} } });

/** Registers the issuer with an account. */
async function provide(
  owner = account as AccountId,
  clientIds = ["sts.amazonaws.com"],
  url = issuer.url,
  { change } = people,
) {
  const arn = `arn:aws:iam::${owner}:oidc-provider/${url}` as Arn;
  const provider = { account: owner, arn, url, clientIds, thumbprints: [], createdAt: world.now(), tags: new Map() };
  await change(({ oidcProviders }) => oidcProviders.create(provider));
  return arn;
}

async function role(condition: object = { StringEquals: { [`${issuer.url}:sub`]: sub } }) {
  const statement = {
    Effect: "Allow",
    Principal: { Federated: `arn:aws:iam::${account}:oidc-provider/${issuer.url}` },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: condition,
  };
  const trustPolicy = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  return people.role("deploy", { trustPolicy });
}

/** As a CI job calls it: without any keys. */
function assume(WebIdentityToken: string, more: Partial<AssumeRoleWithWebIdentityCommandInput> = {}) {
  const input = { RoleArn: roleArn, RoleSessionName: "job", WebIdentityToken, ...more };
  return world.sts.send(new AssumeRoleWithWebIdentityCommand(input));
}

async function refusal(call: Promise<unknown>) {
  try {
    await call;
  } catch (error) {
    if (error instanceof STSServiceException) return [error.$metadata.httpStatusCode, error.name, error.message];
    throw error;
  }
  throw new Error("it was not refused");
}

const denied = [403, "AccessDenied", "Not authorized to perform sts:AssumeRoleWithWebIdentity"];
const invalid = (message: string) => [400, "InvalidIdentityTokenException", message];
const notAToken = invalid(
  "The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)",
);

test("a good token opens a session, with no other proof", async () => {
  const { uniqueId, id } = await role();
  await people.change(({ identities }) => identities.putInlinePolicy(id, "p", allowing("sts:GetAccessKeyInfo")));
  const arn = `arn:aws:sts::${account}:assumed-role/deploy/job`;
  for (const algorithm of ["RS256", "ES256", "EdDSA"] as const) {
    const made = await assume(issuer.token({ sub }, { algorithm }));
    expect(made).toMatchObject({
      AssumedRoleUser: { AssumedRoleId: `${uniqueId}:job`, Arn: arn },
      SubjectFromWebIdentityToken: sub,
      Audience: "sts.amazonaws.com",
      Provider: `arn:aws:iam::${account}:oidc-provider/${issuer.url}`,
    });
    const { AccessKeyId = "", SecretAccessKey = "", SessionToken } = made.Credentials ?? {};
    const job = world.stsAs({ accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken });
    expect(await job.send(new GetCallerIdentityCommand({}))).toMatchObject({ Arn: arn, Account: account });
    const info = new GetAccessKeyInfoCommand({ AccessKeyId: "AKIANOBODYSKEY000000" });
    expect((await refusal(job.send(info)))[1]).toBe("ValidationError");
  }
});

test("the request is not signed, and no signature helps it", async () => {
  await role();
  await assume(issuer.token({ sub }));
  expect(world.newest().request.headers.get("authorization")).toBeNull();
  const form = { Action: "AssumeRoleWithWebIdentity", Version: "2011-06-15", RoleArn: roleArn, RoleSessionName: "job" };
  const body = new URLSearchParams({ ...form, WebIdentityToken: issuer.token({ sub: "other" }) }).toString();
  const headers = {
    "content-type": "application/x-www-form-urlencoded",
    authorization: `AWS4-HMAC-SHA256 Credential=${root.accessKeyId}/20261004/us-east-1/sts/aws4_request, SignedHeaders=host, Signature=${"0".repeat(64)}`,
  };
  const answer = await world.send(new Request("http://api.test:5080/", { method: "POST", headers, body }));
  expect([answer.status, answer.text]).toEqual([403, expect.stringContaining("Not authorized to perform")]);
});

describe("the trust policy decides", () => {
  test("by subject, audience and what else the token claims", async () => {
    const url = () => issuer.url;
    await role({
      StringEquals: { [`${url()}:aud`]: "sts.amazonaws.com", [`${url()}:repository`]: "berth/berth" },
      StringLike: { [`${url()}:sub`]: "repo:berth/*" },
      "ForAnyValue:StringEquals": { [`${url()}:amr`]: ["authenticated"] },
    });
    const right = { sub, repository: "berth/berth", amr: ["authenticated", "x"] };
    expect((await assume(issuer.token(right))).Audience).toBe("sts.amazonaws.com");
    for (const wrong of [
      { sub: "repo:other/berth" },
      { repository: "other/berth" },
      { repository: undefined },
      { repository: ["berth/berth", 1] },
      { amr: undefined },
    ]) {
      expect(await refusal(assume(issuer.token({ ...right, ...wrong })))).toEqual(denied);
    }
  });

  test("a role that is missing, or trusts another provider, or only users", async () => {
    expect(await refusal(assume(issuer.token({ sub })))).toEqual(denied);
    const trust = (Principal: object) =>
      JSON.stringify({
        Version: "2012-10-17",
        Statement: { Effect: "Allow", Principal, Action: "sts:AssumeRoleWithWebIdentity" },
      });
    const other = `arn:aws:iam::${account}:oidc-provider/other.example.com`;
    await people.role("deploy", { trustPolicy: trust({ Federated: other }) });
    await people.role("users", { trustPolicy: trust({ AWS: account }) });
    expect(await refusal(assume(issuer.token({ sub })))).toEqual(denied);
    const RoleArn = `arn:aws:iam::${account}:role/users`;
    expect(await refusal(assume(issuer.token({ sub }), { RoleArn }))).toEqual(denied);
  });

  test("tags of a token need their permission, and become the session's", async () => {
    const provider = { Federated: `arn:aws:iam::${account}:oidc-provider/${issuer.url}` };
    const statement = (Action: string, Condition?: object) => ({
      Effect: "Allow",
      Principal: provider,
      Action,
      Condition,
    });
    const trust = (...Statement: object[]) => JSON.stringify({ Version: "2012-10-17", Statement });
    const tags = { principal_tags: { team: ["blue"], cost: "1" }, transitive_tag_keys: ["team"] };
    const token = () => issuer.token({ sub, "https://aws.amazon.com/tags": tags });
    const assumeIt = statement("sts:AssumeRoleWithWebIdentity");
    const { id } = await people.role("deploy", { trustPolicy: trust(assumeIt) });
    expect((await refusal(assume(token()))).slice(0, 2)).toEqual([403, "AccessDenied"]);
    const tagIt = statement("sts:TagSession", { StringEquals: { "aws:RequestTag/team": "blue" } });
    await people.change(({ identities }) => identities.update(id, { trustPolicy: trust(assumeIt, tagIt) }));
    const { Credentials } = await assume(token());
    const found = await world.credentials.find(Credentials?.AccessKeyId ?? "", Credentials?.SessionToken);
    expect(found).toMatchObject({
      principal: { session: { tags: { team: "blue", cost: "1" }, transitiveTagKeys: ["team"] } },
    });
    const odd = issuer.token({ sub, "https://aws.amazon.com/tags": { principal_tags: { team: ["a", "b"] } } });
    expect(await refusal(assume(odd))).toEqual(invalid("The claim https://aws.amazon.com/tags cannot be read"));
  });
});

describe("a token is refused", () => {
  beforeEach(() => role());

  test("of an issuer that the account does not know", async () => {
    await using stranger = startIssuer({ clock: world.now });
    const message = `No OpenIDConnect provider found in your account for ${stranger.issuer}`;
    expect(await refusal(assume(stranger.token({ sub })))).toEqual(invalid(message));
    expect(stranger.asked).toEqual([]);
    // Not even where another account knows it.
    await provide("444455556666" as AccountId, undefined, stranger.url);
    expect(await refusal(assume(stranger.token({ sub })))).toEqual(invalid(message));
  });

  test("that says it is of another issuer than the one that signed", async () => {
    await using stranger = startIssuer({ clock: world.now });
    const header = { kid: (issuer.jwks().keys[0] as { kid: string }).kid };
    const token = stranger.token({ sub, iss: issuer.issuer }, { header });
    expect(await refusal(assume(token))).toEqual(invalid("The signature of the token is not one of its issuer"));
  });

  test("for another audience", async () => {
    const wrong = invalid("Incorrect token audience");
    expect(await refusal(assume(issuer.token({ sub, aud: "other" })))).toEqual(wrong);
    expect(await refusal(assume(issuer.token({ sub, aud: ["other", "more"] })))).toEqual(wrong);
    expect(await refusal(assume(issuer.token({ sub, aud: [["sts.amazonaws.com"]] })))).toEqual(wrong);
    expect(await refusal(assume(issuer.token({ sub, aud: "sts.amazonaws.com", azp: "other" })))).toEqual(wrong);
    expect(await refusal(assume(issuer.token({ sub, aud: undefined })))).toEqual(
      invalid("Missing a required claim: aud"),
    );
    expect((await assume(issuer.token({ sub, aud: ["other", "sts.amazonaws.com"] }))).Audience).toBe(
      "sts.amazonaws.com",
    );
  });

  test("with another algorithm than the key's", async () => {
    expect(await refusal(assume(issuer.token({ sub }, { algorithm: "none" })))).toEqual(notAToken);
    expect(await refusal(assume(issuer.token({ sub }, { algorithm: "HS256" })))).toEqual(notAToken);
    const bad = invalid("The signature of the token is not one of its issuer");
    expect(await refusal(assume(issuer.token({ sub }, { header: { alg: "PS256" } })))).toEqual(bad);
    expect(await refusal(assume(issuer.token({ sub }, { forged: true })))).toEqual(bad);
    expect(await refusal(assume(issuer.token({ sub }, { header: { kid: "made up" } })))).toEqual(bad);
  });

  test("at the wrong time, give or take five minutes", async () => {
    const now = Math.floor(world.now().getTime() / 1000);
    const times = (claims: object) => assume(issuer.token({ sub, ...claims }));
    await times({ exp: now - 299, nbf: now + 300, iat: now + 300 });
    expect(await refusal(times({ exp: now - 300 }))).toEqual([
      400,
      "ExpiredTokenException",
      `Token expired: current date/time ${now} must be before the expiration date/time ${now - 300}`,
    ]);
    expect((await refusal(times({ nbf: now + 301 }))).slice(0, 2)).toEqual([403, "IDPRejectedClaimException"]);
    expect((await refusal(times({ iat: now + 301 }))).slice(0, 2)).toEqual([403, "IDPRejectedClaimException"]);
    expect(await refusal(times({ exp: undefined }))).toEqual(invalid("Missing a required claim: exp"));
    expect(await refusal(times({ exp: String(now + 600) }))).toEqual(invalid("Missing a required claim: exp"));
    expect(await refusal(times({ nbf: "soon" }))).toEqual(invalid("The claim nbf is not a time"));
  });

  test("without a subject", async () => {
    for (const wrong of [undefined, "", 7]) {
      expect(await refusal(assume(issuer.token({ sub: wrong })))).toEqual(invalid("Missing a required claim: sub"));
    }
  });

  test.each(["nonsense", "a.b.c", "....", `${Buffer.from('{"alg":"RS256"}').toString("base64url")}.e30.x`])(
    "that is none: %s",
    async (token) => expect(await refusal(assume(token))).toEqual(notAToken),
  );

  test("that is too long", async () => {
    const [status, name, message] = await refusal(assume(issuer.token({ sub, padding: "x".repeat(20_000) })));
    expect([status, name]).toEqual([400, "ValidationError"]);
    expect(message).toContain(
      "'webIdentityToken' failed to satisfy constraint: Member must have length less than or equal",
    );
  });

  test("while its issuer cannot be asked", async () => {
    issuer.lies.set(configurationPath, () => new Response("", { status: 503 }));
    expect((await refusal(assume(issuer.token({ sub })))).slice(0, 2)).toEqual([400, "IDPCommunicationErrorException"]);
    world.pass(5);
    issuer.lies.set(configurationPath, () => Response.json({ issuer: "https://other" }));
    expect(await refusal(assume(issuer.token({ sub })))).toEqual(
      invalid(
        "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
      ),
    );
  });
});

test("a new key is taken, and the old one is not any more", async () => {
  await role();
  const old = issuer.token({ sub });
  await assume(old);
  issuer.rotate();
  world.pass(30);
  await assume(issuer.token({ sub }));
  expect((await refusal(assume(old)))[1]).toBe("InvalidIdentityTokenException");
  expect(issuer.asked.filter((path) => path === keysPath)).toHaveLength(2);
});

test("has a rate, which only good tokens use up", async () => {
  const take: unknown[] = [];
  const rates = {
    take: (principal: { account: string; arn: string }, _region: string, operations: readonly string[]) =>
      void take.push([principal.account, principal.arn, operations]),
  };
  const limited = await inProcess({
    issuerKeys: localKeys(() => limited.now()),
    rates: rates as never,
  });
  const people = peopleIn({ metadata: limited.metadata, sealer: limited.sealer, clock: limited.now });
  const arn = await provide(account as AccountId, ["sts.amazonaws.com"], issuer.url, people);
  const call = (WebIdentityToken: string) =>
    limited.sts.send(
      new AssumeRoleWithWebIdentityCommand({ RoleArn: roleArn, RoleSessionName: "job", WebIdentityToken }),
    );
  await refusal(call(issuer.token({}, { forged: true })));
  expect(take).toEqual([]);
  await refusal(call(issuer.token()));
  expect(take).toEqual([[account, arn, ["AssumeRoleWithWebIdentity"]]]);
  await limited.close();
});

test("session policies and durations are checked as for AssumeRole", async () => {
  await role();
  const token = issuer.token({ sub });
  expect((await refusal(assume(token, { Policy: "{}" })))[1]).toBe("MalformedPolicyDocumentException");
  expect((await refusal(assume(token, { DurationSeconds: 3601 })))[1]).toBe("ValidationError");
  expect((await assume(token, { Policy: allowing("ecr:*") })).PackedPolicySize).toBeGreaterThan(0);
});
