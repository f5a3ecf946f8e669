import type { ImageIdentifier } from "@aws-sdk/client-ecr";
import type { Granted, Need } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Digest, Registry, RepositoryName } from "../../domain/names.ts";
import type { ImageReference } from "../../domain/registry/images.ts";
import type { RepositoryService } from "../../domain/registry/repositories.ts";
import { onImages } from "../operation.ts";
import { parseImageId } from "./image-ids.ts";

/** For operations on one image, whose input calls it `imageId`. */

export function onImage(action: Need["action"]) {
  const needs = onImages(action);
  return (
    { repositoryName, imageId }: { repositoryName: RepositoryName; imageId: ImageIdentifier },
    registry: Registry,
  ) => needs({ repositoryName, imageIds: [imageId] }, registry);
}

/**
 * The image that is meant. One that no image here can be is not there, in a repository that is.
 * @throws InvalidParameter, RepositoryNotFound, ImageNotFound
 */
export async function referenceOf(
  granted: Granted,
  repository: RepositoryName,
  imageId: ImageIdentifier,
  repositories: Pick<RepositoryService, "describe">,
): Promise<ImageReference> {
  const reference = parseImageId(imageId);
  if (!("failureCode" in reference)) return reference;
  await repositories.describe(granted, [repository]);
  if (reference.failureCode !== "ImageNotFound") {
    throw refuse("InvalidParameter", { member: "imageId", constraint: reference.failureReason });
  }
  const { imageDigest: digest, imageTag: tag } = imageId;
  throw refuse("ImageNotFound", { repository, registry: granted.registry, digest, tag });
}

/** The digest, and the tag where the image was asked for by one. */
export function imageIdView(imageDigest: Digest, { tag: imageTag }: ImageReference): ImageIdentifier {
  return { imageDigest, imageTag };
}
