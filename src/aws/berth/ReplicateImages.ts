import { z } from "zod";
import type { Region } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageId, RegistryId, RepositoryName } from "./shapes.ts";

export const ReplicateImages = operation("ReplicateImages", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageIds: z.array(ImageId).min(1).max(100).optional(),
    destination: z.object({ region: pattern("[0-9a-z-]{2,25}"), registryId: RegistryId }).optional(),
  },
  needs: onRepository("berth:ReplicateImages"),
  throws: ["RepositoryNotFound", "ImageNotFound", "InvalidParameter"],
  async run({ repositoryName, imageIds, destination }, granted, { replicationExtras }) {
    const references = imageIds?.map(({ imageDigest: digest, imageTag: tag }) => ({ digest, tag }));
    const to = destination && { account: destination.registryId, region: destination.region as Region };
    return { replicationCount: await replicationExtras.replicate(granted, repositoryName, { references, to }) };
  },
});
