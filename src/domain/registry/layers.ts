import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Digest, RepositoryName } from "../names.ts";
import { isSealed } from "./encryption.ts";
import { createMounts, type Mount, type MountParts } from "./mounts.ts";
import type { ByteRange, Content, LayerLink, Repository } from "./ports.ts";
import { existing } from "./repositories.ts";
import { createUploads, type UploadParts, type UploadService } from "./uploads.ts";

/** Layers, configs and other blobs: everything in an image but its manifests. */
export interface LayerService extends UploadService {
  /** Those of `digests` that the repository has, and sound. Some may be archived. */
  present(granted: Granted, name: RepositoryName, digests: readonly Digest[]): Promise<readonly LayerLink[]>;
  /**
   * A damaged layer counts as missing, so that clients push it again, which mends it; and so does an archived one.
   * @throws LayerNotFound
   */
  stat(granted: Granted, name: RepositoryName, digest: Digest): Promise<LayerLink>;
  /** @throws LayerNotFound, LayerDamaged, and LayerInaccessible for a layer that no image refers to */
  downloadable(granted: Granted, name: RepositoryName, digest: Digest): Promise<LayerLink>;
  /**
   * @param rangeOf which part of the layer is wanted, by its size; all of it without
   * @throws LayerNotFound, LayerDamaged, KeyUnusable
   */
  read(
    granted: Granted,
    name: RepositoryName,
    digest: Digest,
    rangeOf?: (sizeBytes: number) => ByteRange | undefined,
  ): Promise<{ layer: LayerLink; range?: ByteRange; content: Content }>;
  /** @throws LayerNotFound, and LayerReferenced while an image refers to the layer */
  delete(granted: Granted, name: RepositoryName, digest: Digest): Promise<void>;
  readonly mount: Mount;
}

/** How old a layer's time of grace must be to begin anew when somebody asks for the layer. Below the least grace. */
const putOffAfterMs = 60_000;

export function createLayers(parts: UploadParts & MountParts): LayerService {
  const { metadata, blobs, keys, clock } = parts;
  const repositoryOf = (granted: Granted, name: RepositoryName) =>
    existing(metadata.read.repositories, granted.registry, name);

  async function find(granted: Granted, repository: Repository, digest: Digest): Promise<LayerLink> {
    const link = await metadata.read.layers.find(repository.id, digest);
    if (!link) throw refuse("LayerNotFound", { repository: repository.name, registry: granted.registry, digest });
    return link;
  }

  async function readable(granted: Granted, repository: Repository, digest: Digest): Promise<LayerLink> {
    const link = await find(granted, repository, digest);
    const facts = { repository: repository.name, registry: granted.registry, digest };
    if (link.isArchived) throw refuse("LayerNotFound", facts);
    if (link.quarantined) throw refuse("LayerDamaged", facts);
    return link;
  }

  /** Another copy may take the place of the one that counts, and that one go, between the look and the opening. */
  async function opened(
    look: () => Promise<LayerLink>,
    rangeOf: (sizeBytes: number) => ByteRange | undefined,
  ): Promise<{ layer: LayerLink; range?: ByteRange; content: Content }> {
    for (let gone: LayerLink | undefined; ; ) {
      const layer = await look();
      if (layer.generation === gone?.generation) {
        throw new Error(`the metadata names ${layer.digest}, but the blob store does not have it`);
      }
      const range = rangeOf(layer.sizeBytes);
      const content = await blobs.read(layer, range);
      if (content) return { layer, range, content };
      gone = layer;
    }
  }

  /**
   * Whoever is told that a layer is there may build on it, so its time of grace begins anew. Answers the links that are
   * still there then: a collection may have been faster.
   */
  async function putOff(repositoryId: number, links: readonly LayerLink[]): Promise<readonly LayerLink[]> {
    const now = clock();
    const waiting = links.filter(({ inImage, unreferencedSince: since }) => {
      return !inImage && since !== undefined && now.getTime() - since.getTime() > putOffAfterMs;
    });
    if (waiting.length === 0) return links;
    const digestsOf = (some: readonly LayerLink[]) => some.map(({ digest }) => digest);
    return metadata.transact(
      async ({ layers }) => {
        await layers.touch(repositoryId, digestsOf(waiting), now);
        return layers.findMany(repositoryId, digestsOf(links));
      },
      { durable: false },
    );
  }

  return {
    async present(granted, name, digests) {
      const repository = await repositoryOf(granted, name);
      const links = (await metadata.read.layers.findMany(repository.id, digests)).filter((link) => !link.quarantined);
      return putOff(repository.id, links);
    },
    async stat(granted, name, digest) {
      const repository = await repositoryOf(granted, name);
      const link = await find(granted, repository, digest);
      const isMissing = link.quarantined || link.isArchived;
      if (isMissing) throw refuse("LayerNotFound", { repository: name, registry: granted.registry, digest });
      const [kept] = await putOff(repository.id, [link]);
      if (!kept) throw refuse("LayerNotFound", { repository: name, registry: granted.registry, digest });
      return kept;
    },
    async downloadable(granted, name, digest) {
      const link = await readable(granted, await repositoryOf(granted, name), digest);
      if (!link.inImage) throw refuse("LayerInaccessible", { repository: name, registry: granted.registry, digest });
      return link;
    },
    async read(granted, name, digest, rangeOf = () => undefined) {
      const repository = await repositoryOf(granted, name);
      const look = async () => {
        const layer = await readable(granted, repository, digest);
        await keys.mayPull(repository);
        // Nothing puts one there, so whatever did is not to be believed. It would be given out whether its key opens or not.
        if (repository.encryption.type !== "AES256" && !isSealed(layer.generation)) {
          throw new Error(`the copy of ${digest} is not sealed, as its repository's key is to; \`berth seal\` does it`);
        }
        return layer;
      };
      const { layer, range, content } = await opened(look, rangeOf);
      const wantedBytes = range ? range.last - range.first + 1 : layer.sizeBytes;
      if (content.sizeBytes !== wantedBytes) {
        throw new Error(`the copy of ${digest} has ${content.sizeBytes} bytes instead of ${wantedBytes}`);
      }
      return { layer, range, content };
    },
    async delete(granted, name, digest) {
      await metadata.transact(async ({ repositories, layers, deletedImages }) => {
        const repository = await existing(repositories, granted.registry, name);
        const link = await layers.find(repository.id, digest);
        if (!link) throw refuse("LayerNotFound", { repository: name, registry: granted.registry, digest });
        if (link.inImage) throw refuse("LayerReferenced", { digest });
        if (await deletedImages.needs(repository.id, digest)) throw refuse("LayerKept", { digest });
        await layers.unlink(repository.id, digest, clock());
      });
    },
    mount: createMounts(parts),
    ...createUploads(parts),
  };
}
