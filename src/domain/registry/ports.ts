import type { AccountId, Arn, Digest, DigestAlgorithm, Registry, RepositoryName, Tag, UploadId } from "../names.ts";
import type { AwaitedContent, AwaitedNouns } from "./awaited-ports.ts";
import type { CreationTemplateNouns } from "./creation-template-ports.ts";
import type { LifecycleNouns } from "./lifecycle-ports.ts";
import type { Deletion, RetentionNouns } from "./retention-ports.ts";
import type { ScanningNouns } from "./scanning-ports.ts";
import type { Usage } from "./usage-ports.ts";

/**
 * What the registry needs kept for it. `storage/` keeps these ports; each has a contract suite that every driver runs.
 *
 * Times are `Date`, sizes are bytes, ids are the database's and never leave the process.
 */

// ── Blobs ───────────────────────────────────────────────────────────────────────────────────────────────────────────

export type Bytes = AsyncIterable<Uint8Array>;

/** Both ends inclusive, within the content. */
export interface ByteRange {
  readonly first: number;
  readonly last: number;
}

/**
 * Tells the copies of one content apart. What was collected and is pushed again gets another generation, so that a late
 * removal of the old copy cannot meet the new one. It is the staging id of the upload that the copy came from; empty for
 * blobs of before there were generations.
 */
export type Generation = string & { readonly generation: true };

export interface BlobId {
  readonly digest: Digest;
  readonly generation: Generation;
}

export interface StoredBlob extends BlobId {
  readonly sizeBytes: number;
}

/**
 * Under which key blobs are sealed. Copies are shared only within one scope. Empty for the server's own key, else what
 * `scopeOf` (encryption.ts) makes of a repository's encryption.
 */
export type KeyScope = string & { readonly keyScope: true };

/** What one blob is sealed with. */
export interface BlobKey {
  /** 32 bytes for each layer of encryption. */
  readonly keys: readonly Uint8Array[];
  /** What `BlobKeys.open` needs to have them again. It is kept beside the bytes, and of no use to others. */
  readonly wrapped: Uint8Array;
}

/** The longest `BlobKey.wrapped`. */
export const maxWrappedBytes = 384;

/** Makes the keys of single blobs, and opens them again. Asks nobody for permission. */
export interface BlobKeys {
  /** Whether what is stored from now on is sealed: not where that is left to an encrypted volume. */
  seals(scope: KeyScope): boolean;
  /**
   * A new key for the copy that comes from `staging`, which is bound to it.
   * @throws KeyUnusable
   */
  make(scope: KeyScope, staging: StagingId): Promise<BlobKey>;
  /** @throws KeyUnusable; BlobDamaged where `wrapped` was changed, or is of another copy */
  open(wrapped: Uint8Array, staging: StagingId): Promise<readonly Uint8Array[]>;
}

/** How the bytes of a blob can reach a socket. Only `server/` opens a `file`: there the kernel sends it. */
export type Content =
  | { readonly kind: "file"; readonly path: string; readonly offset: number; readonly sizeBytes: number }
  | { readonly kind: "bytes"; readonly bytes: Uint8Array; readonly sizeBytes: number }
  | {
      readonly kind: "stream";
      readonly stream: () => Bytes;
      readonly sizeBytes: number;
      /** Nobody else has the memory of a chunk, so whoever reads it may free it. */
      readonly isGivenAway?: boolean;
    };

/** Names the bytes of one upload inside a blob store. Never shown to clients. */
export type StagingId = string & { readonly staging: true };

/** What of an upload is in the store. */
export interface Staged {
  readonly sizeBytes: number;
  /** The digest of exactly these bytes, where the driver hashed all of them as they came. */
  readonly digest?: Digest;
}

export interface Appended extends Staged {
  /** What ended the bytes early. Those before it are kept and counted; the upload can go on after them. */
  readonly interrupted?: unknown;
}

/** Told by a store how far it is with content that others read while it comes. */
export interface Watching {
  /** So many bytes can be read with `staged`, up to the end of a batch. Not durable. */
  written?(sizeBytes: number): void;
  /** The content is what its digest says. It is not published yet, and may still fail to be. */
  verified?(): void;
}

