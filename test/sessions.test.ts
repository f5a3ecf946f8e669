import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DescribeRepositoriesCommand,
  type ECRClient,
  GetAuthorizationTokenCommand,
} from "@aws-sdk/client-ecr";
import {
  CreateOpenIDConnectProviderCommand,
  CreateRoleCommand,
  IAMClient,
  PutRolePolicyCommand,
} from "@aws-sdk/client-iam";
import { AssumeRoleCommand, AssumeRoleWithWebIdentityCommand } from "@aws-sdk/client-sts";
import { account, digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { startIssuer, type TestIssuer } from "./support/issuer.ts";
import { allow } from "./support/people.ts";

/** Sessions on the data plane: what STS hands out opens the registry by `docker login`, and no further than it may. */

let berth: InProcess;
let issuer: TestIssuer;
beforeAll(async () => {
  berth = await inProcess();
  issuer = startIssuer({ clock: () => berth.now });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await berth.pushImage("app", "first", "layer");
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
  await issuer[Symbol.asyncDispose]();
});

const iam = () => berth.client(IAMClient);
const toPull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:GetAuthorizationToken"];
const toPush = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];

async function createRole(RoleName: string, statement: object, ...actions: string[]) {
  const trust = { Version: "2012-10-17", Statement: { Effect: "Allow", ...statement } };
  await iam().send(new CreateRoleCommand({ RoleName, AssumeRolePolicyDocument: JSON.stringify(trust) }));
  const PolicyDocument = JSON.stringify(allow(actions));
  await iam().send(new PutRolePolicyCommand({ RoleName, PolicyName: "p", PolicyDocument }));
  return `arn:aws:iam::${account}:role/${RoleName}`;
}

type Made = { Credentials?: { AccessKeyId?: string; SecretAccessKey?: string; SessionToken?: string } };
function ecrOf({ Credentials: made = {} }: Made): ECRClient {
  const { AccessKeyId: accessKeyId, SecretAccessKey: secretAccessKey, SessionToken: sessionToken } = made;
  return berth.ecr({ credentials: { accessKeyId, secretAccessKey, sessionToken } });
}

/** The `Authorization` that `docker login` leaves behind. */
async function login(ecr: ECRClient): Promise<{ authorization: string }> {
  const { authorizationData } = await ecr.send(new GetAuthorizationTokenCommand({}));
  return { authorization: `Basic ${authorizationData?.[0]?.authorizationToken}` };
}

async function push(headers: { authorization: string }, tag: string): Promise<number[]> {
  const statuses: number[] = [];
  const blob = async (content: string) => {
    const digest = digestOf(content);
    const { status } = await berth.send("POST", `/v2/app/blobs/uploads/?digest=${digest}`, { headers, body: content });
    statuses.push(status);
    return { digest, size: content.length };
  };
  const config = { mediaType: mediaTypes.config, ...(await blob("{}")) };
  const layers = [{ mediaType: mediaTypes.layer, ...(await blob(`layer of ${tag}`)) }];
  const body = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers });
  const typed = { ...headers, "content-type": mediaTypes.manifest };
  statuses.push((await berth.send("PUT", `/v2/app/manifests/${tag}`, { headers: typed, body })).status);
  return statuses;
}

const pull = async (headers: { authorization: string }, tag: string) =>
  (await berth.send("GET", `/v2/app/manifests/${tag}`, { headers })).status;

test("a CI job with nothing but its issuer's token pushes and pulls", async () => {
  const provider = new CreateOpenIDConnectProviderCommand({
    Url: issuer.issuer,
    ClientIDList: ["sts.amazonaws.com"],
    ThumbprintList: ["0".repeat(40)],
  });
  const { OpenIDConnectProviderArn } = await iam().send(provider);
  const conditions = {
    StringEquals: { [`${issuer.url}:aud`]: "sts.amazonaws.com" },
    StringLike: { [`${issuer.url}:sub`]: "repo:berth/*" },
  };
  const trust = {
    Principal: { Federated: OpenIDConnectProviderArn },
    Action: "sts:AssumeRoleWithWebIdentity",
    Condition: conditions,
  };
  const RoleArn = await createRole("job", trust, ...toPull, ...toPush);
  const assume = (WebIdentityToken: string) =>
    berth
      .sts({ credentials: undefined })
      .send(new AssumeRoleWithWebIdentityCommand({ RoleArn, RoleSessionName: "job-1", WebIdentityToken }));

  const job = ecrOf(await assume(issuer.token({ sub: "repo:berth/app" }, { algorithm: "ES256" })));
  const docker = await login(job);
  expect(await push(docker, "by-token")).toEqual([201, 201, 201]);
  expect(await pull(docker, "by-token")).toBe(200);
  await expect(job.send(new CreateRepositoryCommand({ repositoryName: "another" }))).rejects.toMatchObject({
    name: "AccessDeniedException",
    message: `User: arn:aws:sts::${account}:assumed-role/job/job-1 is not authorized to perform: ecr:CreateRepository on resource: arn:aws:ecr:us-east-1:${account}:repository/another because no identity-based policy allows the ecr:CreateRepository action`,
  });
  await expect(assume(issuer.token({ sub: "repo:other/app" }))).rejects.toMatchObject({ name: "AccessDenied" });
  await expect(assume(issuer.token({ sub: "repo:berth/app", aud: "other" }))).rejects.toMatchObject({
    name: "InvalidIdentityTokenException",
  });
});

test("a session's policy goes along into `docker login`", async () => {
  const person = await berth.crowd.user(account, "limited", allow("sts:AssumeRole"));
  const RoleArn = await createRole(
    "both",
    { Principal: { AWS: account }, Action: "sts:AssumeRole" },
    ...toPull,
    ...toPush,
  );
  const assume = async (Policy?: string) => {
    const command = new AssumeRoleCommand({ RoleArn, RoleSessionName: "s1", Policy });
    return login(ecrOf(await berth.sts({ credentials: person }).send(command)));
  };
  expect(await push(await assume(), "whole")).toEqual([201, 201, 201]);
  const limited = await assume(JSON.stringify(allow(toPull)));
  expect(await pull(limited, "first")).toBe(200);
  expect(await push(limited, "limited")).toEqual([403, 403, 403]);
});

test("a role that is deleted takes its sessions and their logins along, within a second", async () => {
  const person = await berth.crowd.user(account, "short", allow("sts:AssumeRole"));
  const RoleArn = await createRole("short", { Principal: { AWS: account }, Action: "sts:AssumeRole" }, ...toPull);
  const command = new AssumeRoleCommand({ RoleArn, RoleSessionName: "s1" });
  const session = ecrOf(await berth.sts({ credentials: person }).send(command));
  const docker = await login(session);
  expect(await pull(docker, "first")).toBe(200);
  // The key that the role was assumed with is not what the session stands on.
  await berth.crowd.remove(person);
  expect(await pull(docker, "first")).toBe(200);
  // As another process would.
  await berth.stores.metadata.transact(async ({ identities }) => {
    const role = await identities.find(account, "role", "short");
    if (role) await identities.delete(role.id);
  });
  await Bun.sleep(600);
  expect(await pull(docker, "first")).toBe(401);
  await expect(session.send(new DescribeRepositoriesCommand({}))).rejects.toMatchObject({
    name: "UnrecognizedClientException",
  });
});
