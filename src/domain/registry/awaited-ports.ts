import type { Digest } from "../names.ts";

/** What caches need kept for images whose content has not all come yet. */
export interface AwaitedNouns {
  readonly awaited: Awaited;
}

/** Content that an image refers to and its repository has not. */
export interface AwaitedContent {
  readonly digest: Digest;
  /** What the manifest calls a layer. Absent for the manifests that an index lists. */
  readonly mediaType?: string;
  /** As the manifest says. */
  readonly sizeBytes: number;
}

/** A layer that an image of the repository awaits. */
export interface AwaitedLayer extends AwaitedContent {
  readonly mediaType: string;
}

/**
 * What images refer to that is still at another registry. Such a reference stands here in the place of one to content of
 * the repository (docs/decisions/0017), and nowhere else: whoever counts, collects or compares content knows of it only
 * once it has come. It goes with its image.
 */
export interface Awaited {
  /** A layer that an active image awaits, by the newest of them. */
  layer(repositoryId: number, digest: Digest): Promise<AwaitedLayer | undefined>;
  /** Those of `digests`, in no order. */
  layers(repositoryId: number, digests: readonly Digest[]): Promise<AwaitedLayer[]>;
  /** Whether an index of the repository awaits the manifest. */
  isChild(repositoryId: number, digest: Digest): Promise<boolean>;
  /** Whether anything of the image is still awaited. */
  isIncomplete(imageId: number): Promise<boolean>;
  /**
   * The layer has come, and the repository has a link to it: the images that awaited it refer to it from now on. In the
   * transaction of the link, or later: meanwhile the link is not taken for garbage.
   */
  layerCame(repositoryId: number, digest: Digest): Promise<void>;
  /** The manifest has come, and is an image of the repository. Indexes that await it are as large as their largest part. */
  childCame(repositoryId: number, child: { readonly digest: Digest; readonly imageBytes: number }): Promise<void>;
}
