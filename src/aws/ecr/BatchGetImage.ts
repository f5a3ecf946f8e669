import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onImages } from "../operation.ts";
import { forEachImage } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIds, RegistryId, RepositoryName } from "./shapes.ts";

/** A hundred manifests of the largest size would not fit into anybody's memory. */
const maxAnswerBytes = 32 * 1024 * 1024;

export const BatchGetImage = operation("BatchGetImage", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: ImageIds,
    // Every known caller takes the image as it is stored.
    acceptedMediaTypes: z.array(z.string()).min(1).max(100).optional(),
  },
  needs: onImages("ecr:BatchGetImage"),
  throws: ["RepositoryNotFound", "LimitExceeded", "UnableToGetUpstreamImage"],
  async run({ repositoryName, imageIds }, granted, { repositories, images, pullThrough }) {
    if (!(await pullThrough.covers(granted, repositoryName))) await repositories.describe(granted, [repositoryName]);
    let answerBytes = 0;
    const { results, failures } = await forEachImage(imageIds, async (reference) => {
      const stored = await pullThrough.manifest(granted, repositoryName, reference, (granted) =>
        images.get(granted, repositoryName, reference),
      );
      answerBytes += stored.manifest.length;
      if (answerBytes > maxAnswerBytes) throw refuse("LimitExceeded", { reason: "Ask for fewer images at once" });
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
