import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import {
  BatchGetImageCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  GetAuthorizationTokenCommand,
  PutImageCommand,
  SetRepositoryPolicyCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import * as iam from "@aws-sdk/client-iam";
import { GetFederationTokenCommand, GetSessionTokenCommand } from "@aws-sdk/client-sts";
import { startServer } from "../src/server/listener.ts";
import { createLog } from "../src/server/log.ts";
import { createMetrics } from "../src/server/metrics.ts";
import { account, basic, digestOf, type InProcess, inProcess, keyPair, mediaTypes, region } from "./support/berth.ts";
import { allow, type Person } from "./support/people.ts";

/** What Berth promises about security, where no test of one of its parts shows it of the whole. */

const other = "111111111111";
const toPull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const toPush = ["ecr:InitiateLayerUpload", "ecr:UploadLayerPart", "ecr:CompleteLayerUpload", "ecr:PutImage"];
const arnOf = (name: string) => `arn:aws:ecr:${region}:${account}:repository/${name}`;
const policyOf = (...statements: object[]) => JSON.stringify({ Version: "2012-10-17", Statement: statements });

let berth: InProcess;
let names = 0;
beforeAll(async () => {
  berth = await inProcess();
});
afterAll(() => berth.close());

/** A repository with an image under the tag `1`. */
async function repository(repositoryName = `repository-${names++}`): Promise<string> {
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  await berth.pushImage(repositoryName, "1", `layer of ${repositoryName}`);
  return repositoryName;
}

async function recreate(repositoryName: string): Promise<void> {
  await berth.ecr().send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  await repository(repositoryName);
}

/** What `docker login` got. */
async function login(person: Person) {
  const { authorizationData = [] } = await berth.ecrAs(person).send(new GetAuthorizationTokenCommand({}));
  const authorization = `Basic ${authorizationData[0]?.authorizationToken}`;
  return (path: string) => berth.send("GET", path, { headers: { authorization } });
}

const send = <Input extends object>(person: Person, command: Input) =>
  berth.iam({ credentials: person }).send(command as never) as Promise<unknown>;
const refusal = (sent: Promise<unknown>) =>
  sent.then(
    () => "done",
    ({ name }) => name,
  );

describe("a repository that is made anew (S2)", () => {
  test("is not open to what its predecessor's policy allowed, nor to uploads that had begun", async () => {
    const name = await repository();
    const guest = await berth.crowd.user(account, "guest", allow([...toPush, "ecr:GetAuthorizationToken"]));
    const statement = { Effect: "Allow", Principal: { AWS: guest.principal.arn }, Action: toPull };
    await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: name, policyText: policyOf(statement) }));
    const pulls = await login(guest);
    const pull = async () => (await pulls(`/v2/${name}/manifests/1`)).status;
    expect(await pull()).toBe(200);
    const begun = await berth.ociAs(guest, "POST", `/v2/${name}/blobs/uploads/`);
    const upload = begun.headers.get("location") ?? "";
    await recreate(name);
    expect(await pull()).toBe(403);
    for (const [method, query] of [
      ["GET", ""],
      ["PATCH", ""],
      ["PUT", `?digest=${digestOf("x")}`],
      ["DELETE", ""],
    ] as const) {
      expect(
        (await berth.ociAs(guest, method, upload + query, { body: method === "GET" ? undefined : "x" })).status,
      ).toBe(404);
    }
  });
});

describe("layers of a repository that may not be read (S4)", () => {
  test("cannot be had by a manifest that names them, and are told from nothing by no answer", async () => {
    const [secret, mine] = [await repository(), await repository()];
    const pusher = await berth.crowd.user(account, "referrer", allow([...toPush, ...toPull], arnOf(mine)));
    const answers = [];
    for (const content of [`layer of ${secret}`, "a layer that nobody has"]) {
      const layer = { mediaType: mediaTypes.layer, digest: digestOf(content), size: content.length };
      const config = { mediaType: mediaTypes.config, digest: digestOf("{}"), size: 2 };
      const manifest = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] });
      const headers = { "content-type": mediaTypes.manifest };
      const put = await berth.ociAs(pusher, "PUT", `/v2/${mine}/manifests/stolen`, { headers, body: manifest });
      const told = (await put.text()).replaceAll(layer.digest, "DIGEST");
      const input = { repositoryName: mine, imageManifest: manifest };
      const api = await refusal(berth.ecrAs(pusher).send(new PutImageCommand(input)));
      // A whole blob that the server has already is taken as one that it has not, from who shows its bytes.
      const read = await berth.ociAs(pusher, "GET", `/v2/${mine}/blobs/${layer.digest}`);
      answers.push([put.status, told, api, read.status]);
    }
    expect(answers[0]?.[0]).toBe(404);
    expect(answers[0]?.[2]).toBe("LayersNotFoundException");
    expect(answers[1]).toEqual(answers[0]);
  });
});

