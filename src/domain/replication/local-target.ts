import type { Access, Caller, Granted, Need, Principal } from "../access.ts";
import { Refusal } from "../errors.ts";
import {
  type AccountId,
  type Digest,
  type Registry,
  type RepositoryName,
  repositoryArn,
  rootArn,
  type Tag,
} from "../names.ts";
import { copyBlob } from "../registry/copy.ts";
import { scopeOf } from "../registry/encryption.ts";
import { pushedFacts } from "../registry/image-facts.ts";
import type { ImageService } from "../registry/images.ts";
import type { Pace } from "../registry/pace.ts";
import type { BlobStore, LayerLink, Nouns, Repository, StoredBlob, StoredManifest } from "../registry/ports.ts";
import { existing } from "../registry/repositories.ts";
import type { RepositoryKeys } from "../registry/repository-keys.ts";
import type { RepositoryMaking } from "../registry/repository-making.ts";
import { ReplicationFailed } from "./failures.ts";
import { type SettingsSyncParts, syncSettings } from "./settings-sync.ts";
import type { OpenTarget } from "./target.ts";

export interface LocalTargetParts extends SettingsSyncParts {
  readonly blobs: BlobStore;
  readonly access: Access;
  readonly images: Pick<ImageService, "put" | "deleteTag" | "deleteImage">;
  readonly keys: Pick<RepositoryKeys, "mayPush" | "mayPull">;
  readonly repositoryMaking: RepositoryMaking;
  readonly pace: Pace;
}

/** In the place of whoever pushed: what replicates, for an account. */
export const replicator = "replication.ecr.amazonaws.com";

/** As whom an account's images come to another registry: its policy names the account's root (ECR user guide, "Registry permissions"). */
export function replicatorOf(account: AccountId, requestId: string): Caller {
  const principal: Principal = { kind: "root", account, arn: rootArn(account), userId: account };
  return { principal, requestId, sourceIp: replicator, userAgent: replicator, secureTransport: true, note: () => {} };
}

/** What it takes to bring an image to a registry. */
function replicaNeed(
  registry: Registry,
  repository: RepositoryName,
  image: Pick<StoredManifest, "manifest" | "mediaType" | "digest">,
  tag: Tag | undefined,
): Need {
  const pushed = async () => pushedFacts(image.manifest, image.mediaType, image.digest);
  return {
    action: "ecr:ReplicateImage",
    resource: repositoryArn(registry, repository),
    image: { repository, tag, pushed },
    // It comes from no address that policies know.
    facts: { "aws:sourceip": undefined },
  };
}

/**
 * A registry in the same database. Where both repositories share copies of blobs nothing is copied: the destination gets a
 * link to the copy that is there.
 */
export function localTargets(parts: LocalTargetParts): OpenTarget {
  const { metadata, blobs, access, images, keys, repositoryMaking, pace, clock } = parts;

  return (source, destination, { signal }) => {
    const { name } = source;
    const caller = replicatorOf(source.registry.account, crypto.randomUUID());
    const grant = (image: StoredManifest, tag: Tag | undefined): Promise<Granted> =>
      access.grant(caller, destination, [replicaNeed(destination, name, image, tag)]);
    const mayRemove = (image: { digest: Digest } | { tag: Tag }) =>
      access.grant(caller, destination, [removalNeed(destination, name, image)]);
    let opened: Repository | undefined;

    /** @throws RepositoryNotFound */
    const target = async () => opened ?? existing(metadata.read.repositories, destination, name);

    async function put(image: StoredManifest, tags: readonly Tag[]): Promise<void> {
      const { manifest, mediaType, digest } = image;
      const granted = await grant(image, tags[0]);
      await images.put(granted, name, { manifest, mediaType, digest, tags, isReplica: true });
    }

    return {
      async has({ digest }) {
        const repository = await metadata.read.repositories.find(destination, name);
        const image = repository && (await metadata.read.images.find(repository.id, digest));
        return image?.status === "ACTIVE";
      },
      async open(image, tag) {
        await grant(image, tag);
        const ensured = await repositoryMaking.ensure(caller, destination, name, "REPLICATION");
        if (!ensured) throw new ReplicationFailed("RepositoryNotFound", `${name} is not made in ${destination.region}`);
        opened = ensured.repository;
        const { settings = [] } = (await metadata.read.replication.configuration(source.registry))?.options ?? {};
        await syncSettings(parts, source, opened, caller, settings);
        await keys.mayPull(source);
        await keys.mayPush(opened);
      },
      async bring(blob) {
        signal.throwIfAborted();
        const repository = await target();
        const present = await metadata.read.layers.find(repository.id, blob.digest);
        if (present && !present.quarantined) return;
        const known = await metadata.transact((nouns) => linkKnown(nouns, repository, blob, clock()));
        if (known) return;
        const copy = await copyBlob(blob, scopeOf(repository.encryption), blobs, blobs, pace);
        const linked = await metadata.transact((nouns) => link(nouns, repository, copy, clock()));
        // What this leaves behind when it fails is found as a stray.
        if (linked.generation !== copy.generation) await blobs.remove(copy).catch(() => {});
      },
      put: (image) => put(image, []),
      async untag(digest, tag) {
        const repository = await metadata.read.repositories.find(destination, name);
        const found = repository && (await metadata.read.tags.find(repository.id, tag));
        if (found?.digest !== digest) return;
        await unlessGone(async () => images.deleteTag(await mayRemove({ tag }), name, tag, { isReplica: true }));
      },
      async remove(digest) {
        const repository = await metadata.read.repositories.find(destination, name);
        if (!repository || !(await metadata.read.images.find(repository.id, digest))) return;
        await unlessGone(async () =>
          images.deleteImage(await mayRemove({ digest }), name, digest, { isReplica: true }),
        );
      },
      async tag(image, tag) {
        try {
          await put(image, [tag]);
          return true;
        } catch (error) {
          // It arrives without the tag (ECR user guide, "Private image replication").
          if (error instanceof Refusal && (error.is("ImageTagImmutable") || error.is("TagHeld"))) return false;
          throw error;
        }
      },
    };
  };
}

function removalNeed(registry: Registry, repository: RepositoryName, image: { digest: Digest } | { tag: Tag }): Need {
  const resource = repositoryArn(registry, repository);
  return {
    action: "ecr:BatchDeleteImage",
    resource,
    image: { repository, ...image },
    facts: { "aws:sourceip": undefined },
  };
}

/** Somebody else may have removed it a moment ago. */
async function unlessGone(remove: () => Promise<unknown>): Promise<void> {
  try {
    await remove();
  } catch (error) {
    if (!(error instanceof Refusal && error.is("ImageNotFound"))) throw error;
  }
}

/** A copy that is known under the repository's key needs no other: whoever may replicate need not send it. */
async function linkKnown(nouns: Nouns, repository: Repository, { digest }: LayerLink, at: Date): Promise<boolean> {
  const known = await nouns.blobs.find({ digest, scope: scopeOf(repository.encryption) });
  if (!known || known.quarantinedAt) return false;
  await link(nouns, repository, known, at);
  return true;
}

async function link(nouns: Nouns, { registry, name, id }: Repository, blob: StoredBlob, at: Date) {
  // The repository may have gone, or been made anew, while the bytes came.
  const repository = await existing(nouns.repositories, registry, name);
  if (repository.id !== id) throw new Error(`the repository ${name} was made anew meanwhile`);
  return nouns.layers.link(repository, blob, at);
}
