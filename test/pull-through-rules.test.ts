import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  CreatePullThroughCacheRuleCommand,
  DeletePullThroughCacheRuleCommand,
  DescribePullThroughCacheRulesCommand,
  UpdatePullThroughCacheRuleCommand,
  ValidatePullThroughCacheRuleCommand,
} from "@aws-sdk/client-ecr";
import type { AccountId, Region, Registry, RepositoryName } from "../src/domain/names.ts";
import { RemoteFailure, type RemoteTarget } from "../src/domain/registry/remote-registry.ts";
import { account, type InProcess, inProcess, region } from "./support/berth.ts";
import { askOwn } from "./support/own-api.ts";

/** Pull through cache rules as the SDK makes them; what caches do with them is tested beside them. */

let berth: InProcess;
/** Every way to an upstream that was opened, and what the next ping comes to. */
const opened: RemoteTarget[] = [];
let ping: (target: RemoteTarget) => Promise<void> = async () => {};

beforeAll(async () => {
  berth = await inProcess({
    upstreams: {
      further: [{ pattern: "registry.example.com:5000", kind: "oci" }],
      private: [],
      insecure: [],
      mirrors: [],
    },
    openRemote(target) {
      opened.push(target);
      return { name: target.origin, ping: () => ping(target) } as never;
    },
  });
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
});

const create = (input: object) =>
  berth.ecr().send(
    new CreatePullThroughCacheRuleCommand({
      ecrRepositoryPrefix: "quay",
      upstreamRegistryUrl: "quay.io",
      ...input,
    }),
  );
const describe = (input: object = {}) => berth.ecr().send(new DescribePullThroughCacheRulesCommand(input));
const remove = (ecrRepositoryPrefix: string) =>
  berth.ecr().send(new DeletePullThroughCacheRuleCommand({ ecrRepositoryPrefix }));
const validate = (ecrRepositoryPrefix: string) =>
  berth.ecr().send(new ValidatePullThroughCacheRuleCommand({ ecrRepositoryPrefix }));

test("a rule from its making to its end", async () => {
  const { $metadata: _, ...made } = await create({});
  expect(made).toEqual({
    ecrRepositoryPrefix: "quay",
    upstreamRegistryUrl: "quay.io",
    upstreamRegistry: "quay",
    registryId: account,
    createdAt: expect.any(Date),
  });
  expect((await describe()).pullThroughCacheRules).toEqual([{ ...made, updatedAt: made.createdAt }]);
  // ECR implies the slash.
  expect((await describe({ ecrRepositoryPrefixes: ["quay/"] })).pullThroughCacheRules).toHaveLength(1);

  await expect(create({})).rejects.toMatchObject({ name: "PullThroughCacheRuleAlreadyExistsException" });
  await expect(create({ ecrRepositoryPrefix: "quay/" })).rejects.toThrow(
    `The pull through cache rule with the prefix 'quay' already exists in the registry with id '${account}'`,
  );
  expect(await validate("quay")).toMatchObject({ isValid: true });

  const gone = await remove("quay");
  expect(gone).toMatchObject({ ecrRepositoryPrefix: "quay", upstreamRegistryUrl: "quay.io" });
  for (const again of [
    () => remove("quay"),
    () => describe({ ecrRepositoryPrefixes: ["quay"] }),
    () => validate("quay"),
    () => berth.ecr().send(new UpdatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "quay" })),
  ]) {
    await expect(again()).rejects.toMatchObject({ name: "PullThroughCacheRuleNotFoundException" });
  }
});

test.each([
  [{ upstreamRegistryUrl: "registry.example.org" }, "UnsupportedUpstreamRegistryException"],
  [{ upstreamRegistryUrl: "http://quay.io" }, "UnsupportedUpstreamRegistryException"],
  [{ upstreamRegistryUrl: "169.254.169.254" }, "UnsupportedUpstreamRegistryException"],
  [{ upstreamRegistry: "k8s" }, "UnsupportedUpstreamRegistryException"],
  [{ upstreamRegistry: "oci" }, "InvalidParameterException"],
  [{ upstreamRegistryUrl: "registry-1.docker.io" }, "ValidationException"],
  [{ ecrRepositoryPrefix: "ROOT", upstreamRepositoryPrefix: "team" }, "ValidationException"],
  [{ ecrRepositoryPrefix: "a" }, "InvalidParameterException"],
  [{ ecrRepositoryPrefix: "Quay" }, "InvalidParameterException"],
  [{ ecrRepositoryPrefix: "a".repeat(31) }, "InvalidParameterException"],
  [
    { credentialArn: "arn:aws:secretsmanager:us-east-1:000000000000:secret:other-name-AbCdEf" },
    "InvalidParameterException",
  ],
  [
    { credentialArn: `arn:aws:secretsmanager:us-east-1:${account}:secret:ecr-pullthroughcache/ghost-AbCdEf` },
    "SecretNotFoundException",
  ],
])("%p is refused: %s", async (input, name) => {
  await expect(create({ ecrRepositoryPrefix: "refused", ...input })).rejects.toMatchObject({ name });
  await expect(describe({ ecrRepositoryPrefixes: ["refused"] })).rejects.toMatchObject({
    name: "PullThroughCacheRuleNotFoundException",
  });
});

