import { CreateRepositoryCreationTemplateCommand, type RCTAppliedFor } from "@aws-sdk/client-ecr";
import { invalid, policyOf, type Rows, type World } from "./row.ts";

let prefixes = 0;
const newTemplate = () => ({
  prefix: `template-${++prefixes}`,
  description: "for what is pushed",
  appliedFor: ["CREATE_ON_PUSH" as RCTAppliedFor],
  imageTagMutability: "IMMUTABLE" as const,
  repositoryPolicy: policyOf("ecr:BatchGetImage"),
});
const badPrefix = invalid({ prefix: "No" });
const missingTemplate = ["TemplateNotFoundException", { prefix: "no-such-template" }] as const;

async function made(world: World) {
  const template = newTemplate();
  await world.send(new CreateRepositoryCreationTemplateCommand(template));
  return { prefix: template.prefix };
}

export const templateRows = {
  CreateRepositoryCreationTemplate: {
    good: newTemplate,
    has: ["registryId", "repositoryCreationTemplate"],
    bad: {
      "a prefix that is none": badPrefix,
      "a prefix that is taken": [
        "TemplateAlreadyExistsException",
        async (good, world) => ({ ...good, ...(await made(world)) }),
      ],
      "an unknown cause": invalid({ appliedFor: ["PUSH"] }),
      "a policy that is none": invalid({ repositoryPolicy: "{}" }),
    },
  },
  UpdateRepositoryCreationTemplate: {
    good: async (world) => ({ ...(await made(world)), description: "changed" }),
    has: ["registryId", "repositoryCreationTemplate"],
    bad: {
      "a prefix that is none": badPrefix,
      "a template that is missing": missingTemplate,
      "an unknown mutability": invalid({ imageTagMutability: "FIXED" }),
    },
  },
  DescribeRepositoryCreationTemplates: {
    good: async (world) => ({ prefixes: [(await made(world)).prefix] }),
    has: ["registryId", "repositoryCreationTemplates"],
    bad: {
      "prefixes and a page": invalid({ maxResults: 1 }),
      "another's token": invalid({ prefixes: undefined, nextToken: "forged" }),
    },
  },
  DeleteRepositoryCreationTemplate: {
    good: made,
    has: ["registryId", "repositoryCreationTemplate"],
    bad: { "a prefix that is none": badPrefix, "a template that is missing": missingTemplate },
  },
} satisfies Rows;
