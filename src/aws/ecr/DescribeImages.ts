import type { ImageIdentifier } from "@aws-sdk/client-ecr";
import type { Granted } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { RepositoryName as Name } from "../../domain/names.ts";
import type { ImageDetail, ImageReference, ImageService } from "../../domain/registry/images.ts";
import { onImages } from "../operation.ts";
import { parseImageId } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageFilter, ImageIds, MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";
import { imageView } from "./views.ts";

export const DescribeImages = operation("DescribeImages", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: ImageIds.optional(),
    nextToken: NextToken,
    maxResults: MaxResults,
    filter: ImageFilter.optional(),
  },
  needs: onImages("ecr:DescribeImages"),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound"],
  async run({ repositoryName, imageIds, nextToken, maxResults, filter = {} }, granted, { images, paging }) {
    const view = (image: ImageDetail) => imageView(granted.registry, repositoryName, image);
    if (imageIds) {
      if (nextToken !== undefined || maxResults !== undefined) throw notBoth();
      return { imageDetails: (await describe(images, granted, repositoryName, imageIds)).map(view) };
    }
    const { tagStatus = "ANY", imageStatus: status } = filter;
    const page = await paging.page({
      of: ["DescribeImages", granted.registry, repositoryName, filter],
      nextToken,
      limit: maxResults ?? 100,
      read: (after: number | undefined, limit) =>
        images.list(granted, repositoryName, { tagStatus, status, after, limit }),
      keyOf: ({ id }) => id,
    });
    return { imageDetails: page.items.map(view), nextToken: page.nextToken };
  },
});

/** Fails at the first id that names no image, also where no image could have such a name. */
async function describe(
  images: ImageService,
  granted: Granted,
  repository: Name,
  imageIds: readonly ImageIdentifier[],
): Promise<ImageDetail[]> {
  const references: ImageReference[] = [];
  for (const imageId of imageIds) {
    const parsed = parseImageId(imageId);
    if ("failureCode" in parsed) {
      await images.describe(granted, repository, references);
      if (parsed.failureCode !== "ImageNotFound") {
        throw refuse("InvalidParameter", { member: "imageIds", constraint: parsed.failureReason });
      }
      const { registry } = granted;
      throw refuse("ImageNotFound", { repository, registry, digest: imageId.imageDigest, tag: imageId.imageTag });
    }
    references.push(parsed);
  }
  return images.describe(granted, repository, references);
}

function notBoth() {
  const constraint = "imageIds cannot be combined with nextToken or maxResults";
  return refuse("InvalidParameter", { member: "imageIds", constraint });
}
