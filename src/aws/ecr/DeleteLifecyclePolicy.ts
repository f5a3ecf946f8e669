import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { lifecyclePolicyView } from "./views.ts";

export const DeleteLifecyclePolicy = operation("DeleteLifecyclePolicy", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("ecr:DeleteLifecyclePolicy"),
  throws: ["InvalidParameter", "RepositoryNotFound", "LifecyclePolicyNotFound"],
  async run({ repositoryName }, granted, { lifecyclePolicies }) {
    const deleted = await lifecyclePolicies.delete(granted, repositoryName);
    return lifecyclePolicyView(granted.registry, repositoryName, deleted);
  },
});
