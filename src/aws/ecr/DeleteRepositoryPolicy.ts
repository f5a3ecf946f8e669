import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const DeleteRepositoryPolicy = operation("DeleteRepositoryPolicy", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("ecr:DeleteRepositoryPolicy"),
  throws: ["RepositoryNotFound", "RepositoryPolicyNotFound"],
  async run({ repositoryName }, granted, { policies }) {
    const policyText = await policies.deleteRepositoryPolicy(granted, repositoryName);
    return { registryId: granted.registry.account, repositoryName, policyText };
  },
});
