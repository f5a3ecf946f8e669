import type { ImageFailure } from "@aws-sdk/client-ecr";
import { onImages } from "../operation.ts";
import { forEachImage } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIds, RegistryId, RepositoryName } from "./shapes.ts";

export const BatchDeleteImage = operation("BatchDeleteImage", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageIds: ImageIds },
  needs: onImages("ecr:BatchDeleteImage"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, imageIds }, granted, { repositories, images }) {
    await repositories.describe(granted, [repositoryName]);
    const { results, failures } = await forEachImage(imageIds, (reference) =>
      images.deleteByApi(granted, repositoryName, reference),
    );
    const deleted = results.flat().map(({ digest, tag }) => ({ imageDigest: digest, imageTag: tag }));
    // An id that this very call has removed, with another one of its image, is no failure: lists print one id per tag.
    const isGone = ({ imageId: { imageDigest, imageTag } = {} }: ImageFailure) =>
      deleted.some((gone) => gone.imageDigest === imageDigest && gone.imageTag === imageTag);
    return { imageIds: deleted, failures: failures.filter((failure) => !isGone(failure)) };
  },
});