export interface AppendOptions {
  readonly scope: KeyScope;
  readonly algorithm: DigestAlgorithm;
  /**
   * The digest of the first `offset` bytes, as their append answered it. A store that remembers a hash goes on with it
   * only when it is this one: of bytes that were written and never acknowledged, another process may have put others in
   * their place. Without it the bytes are hashed again at the commit.
   */
  readonly acknowledged?: Digest;
}

/**
 * Bytes by their digest. Whether somebody may read them is decided elsewhere: a blob in the store is visible only
 * through a link in the metadata, which also says which copy counts.
 */
export interface BlobStore {
  /** Absent is an answer, not an error. */
  stat(blob: BlobId): Promise<StoredBlob | undefined>;
  /**
   * The whole blob, or a range of it. `undefined` when the store has no such blob.
   * @throws KeyUnusable, and BlobDamaged for a sealed copy that was changed; where it is changed further on, the stream does
   */
  read(blob: BlobId, range?: ByteRange): Promise<Content | undefined>;
  /**
   * All bytes of a blob that are wanted here and not on a socket, to be hashed or copied; or those from `from` on. Throws
   * when there is none, and as `read` does.
   */
  bytes(blob: BlobId, from?: number): Bytes;
  /**
   * Names a new, empty upload, whose bytes will be sealed under `scope`, as all of its verbs have to be told again. Costs
   * nothing until bytes are appended. The name tells whether the copy is sealed.
   */
  begin(scope: KeyScope): Promise<StagingId>;
  /**
   * Writes `bytes` from `offset` on; whatever was staged behind it is dropped first. Not durable until `commit`.
   * One append at a time per upload: the metadata's claim sees to that.
   * @throws StorageFull when the disk is, KeyUnusable, and RangeError when fewer than `offset` bytes are staged, or are
   *   sealed and cannot be opened any more
   */
  append(staging: StagingId, offset: number, bytes: Bytes, how: AppendOptions): Promise<Appended>;
  /**
   * The staged bytes up to `sizeBytes`, for an upload that must move away from a writer that may still be alive, and for
   * whoever reads what comes while it comes. From `from` on; that and `sizeBytes` are then what `Watching.written` told.
   * @throws RangeError when fewer bytes are staged, or the upload is gone
   */
  staged(staging: StagingId, sizeBytes: number, from?: number): Bytes;
  /**
   * Publishes the first `staged.sizeBytes` bytes as a new copy under `digest`, all or nothing; durable when it returns.
   * Compares the digest first, from `staged.digest` or by reading the bytes again. Safe to repeat for one upload.
   * @throws LayerDigestMismatch, and keeps the upload; KeyUnusable
   */
  commit(staging: StagingId, digest: Digest, staged: Staged, scope: KeyScope): Promise<StoredBlob>;
  /**
   * `append` from the beginning and `commit` in one, with less work for the disk: for content that comes whole. When the
   * source ends early there is no `blob`, and what came is staged.
   * @throws LayerDigestMismatch, and keeps the upload; StorageFull, KeyUnusable
   */
  store(
    staging: StagingId,
    digest: Digest,
    bytes: Bytes,
    scope: KeyScope,
    watching?: Watching,
  ): Promise<Appended & { readonly blob?: StoredBlob }>;
  /** Drops an upload. Absent is fine. */
  abort(staging: StagingId): Promise<void>;
  /**
   * Drops a blob and answers how many bytes that freed. Absent is fine. Call it only when no metadata names the blob.
   * After a power cut the blob may be there again.
   */
  remove(blob: BlobId): Promise<number>;
  /** A copy as it lies in the store, sealed if it is: needs no key. Throws when there is none. */
  stored(blob: BlobId): Bytes;
  /**
   * Takes a sealed copy out of another store's `stored`, under the same name: its key is bound to that. All or nothing, and
   * durable when it returns. The bytes are compared with nothing; whoever has the key can do so.
   * @throws StorageFull, RangeError for a copy that is not sealed, and whatever the source throws
   */
  adopt(blob: BlobId, stored: Bytes): Promise<StoredBlob>;
  /** Every blob behind `after`, in the order of digests and then generations. */
  list(after?: BlobId): AsyncIterable<ListedBlob>;
  /** Uploads whose last write is older than `before`; for cleaning up after crashes. */
  stale(before: Date): AsyncIterable<StagingId>;
  close(): Promise<void>;
}

/** The stores of a registry whose archived images have one of their own. What comes goes to the first. */
export interface Tiers {
  readonly standard: BlobStore;
  readonly archive: BlobStore;
}

