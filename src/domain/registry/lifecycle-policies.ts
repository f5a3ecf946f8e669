import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { JobNouns } from "../jobs/ports.ts";
import { checkLifecyclePolicy } from "../lifecycle/policy.ts";
import type { RepositoryName } from "../names.ts";
import { endEvaluations, setLifecyclePolicy } from "./lifecycle-jobs.ts";
import type { StoredLifecyclePolicy } from "./lifecycle-ports.ts";
import type { Metadata, Nouns } from "./ports.ts";
import { existing } from "./repositories.ts";

/** Lifecycle policies of repositories. Each method acts in the registry that the grant is for. */
export interface LifecyclePolicyService {
  /** As it was set. @throws LifecyclePolicyNotFound */
  get(granted: Granted, name: RepositoryName): Promise<StoredLifecyclePolicy>;
  /**
   * Sets or replaces it. It is evaluated when the repository's turn comes, so somebody who made a mistake has time.
   * @throws InvalidParameter for a text that is no policy
   */
  put(granted: Granted, name: RepositoryName, text: string): Promise<void>;
  /** Answers what is gone. @throws LifecyclePolicyNotFound */
  delete(granted: Granted, name: RepositoryName): Promise<StoredLifecyclePolicy>;
}

export interface LifecyclePolicyParts {
  readonly metadata: Metadata<Nouns & JobNouns>;
  readonly clock: () => Date;
  /** From one evaluation of a repository to the next. */
  readonly everyMs: number;
}

export function createLifecyclePolicies({ metadata, clock, everyMs }: LifecyclePolicyParts): LifecyclePolicyService {
  return {
    async get({ registry }, name) {
      const { id } = await existing(metadata.read.repositories, registry, name);
      const stored = await metadata.read.lifecyclePolicies.find(id);
      if (!stored) throw refuse("LifecyclePolicyNotFound", { repository: name, registry });
      return stored;
    },
    async put({ registry, caller }, name, text) {
      checkedPolicy(text);
      await metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, registry, name);
        await setLifecyclePolicy(nouns, repository, { text, now: clock(), by: caller.principal.arn, everyMs });
      });
    },
    async delete({ registry }, name) {
      return metadata.transact(async (nouns) => {
        const repository = await existing(nouns.repositories, registry, name);
        const deleted = await nouns.lifecyclePolicies.delete(repository.id);
        if (!deleted) throw refuse("LifecyclePolicyNotFound", { repository: name, registry });
        await endEvaluations(nouns, repository);
        return deleted;
      });
    },
  };
}

/** @throws InvalidParameter */
export function checkedPolicy(text: string) {
  const checked = checkLifecyclePolicy(text);
  if ("problem" in checked) throw refuse("InvalidParameter", { ...checked.problem });
  return checked.policy;
}
