import { onRegistry } from "../operation.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken } from "./shapes.ts";

export const ListPullTimeUpdateExclusions = operation("ListPullTimeUpdateExclusions", {
  input: { maxResults: MaxResults, nextToken: NextToken },
  needs: onRegistry("ecr:ListPullTimeUpdateExclusions"),
  throws: ["InvalidParameter"],
  async run({ maxResults, nextToken }, granted, { pullTimeExclusions, paging }) {
    const { items, ...page } = await paging.page({
      of: ["ListPullTimeUpdateExclusions", granted.registry],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: string | undefined, limit) => pullTimeExclusions.list(granted, { after, limit }),
      keyOf: (principal) => principal,
    });
    return { pullTimeUpdateExclusions: [...items], nextToken: page.nextToken };
  },
});
