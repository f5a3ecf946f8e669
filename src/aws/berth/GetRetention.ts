import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { retentionView } from "./views.ts";

export const GetRetention = operation("GetRetention", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("berth:GetRetention"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName }, granted, { retention }) {
    return retentionView(await retention.get(granted, repositoryName));
  },
});
