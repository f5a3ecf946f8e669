import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const PutLifecyclePolicy = operation("PutLifecyclePolicy", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, lifecyclePolicyText: z.string() },
  needs: onRepository("ecr:PutLifecyclePolicy"),
  throws: ["InvalidParameter", "RepositoryNotFound"],
  async run({ repositoryName, lifecyclePolicyText }, granted, { lifecyclePolicies }) {
    await lifecyclePolicies.put(granted, repositoryName, lifecyclePolicyText);
    return { registryId: granted.registry.account, repositoryName, lifecyclePolicyText };
  },
});
