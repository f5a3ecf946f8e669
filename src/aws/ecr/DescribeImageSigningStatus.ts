import { imageIdView, onImage, referenceOf } from "./one-image.ts";
import { operation } from "./operation.ts";
import { ImageIdentifier, RegistryId, RepositoryName } from "./shapes.ts";

export const DescribeImageSigningStatus = operation("DescribeImageSigningStatus", {
  input: { registryId: RegistryId.optional(), repositoryName: RepositoryName, imageId: ImageIdentifier },
  needs: onImage("ecr:DescribeImageSigningStatus"),
  throws: ["InvalidParameter", "RepositoryNotFound", "ImageNotFound"],
  async run({ repositoryName, imageId }, granted, { repositories, signing }) {
    const reference = await referenceOf(granted, repositoryName, imageId, repositories);
    const { digest, signings } = await signing.statusOf(granted, repositoryName, reference);
    return {
      registryId: granted.registry.account,
      repositoryName,
      imageId: imageIdView(digest, reference),
      signingStatuses: signings.map(({ profile: signingProfileArn, ...status }) => ({ signingProfileArn, ...status })),
    };
  },
});
