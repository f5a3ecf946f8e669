import { createHash, randomUUID } from "node:crypto";
import type { Granted } from "../access.ts";
import { Refusal, refuse } from "../errors.ts";
import {
  type Digest,
  type DigestAlgorithm,
  digestAlgorithm,
  digestOf,
  type RepositoryName,
  type UploadId,
} from "../names.ts";
import { scopeOf } from "./encryption.ts";
import type {
  Appended,
  BlobStore,
  Bytes,
  KeyScope,
  Metadata,
  Repository,
  Staged,
  StagingId,
  StoredBlob,
  Upload,
  UploadProgress,
  Watching,
} from "./ports.ts";
import { existing } from "./repositories.ts";
import type { RepositoryKeys } from "./repository-keys.ts";

/** How layers come in: in parts, whole with the last request, or whole in one. Whatever takes bytes throws KeyUnusable. */
export interface UploadService {
  /** @throws TooManyUploads when the principal has as many unfinished uploads as one may have */
  begin(granted: Granted, name: RepositoryName, algorithm?: DigestAlgorithm): Promise<Upload>;
  /** @throws UploadNotFound, also to everybody but the principal who began the upload */
  status(granted: Granted, name: RepositoryName, upload: UploadId): Promise<Upload>;
  /**
   * @param options.offset where the client says these bytes belong; checked when given
   * @throws UploadNotFound, UploadBusy, UploadOutOfOrder, UploadInterrupted, LayerTooLarge, StorageFull
   */
  append(
    granted: Granted,
    name: RepositoryName,
    upload: UploadId,
    bytes: Bytes,
    options?: { offset?: number; sizeBytes?: number },
  ): Promise<Upload>;
  /**
   * Ends the upload and makes its content visible under whichever of `digests` it has.
   * @param options.bytes what comes with the request, appended first
   * @param options.minimumPartBytes refuse when a part before the last was smaller
   * @param options.refuseExisting refuse, and drop the upload, when the repository has the layer already
   * @throws LayerDigestMismatch, and then the upload is gone
   */
  complete(
    granted: Granted,
    name: RepositoryName,
    upload: UploadId,
    digests: readonly Digest[],
    options?: { bytes?: Bytes; offset?: number; minimumPartBytes?: number; refuseExisting?: boolean },
  ): Promise<StoredBlob>;
  cancel(granted: Granted, name: RepositoryName, upload: UploadId): Promise<void>;
  /** A whole layer in one request. @throws LayerDigestMismatch */
  push(
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    bytes: Bytes,
    following?: Following,
  ): Promise<StoredBlob>;
}

/** Of a layer that images await already, and that others read while it comes. */
export interface Following extends Watching {
  /** Names the bytes before the first of them is asked for. */
  begun(staging: StagingId): void;
}

/** ECR's largest layer: 52,000 MiB. */
const maxLayerBytes = 52_000 * 1024 * 1024;

/** A writer that was not heard of for so long has lost its upload. It says so itself three times in that span. */
const claimMs = 10_000;
/** How long a request waits for another one that is writing to the same upload, as after a broken connection. */
const claimWaitMs = 3_000;
const claimPollMs = 50;
/** Of a commit that lies so far back nobody knows whether its bytes are still there: strays are removed after a day. */
const publishWithinMs = 3_600_000;

interface Publishing {
  /** It ends with this. */
  readonly upload?: Upload;
  /** Whether images of the repository refer to it already. */
  readonly isAwaited?: boolean;
}

interface Claim {
  readonly upload: Upload;
  readonly writer: string;
  /** Whether the writer before never let go. */
  readonly displaced: boolean;
}

export interface UploadParts {
  readonly metadata: Metadata;
  readonly blobs: BlobStore;
  readonly keys: Pick<RepositoryKeys, "mayPush" | "mayPull">;
  readonly clock: () => Date;
  /**
   * Unfinished uploads that one principal may have. On PostgreSQL, uploads that begin at the same moment do not see each
   * other and may pass it by a few. Left out: any number.
   */
  readonly maxOpenUploads?: number;
}