export interface ListedBlob extends StoredBlob {
  /** When it came into the store. */
  readonly committedAt: Date;
}

// ── Metadata ────────────────────────────────────────────────────────────────────────────────────────────────────────

/**
 * The only truth. `read` answers from the committed state; `transact` is all or nothing and durable when it returns.
 * The work may run again when the database asks for a retry, so it does no network or blob work and changes nothing
 * but through its argument.
 */
export interface Metadata<All extends Nouns = Nouns> {
  readonly read: All;
  transact<Result>(work: (nouns: All) => Promise<Result>, options?: TransactOptions): Promise<Result>;
  /** Round trip to the database; throws when it is out of reach. */
  ping(): Promise<void>;
  /** What the database finds wrong with its own files, a line each. Reads all of them. */
  damages(): Promise<string[]>;
  close(): Promise<void>;
}

export interface TransactOptions {
  /** `false` lets the last moments be lost in a power cut (never torn): right for upload sessions and pull times. */
  readonly durable?: boolean;
}

export interface Nouns extends AwaitedNouns, CreationTemplateNouns, LifecycleNouns, RetentionNouns, ScanningNouns {
  readonly repositories: Repositories;
  readonly layers: LayerLinks;
  readonly uploads: Uploads;
  readonly images: Images;
  readonly tags: Tags;
  readonly settings: AccountSettings;
  readonly registryPolicies: RegistryPolicies;
  readonly pullTimeExclusions: PullTimeExclusions;
  readonly blobs: BlobRecords;
  readonly blobPlaces: BlobPlaces;
  readonly garbage: Garbage;
  readonly inspection: Inspection;
  readonly usage: Usage;
}

export const tagMutabilities = ["IMMUTABLE", "MUTABLE", "MUTABLE_WITH_EXCLUSION", "IMMUTABLE_WITH_EXCLUSION"] as const;
export type TagMutability = (typeof tagMutabilities)[number];

/** What may change in a repository. */
export interface RepositorySettings {
  readonly tagMutability: TagMutability;
  /** Whole-tag wildcards, `*` only. Empty unless the mutability ends in `_WITH_EXCLUSION`. */
  readonly exclusionFilters: readonly string[];
  readonly scanOnPush: boolean;
  /** The repository policy exactly as it was sent. */
  readonly policy?: string;
  /** Whom its ARNs meant; there when the policy is. */
  readonly policyBindings?: PrincipalBindings;
}

/** How a repository's layers are sealed: by the server's own key, or by one that its users manage. */
export type Encryption =
  | { readonly type: "AES256" }
  | {
      readonly type: "KMS" | "KMS_DSSE";
      /** ARN of a KMS key of the same registry's region. */
      readonly key: Arn;
      /** Ids of the key's grants that let the registry use it for this repository. */
      readonly grants: readonly string[];
    };

export interface Repository extends RepositorySettings {
  /** A re-created repository has another id: old grants and uploads do not open it. */
  readonly id: number;
  readonly registry: Registry;
  readonly name: RepositoryName;
  readonly createdAt: Date;
  /** Fixed when the repository is made. */
  readonly encryption: Encryption;
}

/** A repository as what layers are linked to. */
export type LinkTarget = Pick<Repository, "id" | "encryption">;

export interface Page<Key> {
  /** The last key of the page before; absent for the first. */
  readonly after?: Key;
  readonly limit: number;
}

export interface Repositories {
  find(registry: Registry, name: RepositoryName): Promise<Repository | undefined>;
  /** `find` inside a transaction: nobody deletes the repository until it ends. */
  keep(registry: Registry, name: RepositoryName): Promise<Repository | undefined>;
  /** By name, ascending by byte value. */
  list(registry: Registry, page: Page<RepositoryName>): Promise<Repository[]>;
  /** `undefined` when the name is taken. */
  create(repository: Omit<Repository, "id">, tags: ReadonlyMap<string, string>): Promise<Repository | undefined>;
  /**
   * Replaces the settings that are given, and no others: somebody else may have changed these meanwhile.
   * `policy: undefined` removes the policy.
   */
  update(id: number, settings: Partial<RepositorySettings>): Promise<void>;
  /** At once for everybody who asks by name, who may make it anew. Its content goes by `Garbage.purge`. */
  delete(id: number): Promise<void>;
  /** The same, but all of it stays as it is for as long as it can be brought back: see `DeletedRepositories`. */
  putAside(repository: Pick<Repository, "id" | "registry" | "name">, deletion: Deletion): Promise<void>;
  /** Resource tags, ascending by key. */
  resourceTags(id: number): Promise<Map<string, string>>;
  /** Adds and overwrites. */
  setResourceTags(id: number, tags: ReadonlyMap<string, string>): Promise<void>;
  removeResourceTags(id: number, keys: readonly string[]): Promise<void>;
}

