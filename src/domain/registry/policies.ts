import { checkPolicyDocument, fitsFirstRegistryScope } from "../../policy/document.ts";
import type { Access, Granted, Need, PrincipalDirectory, ResourcePolicies } from "../access.ts";
import { bindPrincipals, showPrincipals } from "../bindings.ts";
import { refuse } from "../errors.ts";
import { type RepositoryName, repositoryArn } from "../names.ts";
import type { Metadata, Nouns, StoredPolicy } from "./ports.ts";
import { existing } from "./repositories.ts";
import type { Instead, RegistryResources } from "./resource-policies.ts";

/** Repository policies, and the policy of a registry. Each method acts in the registry that the grant is for. */
export interface PolicyService {
  /** As it was set, with the unique ids of whoever is gone. @throws RepositoryPolicyNotFound */
  repositoryPolicy(granted: Granted, name: RepositoryName): Promise<string>;
  /** @throws InvalidParameter for a text that is no policy, and, unless `force`, for one that locks the caller out */
  setRepositoryPolicy(
    granted: Granted,
    name: RepositoryName,
    text: string,
    options: { readonly force: boolean },
  ): Promise<void>;
  /** Answers the policy that is gone. @throws RepositoryPolicyNotFound */
  deleteRepositoryPolicy(granted: Granted, name: RepositoryName): Promise<string>;

  /** @throws RegistryPolicyNotFound */
  registryPolicy(granted: Granted): Promise<string>;
  /** @throws InvalidParameter, and Validation for a policy that locks the caller out */
  putRegistryPolicy(granted: Granted, text: string): Promise<void>;
  /** Answers the policy that is gone. @throws RegistryPolicyNotFound */
  deleteRegistryPolicy(granted: Granted): Promise<string>;
}

export interface PolicyParts {
  readonly metadata: Metadata;
  readonly directory: PrincipalDirectory;
  readonly resources: RegistryResources;
  /** The gate, if `resources` were what there is. */
  readonly accessOver: (resources: ResourcePolicies) => Access;
}

export function createPolicies({ metadata, directory, resources, accessOver }: PolicyParts): PolicyService {
  async function ofRepository(nouns: Nouns, granted: Granted, name: RepositoryName) {
    const repository = await existing(nouns.repositories, granted.registry, name);
    const { policy, policyBindings: bindings = new Map() } = repository;
    if (policy === undefined) {
      throw refuse("RepositoryPolicyNotFound", { repository: name, registry: granted.registry });
    }
    return { repository, stored: { policy, bindings } };
  }

  async function ofRegistry(nouns: Nouns, { registry }: Granted): Promise<StoredPolicy> {
    const stored = await nouns.registryPolicies.get(registry);
    if (!stored) throw refuse("RegistryPolicyNotFound", { registry });
    return stored;
  }

  const shown = ({ policy, bindings }: StoredPolicy) => showPrincipals(policy, bindings, directory);

  /** Whether the caller could do the same again if the policy were set. */
  function couldRepeat({ caller, registry }: Granted, need: Need, instead: Instead): Promise<boolean> {
    return accessOver(resources.supposing(instead)).allows(caller, registry, need);
  }

  return {
    repositoryPolicy: async (granted, name) => shown((await ofRepository(metadata.read, granted, name)).stored),
    async setRepositoryPolicy(granted, name, text, { force }) {
      const { registry } = granted;
      const { policy, bindings } = await boundRepositoryPolicy(text, directory);
      const need = { action: "ecr:SetRepositoryPolicy", resource: repositoryArn(registry, name) } as const;
      if (!force && !(await couldRepeat(granted, need, { repository: { policy, bindings } }))) {
        const constraint = "The policy would keep you from setting another one. Set force to true if you want that";
        throw refuse("InvalidParameter", { member: "PolicyText", constraint });
      }
      await metadata.transact(async ({ repositories }) => {
        const found = await existing(repositories, registry, name);
        await repositories.update(found.id, { policy, policyBindings: bindings });
      });
      resources.forget(registry, name);
    },
    async deleteRepositoryPolicy(granted, name) {
      const stored = await metadata.transact(async (nouns) => {
        const found = await ofRepository(nouns, granted, name);
        await nouns.repositories.update(found.repository.id, { policy: undefined, policyBindings: undefined });
        return found.stored;
      });
      resources.forget(granted.registry, name);
      return shown(stored);
    },

    registryPolicy: async (granted) => shown(await ofRegistry(metadata.read, granted)),
    async putRegistryPolicy(granted, text) {
      const { registry } = granted;
      const stored = await bound(text, "registry", directory);
      const scope = await metadata.read.settings.get(registry, "REGISTRY_POLICY_SCOPE");
      if (scope === "V1" && !fitsFirstRegistryScope(text)) throw invalid("registry");
      const need = { action: "ecr:PutRegistryPolicy", resource: "*" } as const;
      // Nothing else could open the registry again: unlike a repository, it cannot be deleted.
      if (!(await couldRepeat(granted, need, { registry: stored }))) {
        throw refuse("Validation", { reason: "The policy would keep you from setting another registry policy" });
      }
      await metadata.transact(({ registryPolicies }) => registryPolicies.put(registry, stored));
      resources.forget(registry);
    },
    async deleteRegistryPolicy(granted) {
      const { registry } = granted;
      const stored = await metadata.transact(async (nouns) => {
        const found = await ofRegistry(nouns, granted);
        await nouns.registryPolicies.delete(registry);
        return found;
      });
      resources.forget(registry);
      return shown(stored);
    },
  };
}

/** A policy for a repository, with whom its ARNs mean today. @throws InvalidParameter for a text that is none */
export function boundRepositoryPolicy(text: string, directory: PrincipalDirectory, member?: string) {
  return bound(text, "repository", directory, member);
}

async function bound(
  policy: string,
  kind: "repository" | "registry",
  directory: PrincipalDirectory,
  member?: string,
): Promise<StoredPolicy> {
  if (checkPolicyDocument(policy, kind).problem !== undefined) throw invalid(kind, member);
  const { bindings, unknown } = await bindPrincipals(policy, directory);
  if (unknown.length > 0) throw invalid(kind, member);
  return { policy, bindings };
}

/** ECR's text, which Terraform looks for; it never says what is wrong. */
function invalid(kind: "repository" | "registry", member = "PolicyText") {
  return refuse("InvalidParameter", { member, constraint: `Invalid ${kind} policy provided` });
}
