import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ExclusionFilters, ImageTagMutability, RegistryId, RepositoryName } from "./shapes.ts";
import { exclusionFiltersOf } from "./tag-mutability.ts";
import { mutabilityView } from "./views.ts";

export const PutImageTagMutability = operation("PutImageTagMutability", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageTagMutability: ImageTagMutability,
    imageTagMutabilityExclusionFilters: ExclusionFilters.optional(),
  },
  needs: onRepository("ecr:PutImageTagMutability"),
  throws: ["InvalidParameter", "RepositoryNotFound"],
  async run(input, granted, { repositories }) {
    const { repositoryName, imageTagMutability, imageTagMutabilityExclusionFilters } = input;
    const filters = exclusionFiltersOf(imageTagMutability, imageTagMutabilityExclusionFilters);
    const repository = await repositories.setTagMutability(granted, repositoryName, imageTagMutability, filters);
    return { registryId: granted.registry.account, repositoryName, ...mutabilityView(repository) };
  },
});