describe("whoever leaves a group or loses a role (S8)", () => {
  test("loses what it gave, with the logins that were made before", async () => {
    const name = await repository();
    const [GroupName, UserName] = ["pullers", "leaver"];
    const root = { ...keyPair, principal: undefined as never };
    const user = await berth.crowd.user(account, UserName, allow("ecr:GetAuthorizationToken"));
    await send(root, new iam.CreateGroupCommand({ GroupName }));
    const PolicyDocument = policyOf({ Effect: "Allow", Action: toPull, Resource: "*" });
    await send(root, new iam.PutGroupPolicyCommand({ GroupName, PolicyName: "pull", PolicyDocument }));
    const pulls = await login(user);
    const pull = async () => (await pulls(`/v2/${name}/manifests/1`)).status;
    expect(await pull()).toBe(403);
    await send(root, new iam.AddUserToGroupCommand({ GroupName, UserName }));
    expect(await pull()).toBe(200);
    await send(root, new iam.RemoveUserFromGroupCommand({ GroupName, UserName }));
    expect(await pull()).toBe(403);
    await send(root, new iam.AddUserToGroupCommand({ GroupName, UserName }));
    expect(await pull()).toBe(200);
    await send(root, new iam.DeleteGroupPolicyCommand({ GroupName, PolicyName: "pull" }));
    expect(await pull()).toBe(403);
    const AccessKeyId = user.accessKeyId;
    await send(root, new iam.UpdateAccessKeyCommand({ UserName, AccessKeyId, Status: "Inactive" }));
    expect(await pull()).toBe(401);
  });
});

