import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { DescribeRegistryCommand } from "@aws-sdk/client-ecr";
import { AssumeRootCommand, GetCallerIdentityCommand, GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { XMLParser, XMLValidator } from "fast-xml-parser";
import { type Draft, presignDraft, type Signing, signDraft, toRequest } from "../test-signer.ts";
import { account, inProcess, root } from "../testing.ts";

type World = Awaited<ReturnType<typeof inProcess>>;
let world: World;
beforeAll(async () => {
  world = await inProcess();
});
afterAll(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

const namespace = "https://sts.amazonaws.com/doc/2011-06-15/";
const faultNamespace = "http://webservices.amazon.com/AWSFault/2005-15-09";
const identity = { Arn: `arn:aws:iam::${account}:root`, UserId: account, Account: account };
const formType = "application/x-www-form-urlencoded; charset=utf-8";
const rootKeys = { accessKeyId: root.accessKeyId, secretAccessKey: root.secret };
const whoAmI = "Action=GetCallerIdentity&Version=2011-06-15";

/** A form as a client without an SDK would send it, signed. */
async function post(form: string, signing: Signing = {}) {
  const headers = { host: "api.test:5080", "content-type": formType };
  const draft: Draft = { method: "POST", path: "/", query: {}, headers, body: form };
  const signed = await signDraft(draft, { service: "sts", key: root, signingDate: world.now(), ...signing });
  return world.send(toRequest(signed));
}

function parsed(text: string) {
  expect(XMLValidator.validate(text)).toBe(true);
  return new XMLParser({ ignoreAttributes: false, parseTagValue: false }).parse(text);
}

async function errorOf(answer: ReturnType<typeof post>) {
  const { status, text, headers } = await answer;
  expect(headers.get("content-type")).toBe("text/xml");
  const { ErrorResponse } = parsed(text);
  expect(ErrorResponse.RequestId).toBe(headers.get("x-amzn-requestid"));
  const { Type, Code, Message } = ErrorResponse.Error;
  return [status, Type, Code, Message, ErrorResponse["@_xmlns"]];
}

describe("GetCallerIdentity", () => {
  test("by the SDK", async () => {
    expect(await world.sts.send(new GetCallerIdentityCommand({}))).toMatchObject(identity);
  });

  test("as a document", async () => {
    const { status, text, headers } = await post(whoAmI);
    expect(status).toBe(200);
    expect(headers.get("content-type")).toBe("text/xml");
    expect(text).toBe(
      `<GetCallerIdentityResponse xmlns="${namespace}"><GetCallerIdentityResult><Arn>${identity.Arn}</Arn><UserId>${account}</UserId><Account>${account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>${headers.get("x-amzn-requestid")}</RequestId></ResponseMetadata></GetCallerIdentityResponse>`,
    );
  });

  test("by GET, with a header or presigned", async () => {
    const query = { Action: "GetCallerIdentity", Version: "2011-06-15" };
    const draft = (): Draft => ({
      method: "GET",
      path: "/",
      query: { ...query },
      headers: { host: "api.test:5080", "x-k8s-aws-id": "cluster" },
    });
    const signing = { service: "sts", key: root, signingDate: world.now() };
    const byHeader = await world.send(toRequest(await signDraft(draft(), signing)));
    expect(parsed(byHeader.text).GetCallerIdentityResponse.GetCallerIdentityResult).toEqual(identity);
    const presigned = await world.send(toRequest(await presignDraft(draft(), signing)));
    expect(parsed(presigned.text).GetCallerIdentityResponse.GetCallerIdentityResult).toEqual(identity);
  });
});

describe("GetSessionToken", () => {
  const session = async (input: object = {}) => {
    const { Credentials } = await world.sts.send(new GetSessionTokenCommand(input));
    return {
      expiration: Credentials?.Expiration as Date,
      keys: {
        accessKeyId: Credentials?.AccessKeyId as string,
        secretAccessKey: Credentials?.SecretAccessKey as string,
        sessionToken: Credentials?.SessionToken as string,
      },
    };
  };
  const seconds = (expiration: Date) => Math.ceil((expiration.getTime() - world.now().getTime()) / 1000);

  test("makes keys that work until they expire", async () => {
    const { keys, expiration } = await session({ DurationSeconds: 900 });
    expect(seconds(expiration)).toBe(900);
    expect(keys.accessKeyId).toMatch(/^ASIA[A-Z2-7]{16}$/);
    expect(await world.stsAs(keys).send(new GetCallerIdentityCommand({}))).toMatchObject(identity);
    expect(await world.ecrAs(keys).send(new DescribeRegistryCommand({}))).toMatchObject({ registryId: account });
    world.pass(901);
    world.sts = world.stsAs(rootKeys); // its clock goes with ours
    const expired = "The security token included in the request is expired";
    const byEcr = world.ecrAs(keys).send(new DescribeRegistryCommand({}));
    await expect(byEcr).rejects.toMatchObject({ name: "ExpiredTokenException", message: expired });
    const secret = keys.secretAccessKey;
    expect(await errorOf(post(whoAmI, { key: { ...keys, secret } }))).toEqual([
      403,
      "Sender",
      "ExpiredToken",
      expired,
      namespace,
    ]);
  });

  test("a root user's session has an hour at most", async () => {
    expect(seconds((await session()).expiration)).toBe(3600);
    expect(seconds((await session({ DurationSeconds: 129_600 })).expiration)).toBe(3600);
  });

  test("shows times by the second", async () => {
    const { text } = await post("Action=GetSessionToken&Version=2011-06-15&DurationSeconds=900");
    const { Credentials } = parsed(text).GetSessionTokenResponse.GetSessionTokenResult;
    expect(Credentials.Expiration).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/);
  });

  test("cannot be called with a session's keys", async () => {
    const { keys } = await session();
    const key = { ...keys, secret: keys.secretAccessKey };
    const form = "Action=GetSessionToken&Version=2011-06-15";
    expect(await errorOf(post(form, { key }))).toEqual([
      403,
      "Sender",
      "AccessDenied",
      "Cannot call GetSessionToken with session credentials",
      namespace,
    ]);
  });

  test("no device's code is right", async () => {
    const call = world.sts.send(
      new GetSessionTokenCommand({ SerialNumber: "arn:aws:iam::1:mfa/x", TokenCode: "123456" }),
    );
    expect(call).rejects.toMatchObject({
      name: "AccessDenied",
      message: "MultiFactorAuthentication failed with invalid MFA one time pass code.",
    });
  });

  test("its values are checked", async () => {
    const form = (text: string) => errorOf(post(`Action=GetSessionToken&Version=2011-06-15&${text}`));
    expect(await form("DurationSeconds=899")).toEqual([
      400,
      "Sender",
      "ValidationError",
      "1 validation error detected: Value '899' at 'durationSeconds' failed to satisfy constraint: Member must have value greater than or equal to 900",
      namespace,
    ]);
    expect(await form("DurationSeconds=129601&SerialNumber=x")).toEqual([
      400,
      "Sender",
      "ValidationError",
      "2 validation errors detected: Value '129601' at 'durationSeconds' failed to satisfy constraint: Member must have value less than or equal to 129600; Value 'x' at 'serialNumber' failed to satisfy constraint: Member must have length greater than or equal to 9",
      namespace,
    ]);
    const wrongType = "The value of 'DurationSeconds' has the wrong type";
    for (const text of ["DurationSeconds=x", "DurationSeconds=", "DurationSeconds=9e2"]) {
      expect(await form(text)).toEqual([400, "Sender", "MalformedInput", wrongType, namespace]);
    }
    expect(await form("MinimumSessionTokenSize=4096")).toEqual([
      400,
      "Sender",
      "ValidationError",
      expect.stringMatching(/^Session tokens have \d+ bytes on this server$/),
      namespace,
    ]);
    expect((await post("Action=GetSessionToken&Version=2011-06-15&MinimumSessionTokenSize=100")).status).toBe(200);
  });
});

describe("the Query protocol", () => {
  test("knows no other action or version", async () => {
    const unknown = async (form: string) => (await errorOf(post(form))).slice(0, 5);
    const invalid = (text: string) => [400, "Sender", "InvalidAction", text, faultNamespace];
    expect(await unknown("Action=Nothing&Version=2011-06-15")).toEqual(
      invalid("Could not find operation Nothing for version 2011-06-15"),
    );
    expect(await unknown("Action=GetCallerIdentity")).toEqual(
      invalid("Could not find operation GetCallerIdentity for version NO_VERSION_SPECIFIED"),
    );
    expect(await unknown("Action=GetCallerIdentity&Version=2010-05-08")).toEqual(
      invalid("Could not find operation GetCallerIdentity for version 2010-05-08"),
    );
    expect(await unknown("Action=%3Cb%3E%00%26&Version=1")).toEqual(
      invalid("Could not find operation <b>& for version 1"),
    );
    const missing = [
      400,
      "Sender",
      "MissingAction",
      "The request is missing an action or a required parameter.",
      faultNamespace,
    ];
    for (const form of ["", "Version=2011-06-15", "Action="]) expect(await unknown(form)).toEqual(missing);
    const TaskPolicyArn = { arn: "arn:aws:iam::aws:policy/root-task/IAMAuditRootUserCredentials" };
    const command = new AssumeRootCommand({ TargetPrincipal: account, TaskPolicyArn });
    await expect(world.sts.send(command)).rejects.toMatchObject({ name: "InvalidAction" });
  });

  test("refuses parameters that mean two things", async () => {
    const unreadable = (reason: string) => [400, "Sender", "MalformedInput", reason, faultNamespace];
    expect(await errorOf(post(`${whoAmI}&Action=GetSessionToken`))).toEqual(
      unreadable("The request parameters cannot be read: a parameter is given twice"),
    );
    expect(await errorOf(post(`${whoAmI}&${"a.".repeat(20)}b=1`))).toEqual(
      unreadable("The request parameters cannot be read: nested deeper than 16 levels"),
    );
    expect(await errorOf(post(`${whoAmI}&a=%zz`))).toEqual(
      unreadable("The request parameters are not correctly percent-encoded"),
    );
  });

  test("ignores parameters that nobody knows", async () => {
    expect((await post(`${whoAmI}&Foo.member.1=x&__proto__.x=1`)).status).toBe(200);
  });

  test("spells signature errors its own way", async () => {
    const wrong = async (signing: Signing) => (await errorOf(post(whoAmI, signing))).slice(0, 4);
    const mismatch =
      "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.";
    expect(await wrong({ key: { accessKeyId: "AKIAOTHER", secret: "x" } })).toEqual([
      403,
      "Sender",
      "InvalidClientTokenId",
      "The security token included in the request is invalid.",
    ]);
    expect(await wrong({ key: { ...root, secret: "x" } })).toEqual([403, "Sender", "SignatureDoesNotMatch", mismatch]);
    expect(await wrong({ service: "ecr" })).toEqual([
      403,
      "Sender",
      "SignatureDoesNotMatch",
      "Credential should be scoped to correct service: 'sts'.",
    ]);
    const old = await wrong({ signingDate: new Date(world.now().getTime() - 901_000) });
    expect(old).toEqual([
      403,
      "Sender",
      "SignatureDoesNotMatch",
      expect.stringMatching(/^Signature expired: .* - 15 min\.\)$/),
    ]);
    const headers = { "content-type": formType };
    const unsigned = new Request("http://api.test:5080/", { method: "POST", headers, body: whoAmI });
    expect(await errorOf(world.send(unsigned))).toEqual([
      403,
      "Sender",
      "MissingAuthenticationToken",
      "Request is missing Authentication Token",
      namespace,
    ]);
  });

  test("a form has a limit of its own", async () => {
    expect(await errorOf(post("x".repeat(1024 * 1024 + 1)))).toEqual([
      413,
      "Sender",
      "RequestEntityTooLarge",
      "The request body is larger than the limit of 1048576 bytes.",
      faultNamespace,
    ]);
  });
});
