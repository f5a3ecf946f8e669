import {
  DeleteRegistryPolicyCommand,
  DeleteSigningConfigurationCommand,
  PutRegistryPolicyCommand,
  PutSigningConfigurationCommand,
  RegisterPullTimeUpdateExclusionCommand,
} from "@aws-sdk/client-ecr";
import { account } from "../support/berth.ts";
import { invalid, nowhere, policyOf, type Rows, type World } from "./row.ts";

const policyText = policyOf("ecr:ReplicateImage", { Resource: "*" });
const withPolicy = async (world: World) => {
  await world.send(new PutRegistryPolicyCommand({ policyText }));
  return {};
};
const withoutPolicy = async (_: unknown, world: World) => {
  await withPolicy(world);
  await world.send(new DeleteRegistryPolicyCommand({}));
  return {};
};

const signingConfiguration = {
  rules: [{ signingProfileArn: `arn:aws:signer:us-east-1:${account}:/signing-profiles/release` }],
};
const withSigning = async (world: World) => {
  await world.send(new PutSigningConfigurationCommand({ signingConfiguration }));
  return {};
};
const withoutSigning = async (_: unknown, world: World) => {
  await withSigning(world);
  await world.send(new DeleteSigningConfigurationCommand({}));
  return {};
};

let principals = 0;
const newPrincipal = () => `arn:aws:iam::${account}:role/scanner-${++principals}`;
const forgedToken = invalid({ nextToken: "forged" });

/** Operations on a registry as a whole. One without members in its input is refused only where there is nothing to do. */
export const registryRows = {
  GetAuthorizationToken: {
    good: () => ({}),
    has: ["authorizationData"],
    bad: { "an account that is none": invalid({ registryIds: ["12"] }) },
  },
  DescribeRegistry: { good: () => ({}), has: ["registryId", "replicationConfiguration"], bad: {} },
  GetAccountSetting: {
    good: () => ({ name: "BLOB_MOUNTING" }),
    has: ["name", "value"],
    bad: { "an unknown name": invalid({ name: "NO_SUCH_SETTING" }) },
  },
  PutAccountSetting: {
    good: () => ({ name: "BLOB_MOUNTING", value: "ENABLED" }),
    has: ["name", "value"],
    bad: {
      "an unknown name": invalid({ name: "NO_SUCH_SETTING" }),
      "an unknown value": ["ValidationException", { value: "SOMETIMES" }],
    },
  },
  PutRegistryPolicy: {
    good: () => ({ policyText }),
    has: ["registryId", "policyText"],
    bad: { "a text that is no policy": invalid({ policyText: "{}" }) },
  },
  GetRegistryPolicy: {
    good: withPolicy,
    has: ["registryId", "policyText"],
    bad: { "no policy": ["RegistryPolicyNotFoundException", withoutPolicy] },
  },
  DeleteRegistryPolicy: {
    good: withPolicy,
    has: ["registryId", "policyText"],
    bad: { "no policy": ["RegistryPolicyNotFoundException", withoutPolicy] },
  },
  RegisterPullTimeUpdateExclusion: {
    good: () => ({ principalArn: newPrincipal() }),
    has: ["principalArn", "createdAt"],
    bad: {
      "a principal that is none": invalid({ principalArn: "scanner" }),
      "one that is there": [
        "ExclusionAlreadyExistsException",
        async (good, world) => {
          await world.send(new RegisterPullTimeUpdateExclusionCommand(good));
          return good;
        },
      ],
    },
  },
  DeregisterPullTimeUpdateExclusion: {
    async good(world) {
      const input = { principalArn: newPrincipal() };
      await world.send(new RegisterPullTimeUpdateExclusionCommand(input));
      return input;
    },
    has: ["principalArn"],
    bad: {
      "a principal that is none": invalid({ principalArn: "scanner" }),
      "one that is not there": ["ExclusionNotFoundException", () => ({ principalArn: newPrincipal() })],
    },
  },
  ListPullTimeUpdateExclusions: {
    good: () => ({ maxResults: 1000 }),
    has: ["pullTimeUpdateExclusions"],
    bad: { "a page that is too long": invalid({ maxResults: 1001 }), "another's token": forgedToken },
  },
  GetRegistryScanningConfiguration: { good: () => ({}), has: ["registryId", "scanningConfiguration"], bad: {} },
  PutRegistryScanningConfiguration: {
    good: () => ({
      scanType: "BASIC",
      rules: [{ scanFrequency: "SCAN_ON_PUSH", repositoryFilters: [{ filter: "never-*", filterType: "WILDCARD" }] }],
    }),
    has: ["registryScanningConfiguration"],
    bad: {
      "an unknown type": invalid({ scanType: "DEEP" }),
      "a filter that is none": invalid({
        rules: [{ scanFrequency: "MANUAL", repositoryFilters: [{ filter: "A", filterType: "WILDCARD" }] }],
      }),
      "continuous basic scans": [
        "ValidationException",
        { rules: [{ scanFrequency: "CONTINUOUS_SCAN", repositoryFilters: [] }] },
      ],
    },
  },
  BatchGetRepositoryScanningConfiguration: {
    good: async (world) => ({ repositoryNames: [await world.repository(), nowhere] }),
    has: ["scanningConfigurations", "failures"],
    bad: {
      "no names": invalid({ repositoryNames: [] }),
      "26 names": invalid({ repositoryNames: Array.from({ length: 26 }, () => nowhere) }),
    },
  },
  PutSigningConfiguration: {
    good: () => ({ signingConfiguration }),
    has: ["signingConfiguration"],
    bad: {
      "a profile that is none": invalid({ signingConfiguration: { rules: [{ signingProfileArn: "release" }] } }),
      "a profile of another region": [
        "ValidationException",
        {
          signingConfiguration: {
            rules: [{ signingProfileArn: `arn:aws:signer:eu-west-1:${account}:/signing-profiles/release` }],
          },
        },
      ],
    },
  },
  GetSigningConfiguration: {
    good: withSigning,
    has: ["registryId", "signingConfiguration"],
    bad: { "no configuration": ["SigningConfigurationNotFoundException", withoutSigning] },
  },
  DeleteSigningConfiguration: {
    good: withSigning,
    has: ["registryId", "signingConfiguration"],
    bad: { "no configuration": ["SigningConfigurationNotFoundException", withoutSigning] },
  },
} satisfies Rows;
