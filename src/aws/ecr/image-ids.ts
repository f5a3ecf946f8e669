import type { ImageFailure, ImageFailureCode, ImageIdentifier } from "@aws-sdk/client-ecr";
import { Refusal } from "../../domain/errors.ts";
import { parseDigest, parseTag } from "../../domain/names.ts";
import type { ImageReference } from "../../domain/registry/images.ts";
import { digestPattern, tagPattern } from "./shapes.ts";

/**
 * Runs `work` for each image of a batch, one after the other and in the order asked: deleting an index and then its
 * parts works only so. What is wrong with one image fails that image, not the batch.
 */
export async function forEachImage<Result>(
  imageIds: readonly ImageIdentifier[],
  work: (reference: ImageReference) => Promise<Result>,
): Promise<{ results: Result[]; failures: ImageFailure[] }> {
  const results: Result[] = [];
  const failures: ImageFailure[] = [];
  for (const imageId of imageIds) {
    const parsed = parseImageId(imageId);
    if ("failureCode" in parsed) failures.push({ imageId, ...parsed });
    else {
      try {
        results.push(await work(parsed));
      } catch (error) {
        failures.push({ imageId, ...failureOf(error) });
      }
    }
  }
  return { results, failures };
}

interface Failure {
  readonly failureCode: ImageFailureCode;
  readonly failureReason: string;
}

const digestForm = new RegExp(`^${digestPattern}$`);
const notFound: Failure = { failureCode: "ImageNotFound", failureReason: "Requested image not found" };

export function parseImageId({ imageDigest, imageTag }: ImageIdentifier): ImageReference | Failure {
  if (imageDigest === undefined && imageTag === undefined) {
    return invalid("MissingDigestAndTag", "both tag and digest cannot be null");
  }
  if (imageDigest !== undefined && !digestForm.test(imageDigest)) {
    return invalid("InvalidImageDigest", `image digest should satisfy the regex '${digestPattern}'`);
  }
  const digest = imageDigest === undefined ? undefined : parseDigest(imageDigest);
  const tag = imageTag === undefined ? undefined : parseTag(imageTag);
  if (imageTag !== undefined && tag === undefined) {
    return invalid("InvalidImageTag", `image tag should satisfy the regex '${tagPattern}'`);
  }
  // A digest of an algorithm that no image here has.
  if (imageDigest !== undefined && digest === undefined) return notFound;
  return { digest, tag };
}

function invalid(failureCode: ImageFailureCode, reason: string): Failure {
  return { failureCode, failureReason: `Invalid request parameters: ${reason}` };
}

/** @throws whatever is not about this image alone */
function failureOf(error: unknown): Failure {
  if (error instanceof Refusal && error.is("ImageNotFound")) return notFound;
  if (error instanceof Refusal && error.is("ImageReferenced")) {
    return { failureCode: "ImageReferencedByManifestList", failureReason: error.message };
  }
  // ECR has no word for it; this one says that nothing can be done about the image, which is so.
  if (error instanceof Refusal && (error.is("ImageHeld") || error.is("TagHeld"))) {
    return { failureCode: "ImageInaccessible", failureReason: error.message };
  }
  for (const failureCode of ["UpstreamAccessDenied", "UpstreamTooManyRequests", "UpstreamUnavailable"] as const) {
    if (error instanceof Refusal && error.is(failureCode)) return { failureCode, failureReason: error.message };
  }
  if (error instanceof Refusal && error.is("KeyUnusable")) {
    return { failureCode: "KmsError", failureReason: error.message };
  }
  throw error;
}
