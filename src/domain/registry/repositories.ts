import { checkPolicyDocument } from "../../policy/document.ts";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Registry, RepositoryName } from "../names.ts";
import type { Metadata, Nouns, Page, Repository, RepositorySettings, TagMutability } from "./ports.ts";
import { checkResourceTags, maxResourceTags } from "./resource-tags.ts";

export interface NewRepository {
  readonly name: RepositoryName;
  readonly tagMutability?: TagMutability;
  readonly exclusionFilters?: readonly string[];
  readonly scanOnPush?: boolean;
  readonly tags?: ReadonlyMap<string, string>;
}

/** Repositories and what is said of them. Each method acts in the registry that the grant is for. */
export interface RepositoryService {
  /** @throws RepositoryAlreadyExists, TooManyTags, InvalidTag */
  create(granted: Granted, repository: NewRepository): Promise<Repository>;
  /** In the order asked. @throws RepositoryNotFound for the first that is missing */
  describe(granted: Granted, names: readonly RepositoryName[]): Promise<Repository[]>;
  list(granted: Granted, page: Page<RepositoryName>): Promise<Repository[]>;
  /** @throws RepositoryNotEmpty unless `force` */
  delete(granted: Granted, name: RepositoryName, options: { force: boolean }): Promise<Repository>;
  setTagMutability(
    granted: Granted,
    name: RepositoryName,
    tagMutability: TagMutability,
    exclusionFilters: readonly string[],
  ): Promise<Repository>;
  setScanOnPush(granted: Granted, name: RepositoryName, scanOnPush: boolean): Promise<Repository>;
  resourceTags(granted: Granted, name: RepositoryName): Promise<Map<string, string>>;
  /** @throws TooManyTags, InvalidTag */
  tag(granted: Granted, name: RepositoryName, tags: ReadonlyMap<string, string>): Promise<void>;
  untag(granted: Granted, name: RepositoryName, keys: readonly string[]): Promise<void>;
  /** The repository policy as it was set. @throws RepositoryPolicyNotFound */
  policy(granted: Granted, name: RepositoryName): Promise<string>;
  /** @throws InvalidParameter for a text that is no repository policy */
  setPolicy(granted: Granted, name: RepositoryName, text: string): Promise<void>;
  /** Answers the policy that is gone. @throws RepositoryPolicyNotFound */
  deletePolicy(granted: Granted, name: RepositoryName): Promise<string>;
}

/** ECR's quota of repositories in a registry is 100,000; a private server needs none. */
export function createRepositories({ metadata, clock }: { metadata: Metadata; clock: () => Date }): RepositoryService {
  async function change(granted: Granted, name: RepositoryName, settings: Partial<RepositorySettings>) {
    return metadata.transact(async ({ repositories }) => {
      const repository = await existing(repositories, granted.registry, name);
      await repositories.update(repository.id, { ...settingsOf(repository), ...settings });
      return { ...repository, ...settings };
    });
  }

  async function policyOf(nouns: Nouns, granted: Granted, name: RepositoryName) {
    const repository = await existing(nouns.repositories, granted.registry, name);
    if (repository.policy === undefined) {
      throw refuse("RepositoryPolicyNotFound", { repository: name, registry: granted.registry });
    }
    return { repository, policy: repository.policy };
  }

  return {
    async create(granted, { name, tagMutability, exclusionFilters, scanOnPush, tags = new Map() }) {
      checkResourceTags(tags);
      if (tags.size > maxResourceTags) throw refuse("TooManyTags", { limit: maxResourceTags });
      const repository = {
        registry: granted.registry,
        name,
        createdAt: clock(),
        tagMutability: tagMutability ?? "MUTABLE",
        exclusionFilters: exclusionFilters ?? [],
        scanOnPush: scanOnPush ?? false,
      };
      const created = await metadata.transact(({ repositories }) => repositories.create(repository, tags));
      if (!created) throw refuse("RepositoryAlreadyExists", { repository: name, registry: granted.registry });
      return created;
    },
    async describe(granted, names) {
      const found: Repository[] = [];
      for (const name of names) found.push(await existing(metadata.read.repositories, granted.registry, name));
      return found;
    },
    list: (granted, page) => metadata.read.repositories.list(granted.registry, page),
    async delete(granted, name, { force }) {
      return metadata.transact(async ({ repositories, images }) => {
        const repository = await existing(repositories, granted.registry, name);
        if (!force && !(await images.isEmpty(repository.id))) {
          throw refuse("RepositoryNotEmpty", { repository: name, registry: granted.registry });
        }
        await repositories.delete(repository.id);
        return repository;
      });
    },
    setTagMutability: (granted, name, tagMutability, exclusionFilters) =>
      change(granted, name, { tagMutability, exclusionFilters }),
    setScanOnPush: (granted, name, scanOnPush) => change(granted, name, { scanOnPush }),
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
    },
    async untag(granted, name, keys) {
      await metadata.transact(async ({ repositories }) => {
        const repository = await existing(repositories, granted.registry, name);
        await repositories.removeResourceTags(repository.id, keys);
      });
    },
    policy: async (granted, name) => (await policyOf(metadata.read, granted, name)).policy,
    async setPolicy(granted, name, policy) {
      if (checkPolicyDocument(policy, "repository").problem !== undefined) {
        // ECR's text, which Terraform looks for; it never says what is wrong.
        throw refuse("InvalidParameter", { member: "PolicyText", constraint: "Invalid repository policy provided" });
      }
      await change(granted, name, { policy });
    },
    async deletePolicy(granted, name) {
      return metadata.transact(async (nouns) => {
        const { repository, policy } = await policyOf(nouns, granted, name);
        await nouns.repositories.update(repository.id, { ...settingsOf(repository), policy: undefined });
        return policy;
      });
    },
  };
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

function settingsOf({ tagMutability, exclusionFilters, scanOnPush, policy }: Repository): RepositorySettings {
  return { tagMutability, exclusionFilters, scanOnPush, policy };
}
