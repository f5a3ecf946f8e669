import {
  AppliedFor,
  needsOfTemplate,
  TemplatePrefix,
  templateMembers,
  templateView,
  writtenTemplate,
} from "./creation-template-shapes.ts";
import { operation } from "./operation.ts";

export const UpdateRepositoryCreationTemplate = operation("UpdateRepositoryCreationTemplate", {
  input: { prefix: TemplatePrefix, ...templateMembers, appliedFor: AppliedFor.optional() },
  needs: (input, registry) => needsOfTemplate("ecr:UpdateRepositoryCreationTemplate", input.prefix, input, registry),
  throws: ["InvalidParameter", "Validation", "TemplateNotFound"],
  async run({ prefix, appliedFor, ...members }, granted, { creationTemplates }) {
    const template = await creationTemplates.update(granted, prefix, { ...writtenTemplate(members), appliedFor });
    return { registryId: granted.registry.account, repositoryCreationTemplate: templateView(template) };
  },
});
