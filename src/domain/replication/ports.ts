import type { AccountId, Digest, Region, Registry, RepositoryName, Tag } from "../names.ts";

/**
 * What replication needs kept for it, beside the registry's own nouns and in the same transactions: a push and what follows
 * from it are there together. `storage/` keeps these ports.
 */
export interface ReplicationNouns {
  readonly replication: Replication;
  readonly backfills: Backfills;
}

/** A registry that images are replicated to: another region, another account, or both. */
export type Destination = Registry;

/** Repositories whose names begin with one of `prefixes`, or all where there are none. */
export interface ReplicationRule {
  readonly destinations: readonly Destination[];
  readonly prefixes: readonly string[];
}

/** What ECR's rules have no words for. Everything is off until somebody asks for it. */
export interface ReplicationOptions {
  /** Images that somebody deletes are deleted at the destinations too. */
  readonly deletes: boolean;
  /** Tags that somebody removes are removed at the destinations too. */
  readonly untags: boolean;
  /** Only images with a tag that one of these wildcards matches are replicated, under such tags. Empty: all. */
  readonly tags: readonly string[];
  /** What of a repository the destination takes over with each image. */
  readonly settings: readonly SyncedSetting[];
}

export const syncedSettings = ["tagMutability", "repositoryPolicy", "lifecyclePolicy", "resourceTags"] as const;
export type SyncedSetting = (typeof syncedSettings)[number];

export const noOptions: ReplicationOptions = { deletes: false, untags: false, tags: [], settings: [] };

export interface ReplicationConfiguration {
  readonly rules: readonly ReplicationRule[];
  readonly options: ReplicationOptions;
}

export type ReplicaStatus = "IN_PROGRESS" | "COMPLETE" | "FAILED";

/** How far one image has come on its way to one destination. */
export interface Replica {
  readonly destination: Destination;
  readonly status: ReplicaStatus;
  readonly failureCode?: string;
  /** Tags that are still to arrive. */
  readonly tags: readonly Tag[];
  /** Counts what was asked for: who ends the replica says which of these it has done. */
  readonly version: number;
  readonly changedAt: Date;
}

export interface Replication {
  /** `undefined` for a registry that replicates nothing. By its key: every push asks. */
  configuration(registry: Registry): Promise<ReplicationConfiguration | undefined>;
  /** Creates or replaces what is given, and no more. */
  setRules(registry: Registry, rules: readonly ReplicationRule[]): Promise<void>;
  setOptions(registry: Registry, options: ReplicationOptions): Promise<void>;
  /** In the order of account and region. */
  ofImage(imageId: number): Promise<Replica[]>;
  find(imageId: number, destination: Destination): Promise<Replica | undefined>;
  /** The image is on its way, with these tags beside those that have not arrived yet. */
  begin(imageId: number, destination: Destination, tags: readonly Tag[], at: Date): Promise<void>;
  /**
   * What was asked for by `version` is done, or has failed. Answers whether nothing else was asked for meanwhile; if
   * something was, the replica stays as it is.
   */
  end(
    imageId: number,
    destination: Destination,
    version: number,
    ended: { readonly status: "COMPLETE" } | { readonly status: "FAILED"; readonly failureCode: string },
    at: Date,
  ): Promise<boolean>;
  /** Where a peer takes the rest of a blob that was begun to be sent. */
  upload(blob: SentBlob): Promise<string | undefined>;
  keepUpload(blob: SentBlob, location: string, at: Date): Promise<void>;
  dropUpload(blob: SentBlob): Promise<void>;
  /** Forgets uploads that were begun before: no registry keeps them so long. */
  pruneUploads(before: Date): Promise<void>;
}

/** A blob on its way from a repository to another server. */
export interface SentBlob {
  readonly destination: Destination;
  readonly repositoryId: number;
  readonly digest: Digest;
}

export type BackfillStatus = "PREPARING" | "IN_PROGRESS" | "COMPLETE" | "FAILED" | "STOPPING" | "STOPPED";

export interface Backfill {
  readonly id: string;
  readonly registry: Registry;
  readonly destination: Destination;
  readonly status: BackfillStatus;
  readonly failureCode?: string;
  /** Absent until all that is to be replicated is known. */
  readonly progress?: BackfillProgress;
  readonly startedAt: Date;
  readonly endedAt?: Date;
}

export interface BackfillProgress {
  readonly total: number;
  readonly completed: number;
  readonly failed: number;
  /** Each once, in order. */
  readonly failureCodes: readonly string[];
}

export interface BackfillPlace {
  /** Milliseconds since 1970. */
  readonly startedAt: number;
  readonly id: string;
}

/** One image under one of its tags, or under none. */
export interface BackfillItem {
  readonly number: number;
  readonly repository: RepositoryName;
  readonly digest: Digest;
  readonly tag?: Tag;
}

export interface BackfillResult extends BackfillItem {
  readonly status: "COMPLETE" | "FAILED";
  readonly failureCode?: string;
  /** Of an index: why its parts did not arrive, each code once. */
  readonly partFailureCodes?: readonly string[];
}

export interface Backfills {
  find(registry: Registry, id: string): Promise<Backfill | undefined>;
  /** `find` inside a transaction that changes it. */
  lock(registry: Registry, id: string): Promise<Backfill | undefined>;
  /** Newest first; of those that have ended only what did so since. */
  list(
    registry: Registry,
    endedSince: Date,
    page: { readonly after?: BackfillPlace; readonly limit: number },
  ): Promise<Backfill[]>;
  /** How many have not ended. */
  countOpen(registry: Registry): Promise<number>;
  /** Answers whether none to the same region is open. */
  create(backfill: Omit<Backfill, "progress" | "endedAt" | "failureCode">): Promise<boolean>;
  update(id: string, change: Partial<Pick<Backfill, "status" | "failureCode" | "progress" | "endedAt">>): Promise<void>;
  add(id: string, items: readonly BackfillItem[]): Promise<void>;
  /** Those without a result, by number. */
  open(id: string, limit: number): Promise<BackfillItem[]>;
  settle(id: string, results: readonly BackfillResult[]): Promise<void>;
  /** By number; what has no result is left out. */
  results(
    id: string,
    page: { readonly after?: number; readonly limit: number; readonly status?: BackfillResult["status"] },
  ): Promise<BackfillResult[]>;
  /** Removes what ended before, about `limit` rows at a time. Answers whether it is all gone. */
  prune(endedBefore: Date, limit: number): Promise<boolean>;
}

/** What jobs name backfills by. */
export interface BackfillJob {
  readonly account: AccountId;
  readonly region: Region;
  readonly id: string;
}

/** What jobs of removals name: a tag that an image had, or the image. */
export interface RemovalJob {
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
  readonly digest: Digest;
  readonly tag?: Tag;
  readonly to: Destination;
}

/** What jobs name images by. An image that was deleted and pushed again has another id. */
export interface ReplicaJob {
  readonly imageId: number;
  readonly repositoryId: number;
  readonly account: AccountId;
  readonly region: Region;
  readonly name: RepositoryName;
  readonly digest: Digest;
  readonly to: Destination;
}
