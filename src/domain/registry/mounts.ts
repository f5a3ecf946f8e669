import { randomUUID } from "node:crypto";
import type { Granted } from "../access.ts";
import { Refusal } from "../errors.ts";
import type { Digest, Registry, RepositoryName } from "../names.ts";
import { scopeOf } from "./encryption.ts";
import type { KeyScope, LayerLink, Metadata, Repository } from "./ports.ts";
import { existing } from "./repositories.ts";
import type { RepositoryKeys } from "./repository-keys.ts";

/**
 * Makes a layer of another repository visible in this one without copying it: of `from`, else of any that the caller may
 * read. Answers `undefined` where that is not possible; the client then pushes the layer. Why it is not possible shows
 * neither in the answer nor in the work: a source that is unknown, one that is forbidden and one without the layer are
 * asked about in the same way. A source is only where an image has the layer, and caches are none and take none (ECR user
 * guide, "Blob mounting").
 * @throws KeyUnusable
 */
export type Mount = (
  granted: Granted,
  name: RepositoryName,
  digest: Digest,
  source: {
    readonly from?: RepositoryName;
    mayRead(name: RepositoryName): Promise<boolean>;
    /** Also where no image has it yet: layers of replicas come before their images. */
    readonly isReplica?: boolean;
  },
) => Promise<LayerLink | undefined>;

/** Repositories that a layer is looked for in when the client names none. As many are looked at whoever has it. */
const candidatesAtMost = 8;
/** No repository has this id. */
const nowhere = 0;

export interface MountParts {
  readonly metadata: Metadata;
  readonly keys: Pick<RepositoryKeys, "mayPush" | "mayPull">;
  readonly clock: () => Date;
  /**
   * Whether a repository of that name would be, or is, a pull-through cache. Told by the name alone, whatever is there.
   * Left out: there are no caches.
   */
  readonly isCacheRepository?: (registry: Registry, name: RepositoryName) => Promise<boolean>;
}

export function createMounts({ metadata, keys, clock, isCacheRepository = async () => false }: MountParts): Mount {
  const { read } = metadata;

  /** Always equally many: the time of a refusal does not tell how many repositories have the layer. */
  async function holdersOf(registry: Registry, digest: Digest, scope: KeyScope): Promise<RepositoryName[]> {
    const holders = await read.layers.holders(registry, digest, scope, candidatesAtMost);
    const nobody = Array.from({ length: candidatesAtMost - holders.length }, () => `nobody/${randomUUID()}`);
    return [...holders.map(({ repository }) => repository.name), ...(nobody as RepositoryName[])];
  }

  async function link(
    registry: Registry,
    from: RepositoryName,
    to: RepositoryName,
    digest: Digest,
    isMountable: (layer: LayerLink) => boolean,
  ) {
    return metadata.transact(async ({ repositories, layers }) => {
      const target = await existing(repositories, registry, to);
      const source = await repositories.find(registry, from);
      // What another key has sealed would stay readable after this repository's key was taken away.
      const isAlike = source && scopeOf(source.encryption) === scopeOf(target.encryption);
      const found = isAlike && (await layers.find(source.id, digest));
      if (!found || !isMountable(found)) return undefined;
      await layers.link(target, found, clock());
      return found;
    });
  }

  /** What its key keeps in a repository is not to be had in another one, which the same key serves for longer. */
  async function isOpen(source: Repository): Promise<boolean> {
    try {
      await keys.mayPull(source);
      return true;
    } catch (error) {
      if (error instanceof Refusal && error.is("KeyUnusable")) return false;
      throw error;
    }
  }

  return async ({ registry }, name, digest, { from, mayRead, isReplica = false }) => {
    const isMountable = ({ inImage, quarantined, isArchived }: LayerLink) =>
      (inImage || isReplica) && !quarantined && !isArchived;
    const repository = await existing(read.repositories, registry, name);
    const { encryption } = repository;
    await keys.mayPush(repository);
    if ((await read.settings.get(registry, "BLOB_MOUNTING")) === "DISABLED") return undefined;
    if (await isCacheRepository(registry, name)) return undefined;
    const sources: RepositoryName[] = [];
    for (const candidate of from ? [from] : await holdersOf(registry, digest, scopeOf(encryption))) {
      const isAllowed = await mayRead(candidate);
      const source = await read.repositories.find(registry, candidate);
      const found = await read.layers.find(source?.id ?? nowhere, digest);
      const isCache = await isCacheRepository(registry, candidate);
      if (!isAllowed || isCache || !source || !found || !isMountable(found)) continue;
      if (await isOpen(source)) sources.push(candidate);
    }
    for (const source of sources) {
      const linked = await link(registry, source, name, digest, isMountable);
      if (linked) return linked;
    }
    return undefined;
  };
}
