import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const GetRepositoryPolicy = operation("GetRepositoryPolicy", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("ecr:GetRepositoryPolicy"),
  throws: ["RepositoryNotFound", "RepositoryPolicyNotFound"],
  async run({ repositoryName }, granted, { policies }) {
    const policyText = await policies.repositoryPolicy(granted, repositoryName);
    return { registryId: granted.registry.account, repositoryName, policyText };
  },
});
