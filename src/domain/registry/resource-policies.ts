import type { CompiledPolicy } from "../../policy/compile.ts";
import type { PolicyCompiler } from "../../policy/compiler.ts";
import type { Facts, Need, PoliciesOfResource, ResourcePolicies } from "../access.ts";
import { createFresh } from "../fresh.ts";
import { parseRepositoryArn, type Registry, type RepositoryName, repositoryArn } from "../names.ts";
import type { ImageFacts } from "./image-facts.ts";
import type { Metadata, StoredPolicy } from "./ports.ts";

/** What the registry has to say about requests, and how it learns that something has changed. */
export interface RegistryResources extends ResourcePolicies {
  /** Policy, tags or existence of the repository have changed in this process, or what holds for the registry has. */
  forget(registry: Registry, name?: RepositoryName): void;
  /**
   * Tells the lives of a name apart: a repository that was deleted and made anew has another one. As long for what does
   * not exist as for what does, so that a sealed token tells nothing by its length.
   */
  incarnation(registry: Registry, name: RepositoryName): Promise<string>;
  /** The same, if other policies were stored: that of the repository that is asked for, and that of the registry. */
  supposing(instead: Instead): ResourcePolicies;
}

/** Policies in the place of those that are stored, for those who want to know what would be decided. */
export interface Instead {
  readonly repository?: StoredPolicy;
  readonly registry?: StoredPolicy;
}

export interface RegistryResourcesParts {
  readonly metadata: Pick<Metadata, "read">;
  readonly imageFacts: ImageFacts;
  readonly compile: PolicyCompiler["compile"];
}

/** What is decided from, of a repository that may not exist. */
interface KnownRepository {
  readonly id?: number;
  readonly policies: readonly CompiledPolicy[];
  readonly facts: Facts;
}

interface KnownRegistry {
  readonly policies: readonly CompiledPolicy[];
  /** `V1` lets the registry policy speak of a few actions only. */
  readonly scope: "V1" | "V2";
}

const maxRepositories = 10_000;
const maxRegistries = 1_000;

/** Actions that registry policies were made for (ECR user guide, "Registry policy scope"). */
const firstScope = new Set(["ecr:ReplicateImage", "ecr:BatchImportUpstreamImage", "ecr:CreateRepository"]);

/** No repository has this id: what does not exist is asked as many questions as what does. */
const nowhere = 0;
const incarnationLength = 16;

export function createRegistryResources({ metadata, imageFacts, compile }: RegistryResourcesParts): RegistryResources {
  const { read } = metadata;

  const ofRepository = ({ policy, bindings }: StoredPolicy, arn: string) =>
    compile(policy, { kind: "repository", name: `policy of ${arn}` }, { bindings });
  const ofRegistry = ({ policy, bindings }: StoredPolicy, { account, region }: Registry) =>
    compile(policy, { kind: "registry", name: `policy of the registry ${account} in ${region}` }, { bindings });

  const repositories = createFresh<KnownRepository>({
    async read(key) {
      const [registry, name] = parseKey(key);
      const repository = await read.repositories.find(registry, name);
      const tags = await read.repositories.resourceTags(repository?.id ?? nowhere);
      if (!repository) return { policies: [], facts: {} };
      const { id, policy, policyBindings: bindings = new Map() } = repository;
      const policies = policy === undefined ? [] : [ofRepository({ policy, bindings }, repositoryArn(registry, name))];
      return { id, policies, facts: tagFacts(tags) };
    },
    maxEntries: maxRepositories,
  });

  const registries = createFresh<KnownRegistry>({
    async read(key) {
      const [registry] = parseKey(key);
      const stored = await read.registryPolicies.get(registry);
      const scope = await read.settings.get(registry, "REGISTRY_POLICY_SCOPE");
      const policies = stored ? [ofRegistry(stored, registry)] : [];
      return { policies, scope: scope === "V1" ? "V1" : "V2" };
    },
    maxEntries: maxRegistries,
  });

  async function registryPolicies(registry: Registry, { action }: Need, { registry: instead }: Instead) {
    // Only identity policies can allow it (ECR user guide, "Private registry authentication").
    if (action === "ecr:GetAuthorizationToken") return [];
    const { policies, scope } = await registries.get(keyOf(registry));
    if (scope === "V1" && !firstScope.has(action)) return [];
    return instead ? [ofRegistry(instead, registry)] : policies;
  }

  async function gather(registry: Registry, need: Need, instead: Instead): Promise<PoliciesOfResource> {
    const named = parseRepositoryArn(need.resource);
    const [known, shared] = await Promise.all([
      named && repositories.get(keyOf(named.registry, named.name)),
      registryPolicies(registry, need, instead),
    ]);
    if (!known) return { resource: shared, facts: {} };
    const { id = nowhere, facts } = known;
    const own = instead.repository ? [ofRepository(instead.repository, need.resource)] : known.policies;
    const { image } = need;
    return {
      resource: shared.length === 0 ? own : [...own, ...shared],
      facts,
      imageFacts: image && ((pushed) => imageFacts.before(id, image, pushed)),
    };
  }

  return {
    of: (registry, need) => gather(registry, need, {}),
    supposing: (instead) => ({ of: (registry, need) => gather(registry, need, instead) }),
    forget(registry, name) {
      if (name === undefined) registries.forget(keyOf(registry));
      else repositories.forget(keyOf(registry, name));
    },
    async incarnation(registry, name) {
      const { id = nowhere } = await repositories.get(keyOf(registry, name));
      return String(id).padStart(incarnationLength, "0");
    },
  };
}

function tagFacts(tags: ReadonlyMap<string, string>): Facts {
  const facts: Record<string, string> = {};
  for (const [key, value] of tags) {
    facts[`aws:resourcetag/${key.toLowerCase()}`] = value;
    facts[`ecr:resourcetag/${key.toLowerCase()}`] = value;
  }
  return facts;
}

function keyOf({ account, region }: Registry, name: RepositoryName | "" = ""): string {
  return `${account} ${region} ${name}`;
}

function parseKey(key: string): [Registry, RepositoryName] {
  const [account, region, name] = key.split(" ");
  return [{ account, region } as Registry, name as RepositoryName];
}
