import type { AccountId, Digest, Region, Registry, RepositoryName } from "../names.ts";
import type { BlobName, ImageStatus, Page } from "./ports.ts";

/** What is measured of storage, and what must be kept for it. docs/usage.md says what each figure means. */

export const figureNames = [
  "repositories",
  "images",
  "taggedImages",
  "archivedImages",
  "layers",
  "layerBytes",
  "uniqueBytes",
  "archivedBytes",
  "logicalBytes",
  "manifestBytes",
  "archivedManifestBytes",
  "waitingBytes",
] as const;

export type UsageFigures = { readonly [Name in (typeof figureNames)[number]]: number };

/** What figures are about. The less is named, the more it is: a repository, a registry, an account, everything. */
export interface UsageArea {
  readonly account: AccountId | "";
  readonly region: Region | "";
  readonly repository: RepositoryName | "";
}

export interface UsageEntry {
  readonly area: UsageArea;
  readonly figures: UsageFigures;
}

/** A measurement. Its entries count from when it is finished. */
export interface UsageRun {
  readonly id: number;
  /** `2026-03-01`, in UTC. */
  readonly day: string;
  readonly finishedAt: Date;
}

export interface DayOfUsage {
  readonly day: string;
  readonly measuredAt: Date;
  readonly figures: UsageFigures;
}

export interface WalkedRepository {
  readonly id: number;
  readonly area: UsageArea;
}

export interface LinkKey extends BlobName {
  readonly linkedAt: number;
  readonly repositoryId: number;
}

export interface WalkedLink extends LinkKey {
  readonly sizeBytes: number;
  /** `undefined` for a repository that was deleted. */
  readonly area: UsageArea | undefined;
  /** Of the repository's images that refer to the layer, the one that is needed most. `undefined` where none does. */
  readonly status: ImageStatus | undefined;
}

export interface WalkedImage {
  readonly id: number;
  readonly area: UsageArea | undefined;
  readonly status: ImageStatus;
  readonly isTagged: boolean;
  readonly manifestBytes: number;
}

export interface UnlinkedKey extends BlobName {
  readonly since: number;
}

export interface LiveLink {
  readonly digest: Digest;
  readonly sizeBytes: number;
  readonly status: ImageStatus | undefined;
  /** Whether an image of another repository of the registry refers to it. `undefined` where too many have it to look at. */
  readonly isShared: boolean | undefined;
}

export interface LiveImage extends Omit<WalkedImage, "area" | "id"> {
  readonly digest: Digest;
}

export interface SizeKey {
  readonly layerBytes: number;
  readonly repository: RepositoryName;
}

/**
 * Results of measurements, and the walks that they are made by: short pages in the order of an index, so that nobody waits
 * for a long one.
 */
export interface Usage {
  begin(day: string, at: Date): Promise<number>;
  /** Adds to what the run has of these areas already. */
  add(run: number, entries: readonly UsageEntry[]): Promise<void>;
  finish(run: number, at: Date): Promise<void>;
  /** Runs that began before this one and are of no use any more: unfinished, of the same day, or of a day before `before`. */
  outdated(run: number, before: string | undefined, limit: number): Promise<number[]>;
  /** Removes up to `limit` entries of the run. Answers whether all of it is gone. */
  drop(run: number, limit: number): Promise<boolean>;

  newest(): Promise<UsageRun | undefined>;
  entry(run: number, area: UsageArea): Promise<UsageFigures | undefined>;
  /** Repositories of the registry, largest first, and then by name, descending. */
  list(run: number, registry: Registry, page: Page<SizeKey>): Promise<(UsageEntry & { readonly area: UsageArea })[]>;
  /** Registries, accounts and everything, largest first. */
  areas(run: number, limit: number): Promise<UsageEntry[]>;
  /** Newest day first, those before `page.after`. Only days on which the area was there. */
  history(area: UsageArea, page: Page<string>): Promise<DayOfUsage[]>;

  /** By id; deleted ones are passed over. */
  repositories(page: Page<number>): Promise<WalkedRepository[]>;
  /** All links of a blob one after the other. */
  links(page: Page<LinkKey>): Promise<WalkedLink[]>;
  /** By id. */
  images(page: Page<number>): Promise<WalkedImage[]>;
  /** Blobs in the queue for garbage, and whether any link names them. */
  unlinked(
    page: Page<UnlinkedKey>,
  ): Promise<(UnlinkedKey & { readonly sizeBytes: number; readonly isLinked: boolean })[]>;

  /** Of one repository, by digest. */
  liveLinks(registry: Registry, repositoryId: number, page: Page<Digest>): Promise<LiveLink[]>;
  liveImages(repositoryId: number, page: Page<Digest>): Promise<LiveImage[]>;
}
