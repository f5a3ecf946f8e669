import type { Granted } from "../domain/access.ts";
import type { Asked, DataPlane } from "./index.ts";

/** DELETE …/manifests/<reference>: a tag alone, or an image by digest with all its tags. */
export async function deleteManifest(
  { repository, reference }: Asked<"manifest.delete">,
  granted: Granted,
  { images, isReplica }: Pick<DataPlane, "images" | "isReplica">,
): Promise<Response> {
  if ("tag" in reference) await images.deleteTag(granted, repository, reference.tag, { isReplica });
  else await images.deleteImage(granted, repository, reference.digest, { isReplica });
  return new Response(null, { status: 202 });
}

/** DELETE …/blobs/<digest>. Refused while an image needs the blob: no client may break an image by accident. */
export async function deleteBlob(
  { repository, digest }: Asked<"blob.delete">,
  granted: Granted,
  { layers }: Pick<DataPlane, "layers">,
): Promise<Response> {
  await layers.delete(granted, repository, digest);
  return new Response(null, { status: 202 });
}