/** A link makes a blob visible in a repository. */
export interface LayerLink extends StoredBlob {
  /** As the newest manifest that refers to the layer calls it. Absent until an image does. */
  readonly mediaType?: string;
  /** Whether an image in this repository refers to the layer. */
  readonly inImage: boolean;
  /** Whether images do, and none of them is active: nobody may read the layer then. */
  readonly isArchived: boolean;
  /** Whether the copy is in the archive's store. It is read from there until it is back. */
  readonly isInArchive: boolean;
  /** Since when the link waits for its removal, because no image needs it. Perhaps one does by now. */
  readonly unreferencedSince?: Date;
  /** Whether the bytes were found damaged: they are not served, and count as missing until they are pushed again. */
  readonly quarantined: boolean;
}

export interface LayerLinks {
  find(repositoryId: number, digest: Digest): Promise<LayerLink | undefined>;
  /** Those of `digests` that the repository has, in no order. */
  findMany(repositoryId: number, digests: readonly Digest[]): Promise<LayerLink[]>;
  /**
   * Safe to repeat. Where the content is known already, and sound, the known copy stays and `blob` is not needed.
   * A link that waits for its removal is rescued. Known is what is known in the repository's key scope.
   */
  link(repository: LinkTarget, blob: StoredBlob, at: Date): Promise<Linked>;
  /** Lets the links that wait for their removal wait anew from `at` on: somebody relies on them. */
  touch(repositoryId: number, digests: readonly Digest[], at: Date): Promise<void>;
  /** Answers whether there was a link. Fails, and rolls back, when an image refers to the layer: ask `find` before. */
  unlink(repositoryId: number, digest: Digest, at: Date): Promise<boolean>;
  /** Repositories of the registry that have the blob in this scope, at most `limit`, oldest link first. */
  holders(
    registry: Registry,
    digest: Digest,
    scope: KeyScope,
    limit: number,
  ): Promise<{ repository: Repository; sizeBytes: number }[]>;
}

export interface Linked {
  /** Whether the repository did not have the content, or had it damaged. */
  readonly isNew: boolean;
  /** The copy that is read from now on. */
  readonly generation: Generation;
}

/** A client's upload session. Bound to the repository it began in and to who began it. */
export interface Upload {
  readonly id: UploadId;
  readonly repositoryId: number;
  readonly owner: UploadOwner;
  readonly staging: StagingId;
  readonly algorithm: DigestAlgorithm;
  readonly staged: Staged;
  /** Number of parts received. */
  readonly parts: number;
  /** Size of the newest part, and of the smallest part before it: all but the last have a minimum size in the API. */
  readonly lastPartBytes: number;
  readonly smallestEarlierPartBytes?: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  /** Whether somebody writes to it, or did so and never let go. */
  readonly isClaimed: boolean;
}

/** A re-created user or role has another `id` (`aws:userid`) under the same ARN. */
export interface UploadOwner {
  readonly account: AccountId;
  readonly arn: string;
  readonly id: string;
}

export interface UploadProgress {
  readonly staging: StagingId;
  readonly staged: Staged;
  readonly parts: number;
  readonly lastPartBytes: number;
  readonly smallestEarlierPartBytes?: number;
  readonly at: Date;
}

