import { z } from "zod";
import { onRepository } from "../operation.ts";
import { forEachImage } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIds, RegistryId, RepositoryName } from "./shapes.ts";

export const BatchGetImage = operation("BatchGetImage", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: ImageIds,
    // Every known caller takes the image as it is stored.
    acceptedMediaTypes: z.array(z.string()).min(1).max(100).optional(),
  },
  needs: onRepository("ecr:BatchGetImage"),
  throws: ["RepositoryNotFound"],
  async run({ repositoryName, imageIds }, granted, { repositories, images }) {
    await repositories.describe(granted, [repositoryName]);
    const { results, failures } = await forEachImage(imageIds, async (reference) => {
      const stored = await images.get(granted, repositoryName, reference);
      return {
        registryId: granted.registry.account,
        repositoryName,
        imageId: { imageDigest: stored.digest, imageTag: reference.tag },
        imageManifest: new TextDecoder("utf-8", { ignoreBOM: true }).decode(stored.manifest),
        imageManifestMediaType: stored.mediaType,
      };
    });
    return { images: results, failures };
  },
});
