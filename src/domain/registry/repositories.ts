import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { JobNouns } from "../jobs/ports.ts";
import type { Registry, RepositoryName } from "../names.ts";
import { confirmMayGo } from "./held.ts";
import type { ImageFacts } from "./image-facts.ts";
import { keptUntil } from "./image-removal.ts";
import { endEvaluations, setLifecyclePolicy } from "./lifecycle-jobs.ts";
import type { Metadata, Nouns, Page, Repository, RepositorySettings, StoredPolicy, TagMutability } from "./ports.ts";
import type { RepositoryKeys, WantedEncryption } from "./repository-keys.ts";
import type { RegistryResources } from "./resource-policies.ts";
import { checkResourceTags, maxResourceTags } from "./resource-tags.ts";

export interface NewRepository {
  readonly name: RepositoryName;
  readonly tagMutability?: TagMutability;
  readonly exclusionFilters?: readonly string[];
  readonly scanOnPush?: boolean;
  readonly tags?: ReadonlyMap<string, string>;
  /** Left out: by the server's own key. */
  readonly encryption?: WantedEncryption;
  /** The repository policy that it has from the beginning, checked and bound. */
  readonly policy?: StoredPolicy;
  /** The lifecycle policy that it has from the beginning, checked, and how often that is evaluated. */
  readonly lifecycle?: { readonly text: string; readonly everyMs: number };
}

/** Repositories and what is said of them. Each method acts in the registry that the grant is for. */
export interface RepositoryService {
  /** @throws RepositoryAlreadyExists, TooManyTags, InvalidTag, KeyUnusable */
  create(granted: Granted, repository: NewRepository): Promise<Repository>;
  /** In the order asked. @throws RepositoryNotFound for the first that is missing */
  describe(granted: Granted, names: readonly RepositoryName[]): Promise<Repository[]>;
  list(granted: Granted, page: Page<RepositoryName>): Promise<Repository[]>;
  /** @throws RepositoryNotEmpty unless `force`, RepositoryHeld, RepositoryProtected */
  delete(granted: Granted, name: RepositoryName, options: { force: boolean }): Promise<Repository>;
  setTagMutability(
    granted: Granted,
    name: RepositoryName,
    tagMutability: TagMutability,
    exclusionFilters: readonly string[],
  ): Promise<Repository>;
  resourceTags(granted: Granted, name: RepositoryName): Promise<Map<string, string>>;
  /** @throws TooManyTags, InvalidTag */
  tag(granted: Granted, name: RepositoryName, tags: ReadonlyMap<string, string>): Promise<void>;
  untag(granted: Granted, name: RepositoryName, keys: readonly string[]): Promise<void>;
}

export interface RepositoriesParts<All extends Nouns & JobNouns> {
  readonly metadata: Metadata<All>;
  readonly keys: RepositoryKeys<All>;
  readonly imageFacts: ImageFacts;
  /** Told of what changes decisions. */
  readonly resources: Pick<RegistryResources, "forget">;
  readonly clock: () => Date;
  /** For how long deleted repositories can be brought back. Left out: they are gone at once, as in ECR. */
  readonly undeleteMs?: number;
}

/** So many images are looked at together when a repository goes with all it has. */
const removedTogether = 100;

