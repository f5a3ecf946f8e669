import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken } from "./shapes.ts";
import { deletedRepositoryView } from "./views.ts";

export const ListDeletedRepositories = operation("ListDeletedRepositories", {
  input: { maxResults: MaxResults, nextToken: NextToken },
  needs: onRegistry("berth:ListDeletedRepositories"),
  throws: ["InvalidParameter"],
  async run({ maxResults, nextToken }, granted, { undelete, paging }) {
    const { items, ...page } = await paging.page({
      of: ["ListDeletedRepositories", granted.registry],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: number | undefined, limit) => undelete.repositories(granted, { after, limit }),
      keyOf: ({ id }) => id,
    });
    return { repositories: items.map(deletedRepositoryView), nextToken: page.nextToken };
  },
});