describe("what belongs to another account (S16)", () => {
  const UserName = "theirs";
  const [GroupName, PolicyName] = ["theirs", "theirs"];
  const PolicyArn = `arn:aws:iam::${account}:policy/${PolicyName}`;
  const userArn = `arn:aws:iam::${account}:user/${UserName}`;
  const OpenIDConnectProviderArn = `arn:aws:iam::${account}:oidc-provider/issuer.test`;
  let admin: Person;

  beforeAll(async () => {
    const root = { ...keyPair, principal: undefined as never };
    const PolicyDocument = policyOf({ Effect: "Allow", Action: "*", Resource: "*" });
    const Tags = [{ Key: "team", Value: "blue" }];
    await send(root, new iam.CreateUserCommand({ UserName, Tags }));
    await send(root, new iam.CreateGroupCommand({ GroupName }));
    await send(root, new iam.CreatePolicyCommand({ PolicyName, PolicyDocument }));
    await send(root, new iam.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument }));
    const provider = { Url: "https://issuer.test", ClientIDList: ["theirs"] };
    await send(root, new iam.CreateOpenIDConnectProviderCommand(provider));
    admin = await berth.crowd.user(other, "admin", allow("*"));
    await send(admin, new iam.CreateUserCommand({ UserName: "mine" }));
    await send(admin, new iam.CreateRoleCommand({ RoleName: "mine", AssumeRolePolicyDocument: trust() }));
  });

  const trust = () => policyOf({ Effect: "Allow", Principal: { AWS: other }, Action: "sts:AssumeRole" });

  test("is neither read, changed nor used by an administrator who names its ARN or id", async () => {
    const mine = { UserName: "mine" };
    const PolicyDocument = policyOf({ Effect: "Deny", Action: "*", Resource: "*" });
    const asked = { PolicySourceArn: userArn, ActionNames: ["ecr:PutImage"] };
    const owned = { AccessKeyId: keyPair.accessKeyId };
    const theirKey = (await berth.crowd.user(account, "has-a-key")).accessKeyId;
    const commands = [
      new iam.GetPolicyCommand({ PolicyArn }),
      new iam.GetPolicyVersionCommand({ PolicyArn, VersionId: "v1" }),
      new iam.ListPolicyVersionsCommand({ PolicyArn }),
      new iam.ListPolicyTagsCommand({ PolicyArn }),
      new iam.ListEntitiesForPolicyCommand({ PolicyArn }),
      new iam.CreatePolicyVersionCommand({ PolicyArn, PolicyDocument, SetAsDefault: true }),
      new iam.SetDefaultPolicyVersionCommand({ PolicyArn, VersionId: "v2" }),
      new iam.DeletePolicyVersionCommand({ PolicyArn, VersionId: "v2" }),
      new iam.DeletePolicyCommand({ PolicyArn }),
      new iam.TagPolicyCommand({ PolicyArn, Tags: [{ Key: "a", Value: "b" }] }),
      new iam.AttachUserPolicyCommand({ ...mine, PolicyArn }),
      new iam.AttachRolePolicyCommand({ RoleName: "mine", PolicyArn }),
      new iam.PutUserPermissionsBoundaryCommand({ ...mine, PermissionsBoundary: PolicyArn }),
      new iam.PutRolePermissionsBoundaryCommand({ RoleName: "mine", PermissionsBoundary: PolicyArn }),
      new iam.CreateUserCommand({ UserName: "bounded", PermissionsBoundary: PolicyArn }),
      new iam.SimulatePrincipalPolicyCommand(asked),
      new iam.GetContextKeysForPrincipalPolicyCommand({ PolicySourceArn: userArn }),
      new iam.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }),
      new iam.AddClientIDToOpenIDConnectProviderCommand({ OpenIDConnectProviderArn, ClientID: "mine" }),
      new iam.GetUserCommand({ UserName }),
      new iam.PutUserPolicyCommand({ UserName, PolicyName: "x", PolicyDocument }),
      new iam.CreateAccessKeyCommand({ UserName }),
      new iam.AddUserToGroupCommand({ GroupName, UserName: "mine" }),
      new iam.GetAccessKeyLastUsedCommand(owned),
      new iam.GetAccessKeyLastUsedCommand({ AccessKeyId: theirKey }),
      new iam.DeleteAccessKeyCommand({ ...mine, AccessKeyId: theirKey }),
      new iam.UpdateAccessKeyCommand({ ...mine, AccessKeyId: theirKey, Status: "Inactive" }),
    ];
    for (const command of commands) {
      const name = await refusal(send(admin, command));
      expect([command.constructor.name, name]).toEqual([
        command.constructor.name,
        expect.stringMatching(/^(?:NoSuchEntity|InvalidInput)Exception$/),
      ]);
    }
    // It answers well for what is not there; what is there stays.
    await send(admin, new iam.DeleteOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }));
    await berth.iam().send(new iam.GetOpenIDConnectProviderCommand({ OpenIDConnectProviderArn }));
    const sts = berth.sts({ credentials: admin });
    const federation = { Name: "someone", PolicyArns: [{ arn: PolicyArn }] };
    expect(await refusal(sts.send(new GetFederationTokenCommand(federation)))).toBe("ValidationError");
  });

  test("shows its tags to no policy that was written to ask for them", async () => {
    const blue = { StringEquals: { "aws:ResourceTag/team": "blue" } };
    const asker = await berth.crowd.user(other, "asker", allow("iam:*", "*", blue));
    const ask = (PolicySourceArn: string) =>
      refusal(send(asker, new iam.SimulatePrincipalPolicyCommand({ PolicySourceArn, ActionNames: ["ecr:PutImage"] })));
    expect(await ask(userArn)).toBe(await ask(`arn:aws:iam::${account}:user/nobody`));
  });

  test("is not reached by an upload's id or a repository's name of another account", async () => {
    const name = await repository();
    const begun = await berth.oci("POST", `/v2/${name}/blobs/uploads/`);
    const uploadId = (begun.headers.get("location") ?? "").slice(-36);
    const ecr = berth.ecrAs(admin);
    await ecr.send(new CreateRepositoryCommand({ repositoryName: name }));
    const layerPartBlob = new TextEncoder().encode("x");
    const part = { repositoryName: name, uploadId, partFirstByte: 0, partLastByte: 0, layerPartBlob };
    expect(await refusal(ecr.send(new UploadLayerPartCommand(part)))).toBe("UploadNotFoundException");
    expect(await refusal(ecr.send(new UploadLayerPartCommand({ ...part, registryId: account })))).toBe(
      "AccessDeniedException",
    );
    const { images } = await ecr.send(
      new BatchGetImageCommand({ repositoryName: name, imageIds: [{ imageTag: "1" }] }),
    );
    expect(images).toEqual([]);
  });
});

