import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { lifecyclePolicyView } from "./views.ts";

export const GetLifecyclePolicy = operation("GetLifecyclePolicy", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("ecr:GetLifecyclePolicy"),
  throws: ["InvalidParameter", "RepositoryNotFound", "LifecyclePolicyNotFound"],
  async run({ repositoryName }, granted, { lifecyclePolicies }) {
    return lifecyclePolicyView(granted.registry, repositoryName, await lifecyclePolicies.get(granted, repositoryName));
  },
});
