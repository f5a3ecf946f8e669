import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { RegistryId, RepositoryName } from "./shapes.ts";
import { repositoryFigures } from "./usage-views.ts";

export const GetRepositoryUsage = operation("GetRepositoryUsage", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName },
  needs: onRepository("berth:GetRepositoryUsage"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName }, granted, { usage }) {
    const { figures, accuracy, measuredAt } = await usage.ofRepository(granted, repositoryName);
    const { account: registryId } = granted.registry;
    return { registryId, repositoryName, accuracy, measuredAt, usage: repositoryFigures(figures) };
  },
});
