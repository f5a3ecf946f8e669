import { refuse } from "../../domain/errors.ts";
import { repositoryArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { registryFigures, repositoryFigures } from "./usage-views.ts";

export const GetUsageHistory = operation("GetUsageHistory", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName.optional(),
    nextToken: NextToken,
    maxResults: MaxResults,
  },
  needs: ({ repositoryName = "*" as const }, registry) => [
    { action: "berth:GetUsageHistory", resource: repositoryArn(registry, repositoryName) },
  ],
  throws: ["RepositoryNotFound", "Validation"],
  async run({ repositoryName, nextToken, maxResults = 100 }, granted, { usage, paging }) {
    const page = await paging.page({
      of: ["GetUsageHistory", granted.registry, repositoryName],
      nextToken,
      limit: maxResults,
      read: (after: string | undefined, limit) => usage.history(granted, repositoryName, { after, limit }),
      keyOf: ({ day }) => day,
      invalidToken: () => refuse("Validation", { reason: "Invalid next token provided" }),
    });
    return {
      registryId: granted.registry.account,
      repositoryName,
      days: page.items.map(({ day, measuredAt, figures }) => ({
        day,
        measuredAt,
        ...(repositoryName === undefined ? registryFigures(figures) : repositoryFigures(figures)),
      })),
      nextToken: page.nextToken,
    };
  },
});
