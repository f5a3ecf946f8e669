import { z } from "zod";
import { onRepository } from "../operation.ts";
import { operation } from "./operation.ts";
import { ImageId, RegistryId, RepositoryName, Time } from "./shapes.ts";
import { holdView } from "./views.ts";

export const PutHold = operation("PutHold", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    imageId: ImageId,
    reason: z.string().min(1).max(256),
    until: Time.optional(),
  },
  needs: onRepository("berth:PutHold"),
  throws: ["RepositoryNotFound", "ImageNotFound", "Validation", "LimitExceeded"],
  async run({ repositoryName, imageId, reason, until }, granted, { holds }) {
    const { imageDigest: digest, imageTag: tag } = imageId;
    const target = tag !== undefined ? { tag } : digest !== undefined ? { digest } : undefined;
    if (!target) throw new TypeError("the shape lets no image id without digest and tag pass");
    return { hold: holdView(await holds.put(granted, repositoryName, { target, reason, until })) };
  },
});
