import { z } from "zod";
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
  async run({ repositoryName, policyText, force = false }, granted, { policies }) {
    await policies.setRepositoryPolicy(granted, repositoryName, policyText, { force });
    return { registryId: granted.registry.account, repositoryName, policyText };
  },
});
