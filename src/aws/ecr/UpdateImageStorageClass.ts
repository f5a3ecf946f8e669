import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { onImages } from "../operation.ts";
import { parseImageId } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

const onImage = onImages("ecr:UpdateImageStorageClass");

export const UpdateImageStorageClass = operation("UpdateImageStorageClass", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageId: ImageIdentifier,
    targetStorageClass: z.enum(["STANDARD", "ARCHIVE"]),
  },
  needs: ({ repositoryName, imageId }, registry) => onImage({ repositoryName, imageIds: [imageId] }, registry),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound", "ImageHeld", "StorageClassNotSupported"],
  async run({ repositoryName, imageId, targetStorageClass }, granted, { repositories, storageClasses }) {
    const { registry } = granted;
    const reference = parseImageId(imageId);
    if ("failureCode" in reference) {
      await repositories.describe(granted, [repositoryName]);
      if (reference.failureCode !== "ImageNotFound") {
        throw refuse("InvalidParameter", { member: "imageId", constraint: reference.failureReason });
      }
      const { imageDigest: digest, imageTag: tag } = imageId;
      throw refuse("ImageNotFound", { repository: repositoryName, registry, digest, tag });
    }
    const { digest, status } = await storageClasses.update(granted, repositoryName, reference, targetStorageClass);
    return {
      registryId: registry.account,
      repositoryName,
      imageId: { imageDigest: digest, imageTag: reference.tag },
      imageStatus: status,
    };
  },
});
