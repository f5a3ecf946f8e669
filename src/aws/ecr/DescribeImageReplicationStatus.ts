import { refuse } from "../../domain/errors.ts";
import { onImages } from "../operation.ts";
import { parseImageId } from "./image-ids.ts";
import { operation } from "./operation.ts";
import { destinationView } from "./replication-shapes.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

const onImage = onImages("ecr:DescribeImageReplicationStatus");

export const DescribeImageReplicationStatus = operation("DescribeImageReplicationStatus", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageId: ImageIdentifier },
  needs: ({ repositoryName, imageId }, registry) => onImage({ repositoryName, imageIds: [imageId] }, registry),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound"],
  async run({ repositoryName, imageId }, granted, { repositories, replication }) {
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
    const { digest, replicas } = await replication.status(granted, repositoryName, reference);
    return {
      repositoryName,
      imageId: { imageDigest: digest, imageTag: reference.tag },
      replicationStatuses: replicas.map(({ destination, status, failureCode }) => ({
        ...destinationView(destination),
        status,
        failureCode,
      })),
    };
  },
});
