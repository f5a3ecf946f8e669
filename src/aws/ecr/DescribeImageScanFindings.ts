import { refuse } from "../../domain/errors.ts";
import { imageIdView, onImage, referenceOf } from "./one-image.ts";
import { operation } from "./operation.ts";
import { ImageIdentifier, MaxResults, NextToken, RegistryId, RepositoryName } from "./shapes.ts";

export const DescribeImageScanFindings = operation("DescribeImageScanFindings", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageId: ImageIdentifier,
    nextToken: NextToken,
    maxResults: MaxResults,
  },
  needs: onImage("ecr:DescribeImageScanFindings"),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound", "ScanNotFound"],
  async run({ repositoryName, imageId, nextToken }, granted, { repositories, scanning }) {
    const reference = await referenceOf(granted, repositoryName, imageId, repositories);
    const { digest, status, description } = await scanning.describe(granted, repositoryName, reference);
    // No scan has findings, so no page has a next one.
    if (nextToken !== undefined) {
      throw refuse("InvalidParameter", { member: "NextToken", constraint: "Invalid next token provided" });
    }
    return {
      registryId: granted.registry.account,
      repositoryName,
      imageId: imageIdView(digest, reference),
      imageScanStatus: { status, description },
    };
  },
});
