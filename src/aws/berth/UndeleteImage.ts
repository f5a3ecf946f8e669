import { z } from "zod";
import { repositoryArn } from "../../domain/names.ts";
import { operation } from "./operation.ts";
import { ImageDigest, RegistryId, RepositoryName } from "./shapes.ts";

export const UndeleteImage = operation("UndeleteImage", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageDigest: ImageDigest,
    withTags: z.boolean().optional(),
  },
  needs({ repositoryName: repository, imageDigest: digest, withTags = true }, registry) {
    const resource = repositoryArn(registry, repository);
    const undelete = { action: "berth:UndeleteImage", resource } as const;
    // By itself it is enough, but it is no way around a policy that keeps tags from being set.
    const put = { action: "ecr:PutImage", resource, image: { repository, digest }, unlessDenied: true } as const;
    return withTags ? [undelete, put] : [undelete];
  },
  throws: ["RepositoryNotFound", "NotDeleted", "ReferencedImagesNotFound", "LimitExceeded"],
  async run({ repositoryName, imageDigest, withTags = true }, granted, { undelete }) {
    const returned = await undelete.undeleteImage(granted, repositoryName, imageDigest, { withTags });
    const images = returned.map(({ digest, tags, taken }) => {
      return { imageDigest: digest, imageTags: [...tags], takenTags: [...taken] };
    });
    return { images };
  },
});
