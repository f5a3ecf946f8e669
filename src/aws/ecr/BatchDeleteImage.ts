import { onRepository } from "../operation.ts";
import { forEachImage } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIds, RegistryId, RepositoryName } from "./shapes.ts";

export const BatchDeleteImage = operation("BatchDeleteImage", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageIds: ImageIds },
  needs: onRepository("ecr:BatchDeleteImage"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, imageIds }, granted, { repositories, images }) {
    await repositories.describe(granted, [repositoryName]);
    const { results, failures } = await forEachImage(imageIds, (reference) =>
      images.deleteByApi(granted, repositoryName, reference),
    );
    const deleted = results.flat().map(({ digest, tag }) => ({ imageDigest: digest, imageTag: tag }));
    return { imageIds: deleted, failures };
  },
});
