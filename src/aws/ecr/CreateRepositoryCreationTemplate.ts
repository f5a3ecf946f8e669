import {
  AppliedFor,
  needsOfTemplate,
  TemplatePrefix,
  templateMembers,
  templateView,
  writtenTemplate,
} from "./creation-template-shapes.ts";
import { operation } from "./operation.ts";

export const CreateRepositoryCreationTemplate = operation("CreateRepositoryCreationTemplate", {
  input: { prefix: TemplatePrefix, ...templateMembers, appliedFor: AppliedFor },
  needs: (input, registry) => needsOfTemplate("ecr:CreateRepositoryCreationTemplate", input.prefix, input, registry),
  throws: ["InvalidParameter", "Validation", "LimitExceeded", "TemplateAlreadyExists"],
  async run({ prefix, appliedFor, ...members }, granted, { creationTemplates }) {
    const template = await creationTemplates.create(granted, prefix, { ...writtenTemplate(members), appliedFor });
    return { registryId: granted.registry.account, repositoryCreationTemplate: templateView(template) };
  },
});
