import { mediaTypes } from "./manifests.ts";
import type { Image } from "./ports.ts";

const manifests: ReadonlySet<string> = new Set([mediaTypes.ociManifest, mediaTypes.dockerManifest]);
const indexes: ReadonlySet<string> = new Set([mediaTypes.ociIndex, mediaTypes.dockerList]);
const configs: ReadonlySet<string | undefined> = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

type Described = Pick<Image, "mediaType" | "artifactType" | "subject">;

/** Whether it is an image that a scanner can look into: one platform's, with a file system. */
export function isContainerImage({ mediaType, artifactType }: Described): boolean {
  return manifests.has(mediaType) && configs.has(artifactType);
}

/** Whether managed signing signs it: an image of one platform or several, and nothing that belongs to another. */
export function isSigned(image: Described): boolean {
  const isIndex = indexes.has(image.mediaType) && image.artifactType === undefined;
  return image.subject === undefined && (isIndex || isContainerImage(image));
}
