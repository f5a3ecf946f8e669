import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageId, RegistryId, RepositoryName, targetOf } from "./shapes.ts";

export const RemoveHold = operation("RemoveHold", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageId: ImageId },
  needs: onRepository("berth:RemoveHold"),
  throws: ["RepositoryNotFound", "HoldNotFound"],
  async run({ repositoryName, imageId }, granted, { holds }) {
    await holds.remove(granted, repositoryName, targetOf(imageId));
  },
});
