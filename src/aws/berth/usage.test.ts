import { afterAll, beforeAll, expect, test } from "bun:test";
import { CreateRepositoryCommand, SetRepositoryPolicyCommand } from "@aws-sdk/client-ecr";
import { CreateAccessKeyCommand, CreateUserCommand, PutUserPolicyCommand } from "@aws-sdk/client-iam";
import { measureUsage } from "../../domain/registry/usage-walk.ts";
import { signDraft, toRequest } from "../test-signer.ts";
import { account, configOf, inProcess, manifestOf, root } from "../testing.ts";

type World = Awaited<ReturnType<typeof inProcess>>;
let world: World;

async function ask(operation: string, input: object, key = root) {
  const headers = {
    host: "api.test:5080",
    "content-type": "application/x-amz-json-1.1",
    "x-amz-target": `Berth_V1.${operation}`,
  };
  const draft = { method: "POST", path: "/", query: {}, headers, body: JSON.stringify(input) };
  const signed = await signDraft(draft, { service: "berth", key, signingDate: world.now() });
  const { status, text } = await world.send(toRequest(signed));
  return { status, ...JSON.parse(text) };
}

const dayMs = 86_400_000;
const later = (days: number) => new Date(world.now().getTime() + days * dayMs);
const measure = (clock = world.now) =>
  measureUsage({ metadata: world.metadata, clock, retentionMs: 0 }, { keep: async () => {} });

const shared = "shared-by-both";
const lone = "only-here";
const bytesOf = (seed: string) => configOf(seed).length + seed.length;

beforeAll(async () => {
  world = await inProcess();
  for (const repositoryName of ["one", "two", "none"]) {
    await world.ecr.send(new CreateRepositoryCommand({ repositoryName }));
  }
  await world.pushImage("one", shared, "v1");
  await world.pushImage("one", lone);
  await world.pushImage("two", shared, "v1");
});
afterAll(async () => {
  expect(world.problems).toEqual([]);
  await world.close();
});

test("a repository is counted at once, before anything was measured", async () => {
  expect(await ask("GetRepositoryUsage", { repositoryName: "one" })).toEqual({
    status: 200,
    registryId: account,
    repositoryName: "one",
    accuracy: "EXACT",
    measuredAt: expect.any(Number),
    usage: {
      imageCount: 2,
      taggedImageCount: 1,
      untaggedImageCount: 1,
      archivedImageCount: 0,
      layerCount: 4,
      layerBytes: bytesOf(shared) + bytesOf(lone),
      uniqueBytes: bytesOf(lone),
      sharedBytes: bytesOf(shared),
      archivedBytes: 0,
      manifestBytes: manifestOf(shared).length + manifestOf(lone).length,
      archivedManifestBytes: 0,
      waitingBytes: 0,
    },
  });
  expect(await ask("ListUsage", {})).toEqual({ status: 200, registryId: account, repositories: [] });
  expect(await ask("GetUsageHistory", { repositoryName: "one" })).toMatchObject({ status: 200, days: [] });
});

test("what was measured is listed by size, in pages, with the registry's totals, and told day by day", async () => {
  await measure();
  const first = await ask("ListUsage", { maxResults: 2 });
  const names = ({ repositories }: { repositories: { repositoryName: string }[] }) =>
    repositories.map(({ repositoryName }) => repositoryName);
  expect(names(first)).toEqual(["one", "two"]);
  expect(first.registry).toMatchObject({
    repositoryCount: 3,
    imageCount: 3,
    layerCount: 4,
    layerBytes: bytesOf(shared) + bytesOf(lone),
    logicalBytes: 2 * bytesOf(shared) + bytesOf(lone),
  });
  expect(first.account).toEqual(first.registry);
  const second = await ask("ListUsage", { maxResults: 2, nextToken: first.nextToken });
  expect(names(second)).toEqual(["none"]);
  expect(second.nextToken).toBeUndefined();

  const day = world.now().toISOString().slice(0, 10);
  await measure(() => later(1));
  const history = await ask("GetUsageHistory", { repositoryName: "two", maxResults: 1 });
  expect(history.days).toMatchObject([{ day: later(1).toISOString().slice(0, 10), imageCount: 1 }]);
  const older = await ask("GetUsageHistory", { repositoryName: "two", maxResults: 1, nextToken: history.nextToken });
  expect(older.days).toMatchObject([{ day, layerBytes: bytesOf(shared), uniqueBytes: 0 }]);
  expect((await ask("GetUsageHistory", {})).days).toMatchObject([{ repositoryCount: 3 }, { repositoryCount: 3 }]);
});

test.each<[operation: string, input: object, type: string, message: string]>([
  ["GetRepositoryUsage", { repositoryName: "gone" }, "RepositoryNotFoundException", "'gone' does not exist"],
  ["GetUsageHistory", { repositoryName: "gone" }, "RepositoryNotFoundException", "'gone' does not exist"],
  ["GetRepositoryUsage", {}, "ValidationException", "'repositoryName'"],
  ["GetRepositoryUsage", { repositoryName: "../x" }, "ValidationException", "'repositoryName'"],
  ["ListUsage", { maxResults: 0 }, "ValidationException", "greater than or equal to 1"],
  ["ListUsage", { nextToken: "x" }, "ValidationException", "Invalid next token provided"],
  ["GetUsageHistory", { nextToken: "x" }, "ValidationException", "Invalid next token provided"],
])("%s refuses %j", async (operation, input, type, message) => {
  expect(await ask(operation, input)).toMatchObject({
    status: 400,
    __type: type,
    message: expect.stringContaining(message),
  });
});

test("a repository that keeps its reader out is not in the list", async () => {
  await world.iam.send(new CreateUserCommand({ UserName: "ann" }));
  const statement = { Effect: "Allow", Action: "berth:ListUsage", Resource: "*" };
  const PolicyDocument = JSON.stringify({ Version: "2012-10-17", Statement: [statement] });
  await world.iam.send(new PutUserPolicyCommand({ UserName: "ann", PolicyName: "p", PolicyDocument }));
  const { AccessKey } = await world.iam.send(new CreateAccessKeyCommand({ UserName: "ann" }));
  const key = { ...root, accessKeyId: AccessKey?.AccessKeyId ?? "", secret: AccessKey?.SecretAccessKey ?? "" };
  const names = async () =>
    (await ask("ListUsage", {}, key)).repositories.map((each: { repositoryName: string }) => each.repositoryName);
  expect(await names()).toEqual(["one", "two", "none"]);
  const deny = { Effect: "Deny", Principal: "*", Action: "*" };
  const policyText = JSON.stringify({ Version: "2012-10-17", Statement: [deny] });
  await world.ecr.send(new SetRepositoryPolicyCommand({ repositoryName: "two", policyText, force: true }));
  world.pass(1);
  expect(await names()).toEqual(["one", "none"]);
  expect(await ask("GetRepositoryUsage", { repositoryName: "one" }, key)).toMatchObject({
    __type: "AccessDeniedException",
  });
});