export function createUploads({ metadata, blobs, keys, clock, maxOpenUploads }: UploadParts): UploadService {
  /** Upload sessions may lose their last moments in a power cut: nobody was told that the content is safe. */
  const session = { durable: false };

  const repositoryOf = (granted: Granted, name: RepositoryName) =>
    existing(metadata.read.repositories, granted.registry, name);

  /** The repository, if its key lets content in. */
  async function sealing(granted: Granted, name: RepositoryName): Promise<Repository> {
    const repository = await repositoryOf(granted, name);
    await keys.mayPush(repository);
    return repository;
  }

  /** An upload of somebody else, or of a repository that was re-created meanwhile, does not exist. */
  async function own(granted: Granted, name: RepositoryName, id: UploadId): Promise<Upload> {
    const repository = await repositoryOf(granted, name);
    const upload = await metadata.read.uploads.find(id);
    const { account, userId } = granted.caller.principal;
    const isOwn =
      upload?.repositoryId === repository.id && upload.owner.id === userId && upload.owner.account === account;
    if (!upload || !isOwn) throw refuse("UploadNotFound", { upload: id, repository: name });
    return upload;
  }

  async function claim(granted: Granted, name: RepositoryName, id: UploadId): Promise<Claim> {
    const writer = randomUUID();
    for (let waitedMs = 0; ; waitedMs += claimPollMs) {
      await own(granted, name, id);
      const now = clock();
      const until = new Date(now.getTime() + claimMs);
      const claimed = await metadata.transact(({ uploads }) => uploads.claim(id, writer, now, until), session);
      if (claimed) return { writer, upload: claimed.upload, displaced: claimed.previous };
      if (waitedMs >= claimWaitMs) throw refuse("UploadBusy", { upload: id });
      await new Promise((resolve) => setTimeout(resolve, claimPollMs));
    }
  }

  /**
   * The writer before us never let go. If it lives, it may still write to its staged bytes, even after we compared the
   * digest; so we go on with a copy of what it had acknowledged.
   */
  async function moveAway(upload: Upload, scope: KeyScope): Promise<Upload> {
    const { sizeBytes } = upload.staged;
    const staging = await blobs.begin(scope);
    if (sizeBytes === 0) return { ...upload, staging, staged: { sizeBytes } };
    const { algorithm } = upload;
    const staged = await blobs.append(staging, 0, blobs.staged(upload.staging, sizeBytes), { scope, algorithm });
    if (staged.interrupted !== undefined) throw staged.interrupted;
    return { ...upload, staging, staged: { sizeBytes, digest: staged.digest } };
  }

  const release = ({ upload, writer }: Claim, progress?: UploadProgress) =>
    metadata.transact(({ uploads }) => uploads.release(upload.id, writer, progress), session);

  /** Runs `work` while the claim is kept alive; a failure gives the claim back with nothing changed. */
  async function holding<Result>(held: Claim, work: () => Promise<Result>): Promise<Result> {
    const heartbeat = setInterval(() => {
      const until = new Date(clock().getTime() + claimMs);
      metadata.transact(({ uploads }) => uploads.extend(held.upload.id, held.writer, until), session).catch(() => {});
    }, claimMs / 3);
    try {
      return await work();
    } catch (error) {
      await release(held).catch(() => {});
      throw error;
    } finally {
      clearInterval(heartbeat);
    }
  }

  function checkOffset(granted: Granted, name: RepositoryName, upload: Upload, offset: number | undefined) {
    const expected = upload.staged.sizeBytes;
    if (offset === undefined || offset === expected) return;
    const { account } = granted.registry;
    throw refuse("UploadOutOfOrder", { given: offset, expected, upload: upload.id, repository: name, account });
  }

  async function write(upload: Upload, bytes: Bytes, scope: KeyScope): Promise<Appended> {
    const { staging, staged, algorithm } = upload;
    const allowed = limited(bytes, maxLayerBytes - staged.sizeBytes);
    return blobs.append(staging, staged.sizeBytes, allowed, { scope, algorithm, acknowledged: staged.digest });
  }

  /** The rest of the bytes, and the upload's content under whichever of the digests it has. */
  async function receive(
    held: Claim,
    upload: Upload,
    digests: readonly Digest[],
    bytes: Bytes | undefined,
    scope: KeyScope,
  ): Promise<StoredBlob> {
    let staged = upload.staged;
    if (bytes) {
      const appended = await write(upload, bytes, scope);
      staged = appended;
      if (appended.interrupted instanceof Refusal) throw appended.interrupted;
      if (appended.interrupted !== undefined) {
        await release(held, progressOf(upload, appended, clock()));
        throw refuse("UploadInterrupted", { receivedBytes: appended.sizeBytes }, { cause: appended.interrupted });
      }
    }
    try {
      return await blobs.commit(upload.staging, await choose(upload, staged, digests), staged, scope);
    } catch (error) {
      if (error instanceof Refusal && error.is("LayerDigestMismatch")) await drop(upload);
      throw error;
    }
  }

  /**
   * The blob is on disk: one transaction makes it visible and ends the upload. Answers whether the repository did not
   * have it, and the copy that counts. A copy of what another repository has already is dropped again.
   */
  async function publish(granted: Granted, repository: Repository, blob: StoredBlob, how: Publishing = {}) {
    const { upload, isAwaited = false } = how;
    const committed = performance.now();
    const { isNew, generation } = await metadata.transact(async ({ repositories, layers, uploads, awaited }) => {
      // The repository may have gone, or been made anew, while the bytes came in.
      const now = await existing(repositories, granted.registry, repository.name);
      if (now.id !== repository.id) {
        throw refuse("RepositoryNotFound", { repository: repository.name, registry: granted.registry });
      }
      // Ended by another request with the same upload, or dropped by one.
      if (upload && !(await uploads.delete(upload.id))) {
        throw refuse("UploadNotFound", { upload: upload.id, repository: repository.name });
      }
      const linked = await layers.link(repository, blob, clock());
      if (isAwaited) await awaited.layerCame(repository.id, blob.digest);
      if (performance.now() - committed > publishWithinMs) throw new Error("the commit of the blob took too long");
      return linked;
    });
    // What this leaves behind when it fails is found as a stray.
    if (generation !== blob.generation) await blobs.remove(blob).catch(() => {});
    return { isNew, blob: { ...blob, generation } };
  }

  /**
   * Content that comes in one piece needs no claim: its bytes are staged by themselves, and whoever ends the upload first
   * has ended it. What comes before an interruption is not kept.
   */
  async function storeWhole(
    granted: Granted,
    repository: Repository,
    digest: Digest,
    bytes: Bytes,
    { upload, following }: { upload?: Upload; following?: Following } = {},
  ): Promise<{ blob: StoredBlob; isNew: boolean }> {
    const scope = scopeOf(repository.encryption);
    const staging = await blobs.begin(scope);
    try {
      following?.begun(staging);
      const { blob, interrupted } = await blobs.store(staging, digest, limited(bytes, maxLayerBytes), scope, following);
      if (interrupted instanceof Refusal) throw interrupted;
      if (!blob) throw refuse("UploadInterrupted", { receivedBytes: 0 }, { cause: interrupted });
      return await publish(granted, repository, blob, { upload, isAwaited: following !== undefined });
    } catch (error) {
      await blobs.abort(staging).catch(() => {});
      if (upload && error instanceof Refusal && error.is("LayerDigestMismatch")) await drop(upload);
      throw error;
    }
  }

  async function drop(upload: Upload): Promise<void> {
    await metadata.transact(({ uploads }) => uploads.delete(upload.id), session);
    await blobs.abort(upload.staging);
  }

  /**
   * Of a writer's own copy and the bytes that it copied, what nobody needs any more. While an upload is in the hands of
   * another writer, that one may still have to copy the bytes that the upload names.
   */
  async function dropOther(held: Claim, { id, staging }: Upload, kept: boolean): Promise<void> {
    const isOwn = staging !== held.upload.staging;
    if (kept && isOwn) await blobs.abort(held.upload.staging);
    if (!kept && (isOwn || !(await metadata.read.uploads.find(id)))) await blobs.abort(staging);
  }

  /** Which of the digests the staged bytes have. */
  async function choose({ staging }: Upload, staged: Staged, digests: readonly Digest[]): Promise<Digest> {
    const [only] = digests;
    if (digests.length === 1 && only) return only;
    if (staged.digest && digests.includes(staged.digest)) return staged.digest;
    for (const algorithm of new Set(digests.map(digestAlgorithm))) {
      if (staged.digest && digestAlgorithm(staged.digest) === algorithm) continue;
      const calculated = await hashOf(blobs.staged(staging, staged.sizeBytes), algorithm);
      if (digests.includes(calculated)) return calculated;
    }
    throw refuse("LayerDigestMismatch");
  }

  return {
    async begin(granted, name, algorithm = "sha256") {
      const { account, arn, userId: id } = granted.caller.principal;
      const { encryption } = await sealing(granted, name);
      const staging = await blobs.begin(scopeOf(encryption));
      return metadata.transact(async ({ repositories, uploads }) => {
        const repository = await existing(repositories, granted.registry, name);
        if (
          maxOpenUploads !== undefined &&
          (await uploads.countOf({ account, id }, maxOpenUploads)) >= maxOpenUploads
        ) {
          throw refuse("TooManyUploads", { limit: maxOpenUploads });
        }
        const now = clock();
        const upload: Upload = {
          id: randomUUID() as string as UploadId,
          repositoryId: repository.id,
          owner: { account, arn, id },
          staging,
          algorithm,
          staged: { sizeBytes: 0 },
          parts: 0,
          lastPartBytes: 0,
          createdAt: now,
          updatedAt: now,
          isClaimed: false,
        };
        await uploads.create(upload);
        return upload;
      }, session);
    },
    status: own,
    async append(granted, name, id, bytes, { offset, sizeBytes: declaredBytes } = {}) {
      const scope = scopeOf((await sealing(granted, name)).encryption);
      const held = await claim(granted, name, id);
      return holding(held, async () => {
        const upload = held.displaced ? await moveAway(held.upload, scope) : held.upload;
        checkOffset(granted, name, upload, offset);
        const appended = await write(upload, bytes, scope);
        const receivedBytes = appended.sizeBytes - upload.staged.sizeBytes;
        if (declaredBytes !== undefined && appended.interrupted === undefined && receivedBytes !== declaredBytes) {
          const position = { given: offset ?? 0, expected: upload.staged.sizeBytes, upload: id, repository: name };
          const { account } = granted.registry;
          throw refuse("UploadSizeMismatch", { declaredBytes, receivedBytes, ...position, account });
        }
        // A client that went before it sent anything leaves no file behind. Later it may be the next writer's.
        if (appended.sizeBytes === 0) await blobs.abort(upload.staging);
        const progress = progressOf(upload, appended, clock());
        const kept = await release(held, progress);
        await dropOther(held, upload, kept);
        if (appended.interrupted instanceof Refusal) throw appended.interrupted;
        if (appended.interrupted !== undefined) {
          throw refuse("UploadInterrupted", { receivedBytes: appended.sizeBytes }, { cause: appended.interrupted });
        }
        if (!kept) {
          await own(granted, name, id);
          throw refuse("UploadBusy", { upload: id });
        }
        return { ...upload, ...progress, updatedAt: progress.at };
      });
    },
    async complete(granted, name, id, digests, { bytes, offset, minimumPartBytes = 0, refuseExisting } = {}) {
      const repository = await sealing(granted, name);
      const alreadyThere = (digest: Digest) =>
        refuse("LayerAlreadyExists", { repository: name, registry: granted.registry, digest });
      const [only] = digests;
      if (bytes && only && digests.length === 1) {
        const upload = await own(granted, name, id);
        const isUntouched = upload.staged.sizeBytes === 0 && upload.parts === 0 && !upload.isClaimed;
        if (isUntouched) {
          checkOffset(granted, name, upload, offset);
          const { blob, isNew } = await storeWhole(granted, repository, only, bytes, { upload });
          if (!isNew && refuseExisting) throw alreadyThere(blob.digest);
          return blob;
        }
      }
      const held = await claim(granted, name, id);
      const scope = scopeOf(repository.encryption);
      return holding(held, async () => {
        const upload = held.displaced ? await moveAway(held.upload, scope) : held.upload;
        checkOffset(granted, name, upload, offset);
        if ((upload.smallestEarlierPartBytes ?? minimumPartBytes) < minimumPartBytes) throw refuse("LayerPartTooSmall");
        const blob = await receive(held, upload, digests, bytes, scope);
        const { isNew } = await publish(granted, repository, blob, { upload });
        // What this leaves behind when it fails is found as abandoned.
        await dropOther(held, upload, true).catch(() => {});
        if (!isNew && refuseExisting) throw alreadyThere(blob.digest);
        return blob;
      });
    },
    async cancel(granted, name, id) {
      const held = await claim(granted, name, id);
      await holding(held, () => drop(held.upload));
    },
    async push(granted, name, digest, bytes, following) {
      const repository = await sealing(granted, name);
      const { blob } = await storeWhole(granted, repository, digest, bytes, { following });
      return blob;
    },
  };
}

function progressOf(upload: Upload, staged: Staged, at: Date): UploadProgress {
  const lastPartBytes = staged.sizeBytes - upload.staged.sizeBytes;
  const earlier = [upload.smallestEarlierPartBytes, upload.parts > 0 ? upload.lastPartBytes : undefined];
  const smallest = Math.min(...earlier.filter((bytes) => bytes !== undefined));
  return {
    staging: upload.staging,
    staged: { sizeBytes: staged.sizeBytes, digest: staged.digest },
    parts: upload.parts + 1,
    lastPartBytes,
    smallestEarlierPartBytes: Number.isFinite(smallest) ? smallest : undefined,
    at,
  };
}

async function* limited(bytes: Bytes, limitBytes: number): Bytes {
  let received = 0;
  for await (const chunk of bytes) {
    received += chunk.length;
    if (received > limitBytes) throw refuse("LayerTooLarge", { limitBytes: maxLayerBytes });
    yield chunk;
  }
}

export async function hashOf(bytes: Bytes, algorithm: DigestAlgorithm): Promise<Digest> {
  const hash = createHash(algorithm);
  for await (const chunk of bytes) hash.update(chunk);
  return digestOf(algorithm, hash.digest("hex"));
}
