import { afterAll, beforeAll, expect, test } from "bun:test";
import { CreatePullThroughCacheRuleCommand, UpdatePullThroughCacheRuleCommand } from "@aws-sdk/client-ecr";
import {
  CreateSecretCommand,
  DeleteSecretCommand,
  GetSecretValueCommand,
  PutSecretValueCommand,
  SecretsManagerClient,
} from "@aws-sdk/client-secrets-manager";
import type { RemoteTarget } from "../src/domain/registry/remote-registry.ts";
import { account, type InProcess, inProcess, region } from "./support/berth.ts";
import { allow } from "./support/people.ts";

/** What secrets hold is for those who may read it: not in the database, not in the trail, not for another rule's upstream. */

let berth: InProcess;
const opened: RemoteTarget[] = [];
beforeAll(async () => {
  berth = await inProcess({
    upstreams: {
      further: [{ pattern: "*.example.com", kind: "oci" }],
      private: [],
      insecure: [],
      mirrors: [
        { host: "ghcr.io", origin: "https://mirror.example.com" },
        { host: "quay.io", origin: "https://mirror.example.com", credentials: { user: "mirror", password: "own" } },
      ],
    },
    openRemote(target) {
      opened.push(target);
      return { name: target.origin } as never;
    },
  });
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
});

const secrets = (overrides?: object) => berth.client(SecretsManagerClient, overrides);
const credentials = (username: string) => JSON.stringify({ username, accessToken: "t0p-s3cret-value" });
const registry = { account, region };

async function newSecret(name: string, SecretString = credentials("me")): Promise<string> {
  const { ARN = "" } = await secrets().send(
    new CreateSecretCommand({ Name: `ecr-pullthroughcache/${name}`, SecretString }),
  );
  return ARN;
}

const createRule = (input: object, ecr = berth.ecr()) =>
  ecr.send(
    new CreatePullThroughCacheRuleCommand({
      ecrRepositoryPrefix: "hub",
      upstreamRegistryUrl: "registry-1.docker.io",
      ...input,
    }),
  );

/** With which user and password the upstream of a rule would be asked now. */
async function credentialsFor(prefix: string) {
  const rule = await berth.stores.metadata.read.pullThroughRules.find(registry, prefix);
  if (!rule) throw new Error(`there is no rule ${prefix}`);
  await berth.upstreams.open(rule);
  return await opened.at(-1)?.credentials?.read({ again: false });
}

test("no value is in the database or in the trail, and its name is", async () => {
  const ARN = await newSecret("kept");
  await secrets().send(new GetSecretValueCommand({ SecretId: ARN }));
  await secrets().send(new PutSecretValueCommand({ SecretId: ARN, SecretString: credentials("you") }));
  const { secrets: rows } = berth.stores.metadata.read;
  const [secret] = await rows.list(registry);
  const versions = (await rows.versions([secret?.id ?? 0])).get(secret?.id ?? 0) ?? [];
  expect(versions).toHaveLength(2);
  for (const { id } of versions) {
    const version = await rows.version(secret?.id ?? 0, id);
    expect(Buffer.from(version?.sealed ?? []).includes("t0p-s3cret-value")).toBe(false);
  }
  const records = await berth.records();
  expect(JSON.stringify(records)).not.toContain("t0p-s3cret-value");
  const created = records.find(({ eventName }) => eventName === "CreateSecret");
  expect(created?.requestParameters).toMatchObject({
    name: "ecr-pullthroughcache/kept",
    secretString: "HIDDEN_DUE_TO_SECURITY_REASONS",
  });
  const read = records.find(({ eventName }) => eventName === "GetSecretValue");
  expect(read?.requestParameters.secretId).toBe(ARN);
});

