import type { Granted, PrincipalDirectory } from "../access.ts";
import { showPrincipals } from "../bindings.ts";
import { refuse } from "../errors.ts";
import { checkLifecyclePolicy } from "../lifecycle/policy.ts";
import { type Arn, type Registry, repositoriesArn } from "../names.ts";
import type { CreationTemplate, TemplateSettings } from "./creation-template-ports.ts";
import { boundRepositoryPolicy } from "./policies.ts";
import type { Metadata, Page, TagMutability } from "./ports.ts";
import type { MakingCause } from "./repository-making.ts";
import { maxResourceTags, problemOfResourceTags } from "./resource-tags.ts";
import { checkedExclusionFilters } from "./tag-mutability.ts";
import { namespaceOf, rootPrefix } from "./template-prefix.ts";

/** What whoever writes a template says. An empty text, or an empty map, takes away what is there. */
export interface WrittenTemplate {
  readonly description?: string;
  readonly encryption?: TemplateSettings["encryption"];
  readonly tags?: ReadonlyMap<string, string>;
  readonly tagMutability?: TagMutability;
  readonly exclusionFilters?: readonly string[];
  readonly policy?: string;
  readonly lifecyclePolicy?: string;
  readonly appliedFor?: readonly MakingCause[];
  readonly customRole?: Arn | "";
}

/** A template as its reader sees it: in its policy, whoever is gone appears by unique id. */
export interface ShownTemplate extends Omit<CreationTemplate, "policy"> {
  readonly policy?: string;
}

/** Creation templates of a registry. Each method acts in the registry that the grant is for. */
export interface CreationTemplateService {
  /** @throws TemplateAlreadyExists, LimitExceeded, and as `update` for what is said */
  create(
    granted: Granted,
    prefix: string,
    written: WrittenTemplate & Required<Pick<WrittenTemplate, "appliedFor">>,
  ): Promise<ShownTemplate>;
  /** What is left out stays. @throws TemplateNotFound, InvalidParameter, Validation */
  update(granted: Granted, prefix: string, written: WrittenTemplate): Promise<ShownTemplate>;
  /** Those of the prefixes that have one, by prefix. */
  describe(granted: Granted, prefixes: readonly string[]): Promise<ShownTemplate[]>;
  list(granted: Granted, page: Page<string>): Promise<ShownTemplate[]>;
  /** Answers what is gone. @throws TemplateNotFound */
  delete(granted: Granted, prefix: string): Promise<ShownTemplate>;
}

export interface CreationTemplateParts {
  readonly metadata: Metadata;
  readonly directory: PrincipalDirectory;
  readonly clock: () => Date;
}

/** Of a registry. AWS documents no quota of templates; this is the one of pull-through cache rules, which go with them. */
const maxTemplates = 50;

