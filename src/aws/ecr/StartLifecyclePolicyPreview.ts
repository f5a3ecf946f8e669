import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const StartLifecyclePolicyPreview = operation("StartLifecyclePolicyPreview", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    lifecyclePolicyText: z.string().optional(),
  },
  needs: onRepository("ecr:StartLifecyclePolicyPreview"),
  throws: ["InvalidParameter", "RepositoryNotFound", "LifecyclePolicyNotFound", "LifecyclePreviewInProgress"],
  async run({ repositoryName, lifecyclePolicyText: given }, granted, { lifecyclePreviews }) {
    const lifecyclePolicyText = await lifecyclePreviews.start(granted, repositoryName, given);
    return {
      registryId: granted.registry.account,
      repositoryName,
      lifecyclePolicyText,
      status: "IN_PROGRESS" as const,
    };
  },
});
