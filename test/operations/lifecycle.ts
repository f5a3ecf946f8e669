import { PutLifecyclePolicyCommand, StartLifecyclePolicyPreviewCommand } from "@aws-sdk/client-ecr";
import { invalid, missingRepository, type Rows, type World } from "./row.ts";

const selection = { tagStatus: "untagged", countType: "imageCountMoreThan", countNumber: 10 };
const lifecyclePolicyText = JSON.stringify({
  rules: [{ rulePriority: 1, description: "few without tags", selection, action: { type: "expire" } }],
});

async function withPolicy(world: World) {
  const repositoryName = await world.repository();
  await world.send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText }));
  return { repositoryName };
}

const without = async (_: unknown, world: World) => ({ repositoryName: await world.repository() });
const noPolicy = ["LifecyclePolicyNotFoundException", without] as const;

export const lifecycleRows = {
  PutLifecyclePolicy: {
    good: async (world) => ({ repositoryName: await world.repository(), lifecyclePolicyText }),
    has: ["registryId", "repositoryName", "lifecyclePolicyText"],
    bad: {
      "a repository that is missing": missingRepository,
      "a short text": invalid({ lifecyclePolicyText: "{}" }),
      "a text that is no policy": invalid({ lifecyclePolicyText: `{"rules":[]}${" ".repeat(100)}` }),
    },
  },
  GetLifecyclePolicy: {
    good: withPolicy,
    has: ["registryId", "repositoryName", "lifecyclePolicyText", "lastEvaluatedAt"],
    bad: { "a repository that is missing": missingRepository, "no policy": noPolicy },
  },
  DeleteLifecyclePolicy: {
    good: withPolicy,
    has: ["registryId", "repositoryName", "lifecyclePolicyText", "lastEvaluatedAt"],
    bad: { "a repository that is missing": missingRepository, "no policy": noPolicy },
  },
  StartLifecyclePolicyPreview: {
    good: withPolicy,
    has: ["registryId", "repositoryName", "lifecyclePolicyText", "status"],
    bad: {
      "a repository that is missing": missingRepository,
      "no policy": noPolicy,
      "a second one meanwhile": [
        "LifecyclePolicyPreviewInProgressException",
        async (good, world) => {
          await world.send(new StartLifecyclePolicyPreviewCommand(good));
          return good;
        },
      ],
    },
  },
  GetLifecyclePolicyPreview: {
    async good(world) {
      const repository = await withPolicy(world);
      await world.send(new StartLifecyclePolicyPreviewCommand(repository));
      return repository;
    },
    has: ["registryId", "repositoryName", "lifecyclePolicyText", "status"],
    bad: {
      "a repository that is missing": missingRepository,
      "no preview": ["LifecyclePolicyPreviewNotFoundException", without],
      "a page that is too long": invalid({ maxResults: 101 }),
    },
  },
} satisfies Rows;
