import { imageIdView, onImage, referenceOf } from "./one-image.ts";
import { operation } from "./operation.ts";
import { destinationView } from "./replication-shapes.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

export const DescribeImageReplicationStatus = operation("DescribeImageReplicationStatus", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageId: ImageIdentifier },
  needs: onImage("ecr:DescribeImageReplicationStatus"),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound"],
  async run({ repositoryName, imageId }, granted, { repositories, replication }) {
    const reference = await referenceOf(granted, repositoryName, imageId, repositories);
    const { digest, replicas } = await replication.status(granted, repositoryName, reference);
    return {
      repositoryName,
      imageId: imageIdView(digest, reference),
      replicationStatuses: replicas.map(({ destination, status, failureCode }) => ({
        ...destinationView(destination),
        status,
        failureCode,
      })),
    };
  },
});
