import { z } from "zod";
import { repositoryArn } from "../../domain/names.ts";
import { pushedFacts } from "../../domain/registry/image-facts.ts";
import { operation } from "./operation.ts";
import { DigestText, ImageTag, RegistryId, RepositoryName } from "./shapes.ts";

export const PutImage = operation("PutImage", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageManifest: z.string().min(1).max(4_194_304),
    imageManifestMediaType: z.string().optional(),
    imageTag: ImageTag.optional(),
    imageDigest: DigestText.optional(),
  },
  needs(input, registry) {
    const { repositoryName: repository, imageTag: tag, imageDigest, imageManifest, imageManifestMediaType } = input;
    const pushed = async () =>
      pushedFacts(new TextEncoder().encode(imageManifest), imageManifestMediaType, imageDigest);
    return [
      { action: "ecr:PutImage", resource: repositoryArn(registry, repository), image: { repository, tag, pushed } },
    ];
  },
  throws: [
    "TagHeld",
    "InvalidParameter",
    "RepositoryNotFound",
    "ManifestInvalid",
    "ManifestTooLarge",
    "ImageDigestMismatch",
    "LayersNotFound",
    "ReferencedImagesNotFound",
    "ImageTagImmutable",
    "ImageAlreadyExists",
    "LimitExceeded",
    "KeyUnusable",
  ],
  // JSON in JSON: every quote and every line end of the 4 MiB takes two bytes.
  maxBodyBytes: 9 * 1024 * 1024,
  async run(input, granted, { images }) {
    const { repositoryName, imageManifest, imageManifestMediaType, imageTag, imageDigest } = input;
    const { registry } = granted;
    const image = await images.put(granted, repositoryName, {
      manifest: new TextEncoder().encode(imageManifest),
      mediaType: imageManifestMediaType,
      digest: imageDigest,
      tags: imageTag === undefined ? [] : [imageTag],
      refuseExisting: true,
    });
    return {
      image: {
        registryId: registry.account,
        repositoryName,
        imageId: { imageDigest: image.digest, imageTag },
        imageManifest,
        imageManifestMediaType: image.mediaType,
      },
    };
  },
});
