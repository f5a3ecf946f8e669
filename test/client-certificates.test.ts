import { afterAll, beforeAll, expect, test } from "bun:test";
import { CreateRepositoryCommand } from "@aws-sdk/client-ecr";
import {
  CreateRoleCommand,
  CreateUserCommand,
  DeleteUserCommand,
  DeleteUserPolicyCommand,
  PutRolePolicyCommand,
  PutUserPolicyCommand,
  UpdateAssumeRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { GetCallerIdentityCommand } from "@aws-sdk/client-sts";
import { makeAuthority, makeClientPair, makeServerPair, type Pair } from "../src/cli/certificates.ts";
import { certificateIdentity } from "../src/config-tls.ts";
import { type RunningServer, startServer } from "../src/server/listener.ts";
import { recordingLog } from "../src/server/testing.ts";
import { account, basic, type InProcess, inProcess, keyPair } from "./support/berth.ts";
import { allow, noticed } from "./support/people.ts";

/** Client certificates in place of keys, over TLS, from the handshake to the audit trail. */

const arn = (what: string) => `arn:aws:iam::${account}:${what}`;
const repository = `arn:aws:ecr:us-east-1:${account}:repository/app`;
const pulling = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const identities = [
  `cn:puller=${arn("user/puller")}`,
  `uri:spiffe://example.org/ci/*=${arn("role/ci")}`,
  `dns:*.nodes.example.org=${arn("role/team/nodes")}`,
  `email:ops@example.org=${arn("user/ops")}`,
  `cn:ghost=${arn("user/ghost")}`,
];

const year = { from: new Date(), days: 365 };
let [servers, clients]: Pair[] = [];
let berth: InProcess;
let server: RunningServer;

beforeAll(async () => {
  [servers, clients] = [await makeAuthority("Servers", year), await makeAuthority("Clients", year)];
  berth = await inProcess({
    certificateIdentities: identities.map((text) => certificateIdentity(text) ?? never(text)),
  });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await berth.pushImage("app", "1", "content");
  const iam = berth.iam();
  for (const UserName of ["puller", "ops"]) await iam.send(new CreateUserCommand({ UserName }));
  await allowUser("puller", allow(pulling, repository));
  for (const [RoleName, Path] of [
    ["ci", "/"],
    ["nodes", "/team/"],
  ] as const) {
    await iam.send(new CreateRoleCommand({ RoleName, Path, AssumeRolePolicyDocument: trust() }));
    const policy = JSON.stringify(allow(pulling, repository));
    await iam.send(new PutRolePolicyCommand({ RoleName, PolicyName: "pull", PolicyDocument: policy }));
  }
  const pair = await makeServerPair(servers ?? never("authority"), ["localhost", "127.0.0.1"], year);
  server = startServer({
    listen: { host: "127.0.0.1", port: 0 },
    tls: {
      ...pair,
      minVersion: "1.2",
      clientAuthority: clients?.certificate,
      clients: { mode: "optional" },
    },
    ready: async () => {},
    log: recordingLog().log,
  });
  server.serve(berth.surfaces);
});
afterAll(async () => {
  await server.stop(0);
  await berth.close();
});

function never(what: string): never {
  throw new Error(`not there: ${what}`);
}

const allowUser = (UserName: string, policy: object) =>
  berth.iam().send(new PutUserPolicyCommand({ UserName, PolicyName: "own", PolicyDocument: JSON.stringify(policy) }));

function trust(condition?: object, actions = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]): string {
  const Principal = { Service: "rolesanywhere.amazonaws.com" };
  const Statement = { Effect: "Allow", Principal, Action: actions, ...(condition && { Condition: condition }) };
  return JSON.stringify({ Version: "2012-10-17", Statement });
}

async function trustOfCi(document: string) {
  await berth.iam().send(new UpdateAssumeRolePolicyCommand({ RoleName: "ci", PolicyDocument: document }));
  await noticed();
}

const certificate = (name: string, names: string[] = []) =>
  makeClientPair(clients ?? never("authority"), name, year, names);

/** On a connection of its own. */
async function ask(pair: Pair | undefined, path = "/v2/app/manifests/1", init: RequestInit = {}) {
  const own = pair && { cert: pair.certificate, key: pair.key };
  const headers = { connection: "close", ...(init.headers as Record<string, string>) };
  const answer = await fetch(`${server.url}${path}`, { ...init, headers, tls: { ca: servers?.certificate, ...own } });
  return { status: answer.status, headers: answer.headers, text: await answer.text() };
}

