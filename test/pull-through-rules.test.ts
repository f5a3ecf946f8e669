import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  CreatePullThroughCacheRuleCommand,
  DeletePullThroughCacheRuleCommand,
  DescribePullThroughCacheRulesCommand,
  UpdatePullThroughCacheRuleCommand,
  ValidatePullThroughCacheRuleCommand,
} from "@aws-sdk/client-ecr";
import { RemoteFailure, type RemoteTarget } from "../src/domain/registry/remote-registry.ts";
import { account, type InProcess, inProcess } from "./support/berth.ts";

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
    upstreamRepositoryPrefix: "ROOT",
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

test("two who make the same rule at once: one of them does", async () => {
  const both = await Promise.allSettled([create({}), create({})]);
  expect(both.map(({ status }) => status).sort()).toEqual(["fulfilled", "rejected"]);
  await remove("quay");
});
