import { afterEach, beforeEach, expect, test } from "bun:test";
import { compilePolicy } from "../../policy/compile.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import type { Need } from "../access.ts";
import { type Digest, type Registry, type RepositoryName, repositoryArn, type Tag } from "../names.ts";
import { createImageFacts, factsOfPush } from "./image-facts.ts";
import type { Metadata, Repository } from "./ports.ts";
import { createRegistryResources } from "./resource-policies.ts";

const registry = { account: "000000000000", region: "us-east-1" } as Registry;
const name = "team/app" as RepositoryName;
const policy = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" },
});
const registryPolicy = policy.replace('"Principal"', '"Resource":"*","Principal"');
const digest = `sha256:${"a".repeat(64)}` as Digest;
const other = `sha256:${"b".repeat(64)}` as Digest;

let metadata: Metadata;
let asked: string[];
beforeEach(async () => {
  asked = [];
  metadata = await openSqlite({ path: ":memory:" });
});
afterEach(() => metadata.close());

/** Over a database that notes what it is asked. */
function resourcesOver(attestations?: Parameters<typeof createImageFacts>[1]) {
  const noting = <Noun extends object>(of: string, noun: Noun) =>
    new Proxy(noun, {
      get(target, member) {
        asked.push(`${of}.${String(member)}`);
        return Reflect.get(target, member);
      },
    });
  const { repositories, registryPolicies, settings } = metadata.read;
  const read = {
    ...metadata.read,
    repositories: noting("repositories", repositories),
    registryPolicies: noting("registryPolicies", registryPolicies),
    settings: noting("settings", settings),
  };
  const imageFacts = createImageFacts(metadata.read, attestations);
  return createRegistryResources({ metadata: { read }, imageFacts, compile: compilePolicy });
}

async function create(settings: { policy?: string } = {}, tags = new Map<string, string>()): Promise<Repository> {
  const made = await metadata.transact(({ repositories }) =>
    repositories.create(
      {
        registry,
        name,
        tagMutability: "MUTABLE",
        exclusionFilters: [],
        scanOnPush: false,
        createdAt: new Date(),
        encryption: { type: "AES256" },
        policyBindings: settings.policy === undefined ? undefined : new Map(),
        ...settings,
      },
      tags,
    ),
  );
  if (!made) throw new Error("it is there already");
  return made;
}

const need = (more: Partial<Need> = {}): Need => ({
  action: "ecr:BatchGetImage",
  resource: repositoryArn(registry, name),
  ...more,
});
const kinds = async (resources: ReturnType<typeof resourcesOver>, asks = need()) =>
  (await resources.of(registry, asks)).resource.map(({ source }) => source.kind);

test("a repository has its policy, the registry's, and its tags", async () => {
  await create({ policy }, new Map([["Team", "blue"]]));
  await metadata.transact(({ registryPolicies }) =>
    registryPolicies.put(registry, { policy: registryPolicy, bindings: new Map() }),
  );
  const resources = resourcesOver();
  expect(await kinds(resources)).toEqual(["repository", "registry"]);
  expect((await resources.of(registry, need())).facts).toEqual({
    "aws:resourcetag/team": "blue",
    "ecr:resourcetag/team": "blue",
  });
  expect(await kinds(resources, need({ resource: repositoryArn(registry, "*") }))).toEqual(["registry"]);
  expect(await kinds(resources, need({ action: "ecr:DescribeRegistry", resource: "*" }))).toEqual(["registry"]);
  expect(await kinds(resources, need({ action: "ecr:GetAuthorizationToken", resource: "*" }))).toEqual([]);
});

test("what does not exist costs the same, has no facts, and an incarnation like any other", async () => {
  const questions = async () => {
    asked = [];
    const found = await resourcesOver().of(registry, need());
    return { asked: [...asked].sort(), found };
  };
  const before = await questions();
  expect(before.found).toMatchObject({ resource: [], facts: {} });
  const absent = await resourcesOver().incarnation(registry, name);
  await create({ policy }, new Map([["team", "blue"]]));
  const after = await questions();
  expect(after.asked).toEqual(before.asked);
  const present = await resourcesOver().incarnation(registry, name);
  expect(present).not.toBe(absent);
  expect(present.length).toBe(absent.length);
});

test("what is known is known for half a second, or until it is forgotten", async () => {
  const repository = await create();
  const resources = resourcesOver();
  expect(await kinds(resources)).toEqual([]);
  await metadata.transact(({ repositories }) =>
    repositories.update(repository.id, { ...repository, policy, policyBindings: new Map() }),
  );
  expect(await kinds(resources)).toEqual([]);
  resources.forget(registry, name);
  expect(await kinds(resources)).toEqual(["repository"]);
  await metadata.transact(({ repositories }) => repositories.delete(repository.id));
  await Bun.sleep(550);
  expect(await kinds(resources)).toEqual([]);
});

test("in scope V1 the registry policy speaks of its first three actions only", async () => {
  await create();
  await metadata.transact(async ({ registryPolicies, settings }) => {
    await registryPolicies.put(registry, { policy: registryPolicy, bindings: new Map() });
    await settings.set(registry, "REGISTRY_POLICY_SCOPE", "V1");
  });
  const resources = resourcesOver();
  expect(await kinds(resources)).toEqual([]);
  for (const action of ["ecr:CreateRepository", "ecr:ReplicateImage", "ecr:BatchImportUpstreamImage"] as const) {
    expect(await kinds(resources, need({ action }))).toEqual(["registry"]);
  }
});

test("supposing another policy, it is decided from that one", async () => {
  await create();
  const stored = { policy, bindings: new Map() };
  const supposed = resourcesOver().supposing({ repository: stored });
  expect((await supposed.of(registry, need())).resource).toHaveLength(1);
});

test("an image has its tag or all its tags, and what others have found out", async () => {
  const { id } = await create();
  await metadata.transact(async ({ images, tags }) => {
    const image = await images.put({
      repositoryId: id,
      digest,
      mediaType: "application/vnd.oci.image.manifest.v1+json",
      artifactType: "application/vnd.test",
      manifestBytes: 2,
      imageBytes: 2,
      manifest: new TextEncoder().encode("{}"),
      layers: [],
      children: [],
      pushedAt: new Date(),
    });
    for (const tag of ["one", "two"]) await tags.set(id, tag as Tag, { id: image.id, digest }, new Date());
  });
  const resources = resourcesOver(async () => ({ "berth:signedby": "release" }));
  const factsOf = async (image: object, pushed?: object) => {
    const found = await resources.of(registry, need({ image: { repository: name, ...image } }));
    return JSON.parse(JSON.stringify(await found.imageFacts?.(pushed as never)));
  };
  const known = {
    "berth:signedby": "release",
    "berth:imagedigest": digest,
    "berth:artifacttype": "application/vnd.test",
  };
  expect(await factsOf({ tag: "one" })).toEqual({ ...known, "berth:imagetag": ["one"] });
  expect(await factsOf({ digest })).toEqual({ ...known, "berth:imagetag": ["one", "two"] });
  expect(await factsOf({ tag: "three" })).toEqual({ "berth:imagetag": "three" });
  expect(await factsOf({ digest: other })).toEqual({ "berth:imagedigest": other });
  for (const [tag, pushed, overwrites] of [
    ["one", digest, "false"],
    ["one", other, "true"],
    ["three", other, "false"],
    [undefined, other, "false"],
  ] as const) {
    const facts = await factsOf({ tag }, factsOfPush({ digest: pushed, artifactType: undefined }));
    expect(facts).toMatchObject({ "berth:imagedigest": pushed, "berth:overwritestag": overwrites });
  }
});