describe("a federated user", () => {
  test("stays within its session's policy where a repository lets in its user by aws:PrincipalArn", async () => {
    const name = await repository();
    const user = await berth.crowd.user(account, "federating", allow("sts:GetFederationToken"));
    const policyText = policyOf({
      Effect: "Allow",
      Principal: "*",
      Action: toPull,
      Condition: { ArnEquals: { "aws:PrincipalArn": user.principal.arn } },
    });
    await berth.ecr().send(new SetRepositoryPolicyCommand({ repositoryName: name, policyText }));
    const Policy = policyOf({ Effect: "Allow", Action: "ecr:ListImages", Resource: "*" });
    const made = await berth
      .sts({ credentials: user })
      .send(new GetFederationTokenCommand({ Name: "narrowed", Policy }));
    const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = made.Credentials ?? {};
    const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
    const input = { repositoryName: name, imageIds: [{ imageTag: "1" }] };
    const pull = (ecr: ReturnType<InProcess["ecr"]>) => refusal(ecr.send(new BatchGetImageCommand(input)));
    expect(await pull(berth.ecrAs(user))).toBe("done");
    expect(await pull(berth.ecr({ credentials }))).toBe("AccessDeniedException");
  });
});

describe("a session of a long-term key", () => {
  test("cannot make itself permanent: it does not reach IAM", async () => {
    const user = await berth.crowd.user(account, "temporary", allow("*"));
    const sts = berth.sts({ credentials: user });
    const Policy = policyOf({ Effect: "Allow", Action: "*", Resource: "*" });
    const root = berth.sts();
    for (const { Credentials } of [
      await sts.send(new GetSessionTokenCommand({})),
      await root.send(new GetSessionTokenCommand({})),
      await sts.send(new GetFederationTokenCommand({ Name: "permanent", Policy })),
    ]) {
      const { AccessKeyId = "", SecretAccessKey = "", SessionToken = "" } = Credentials ?? {};
      const credentials = { accessKeyId: AccessKeyId, secretAccessKey: SecretAccessKey, sessionToken: SessionToken };
      const make = new iam.CreateAccessKeyCommand({ UserName: "temporary" });
      expect(await refusal(berth.iam({ credentials }).send(make))).toBe("AccessDenied");
      expect(await refusal(berth.ecr({ credentials }).send(new GetAuthorizationTokenCommand({})))).toBe("done");
    }
    expect(await refusal(send(user, new iam.CreateAccessKeyCommand({ UserName: "temporary" })))).toBe("done");
  });
});

describe("signing in", () => {
  test("opens to no default credentials (S17)", async () => {
    const users = ["", "admin", "root", "AWS", "berth", account, "AKIAIOSFODNN7EXAMPLE", keyPair.accessKeyId];
    const passwords = ["", "admin", "password", "berth", "root", account, "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"];
    for (const user of users) {
      for (const password of passwords) {
        const authorization = basic(user, password);
        expect((await berth.send("GET", "/v2/", { headers: { authorization } })).status).toBe(401);
      }
    }
  });

  test("asks the database about nothing that cannot be a key's id, and remembers none of it", async () => {
    // Whether the configured account is active is known from here on.
    await berth.oci("GET", "/v2/");
    const before = berth.queries;
    for (const user of ["x".repeat(20_000), "AKIA\0", "AKIA KEY", "é".repeat(16)]) {
      const authorization = `Basic ${Buffer.from(`${user}:password`).toString("base64")}`;
      expect((await berth.send("GET", "/v2/", { headers: { authorization } })).status).toBe(401);
    }
    expect(berth.queries - before).toBe(0);
  });
});

test("the public listener has no internal interface (S18)", async () => {
  const log = createLog({ level: "error", format: "json", write: () => {} });
  const metrics = createMetrics(() => 0);
  const ready = () => Promise.reject(new Error("postgres://berth:secret@database.internal/berth is gone"));
  const listen = { host: "127.0.0.1", port: 0 };
  const server = startServer({ listen, ready, log, observe: metrics.observe });
  server.serve(berth.surfaces);
  try {
    for (const path of [
      "/metrics",
      "/debug",
      "/debug/pprof",
      "/worker",
      "/workers",
      "/internal",
      "/admin",
      "/v1/metrics",
    ]) {
      for (const method of ["GET", "POST", "PUT"]) {
        const answer = await fetch(server.url + path, { method });
        expect([path, method, answer.status]).toEqual([path, method, 404]);
        expect(await answer.json()).toEqual({ message: "There is nothing here" });
      }
    }
    expect(await (await fetch(`${server.url}/healthz`)).json()).toEqual({ status: "ok" });
    const readiness = await fetch(`${server.url}/readyz`);
    expect([readiness.status, await readiness.json()]).toEqual([503, { status: "unavailable", reason: "Error" }]);
  } finally {
    await server.stop(0);
  }
});
