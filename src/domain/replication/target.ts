import type { Digest, Tag } from "../names.ts";
import type { LayerLink, Repository, StoredManifest } from "../registry/ports.ts";
import type { Destination } from "./ports.ts";

/** The repository of an image that is replicated. */
export type Source = Repository;

/** Where replicas go: the repository of the same name in another registry, in this database or of another server. */
export interface ReplicaTarget {
  /** Whether the image is there, and can be pulled. */
  has(image: Pick<StoredManifest, "digest" | "mediaType">): Promise<boolean>;
  /** Makes room for an image: asks for permission, and for the repository. @throws ReplicationFailed */
  open(image: StoredManifest, tag: Tag | undefined): Promise<void>;
  /** Makes a blob visible there. Safe to repeat, and cheap where it is visible already. */
  bring(blob: LayerLink): Promise<void>;
  /** Publishes the image, whose blobs and parts are there. */
  put(image: StoredManifest): Promise<void>;
  /** Points a tag to an image that is there. Answers whether; a tag that may not be moved stays as it is. */
  tag(image: StoredManifest, tag: Tag): Promise<boolean>;
  /** Takes a tag away, if it still means this image. What is not there is fine. */
  untag(digest: Digest, tag: Tag): Promise<void>;
  /** Removes an image with all its tags. What is not there is fine. */
  remove(digest: Digest): Promise<void>;
}

export type OpenTarget = (source: Source, destination: Destination, options: TargetOptions) => ReplicaTarget;

export interface TargetOptions {
  readonly signal: AbortSignal;
}