test("a registry that the operator has allowed has no name in ECR's list", async () => {
  const made = await create({ ecrRepositoryPrefix: "own", upstreamRegistryUrl: "registry.example.com:5000" });
  expect(made.upstreamRegistry).toBeUndefined();
  ping = async () => {
    throw new RemoteFailure("unavailable", "no connection");
  };
  expect(await validate("own")).toMatchObject({
    isValid: false,
    failure: "The upstream registry registry.example.com:5000 could not be accessed: no connection",
  });
  ping = async () => {};
  expect(opened.at(-1)).toMatchObject({
    origin: "https://registry.example.com:5000",
    reach: { private: false, loopback: false, insecure: false },
  });
  await remove("own");
});

test("a registry has 50 rules, and shows them by pages", async () => {
  const prefixes = Array.from({ length: 50 }, (_, index) => `p${String(index).padStart(2, "0")}`);
  for (const ecrRepositoryPrefix of prefixes) await create({ ecrRepositoryPrefix });
  await expect(create({ ecrRepositoryPrefix: "one-more" })).rejects.toMatchObject({ name: "LimitExceededException" });

  const first = await describe({ maxResults: 30 });
  const second = await describe({ maxResults: 30, nextToken: first.nextToken });
  const shown = [...(first.pullThroughCacheRules ?? []), ...(second.pullThroughCacheRules ?? [])];
  expect(shown.map(({ ecrRepositoryPrefix }) => ecrRepositoryPrefix)).toEqual(prefixes);
  expect(second.nextToken).toBeUndefined();
  for (const prefix of prefixes) await remove(prefix);
});

test("what a rule says beyond ECR is said anew as a whole", async () => {
  await create({});
  const ask = (operation: string, input: object = {}) =>
    askOwn(berth, operation, { ecrRepositoryPrefix: "quay/", ...input });
  expect(await ask("GetPullThroughOptions")).toEqual({ status: 200, ecrRepositoryPrefix: "quay" });
  const options = { freshSeconds: 60, allowTags: ["v*"], denyTags: ["v0*"], denyRepositories: ["secret/*"] };
  expect(await ask("PutPullThroughOptions", options)).toEqual({
    status: 200,
    ecrRepositoryPrefix: "quay",
    ...options,
  });
  const match = await berth.upstreams.match({ account, region }, "quay/team/app" as RepositoryName);
  expect(match).toMatchObject({
    upstreamRepository: "team/app",
    rule: { options: { freshMs: 60_000, allowTags: ["v*"], denyTags: ["v0*"], denyRepositories: ["secret/*"] } },
  });
  await ask("PutPullThroughOptions", { freshSeconds: 0 });
  expect(await ask("GetPullThroughOptions")).toEqual({ status: 200, ecrRepositoryPrefix: "quay", freshSeconds: 0 });
  for (const wrong of [
    { freshSeconds: -1 },
    { freshSeconds: 400 * 24 * 3600 },
    { allowTags: [] },
    { allowTags: ["a b"] },
    { denyRepositories: Array.from({ length: 51 }, (_, index) => `r${index}`) },
  ]) {
    expect(await ask("PutPullThroughOptions", wrong)).toMatchObject({
      status: 400,
      __type: "ValidationException",
    });
  }
  await remove("quay");
  expect(await ask("GetPullThroughOptions")).toMatchObject({ status: 400, __type: "ResourceNotFoundException" });
});

test("rules of another registry are never matched, and a change is seen at once", async () => {
  const name = "quay/team/app" as RepositoryName;
  const match = (registry: Registry) => berth.upstreams.match(registry, name);
  const here = { account, region };
  expect(await match(here)).toBeUndefined();
  await create({});
  expect(await match(here)).toBeDefined();
  expect(await match({ account: "210987654321" as AccountId, region })).toBeUndefined();
  expect(await match({ account, region: "eu-west-1" as Region })).toBeUndefined();

  const before = berth.queries;
  for (let count = 0; count < 100; count++) await match(here);
  // Of half a second; a slow machine may need another.
  expect(berth.queries - before).toBeLessThan(50);
  await remove("quay");
  expect(await match(here)).toBeUndefined();
});

test("two who make the same rule at once: one of them does", async () => {
  const both = await Promise.allSettled([create({}), create({})]);
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  await remove("quay");
});
