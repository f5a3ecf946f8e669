import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";

export const UndeleteRepository = operation("UndeleteRepository", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("berth:UndeleteRepository"),
  throws: ["NotDeleted", "RepositoryAlreadyExists", "KeyUnusable"],
  async run({ repositoryName }, granted, { undelete }) {
    const { name } = await undelete.undeleteRepository(granted, repositoryName);
    return { repositoryName: name };
  },
});