test.each([
  ["a character that no text has", "t0p-s3cret-value\0"],
  ["more bytes than a value may have", "t0p-s3cret-value".repeat(5000)],
])("a value that is refused for %s is neither in the answer nor in the trail", async (_what, SecretString) => {
  const ARN = await newSecret(`refused-${crypto.randomUUID()}`);
  const refused = { name: "InvalidParameterException", message: expect.not.stringContaining("t0p-s3cret-value") };
  for (const command of [
    new CreateSecretCommand({ Name: "refused", SecretString }),
    new PutSecretValueCommand({ SecretId: ARN, SecretString }),
  ])
    await expect(secrets().send(command as PutSecretValueCommand)).rejects.toMatchObject(refused);
  const records = await berth.records();
  expect(records.filter(({ errorMessage }) => errorMessage?.includes("secretString"))).not.toEqual([]);
  expect(JSON.stringify(records)).not.toContain("t0p-s3cret-value");
});

test("a sealed value opens for its own secret and version alone", async () => {
  const [one, other] = [await newSecret("one"), await newSecret("other", credentials("other"))];
  const { metadata } = berth.stores;
  const find = async (name: string) => {
    const secret = await metadata.read.secrets.find(registry, `ecr-pullthroughcache/${name}`);
    const id = secret?.id ?? 0;
    const version = (await metadata.read.secrets.versions([id])).get(id)?.[0]?.id ?? "";
    return { id, version, sealed: await metadata.read.secrets.version(id, version) };
  };
  const [from, to] = [await find("one"), await find("other")];
  await metadata.transact(async (nouns) => {
    await nouns.secrets.removeVersion(to.id, to.version);
    if (from.sealed) await nouns.secrets.addVersion(to.id, { ...from.sealed, id: to.version });
  });
  expect((await secrets().send(new GetSecretValueCommand({ SecretId: one }))).SecretString).toBe(credentials("me"));
  await expect(secrets().send(new GetSecretValueCommand({ SecretId: other }))).rejects.toMatchObject({
    name: "DecryptionFailure",
  });
  await expect(createRule({ credentialArn: other })).rejects.toMatchObject({
    name: "UnableToDecryptSecretValueException",
  });
});

test("another account reaches no secret, whatever its policies say", async () => {
  const ARN = await newSecret("mine");
  const stranger = await berth.crowd.user("210987654321", "stranger", allow("*"));
  await expect(
    secrets({ credentials: stranger }).send(new GetSecretValueCommand({ SecretId: ARN })),
  ).rejects.toMatchObject({ name: "AccessDeniedException" });
});

test("a rule asks with what its secret says at the moment", async () => {
  const credentialArn = await newSecret("hub", credentials("before"));
  await createRule({ credentialArn });
  expect(await credentialsFor("hub")).toEqual({ user: "before", password: "t0p-s3cret-value" });
  await secrets().send(new PutSecretValueCommand({ SecretId: credentialArn, SecretString: credentials("after") }));
  expect(await credentialsFor("hub")).toMatchObject({ user: "after" });

  // And asks for nothing without it.
  await secrets().send(new DeleteSecretCommand({ SecretId: credentialArn }));
  await expect(credentialsFor("hub")).rejects.toMatchObject({ name: "RemoteFailure", problem: "denied" });
  await secrets().send(new DeleteSecretCommand({ SecretId: credentialArn, ForceDeleteWithoutRecovery: true }));
  await expect(credentialsFor("hub")).rejects.toMatchObject({ name: "RemoteFailure", problem: "denied" });
});

test("a mirror has its own credentials, and never those of a rule", async () => {
  const credentialArn = await newSecret("mirrored");
  await createRule({ ecrRepositoryPrefix: "gh", upstreamRegistryUrl: "ghcr.io", credentialArn });
  await createRule({ ecrRepositoryPrefix: "quay", upstreamRegistryUrl: "quay.io", credentialArn });
  expect(await credentialsFor("gh")).toBeUndefined();
  expect(await credentialsFor("quay")).toEqual({ user: "mirror", password: "own" });
  expect(opened.at(-1)?.origin).toBe("https://mirror.example.com");
});