test("a certificate that stands for a user pulls without signing in, and does no more than the user may", async () => {
  const pair = await certificate("puller");
  expect((await ask(pair, "/v2/")).status).toBe(200);
  expect((await ask(pair)).status).toBe(200);
  const denied = await ask(pair, "/v2/app/blobs/uploads/", { method: "POST" });
  expect(denied.status).toBe(403);
  expect(denied.text).toContain(`${arn("user/puller")} is not authorized to perform: ecr:InitiateLayerUpload`);
  expect((await ask(await certificate("x", ["email:OPS@example.org"]))).text).toContain(arn("user/ops"));
});

test("nobody's certificate, and none, are asked to sign in, and can", async () => {
  for (const pair of [undefined, await certificate("somebody"), await certificate("Puller")]) {
    const asked = await ask(pair);
    expect(asked.status).toBe(401);
    expect(asked.headers.get("www-authenticate")).toStartWith(`Basic realm="${server.url.replace("http:", "https:")}`);
    const authorization = basic(keyPair.accessKeyId, keyPair.secretAccessKey);
    expect((await ask(pair, undefined, { headers: { authorization } })).status).toBe(200);
  }
});

test("who signs in means that, whatever the connection came with", async () => {
  const pair = await certificate("puller");
  const wrong = await ask(pair, undefined, { headers: { authorization: basic("AWS", "nonsense") } });
  expect(wrong.status).toBe(401);
  expect((await ask(pair, undefined, { headers: { authorization: "" } })).status).toBe(401);
  const root = { authorization: basic(keyPair.accessKeyId, keyPair.secretAccessKey) };
  const begun = await ask(pair, "/v2/app/blobs/uploads/", { method: "POST", headers: root });
  expect(begun.status).toBe(202);
});

test("for the AWS APIs a certificate is nobody", async () => {
  const body = "Action=GetCallerIdentity&Version=2011-06-15";
  const headers = { "content-type": "application/x-www-form-urlencoded" };
  const answer = await ask(await certificate("puller"), "/", { method: "POST", headers, body });
  expect(answer.status).toBe(403);
  expect(answer.text).toContain("MissingAuthenticationToken");
});

test("a certificate that stands for a role is a session of it, named by its serial number", async () => {
  const pair = await certificate("runner-7", ["uri:spiffe://example.org/ci/build"]);
  expect((await ask(pair)).status).toBe(200);
  const { text } = await ask(pair, "/v2/app/blobs/uploads/", { method: "POST" });
  expect(text).toMatch(new RegExp(`arn:aws:sts::${account}:assumed-role/ci/[0-9a-f]{32} is not authorized`));
  expect((await ask(await certificate("node", ["dns:a.nodes.example.org"]))).status).toBe(200);

  const [record] = (await berth.records()).filter(({ requestParameters: input }) => input?.imageIds).slice(-2);
  expect(record).toMatchObject({
    eventName: "BatchGetImage",
    userIdentity: {
      type: "AssumedRole",
      sessionContext: { sessionIssuer: { arn: arn("role/ci") }, sourceIdentity: "runner-7" },
    },
    additionalEventData: {
      authenticationMethod: "ClientCertificate",
      clientCertificate: {
        subject: "CN=runner-7",
        issuer: "CN=Clients",
        serialNumber: /[0-9a-f]{32}$/.exec(text.split(" is not")[0] ?? "")?.[0],
      },
    },
  });
});

const assume = (pair: Pair | undefined, more: Record<string, string>) =>
  ask(pair, "/", {
    method: "POST",
    headers: { "content-type": "application/x-www-form-urlencoded" },
    body: new URLSearchParams({ Action: "AssumeRoleWithCertificate", Version: "2011-06-15", ...more }).toString(),
  });

test("a certificate that stands for a role gets credentials of it for the AWS APIs, and nobody else does", async () => {
  const pair = await certificate("runner-3", ["uri:spiffe://example.org/ci/build"]);
  const { status, text } = await assume(pair, { RoleArn: arn("role/ci"), DurationSeconds: "900" });
  expect([status, status === 200 ? "" : text]).toEqual([200, ""]);
  const of = (name: string) => new RegExp(`<${name}>([^<]*)</${name}>`).exec(text)?.[1] ?? "";
  expect(of("Arn")).toMatch(new RegExp(`^arn:aws:sts::${account}:assumed-role/ci/[0-9a-f]{32}$`));
  expect(of("SourceIdentity")).toBe("runner-3");
  const credentials = {
    accessKeyId: of("AccessKeyId"),
    secretAccessKey: of("SecretAccessKey"),
    sessionToken: of("SessionToken"),
  };
  const { Arn } = await berth.sts({ credentials }).send(new GetCallerIdentityCommand({}));
  expect(Arn).toBe(of("Arn"));
  const [record] = (await berth.records()).filter(({ eventName }) => eventName === "AssumeRoleWithCertificate");
  expect(record).toMatchObject({
    userIdentity: { type: "AWSService", invokedBy: "rolesanywhere.amazonaws.com" },
    additionalEventData: { clientCertificate: { subject: "CN=runner-3" }, authenticationMethod: "ClientCertificate" },
  });
  expect(JSON.stringify(record)).not.toContain(credentials.secretAccessKey);

  for (const [who, role] of [
    [pair, "role/team/nodes"],
    [pair, "role/ghost"],
    [await certificate("puller"), "role/ci"],
    [await certificate("somebody"), "role/ci"],
    [undefined, "role/ci"],
  ] as const) {
    const refused = await assume(who, { RoleArn: arn(role) });
    expect([role, refused.status]).toEqual([role, 403]);
    expect(refused.text).toContain("<Code>AccessDenied</Code>");
  }
  const user = await assume(await certificate("puller"), { RoleArn: arn("user/puller") });
  expect(user.text).toContain("is invalid");
  const long = await assume(pair, { RoleArn: arn("role/ci"), DurationSeconds: "7200" });
  expect(long.text).toContain("exceeds the MaxSessionDuration");
});

