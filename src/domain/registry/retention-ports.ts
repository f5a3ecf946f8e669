import type { Hold } from "../lifecycle/types.ts";
import type { Digest, Registry, RepositoryName, Tag } from "../names.ts";
import type { Encryption, Image, LayerReference, Page, Repository } from "./ports.ts";
import type { ImageScan, ImageSigning } from "./scanning-ports.ts";

/** What retention needs kept for it, beside all that `ports.ts` lists and in the same transactions. */
export interface RetentionNouns {
  readonly holds: Holds;
  readonly retentions: Retentions;
  readonly deletedImages: DeletedImages;
  readonly deletedRepositories: DeletedRepositories;
}

/** What is held: a tag, or an image by its digest. No tag looks like a digest. */
export type HoldTarget = Tag | Digest;

export interface StoredHold {
  readonly repositoryId: number;
  readonly target: HoldTarget;
  readonly reason: string;
  readonly placedAt: Date;
  /** ARN of the principal. */
  readonly placedBy: string;
  /** The first moment at which it is over. Absent: never. */
  readonly until?: Date;
}

/** One for each target. A hold that is over is as good as none, and is not found. */
export interface Holds {
  /** Those on any of the targets, in no order. */
  on(repositoryId: number, targets: readonly HoldTarget[], at: Date): Promise<StoredHold[]>;
  /** By target, ascending by byte value. */
  list(repositoryId: number, page: Page<string>, at: Date): Promise<StoredHold[]>;
  count(repositoryId: number): Promise<number>;
  /** Places it, or replaces the one on the same target. */
  put(hold: StoredHold): Promise<void>;
  /** Answers whether it was there. */
  remove(repositoryId: number, target: HoldTarget): Promise<boolean>;
  /** Removes those that were over before then, at most `limit`. Answers how many. */
  forget(before: Date, limit: number): Promise<number>;
}

/** As planners take it. */
export function toHold({ target, reason, until }: Pick<StoredHold, "target" | "reason" | "until">): Hold {
  const meant = target.includes(":") ? { digest: target as Digest } : { tag: target };
  return { target: meant, reason, until: until?.getTime() };
}

/** What a repository says of itself beyond ECR. */
export interface RepositoryRetention {
  /** The retention document exactly as it was sent. */
  readonly document?: string;
  /** Whether evaluations of its lifecycle policy plan and touch nothing. */
  readonly reportOnly: boolean;
  /** Whether the repository cannot be deleted. */
  readonly isProtected: boolean;
}

export interface Retentions {
  find(repositoryId: number): Promise<RepositoryRetention>;
  /** Replaces what is given. `document: undefined` removes the document. */
  update(repositoryId: number, retention: Partial<RepositoryRetention>): Promise<void>;
}

/** When, by whom as the history of tags tells it, and for how long it can be undone. */
export interface Deletion {
  readonly at: Date;
  readonly by: string;
  /** The first moment at which it cannot. */
  readonly until: Date;
}

/** An image that was deleted, and what it takes to bring it back. */
export interface DeletedImage extends Image {
  /** Not an image's. */
  readonly id: number;
  /** Those that went with it. */
  readonly tags: readonly Tag[];
  /** What it lists. */
  readonly children: readonly Digest[];
  readonly scan?: ImageScan;
  readonly signings: readonly ImageSigning[];
  readonly deletion: Deletion;
}

/**
 * Images that were deleted and can be brought back, one for each digest. Nothing else knows of them but who removes links of
 * layers, and who moves blobs into the archive. One whose time is over is as good as gone, and not found.
 */
export interface DeletedImages {
  /** Keeps a copy of an image, and its layers, in the transaction that deletes it and before it does. */
  keep(image: Pick<Image, "id" | "repositoryId" | "digest">, tags: readonly Tag[], deletion: Deletion): Promise<void>;
  /** Inside a transaction: others that would bring it back or remove it wait. */
  lock(repositoryId: number, digest: Digest, at: Date): Promise<DeletedImage | undefined>;
  /** By id. */
  list(repositoryId: number, page: Page<number>, at: Date): Promise<DeletedImage[]>;
  /** At most `limit` of those whose subject is one of `subjects`, in no order. */
  referrersOf(repositoryId: number, subjects: readonly Digest[], limit: number, at: Date): Promise<DeletedImage[]>;
  content(id: number): Promise<{ readonly manifest: Uint8Array; readonly layers: readonly LayerReference[] }>;
  /** Whether one needs the layer: its link cannot go then. */
  needs(repositoryId: number, layer: Digest): Promise<boolean>;
  /** Removes one. Its layers wait for their removal, unless others need them. */
  remove(image: Pick<DeletedImage, "id" | "repositoryId">, at: Date): Promise<void>;
  /** Gives an image that was brought back the times that it had. */
  setTimes(imageId: number, image: Pick<Image, "lastPulledAt" | "lastArchivedAt" | "lastActivatedAt">): Promise<void>;
  /** Removes those whose time is over, at most `limit`. Answers how many. */
  forget(at: Date, limit: number): Promise<number>;
}

export interface DeletedRepository {
  readonly id: number;
  readonly registry: Registry;
  readonly name: RepositoryName;
  readonly encryption: Encryption;
  readonly deletion: Deletion;
}

/** Repositories that were deleted and can be brought back: `Repositories.putAside`. Likewise. */
export interface DeletedRepositories {
  /** By id. */
  list(registry: Registry, page: Page<number>, at: Date): Promise<DeletedRepository[]>;
  /** The one of that name that was deleted last. Inside a transaction: others that would bring it back or remove it wait. */
  lock(registry: Registry, name: RepositoryName, at: Date): Promise<DeletedRepository | undefined>;
  /** Brings it back. Its name must be free. */
  restore(repository: Pick<Repository, "id" | "registry" | "name" | "encryption">): Promise<void>;
  /** Leaves those whose time is over to `Garbage.purge`, at most `limit`. Answers how many. */
  forget(at: Date, limit: number): Promise<number>;
}
