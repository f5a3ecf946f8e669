import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { checkPolicyDocument } from "../../policy/document.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const SetRepositoryPolicy = operation("SetRepositoryPolicy", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    policyText: z.string().max(10_240),
    force: z.boolean().optional(),
  },
  needs: onRepository("ecr:SetRepositoryPolicy"),
  throws: ["InvalidParameter", "RepositoryNotFound"],
  async run({ repositoryName, policyText }, granted, { repositories }) {
    if (checkPolicyDocument(policyText, "repository").problem !== undefined) {
      // ECR's text, which Terraform looks for; it never says what is wrong.
      throw refuse("InvalidParameter", { member: "PolicyText", constraint: "Invalid repository policy provided" });
    }
    await repositories.setPolicy(granted, repositoryName, policyText);
    return { registryId: granted.registry.account, repositoryName, policyText };
  },
});
