import { type Digest, parseDigest } from "../../domain/names.ts";
import { blobPath, isObject } from "./layout-index.ts";
import { CopyFailed } from "./problems.ts";

/** An entry of `manifest.json` in an archive of `docker save` (Docker image specification v1.2, "Combined Image JSON"). */
export interface DockerImage {
  readonly Config: string;
  readonly RepoTags: readonly string[];
  readonly Layers: readonly string[];
}

const imageConfigs = new Set([
  "application/vnd.oci.image.config.v1+json",
  "application/vnd.docker.container.image.v1+json",
]);

/** @throws CopyFailed for what is no image that Docker could run */
export function dockerEntry(bytes: Uint8Array, name: string | undefined): DockerImage {
  const { config, layers } = JSON.parse(new TextDecoder().decode(bytes)) as Record<string, unknown>;
  if (!isObject(config) || !imageConfigs.has(String(config.mediaType)) || !Array.isArray(layers)) {
    throw new CopyFailed("it is no image that Docker can load; write it to an oci-archive: instead");
  }
  return { Config: pathOf(config), RepoTags: name === undefined ? [] : [name], Layers: layers.map(pathOf) };
}

function pathOf(descriptor: unknown): string {
  const digest = isObject(descriptor) ? parseDigest(String(descriptor.digest)) : undefined;
  return blobPath(digest as Digest);
}
