import { onRegistry } from "../operation.ts";
import { TemplatePrefix, templateView } from "./creation-template-shapes.ts";
import { operation } from "./operation.ts";

export const DeleteRepositoryCreationTemplate = operation("DeleteRepositoryCreationTemplate", {
  input: { prefix: TemplatePrefix },
  needs: onRegistry("ecr:DeleteRepositoryCreationTemplate"),
  throws: ["InvalidParameter", "TemplateNotFound"],
  async run({ prefix }, granted, { creationTemplates }) {
    const template = await creationTemplates.delete(granted, prefix);
    return { registryId: granted.registry.account, repositoryCreationTemplate: templateView(template) };
  },
});
