import { DeleteRepositoryPolicyCommand, SetRepositoryPolicyCommand } from "@aws-sdk/client-ecr";
import { arnOf, badName, invalid, missingRepository, nowhere, policyOf, type Rows } from "./row.ts";

const policyText = policyOf("ecr:BatchGetImage");
const missingArn = ["RepositoryNotFoundException", { resourceArn: arnOf(nowhere) }] as const;
const badArn = invalid({ resourceArn: "app" });
let names = 0;

/** Repositories, their settings, policies and tags. */
export const repositoryRows = {
  CreateRepository: {
    good: () => ({
      repositoryName: `rows/made-${++names}`,
      imageTagMutability: "IMMUTABLE_WITH_EXCLUSION",
      imageTagMutabilityExclusionFilters: [{ filterType: "WILDCARD", filter: "dev-*" }],
      imageScanningConfiguration: { scanOnPush: true },
      encryptionConfiguration: { encryptionType: "AES256" },
      tags: [{ Key: "team", Value: "core" }],
    }),
    has: ["repository"],
    bad: {
      "a name that breaks the rules": badName,
      "a name that is taken": [
        "RepositoryAlreadyExistsException",
        async (good, world) => ({ ...good, repositoryName: await world.repository() }),
      ],
      "filters that nothing asks for": invalid({ imageTagMutability: "MUTABLE" }),
      "a tag that is reserved": ["InvalidTagParameterException", { tags: [{ Key: "aws:x", Value: "" }] }],
      "51 tags": [
        "TooManyTagsException",
        { tags: Array.from({ length: 51 }, (_, index) => ({ Key: `k${index}`, Value: "" })) },
      ],
      "a key that is not there": [
        "KmsException",
        { encryptionConfiguration: { encryptionType: "KMS", kmsKey: "alias/missing" } },
      ],
    },
  },
  DescribeRepositories: {
    good: async (world) => ({ repositoryNames: [await world.repository()] }),
    has: ["repositories"],
    bad: {
      "one that is missing": ["RepositoryNotFoundException", { repositoryNames: [nowhere] }],
      "no names": invalid({ repositoryNames: [] }),
      "names and a page": invalid({ maxResults: 1 }),
      "another's token": invalid({ repositoryNames: undefined, nextToken: "forged" }),
    },
  },
  DeleteRepository: {
    good: async (world) => ({ repositoryName: (await world.image()).repositoryName, force: true }),
    has: ["repository"],
    bad: {
      "a repository that is missing": missingRepository,
      "a repository with an image in it": ["RepositoryNotEmptyException", { force: false }],
    },
  },
  PutImageTagMutability: {
    good: async (world) => ({ repositoryName: await world.repository(), imageTagMutability: "IMMUTABLE" }),
    has: ["registryId", "repositoryName", "imageTagMutability"],
    bad: {
      "a repository that is missing": missingRepository,
      "an unknown value": invalid({ imageTagMutability: "FIXED" }),
      "no filters where they are needed": invalid({ imageTagMutability: "MUTABLE_WITH_EXCLUSION" }),
    },
  },
  SetRepositoryPolicy: {
    good: async (world) => ({ repositoryName: await world.repository(), policyText }),
    has: ["registryId", "repositoryName", "policyText"],
    bad: {
      "a repository that is missing": missingRepository,
      "a text that is no policy": invalid({ policyText: "{}" }),
      "a long text": invalid({ policyText: " ".repeat(10_241) }),
    },
  },
  GetRepositoryPolicy: {
    async good(world) {
      const repositoryName = await world.repository();
      await world.send(new SetRepositoryPolicyCommand({ repositoryName, policyText }));
      return { repositoryName };
    },
    has: ["registryId", "repositoryName", "policyText"],
    bad: {
      "a repository that is missing": missingRepository,
      "no policy": [
        "RepositoryPolicyNotFoundException",
        async (_, world) => ({ repositoryName: await world.repository() }),
      ],
    },
  },
  DeleteRepositoryPolicy: {
    async good(world) {
      const repositoryName = await world.repository();
      await world.send(new SetRepositoryPolicyCommand({ repositoryName, policyText }));
      return { repositoryName };
    },
    has: ["registryId", "repositoryName", "policyText"],
    bad: {
      "a repository that is missing": missingRepository,
      "a policy that is gone": [
        "RepositoryPolicyNotFoundException",
        async (good, world) => {
          await world.send(new DeleteRepositoryPolicyCommand(good));
          return good;
        },
      ],
    },
  },
  TagResource: {
    good: async (world) => ({ resourceArn: arnOf(await world.repository()), tags: [{ Key: "team", Value: "core" }] }),
    has: [],
    bad: {
      "an ARN that is none": badArn,
      "a repository that is missing": missingArn,
      "a tag that is reserved": ["InvalidTagParameterException", { tags: [{ Key: "aws:x", Value: "" }] }],
    },
  },
  UntagResource: {
    good: async (world) => ({ resourceArn: arnOf(await world.repository()), tagKeys: ["team"] }),
    has: [],
    bad: { "an ARN that is none": badArn, "a repository that is missing": missingArn },
  },
  ListTagsForResource: {
    good: async (world) => ({ resourceArn: arnOf(await world.repository()) }),
    has: ["tags"],
    bad: { "an ARN that is none": badArn, "a repository that is missing": missingArn },
  },
} satisfies Rows;