export interface Uploads {
  find(id: UploadId): Promise<Upload | undefined>;
  create(upload: Omit<Upload, "isClaimed">): Promise<void>;
  /**
   * Takes the upload for one writer until `until`. `previous` tells whether another writer's claim had run out without
   * being released: that writer may still be alive. `undefined` when somebody else holds it, or it is gone.
   */
  claim(
    id: UploadId,
    writer: string,
    now: Date,
    until: Date,
  ): Promise<{ upload: Upload; previous: boolean } | undefined>;
  /** Puts off the end of a claim that is still held. Answers whether it was. */
  extend(id: UploadId, writer: string, until: Date): Promise<boolean>;
  /** Ends the claim, with what was reached, if given. Answers whether the claim was still held; if not, nothing changes. */
  release(id: UploadId, writer: string, progress?: UploadProgress): Promise<boolean>;
  /** Answers whether it was there. */
  delete(id: UploadId): Promise<boolean>;
  /** How many sessions the principal has, counted up to `limit`. */
  countOf(owner: Pick<UploadOwner, "account" | "id">, limit: number): Promise<number>;
  /** Sessions not touched since `before`, at most `limit`, oldest first. */
  stale(before: Date, limit: number): Promise<Upload[]>;
  /** Whether any session owns these staged bytes. */
  owns(staging: StagingId): Promise<boolean>;
}

/** A reference of a manifest to bytes in the same repository. */
export interface LayerReference {
  readonly digest: Digest;
  readonly mediaType: string;
}

/** What the metadata keeps of a manifest beside its bytes. */
export interface ImageFacts {
  readonly digest: Digest;
  readonly mediaType: string;
  /** The manifest's `artifactType`, else the media type of its config; what ECR calls artifactMediaType. */
  readonly artifactType?: string;
  /** Size of the manifest document. */
  readonly manifestBytes: number;
  /** Config and layers together; for an index its largest child. */
  readonly imageBytes: number;
  readonly subject?: Digest;
  readonly annotations?: Readonly<Record<string, string>>;
}

export interface Image extends ImageFacts {
  readonly id: number;
  readonly repositoryId: number;
  readonly pushedAt: Date;
  readonly lastPulledAt?: Date;
  readonly status: ImageStatus;
  readonly lastArchivedAt?: Date;
  readonly lastActivatedAt?: Date;
}

/** Only an active image can be pulled. One that is activating is on its way out of the archive. */
export type ImageStatus = "ACTIVE" | "ACTIVATING" | "ARCHIVED";
export type ImageStatusFilter = ImageStatus | "ANY";

/** An image as what changes its status has to know it. */
export type ImageState = Pick<Image, "id" | "repositoryId" | "digest" | "artifactType" | "subject" | "status">;

export interface NewImage extends ImageFacts {
  readonly repositoryId: number;
  readonly manifest: Uint8Array;
  readonly layers: readonly LayerReference[];
  readonly children: readonly Digest[];
  /** What a cache fetches when somebody asks for it; in neither of both lists. */
  readonly awaited?: readonly AwaitedContent[];
  readonly pushedAt: Date;
}

export interface LocatedImage {
  readonly imageId: number;
  readonly digest: Digest;
  readonly mediaType: string;
}

export interface StoredManifest extends LocatedImage {
  readonly manifest: Uint8Array;
}

export type TagStatus = "TAGGED" | "UNTAGGED" | "ANY";

