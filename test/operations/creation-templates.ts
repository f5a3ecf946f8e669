import {
  CreateRepositoryCreationTemplateCommand,
  type CreateRepositoryCreationTemplateCommandInput,
  DeleteRepositoryCreationTemplateCommand,
} from "@aws-sdk/client-ecr";
import { invalid, type Rows, type World } from "./row.ts";

let made = 0;
const newTemplate = (): CreateRepositoryCreationTemplateCommandInput => ({
  prefix: `template-${made++}`,
  appliedFor: ["CREATE_ON_PUSH"],
});

async function withTemplate({ send }: World) {
  const template = newTemplate();
  await send(new CreateRepositoryCreationTemplateCommand(template));
  return { prefix: template.prefix };
}
const withoutTemplate = async (_: unknown, world: World) => {
  const named = await withTemplate(world);
  await world.send(new DeleteRepositoryCreationTemplateCommand(named));
  return named;
};

const badPrefix = invalid({ prefix: "No Prefix" });
const badRole = invalid({ customRoleArn: "maker" });
const has = ["registryId", "repositoryCreationTemplate"] as const;

export const creationTemplateRows: Rows = {
  CreateRepositoryCreationTemplate: {
    good: newTemplate,
    has,
    bad: {
      "a prefix that is none": badPrefix,
      "no cause": invalid({ appliedFor: [] }),
      "a policy that is none": invalid({ repositoryPolicy: "{}" }),
      "a role that is none": badRole,
      "a prefix that is taken": [
        "TemplateAlreadyExistsException",
        async (good, { send }) => {
          await send(new CreateRepositoryCreationTemplateCommand(good));
          return good;
        },
      ],
    },
  },
  DeleteRepositoryCreationTemplate: {
    good: withTemplate,
    has,
    bad: {
      "a prefix that is none": badPrefix,
      "a template that is gone": ["TemplateNotFoundException", withoutTemplate],
    },
  },
  DescribeRepositoryCreationTemplates: {
    good: async (world) => ({ prefixes: [(await withTemplate(world)).prefix ?? ""] }),
    has: ["registryId", "repositoryCreationTemplates"],
    bad: {
      "a prefix that is none": invalid({ prefixes: ["No Prefix"] }),
      "prefixes in pages": invalid({ maxResults: 10 }),
    },
  },
  UpdateRepositoryCreationTemplate: {
    good: async (world) => ({ ...(await withTemplate(world)), imageTagMutability: "IMMUTABLE" }),
    has,
    bad: {
      "a prefix that is none": badPrefix,
      "a lifecycle policy that is none": invalid({ lifecyclePolicy: "{}" }),
      "a role that is none": badRole,
      "a template that is gone": ["TemplateNotFoundException", withoutTemplate],
    },
  },
};
