import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { deletedImageView } from "./views.ts";

export const ListDeletedImages = operation("ListDeletedImages", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    maxResults: MaxResults,
    nextToken: NextToken,
  },
  needs: onRepository("berth:ListDeletedImages"),
  throws: ["RepositoryNotFound", "InvalidParameter"],
  async run({ repositoryName, maxResults, nextToken }, granted, { undelete, paging }) {
    const { items, ...page } = await paging.page({
      of: ["ListDeletedImages", granted.registry, repositoryName],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: number | undefined, limit) => undelete.images(granted, repositoryName, { after, limit }),
      keyOf: ({ id }) => id,
    });
    return { images: items.map(deletedImageView), nextToken: page.nextToken };
  },
});
