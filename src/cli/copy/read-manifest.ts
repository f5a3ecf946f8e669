import { Refusal } from "../../domain/errors.ts";
import { type Digest, digestAlgorithm } from "../../domain/names.ts";
import { manifestDigest, maxManifestBytes, parseManifest } from "../../domain/registry/manifests.ts";
import type { RemoteManifest } from "../../domain/registry/remote-registry.ts";
import { isObject } from "./layout-index.ts";
import type { BlobFacts } from "./places.ts";
import { CopyFailed } from "./problems.ts";

/** A manifest that was verified and understood. */
export interface ReadManifest extends RemoteManifest {
  readonly digest: Digest;
  readonly isIndex: boolean;
  readonly artifactType?: string;
  readonly subject?: Digest;
  /** Config and layers, each once. */
  readonly blobs: readonly (BlobFacts & { readonly isForeign: boolean })[];
  /** Of an index, each once. */
  readonly children: readonly BlobFacts[];
}

/**
 * @param expected the digest that it was asked for by
 * @param sizeBytes as its parent declares it
 * @throws CopyFailed
 */
export function readManifest(manifest: RemoteManifest, expected?: Digest, sizeBytes?: number): ReadManifest {
  const { bytes } = manifest;
  if (bytes.length > maxManifestBytes) throw new CopyFailed(`a manifest of more than ${maxManifestBytes} bytes`);
  const digest = manifestDigest(bytes, expected && digestAlgorithm(expected));
  if (expected !== undefined && digest !== expected) {
    throw new CopyFailed(`the manifest that came for ${expected} has another digest`, "broken");
  }
  if (sizeBytes !== undefined && sizeBytes !== bytes.length) {
    throw new CopyFailed(`the manifest ${digest} has ${bytes.length} bytes instead of ${sizeBytes}`);
  }
  const parsed = understood(digest, manifest);
  const { config, layers, manifests } = JSON.parse(new TextDecoder().decode(bytes));
  const sizes = sizesOf([config, ...listOf(layers), ...listOf(manifests)]);
  const factsOf = (each: Digest): BlobFacts => ({ digest: each, sizeBytes: sizes.get(each) ?? 0 });
  return {
    digest,
    bytes,
    mediaType: parsed.mediaType,
    isIndex: parsed.kind === "index",
    artifactType: parsed.artifactType,
    subject: parsed.subject,
    blobs: parsed.layers.map(({ digest: each, isForeign }) => ({ ...factsOf(each), isForeign })),
    children: parsed.children.map(factsOf),
  };
}

function understood(digest: Digest, { bytes, mediaType }: RemoteManifest) {
  try {
    return parseManifest(bytes, mediaType);
  } catch (error) {
    if (error instanceof Refusal) throw new CopyFailed(`the manifest ${digest} cannot be copied: ${error.message}`);
    throw error;
  }
}

/** @throws CopyFailed when one digest has two sizes */
function sizesOf(descriptors: unknown[]): Map<string, number> {
  const sizes = new Map<string, number>();
  for (const descriptor of descriptors) {
    if (!isObject(descriptor) || typeof descriptor.digest !== "string" || typeof descriptor.size !== "number") continue;
    const { digest, size } = descriptor;
    if ((sizes.get(digest) ?? size) !== size) throw new CopyFailed(`${digest} has two sizes in one manifest`);
    sizes.set(digest, size);
  }
  return sizes;
}

const listOf = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
