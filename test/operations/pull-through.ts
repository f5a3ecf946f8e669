import { CreatePullThroughCacheRuleCommand } from "@aws-sdk/client-ecr";
import { account } from "../support/berth.ts";
import { invalid, type Rows, type World } from "./row.ts";

let prefixes = 0;
const newRule = () => ({ ecrRepositoryPrefix: `cache-${++prefixes}`, upstreamRegistryUrl: "quay.io" });
const missingRule = ["PullThroughCacheRuleNotFoundException", { ecrRepositoryPrefix: "no-such-cache" }] as const;
const badPrefix = invalid({ ecrRepositoryPrefix: "No" });

async function made(world: World) {
  const rule = newRule();
  await world.send(new CreatePullThroughCacheRuleCommand(rule));
  return { ecrRepositoryPrefix: rule.ecrRepositoryPrefix };
}

export const pullThroughRows = {
  CreatePullThroughCacheRule: {
    good: newRule,
    has: ["ecrRepositoryPrefix", "upstreamRegistryUrl", "createdAt", "registryId", "upstreamRegistry"],
    bad: {
      "a prefix that is none": badPrefix,
      "a prefix that is taken": [
        "PullThroughCacheRuleAlreadyExistsException",
        async (good, world) => ({ ...good, ...(await made(world)) }),
      ],
      "an upstream that nobody allows": [
        "UnsupportedUpstreamRegistryException",
        { upstreamRegistryUrl: "registry.example.com" },
      ],
      "an upstream that needs credentials": ["ValidationException", { upstreamRegistryUrl: "registry-1.docker.io" }],
      "a secret that is missing": [
        "SecretNotFoundException",
        { credentialArn: `arn:aws:secretsmanager:us-east-1:${account}:secret:ecr-pullthroughcache/missing` },
      ],
    },
  },
  DescribePullThroughCacheRules: {
    good: async (world) => ({ ecrRepositoryPrefixes: [(await made(world)).ecrRepositoryPrefix] }),
    has: ["pullThroughCacheRules"],
    bad: {
      "a rule that is missing": ["PullThroughCacheRuleNotFoundException", { ecrRepositoryPrefixes: ["no-such-cache"] }],
      "another's token": invalid({ ecrRepositoryPrefixes: undefined, nextToken: "forged" }),
    },
  },
  UpdatePullThroughCacheRule: {
    good: async (world) => ({ ...(await made(world)), customRoleArn: `arn:aws:iam::${account}:role/cache` }),
    has: ["ecrRepositoryPrefix", "registryId", "updatedAt"],
    bad: {
      "a prefix that is none": badPrefix,
      "a rule that is missing": missingRule,
      "a secret that is none": invalid({ credentialArn: "secret" }),
    },
  },
  ValidatePullThroughCacheRule: {
    good: made,
    has: ["ecrRepositoryPrefix", "registryId", "upstreamRegistryUrl", "isValid"],
    bad: { "a prefix that is none": badPrefix, "a rule that is missing": missingRule },
  },
  DeletePullThroughCacheRule: {
    good: made,
    has: ["ecrRepositoryPrefix", "registryId", "upstreamRegistryUrl", "createdAt"],
    bad: { "a prefix that is none": badPrefix, "a rule that is missing": missingRule },
  },
} satisfies Rows;