test.each([
  ["no JSON", "t0p"],
  ["no object", '"t0p"'],
  ["no user", '{"accessToken":"t0p"}'],
  ["no token", '{"username":"me"}'],
  ["a line break", '{"username":"me","accessToken":"a\\nb"}'],
  ["a user that ends early", '{"username":"me:you","accessToken":"a"}'],
])("a secret with %s is of no use to a rule", async (_what, value) => {
  const credentialArn = await newSecret(`bad-${crypto.randomUUID()}`, value);
  await expect(createRule({ ecrRepositoryPrefix: "bad", credentialArn })).rejects.toMatchObject({
    name: "UnableToAccessSecretException",
    message: expect.not.stringContaining("t0p"),
  });
});

test("a secret of another region is of no use to a rule", async () => {
  const elsewhere = await secrets({ region: "eu-west-1" }).send(
    new CreateSecretCommand({ Name: "ecr-pullthroughcache/elsewhere", SecretString: credentials("me") }),
  );
  await expect(createRule({ ecrRepositoryPrefix: "bad", credentialArn: elsewhere.ARN })).rejects.toMatchObject({
    name: "UnableToAccessSecretException",
  });
});

test("a secret of another region is asked for there alone", async () => {
  const there = secrets({ region: "eu-west-1" });
  const { ARN } = await there.send(new CreateSecretCommand({ Name: "far", SecretString: "t0p" }));
  const here = { StringEquals: { "aws:RequestedRegion": region } };
  const person = await berth.crowd.user(account, "at-home", allow("secretsmanager:*", "*", here));
  for (const client of [secrets(), secrets({ credentials: person })]) {
    await expect(client.send(new GetSecretValueCommand({ SecretId: ARN }))).rejects.toMatchObject({
      name: "InvalidParameterException",
      message: "Invalid arn eu-west-1",
    });
  }
  expect((await there.send(new GetSecretValueCommand({ SecretId: ARN }))).SecretString).toBe("t0p");
});

test("who may not read a secret cannot have it sent to a host that could be their own", async () => {
  const credentialArn = await newSecret("guarded");
  const person = await berth.crowd.user(account, "rules-only", allow("ecr:*"));
  const ecr = berth.ecrAs(person);
  const denied = {
    name: "AccessDeniedException",
    message: expect.stringContaining(`secretsmanager:GetSecretValue on resource: ${credentialArn}`),
  };
  for (const upstreamRegistryUrl of [
    "evil.example.com",
    "evilevil.azurecr.io",
    "210987654321.dkr.ecr.us-east-1.amazonaws.com",
  ]) {
    const input = { ecrRepositoryPrefix: "evil", upstreamRegistryUrl };
    await expect(createRule({ ...input, credentialArn }, ecr)).rejects.toMatchObject(denied);
  }
  await createRule({ ecrRepositoryPrefix: "evil", upstreamRegistryUrl: "evil.example.com" }, ecr);
  await expect(
    ecr.send(new UpdatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "evil", credentialArn })),
  ).rejects.toMatchObject(denied);
  // What ECR's own upstreams are sent, is sent to nobody else.
  await createRule({ ecrRepositoryPrefix: "good", credentialArn }, ecr);
  expect(await credentialsFor("evil")).toBeUndefined();
});

test("a policy that denies a secret by its id keeps it from hosts that could be anybody's", async () => {
  const credentialArn = await newSecret("denied-by-id");
  const mayNot = {
    Version: "2012-10-17",
    Statement: {
      Effect: "Deny",
      Action: "secretsmanager:GetSecretValue",
      Resource: "*",
      Condition: { StringEquals: { "secretsmanager:SecretId": credentialArn } },
    },
  };
  const person = await berth.crowd.user(account, "denied-by-id", allow("*"), mayNot);
  const input = { ecrRepositoryPrefix: "denied", upstreamRegistryUrl: "evil.example.com", credentialArn };
  await expect(createRule(input, berth.ecrAs(person))).rejects.toMatchObject({ name: "AccessDeniedException" });
});
