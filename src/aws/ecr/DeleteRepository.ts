import { z } from "zod";
import { repositoryArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { repositoryView } from "./views.ts";

export const DeleteRepository = operation("DeleteRepository", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, force: z.boolean().optional() },
  needs({ repositoryName, force = false }, registry) {
    const resource = repositoryArn(registry, repositoryName);
    const remove = { action: "ecr:DeleteRepository", resource } as const;
    // By itself it is enough, but it is no way around a policy that keeps images from being deleted.
    return force ? [remove, { action: "ecr:BatchDeleteImage", resource, unlessDenied: true }] : [remove];
  },
  throws: ["RepositoryNotFound", "RepositoryNotEmpty", "RepositoryHeld", "RepositoryProtected", "KeyUnusable"],
  async run({ repositoryName, force = false }, granted, { repositories, addresses }) {
    const repository = await repositories.delete(granted, repositoryName, { force });
    return { repository: repositoryView(repository, addresses) };
  },
});