export function createCreationTemplates({
  metadata,
  directory,
  clock,
}: CreationTemplateParts): CreationTemplateService {
  async function shown({ policy, ...others }: CreationTemplate): Promise<ShownTemplate> {
    return { ...others, policy: policy && (await showPrincipals(policy.policy, policy.bindings, directory)) };
  }

  async function allShown(templates: readonly CreationTemplate[]): Promise<ShownTemplate[]> {
    const all: ShownTemplate[] = [];
    for (const template of templates) all.push(await shown(template));
    return all;
  }

  /** What can be found wrong without what is there, and whom a policy means. */
  async function checked(registry: Registry, written: WrittenTemplate) {
    const { description, encryption, tags, policy, lifecyclePolicy, appliedFor, customRole } = written;
    if (tags) checkTags(tags);
    if (lifecyclePolicy) checkLifecycle(lifecyclePolicy);
    if (customRole && customRole.split(":")[4] !== registry.account) {
      throw refuse("Validation", { reason: "The role at 'customRoleArn' must be in the account of the registry" });
    }
    return {
      ...(description !== undefined && { description: description || undefined }),
      ...(encryption && { encryption }),
      ...(tags && { tags }),
      ...(appliedFor && { appliedFor: [...new Set(appliedFor)] }),
      ...(lifecyclePolicy !== undefined && { lifecyclePolicy: lifecyclePolicy || undefined }),
      ...(customRole !== undefined && { customRole: customRole || undefined }),
      ...(policy !== undefined && {
        policy: policy ? await boundRepositoryPolicy(policy, directory, "repositoryPolicy") : undefined,
      }),
    };
  }

  return {
    async create({ registry }, prefix, written) {
      const at = clock();
      const template: CreationTemplate = {
        prefix,
        encryption: { type: "AES256" },
        tags: new Map(),
        appliedFor: [],
        ...(await checked(registry, written)),
        ...mutabilityOf(written),
        createdAt: at,
        updatedAt: at,
      };
      await metadata.transact(async ({ creationTemplates }) => {
        const isFull = (await creationTemplates.count(registry)) >= maxTemplates;
        const isNew = await creationTemplates.create(registry, namespaceOf(prefix), template);
        if (!isNew) throw refuse("TemplateAlreadyExists", { prefix, registry });
        if (isFull) {
          const reason = `A registry can have at most ${maxTemplates} repository creation templates`;
          throw refuse("LimitExceeded", { reason });
        }
      });
      return shown(template);
    },
    async update({ registry }, prefix, written) {
      const changes = await checked(registry, written);
      const updated = await metadata.transact(async ({ creationTemplates }) => {
        const template = await creationTemplates.lock(registry, namespaceOf(prefix));
        if (!template) throw refuse("TemplateNotFound", { prefix, registry });
        const changed = {
          ...template,
          ...changes,
          ...mutabilityOf(written, template),
          updatedAt: clock(),
        };
        await creationTemplates.update(registry, namespaceOf(prefix), changed);
        return changed;
      });
      return shown(updated);
    },
    async describe({ registry }, prefixes) {
      const found = await metadata.read.creationTemplates.findMany(registry, prefixes.map(namespaceOf));
      return allShown(found.sort((a, b) => (a.prefix < b.prefix ? -1 : 1)));
    },
    async list({ registry }, page) {
      return allShown(await metadata.read.creationTemplates.list(registry, page));
    },
    async delete({ registry }, prefix) {
      const deleted = await metadata.transact(({ creationTemplates }) =>
        creationTemplates.delete(registry, namespaceOf(prefix)),
      );
      if (!deleted) throw refuse("TemplateNotFound", { prefix, registry });
      return shown(deleted);
    },
  };
}

/** The repositories that a template is for: what permissions are asked on. */
export function repositoriesOf(registry: Registry, prefix: string): Arn {
  return repositoriesArn(registry, prefix === rootPrefix ? undefined : namespaceOf(prefix));
}

/** Filters stay as long as there is a mutability that has some. @throws InvalidParameter */
function mutabilityOf(
  { tagMutability, exclusionFilters }: WrittenTemplate,
  stored: Pick<CreationTemplate, "tagMutability" | "exclusionFilters"> = {
    tagMutability: "MUTABLE",
    exclusionFilters: [],
  },
) {
  const value = tagMutability ?? stored.tagMutability;
  const kept = value.endsWith("_WITH_EXCLUSION") && stored.exclusionFilters.length > 0;
  const filters = exclusionFilters ?? (kept ? stored.exclusionFilters : undefined);
  return { tagMutability: value, exclusionFilters: checkedExclusionFilters(value, filters) };
}

/** @throws InvalidParameter */
function checkTags(tags: ReadonlyMap<string, string>): void {
  const wrong = (constraint: string) => refuse("InvalidParameter", { member: "resourceTags", constraint });
  if (tags.size > maxResourceTags) throw wrong(`Member must have length less than or equal to ${maxResourceTags}`);
  const problem = problemOfResourceTags(tags);
  if (problem !== undefined) throw wrong(problem);
}

/** @throws InvalidParameter */
function checkLifecycle(text: string): void {
  const checked = checkLifecyclePolicy(text);
  if (!("problem" in checked)) return;
  throw refuse("InvalidParameter", { member: "lifecyclePolicy", constraint: checked.problem.constraint });
}
