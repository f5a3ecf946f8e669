import type { Tag } from "../../domain/names.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageFilter, MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";

export const ListImages = operation("ListImages", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    nextToken: NextToken,
    maxResults: MaxResults,
    filter: ImageFilter.optional(),
  },
  needs: onRepository("ecr:ListImages"),
  throws: ["InvalidParameter", "RepositoryNotFound"],
  async run({ repositoryName, nextToken, maxResults, filter = {} }, granted, { images, paging }) {
    const { tagStatus = "ANY", imageStatus: status } = filter;
    const page = await paging.page({
      of: ["ListImages", granted.registry, repositoryName, filter],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: { imageId: number; tag?: Tag } | undefined, limit) =>
        images.listIds(granted, repositoryName, { tagStatus, status, after, limit }),
      keyOf: ({ imageId, tag }) => ({ imageId, tag }),
    });
    const imageIds = page.items.map(({ digest, tag }) => ({ imageDigest: digest, imageTag: tag }));
    return { imageIds, nextToken: page.nextToken };
  },
});