export interface Images {
  find(repositoryId: number, digest: Digest): Promise<Image | undefined>;
  /** Those of `digests` that the repository has, in no order. */
  findMany(repositoryId: number, digests: readonly Digest[]): Promise<Image[]>;
  /** `findMany` inside a transaction: nobody changes their status until it ends. */
  keepMany(repositoryId: number, digests: readonly Digest[]): Promise<Image[]>;
  /** `find` inside a transaction that may change the image's status: others that would, or that rely on it, wait. */
  lock(repositoryId: number, digest: Digest): Promise<Image | undefined>;
  /**
   * What a tag or a digest means now to somebody who pulls, found with one query: images that are not active are not
   * found. `undefined` without the repository; without the image only that is missing.
   */
  locate(
    registry: Registry,
    name: RepositoryName,
    reference: { digest: Digest } | { tag: Tag },
  ): Promise<{ repositoryId: number; encryption: Encryption; image?: LocatedImage } | undefined>;
  /** The manifest's bytes, found by tag or digest with one query. */
  manifest(repositoryId: number, reference: { digest: Digest } | { tag: Tag }): Promise<StoredManifest | undefined>;
  /**
   * Adds the image with its references, as an active one. Answers `created: false` and the status of what is there when
   * the digest is there already; nothing changes then, and nobody else changes its status until the transaction ends.
   */
  put(image: NewImage): Promise<{ id: number; created: boolean; status: ImageStatus }>;
  /** Removes image, tags and references. Fails, and rolls back, when an index refers to it: ask `parents` before. */
  delete(image: Pick<Image, "id" | "repositoryId">, at: Date): Promise<void>;
  /** Indexes that list the image, at most `limit`. */
  parents(repositoryId: number, child: Digest, limit: number): Promise<Digest[]>;
  /** By id, which is the order of the first push. Without `status`, those of any. */
  list(repositoryId: number, filter: TagStatus, page: Page<number>, status?: ImageStatusFilter): Promise<Image[]>;
  /** One entry per tag, and one for each untagged image; by image id, then tag. */
  listIds(
    repositoryId: number,
    filter: TagStatus,
    page: Page<{ imageId: number; tag?: Tag }>,
    status?: ImageStatusFilter,
  ): Promise<{ imageId: number; digest: Digest; tag?: Tag }[]>;
  /** Manifests whose subject is `subject`, by id; only those with one of `artifactTypes`, if given. */
  referrers(
    repositoryId: number,
    subject: Digest,
    artifactTypes: readonly string[] | undefined,
    page: Page<number>,
    status?: ImageStatusFilter,
  ): Promise<Image[]>;
  /** At most `limit` of the images with this status whose subject is one of `subjects`, in no order. */
  referrersOf(
    repositoryId: number,
    subjects: readonly Digest[],
    status: ImageStatus,
    limit: number,
  ): Promise<ImageState[]>;
  /** At most `limit` of the images with this status that the indexes `imageIds` list, in no order. */
  childrenOf(imageIds: readonly number[], status: ImageStatus, limit: number): Promise<ImageState[]>;
  /** Indexes that list the image and are not archived, at most `limit`. */
  openParents(repositoryId: number, child: Digest, limit: number): Promise<Digest[]>;
  /**
   * Gives images another status. `at` is when they came into the archive or out of it. Their tags and layers follow, and
   * the blobs that may have to go to another store now wait for somebody to look.
   */
  setStatus(imageIds: readonly number[], status: ImageStatus, at: Date): Promise<void>;
  count(repositoryId: number): Promise<number>;
  isEmpty(repositoryId: number): Promise<boolean>;
  /** Never moves a pull time back. Images that are gone are passed over. */
  pulled(times: ReadonlyMap<number, Date>): Promise<void>;
}

export interface TagRecord {
  readonly tag: Tag;
  readonly imageId: number;
  readonly digest: Digest;
}

/** One entry in a tag's history. `from` and `to` are absent where the tag did not exist before or after. */
export interface TagMove {
  readonly repositoryId: number;
  readonly tag: Tag;
  readonly from?: Digest;
  readonly to?: Digest;
  readonly at: Date;
  /** ARN of the principal. */
  readonly by: string;
}

export interface Tags {
  /** Inside a transaction: makes others that change this tag wait until it ends. Call it before `find` if you will `set`. */
  lock(repositoryId: number, tag: Tag): Promise<void>;
  find(repositoryId: number, tag: Tag): Promise<TagRecord | undefined>;
  /** The tags of each image, in order of tag; images without tags have no entry. */
  ofImages(imageIds: readonly number[]): Promise<Map<number, Tag[]>>;
  countOfImage(imageId: number): Promise<number>;
  /** Of active images, by tag, ascending by byte value. */
  list(repositoryId: number, page: Page<Tag | string>): Promise<Tag[]>;
  /** Creates or moves. To an active image: whoever tags an image makes it one first. */
  set(repositoryId: number, tag: Tag, image: { id: number; digest: Digest }, at: Date): Promise<void>;
  delete(repositoryId: number, tag: Tag): Promise<void>;
  record(move: TagMove): Promise<void>;
  /** Newest first. Kept until the repository is deleted. */
  history(repositoryId: number, tag: Tag, limit: number): Promise<TagMove[]>;
}

/** Of a user's or role's ARN in a policy, the unique id that it meant when the policy was written. */
export type PrincipalBindings = ReadonlyMap<string, string>;

export interface StoredPolicy {
  /** Exactly as it was sent. */
  readonly policy: string;
  readonly bindings: PrincipalBindings;
}

export interface RegistryPolicies {
  get(registry: Registry): Promise<StoredPolicy | undefined>;
  /** Creates or replaces. */
  put(registry: Registry, policy: StoredPolicy): Promise<void>;
  /** Answers whether it was there. */
  delete(registry: Registry): Promise<boolean>;
}

