import type { ImageReferrer } from "@aws-sdk/client-ecr";
import { z } from "zod";
import { parseDigest } from "../../domain/names.ts";
import type { Image } from "../../domain/registry/ports.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { DigestText, NextToken, RegistryId, RepositoryName } from "./shapes.ts";

export const ListImageReferrers = operation("ListImageReferrers", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    subjectId: z.object({ imageDigest: DigestText }),
    filter: z
      .object({
        artifactTypes: z.array(z.string().min(1).max(255)).max(5).optional(),
        artifactStatus: z.enum(["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]).optional(),
      })
      .optional(),
    nextToken: NextToken,
    maxResults: z.number().int().min(1).max(50).optional(),
  },
  // There is no permission of its own.
  needs: onRepository("ecr:BatchGetImage"),
  throws: ["InvalidParameter", "RepositoryNotFound", "UnableToListUpstreamImageReferrers"],
  async run(input, granted, { repositories, images, pullThrough, paging }) {
    const { repositoryName, subjectId, filter = {}, nextToken, maxResults } = input;
    const subject = parseDigest(subjectId.imageDigest);
    if (subject) await pullThrough.referrers(granted, repositoryName, subject);
    await repositories.describe(granted, [repositoryName]);
    const artifactTypes = filter.artifactTypes?.length ? filter.artifactTypes : undefined;
    const page = await paging.page({
      of: ["ListImageReferrers", granted.registry, repositoryName, subjectId, filter],
      nextToken,
      limit: maxResults ?? 20,
      read: async (after: number | undefined, limit) =>
        subject
          ? images.referrers(granted, repositoryName, subject, {
              artifactTypes,
              status: filter.artifactStatus,
              after,
              limit,
            })
          : [],
      keyOf: ({ id }) => id,
    });
    return { referrers: page.items.map(referrerView), nextToken: page.nextToken };
  },
});

function referrerView(image: Image): ImageReferrer {
  return {
    digest: image.digest,
    mediaType: image.mediaType,
    artifactType: image.artifactType,
    size: image.manifestBytes,
    annotations: image.annotations,
    artifactStatus: image.status,
  };
}
