import type { Tag } from "../../domain/names.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageFilter, MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { hasActiveImages } from "./views.ts";

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
    const { tagStatus = "ANY" } = filter;
    const page = await paging.page({
      of: ["ListImages", granted.registry, repositoryName, filter],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: { imageId: number; tag?: Tag } | undefined, limit) =>
        images.listIds(granted, repositoryName, { tagStatus, after, limit }),
      keyOf: ({ imageId, tag }) => ({ imageId, tag }),
    });
    const shown = hasActiveImages(filter.imageStatus) ? page : { items: [] };
    const imageIds = shown.items.map(({ digest, tag }) => ({ imageDigest: digest, imageTag: tag }));
    return { imageIds, nextToken: shown.nextToken };
  },
});