/** ECR's quota of repositories in a registry is 100,000; a private server needs none. */
export function createRepositories<All extends Nouns & JobNouns>({
  metadata,
  keys,
  imageFacts,
  resources,
  clock,
  undeleteMs = 0,
}: RepositoriesParts<All>): RepositoryService {
  async function change(granted: Granted, name: RepositoryName, settings: Partial<RepositorySettings>) {
    return metadata.transact(async ({ repositories }) => {
      const repository = await existing(repositories, granted.registry, name);
      await repositories.update(repository.id, settings);
      return { ...repository, ...settings };
    });
  }

  /** Where policies ask about images, a repository goes only with images that may go. */
  async function confirmAll(nouns: Nouns, granted: Granted, { id }: Repository): Promise<void> {
    if (!granted.asksAboutImages) return;
    for (let after: number | undefined; ; ) {
      const images = await nouns.images.list(id, "ANY", { after, limit: removedTogether });
      const tags = await nouns.tags.ofImages(images.map((image) => image.id));
      for (const image of images) await imageFacts.confirmRemoval(nouns, granted, image, tags.get(image.id) ?? []);
      after = images.at(-1)?.id;
      if (images.length < removedTogether) return;
    }
  }

  return {
    async create(granted, wanted) {
      const { name, tagMutability, exclusionFilters, scanOnPush, encryption, lifecycle, tags = new Map() } = wanted;
      checkResourceTags(tags);
      if (tags.size > maxResourceTags) throw refuse("TooManyTags", { limit: maxResourceTags });
      const key = encryption && (await keys.choose(granted, name, encryption));
      const repository = {
        registry: granted.registry,
        name,
        createdAt: clock(),
        tagMutability: tagMutability ?? "MUTABLE",
        exclusionFilters: exclusionFilters ?? [],
        scanOnPush: scanOnPush ?? false,
        policy: wanted.policy?.policy,
        policyBindings: wanted.policy?.bindings,
        encryption: key?.encryption ?? ({ type: "AES256" } as const),
      };
      const created = await metadata.transact(async (nouns) => {
        const made = await nouns.repositories.create(repository, tags);
        if (!made) throw refuse("RepositoryAlreadyExists", { repository: name, registry: granted.registry });
        await key?.keep(nouns);
        if (lifecycle) {
          await setLifecyclePolicy(nouns, made, { ...lifecycle, now: clock(), by: granted.caller.principal.arn });
        }
        return made;
      });
      key?.kept();
      resources.forget(granted.registry, name);
      return created;
    },
    async describe(granted, names) {
      const found: Repository[] = [];
      for (const name of names) found.push(await existing(metadata.read.repositories, granted.registry, name));
      return found;
    },
    list: (granted, page) => metadata.read.repositories.list(granted.registry, page),
    async delete(granted, name, { force }) {
      const deleted = await metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, granted.registry, name);
        if (force) await confirmAll(nouns, granted, repository);
        else if (!(await nouns.images.isEmpty(repository.id))) {
          throw refuse("RepositoryNotEmpty", { repository: name, registry: granted.registry });
        }
        const at = clock();
        const until = keptUntil(at, undeleteMs);
        const deletion = until && { at, by: granted.caller.principal.arn, until };
        if (deletion) await nouns.repositories.putAside(repository, deletion);
        else await nouns.repositories.delete(repository.id);
        // Asked once the row is locked: whoever places a hold keeps it from being deleted, or comes too late.
        await confirmMayGo(nouns, repository, at);
        await endEvaluations(nouns, repository);
        return repository;
      });
      resources.forget(granted.registry, name);
      await keys.release(granted, deleted);
      return deleted;
    },
    setTagMutability: (granted, name, tagMutability, exclusionFilters) =>
      change(granted, name, { tagMutability, exclusionFilters }),
    async resourceTags(granted, name) {
      const repository = await existing(metadata.read.repositories, granted.registry, name);
      return metadata.read.repositories.resourceTags(repository.id);
    },
    async tag(granted, name, tags) {
      checkResourceTags(tags);
      await metadata.transact(async ({ repositories }) => {
        const repository = await existing(repositories, granted.registry, name);
        const all = new Map([...(await repositories.resourceTags(repository.id)), ...tags]);
        if (all.size > maxResourceTags) throw refuse("TooManyTags", { limit: maxResourceTags });
        await repositories.setResourceTags(repository.id, tags);
      });
      resources.forget(granted.registry, name);
    },
    async untag(granted, name, keys) {
      await metadata.transact(async ({ repositories }) => {
        const repository = await existing(repositories, granted.registry, name);
        await repositories.removeResourceTags(repository.id, keys);
      });
      resources.forget(granted.registry, name);
    },
  };
}

/** Inside a transaction: nobody deletes it until that ends. @throws RepositoryNotFound */
export async function kept(
  repositories: Nouns["repositories"],
  registry: Registry,
  name: RepositoryName,
): Promise<Repository> {
  const repository = await repositories.keep(registry, name);
  if (!repository) throw refuse("RepositoryNotFound", { repository: name, registry });
  return repository;
}

/** @throws RepositoryNotFound */
export async function existing(
  repositories: Nouns["repositories"],
  registry: Registry,
  name: RepositoryName,
): Promise<Repository> {
  const repository = await repositories.find(registry, name);
  if (!repository) throw refuse("RepositoryNotFound", { repository: name, registry });
  return repository;
}