/** Whose pulls leave no trace in the images that they pull. By the ARNs of users and roles. */
export interface PullTimeExclusions {
  /** By ARN, ascending by byte value. */
  list(registry: Registry, page: Page<string>): Promise<Arn[]>;
  count(registry: Registry): Promise<number>;
  /** Answers whether it was not there. */
  add(registry: Registry, principal: Arn, at: Date): Promise<boolean>;
  /** Answers whether it was there. */
  remove(registry: Registry, principal: Arn): Promise<boolean>;
}

export interface AccountSettings {
  get(registry: Registry, name: string): Promise<string | undefined>;
  set(registry: Registry, name: string, value: string): Promise<void>;
}

/** Content as it is known under one key. */
export interface BlobName {
  readonly digest: Digest;
  readonly scope: KeyScope;
}

export interface BlobRecord extends StoredBlob, BlobName {
  /** Since when nobody may read the bytes, because they are damaged. */
  readonly quarantinedAt?: Date;
}

/** What the metadata knows of blobs, whoever has links to them. */
export interface BlobRecords {
  find(name: BlobName): Promise<BlobRecord | undefined>;
  /** By digest and scope, ascending by byte value. */
  list(page: Page<BlobName>): Promise<BlobRecord[]>;
  /** By digest and scope. */
  quarantined(page: Page<BlobName>): Promise<BlobRecord[]>;
  /** Repositories that have a link, at most `limit`, oldest link first. */
  holders(name: BlobName, limit: number): Promise<Repository[]>;
  /** Keeps everybody from this copy. Answers whether it was the one that counts, and open until now. */
  quarantine(blob: BlobId, at: Date): Promise<boolean>;
  /** Opens it again. Answers whether it was in quarantine. */
  acquit(blob: BlobId): Promise<boolean>;
  /**
   * Puts this copy in the place of one in quarantine, which is noted as to be removed. Answers whether there was one;
   * if not, nobody names the copy.
   */
  heal(blob: StoredBlob & BlobName): Promise<boolean>;
  /**
   * Puts this copy in the place of `old`, which counts and is sound. The old one is noted as to be removed at
   * `removeAt`: somebody may just be about to read it. Answers whether it was the one that counts; if not, nobody names
   * the copy.
   */
  replace(old: BlobId, blob: StoredBlob & BlobName, removeAt: Date): Promise<boolean>;
  /**
   * Those of `blobs` that nothing names, and that nobody will miss: other copies of what is in quarantine, under
   * whichever key, may be all that is left of the content. What is noted as to be removed is named by that.
   */
  strays(blobs: readonly BlobId[]): Promise<BlobId[]>;
}

/** A blob that may be in the wrong one of the two stores, where there is one for the archive. */
export interface PlacedBlob extends StoredBlob, BlobName {
  readonly isInArchive: boolean;
  /** Since when somebody should look, or not before when. */
  readonly misplacedSince?: Date;
}

/**
 * Which blobs are in the archive's store, and which may have to go there or come back. A queue in the rows themselves, as
 * for garbage: an image that changes its status puts its blobs into it, and so does a push that needs what is away.
 */
export interface BlobPlaces {
  /** Those that wait and are in no quarantine, longest first; none that should be looked at after `until` only. */
  misplaced(until: Date, limit: number): Promise<PlacedBlob[]>;
  /** Whether an image that is active, or on its way, refers to the blob in any repository. */
  isNeeded(name: BlobName): Promise<boolean>;
  /** Takes the blob out of the queue, or puts it off, if nothing has changed since it was looked at. */
  settle(blob: PlacedBlob, until?: Date): Promise<void>;
  /**
   * Puts this copy, which is in the other store, in the place of `old`. The old one is noted as to be removed at
   * `removeAt`. Answers whether it was the one that counts, and sound; if not, nobody names the copy.
   */
  move(old: PlacedBlob, copy: StoredBlob, removeAt: Date): Promise<boolean>;
  /** Layers of the repository that a push needs: those that are in the archive's store come back. */
  want(repositoryId: number, digests: readonly Digest[], at: Date): Promise<void>;
  /** At most `limit` of the blobs of these images that are in the archive's store, and sound. */
  archivedOf(imageIds: readonly number[], limit: number): Promise<PlacedBlob[]>;
  /** Images on their way out of the archive, in every repository, by id. */
  activating(page: Page<number>): Promise<Image[]>;
  /** Whether anything is in the archive's store. */
  hasArchived(): Promise<boolean>;
}

