import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { repositoryView } from "./views.ts";

export const DeleteRepository = operation("DeleteRepository", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, force: z.boolean().optional() },
  needs: onRepository("ecr:DeleteRepository"),
  throws: ["RepositoryNotFound", "RepositoryNotEmpty"],
  async run({ repositoryName, force = false }, granted, { repositories, addresses }) {
    const repository = await repositories.delete(granted, repositoryName, { force });
    return { repository: repositoryView(repository, addresses) };
  },
});
