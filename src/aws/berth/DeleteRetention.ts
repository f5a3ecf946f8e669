import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { retentionView } from "./views.ts";

export const DeleteRetention = operation("DeleteRetention", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("berth:DeleteRetention"),
  throws: ["RepositoryNotFound", "RetentionNotFound"],
  async run({ repositoryName }, granted, { retention }) {
    return retentionView(await retention.delete(granted, repositoryName));
  },
});