test.each([
  ["a wildcard is one part of a name", ["uri:spiffe://example.org/ci/build/deep"]],
  ["and never nothing", ["uri:spiffe://example.org/ci/"]],
  ["a longer name is another", ["uri:spiffe://example.org/ci/build#puller", "dns:nodes.example.org"]],
  ["a host has no more labels", ["dns:a.b.nodes.example.org"]],
  ["a name of one kind is none of another", ["dns:puller", "email:puller"]],
])("%s", async (_, names) => {
  const wanted = names.some((name) => name.includes("#")) ? 200 : 401;
  expect((await ask(await certificate("x", names))).status).toBe(wanted);
});

test("a role that does not trust certificates, or not this one, is not given", async () => {
  const pair = await certificate("runner-8", ["uri:spiffe://example.org/ci/build"]);
  const conditions: [object | undefined, string[] | undefined, number][] = [
    [{ StringEquals: { "aws:PrincipalTag/x509Subject/CN": "runner-8" } }, undefined, 200],
    [{ StringEquals: { "aws:PrincipalTag/x509Subject/CN": "runner-9" } }, undefined, 403],
    [{ StringLike: { "aws:PrincipalTag/x509SAN/URI": "spiffe://example.org/ci/*" } }, undefined, 200],
    [{ StringEquals: { "sts:SourceIdentity": "runner-8" } }, undefined, 200],
    [{ IpAddress: { "aws:SourceIp": "127.0.0.1/32" }, Bool: { "aws:SecureTransport": "true" } }, undefined, 200],
    [{ IpAddress: { "aws:SourceIp": "192.0.2.0/24" } }, undefined, 403],
    // It takes all three.
    [undefined, ["sts:AssumeRole"], 403],
  ];
  for (const [condition, actions, status] of conditions) {
    await trustOfCi(trust(condition, actions));
    const answer = await ask(pair);
    expect([condition, answer.status]).toEqual([condition, status]);
    expect((await assume(pair, { RoleArn: arn("role/ci") })).status).toBe(status);
    if (status === 403) expect(answer.text).toMatch(/rolesanywhere\.amazonaws\.com is not authorized to perform: sts:/);
  }
  await trustOfCi(trust());
}, 20_000);

test("policies ask where a certificate comes from", async () => {
  const pair = await certificate("puller");
  const from = (network: string) => allow(pulling, repository, { IpAddress: { "aws:SourceIp": network } });
  await allowUser("puller", from("192.0.2.0/24"));
  expect((await ask(pair)).status).toBe(403);
  await allowUser("puller", from("127.0.0.0/8"));
  expect((await ask(pair)).status).toBe(200);
});

test("whoever is not there is refused in words, also from the moment at which it goes", async () => {
  const ghost = await ask(await certificate("ghost"));
  expect(ghost.status).toBe(403);
  expect(ghost.text).toContain(`(CN=ghost) stands for ${arn("user/ghost")}, and there is no such user or role`);
  const iam = berth.iam();
  const pair = await certificate("x", ["email:ops@example.org"]);
  await allowUser("ops", allow(pulling, repository));
  expect((await ask(pair)).status).toBe(200);
  await iam.send(new DeleteUserPolicyCommand({ UserName: "ops", PolicyName: "own" }));
  await iam.send(new DeleteUserCommand({ UserName: "ops" }));
  await noticed();
  expect((await ask(pair)).status).toBe(403);
  const [record] = (await berth.records()).slice(-1);
  expect(record?.errorCode).toBe("DENIED");
  expect(record?.additionalEventData.clientCertificate.subject).toBe("CN=x");
});
