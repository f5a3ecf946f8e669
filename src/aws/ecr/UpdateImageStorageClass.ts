import { z } from "zod";
import { imageIdView, onImage, referenceOf } from "./one-image.ts";
import { operation } from "./operation.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

export const UpdateImageStorageClass = operation("UpdateImageStorageClass", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageId: ImageIdentifier,
    targetStorageClass: z.enum(["STANDARD", "ARCHIVE"]),
  },
  needs: onImage("ecr:UpdateImageStorageClass"),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound", "ImageHeld", "StorageClassNotSupported"],
  async run({ repositoryName, imageId, targetStorageClass }, granted, { repositories, storageClasses }) {
    const reference = await referenceOf(granted, repositoryName, imageId, repositories);
    const { digest, status } = await storageClasses.update(granted, repositoryName, reference, targetStorageClass);
    return {
      registryId: granted.registry.account,
      repositoryName,
      imageId: imageIdView(digest, reference),
      imageStatus: status,
    };
  },
});
