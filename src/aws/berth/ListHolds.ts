import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { holdView } from "./views.ts";

export const ListHolds = operation("ListHolds", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    maxResults: MaxResults,
    nextToken: NextToken,
  },
  needs: onRepository("berth:ListHolds"),
  throws: ["RepositoryNotFound", "InvalidParameter"],
  async run({ repositoryName, maxResults, nextToken }, granted, { holds, paging }) {
    const { items, ...page } = await paging.page({
      of: ["ListHolds", granted.registry, repositoryName],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: string | undefined, limit) => holds.list(granted, repositoryName, { after, limit }),
      keyOf: ({ target }) => target,
    });
    return { holds: items.map(holdView), nextToken: page.nextToken };
  },
});