/** A layer's link that may be of no use any more. */
export interface UnreferencedLink {
  readonly repositoryId: number;
  readonly digest: Digest;
  readonly since: Date;
}

/** A blob that perhaps no repository has any more. */
export interface UnlinkedBlob extends StoredBlob {
  readonly since: Date;
}

/**
 * What nobody needs any more. Two queues in the rows themselves: a link waits from its making, or from the end of an
 * image that needed it, and a blob from the end of a link. Being in a queue means only that somebody should look: each
 * verb that removes looks again, in the transaction that removes. `before` is the end of the time of grace.
 */
export interface Garbage {
  /** Deleted repositories that still have content. */
  deleted(limit: number): Promise<number[]>;
  /** Removes up to about `limit` rows of each kind from a deleted repository. Answers whether it is all gone. */
  purge(repositoryId: number, limit: number, at: Date): Promise<boolean>;
  /** Oldest first. */
  links(before: Date, limit: number): Promise<UnreferencedLink[]>;
  /** Removes the link, or takes it out of the queue when an image refers to it. Answers whether it is gone. */
  unlink(link: UnreferencedLink, before: Date): Promise<boolean>;
  /** Oldest first. */
  blobs(before: Date, limit: number): Promise<UnlinkedBlob[]>;
  /**
   * Forgets the blob and notes that its bytes are to be removed, or takes it out of the queue when a repository has it.
   * Answers whether it is forgotten.
   */
  forget(blob: UnlinkedBlob, before: Date): Promise<boolean>;
  /** Copies whose bytes are to be removed, by digest and generation; only those that are due by then, if given. */
  removals(page: Page<BlobId>, dueBy?: Date): Promise<StoredBlob[]>;
  /** Their bytes are gone. */
  removed(blobs: readonly BlobId[]): Promise<void>;
  /** What a collection with this `before` would free if nothing else happened, by digest and scope. */
  forecast(before: Date, page: Page<BlobName>): Promise<(StoredBlob & BlobName)[]>;
  waiting(): Promise<{ links: number; blobs: number; removals: number }>;
}

/** Something that an image refers to. */
export interface InspectedReference {
  readonly digest: Digest;
  /** Whether it is in the image's repository. A foreign key sees to that, in a database that is whole. */
  readonly isThere: boolean;
}

/** An image as the tables have it, to be compared with its manifest. */
export interface InspectedImage {
  readonly id: number;
  readonly repository: Pick<Repository, "id" | "registry" | "name">;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly subject?: Digest;
  /** There when link and blob are. */
  readonly layers: readonly InspectedReference[];
  readonly children: readonly InspectedReference[];
  /** What it refers to and a cache has not fetched yet. */
  readonly awaited: readonly { readonly digest: Digest }[];
  /** How many tags it has by the count that is kept with it, and how many there are. */
  readonly countedTags: number;
  readonly tags: number;
  /** How many of its tags and layers are kept with another status than its own. */
  readonly strayStatuses: number;
}

export interface InspectedTag {
  readonly repository: Pick<Repository, "id" | "registry" | "name">;
  readonly tag: Tag;
  /** Whether it points to an image of its repository. */
  readonly hasImage: boolean;
}

/** Everything, whichever repository it is in, for comparing it. Deleted repositories are passed over. */
export interface Inspection {
  /** How much there is to look at. Counts row by row. */
  totals(): Promise<{ images: number; tags: number; blobs: number; blobBytes: number }>;
  /** By id. */
  images(page: Page<number>): Promise<InspectedImage[]>;
  manifest(imageId: number): Promise<Uint8Array | undefined>;
  /** By repository and tag. */
  tags(page: Page<{ repositoryId: number; tag: Tag }>): Promise<InspectedTag[]>;
  /** Images that refer to the blob, at most `limit`, and repositories that have it for no image. */
  dependents(
    name: BlobName,
    limit: number,
  ): Promise<{ repository: Repository; image?: Pick<Image, "id" | "digest"> }[]>;
  /** Counts the tags of an image anew. */
  recount(imageId: number): Promise<void>;
  /** Gives tags and layers the status of their image. */
  restate(imageId: number): Promise<void>;
}
