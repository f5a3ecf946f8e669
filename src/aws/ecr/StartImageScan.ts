import { imageIdView, onImage, referenceOf } from "./one-image.ts";
import { operation } from "./operation.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

export const StartImageScan = operation("StartImageScan", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageId: ImageIdentifier },
  needs: onImage("ecr:StartImageScan"),
  throws: [
    "InvalidParameter",
    "Validation",
    "RepositoryNotFound",
    "ImageNotFound",
    "ImageArchived",
    "ImageTypeNotScannable",
    "LimitExceeded",
  ],
  async run({ repositoryName, imageId }, granted, { repositories, scanning }) {
    const reference = await referenceOf(granted, repositoryName, imageId, repositories);
    const digest = await scanning.start(granted, repositoryName, reference);
    return {
      registryId: granted.registry.account,
      repositoryName,
      imageId: imageIdView(digest, reference),
      // What ECR answers whatever comes of it. Clients ask for that with DescribeImageScanFindings.
      imageScanStatus: { status: "IN_PROGRESS" as const },
    };
  },
});
