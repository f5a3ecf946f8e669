import type { Access, Caller, Granted, Need } from "../access.ts";
import { Refusal, refuse } from "../errors.ts";
import { type Arn, type Registry, type RepositoryName, repositoryArn } from "../names.ts";
import type { CreationTemplate } from "./creation-template-ports.ts";
import type { Metadata, Repository } from "./ports.ts";
import type { NewRepository, RepositoryService } from "./repositories.ts";
import type { MakingCause, RepositoryMaking } from "./repository-making.ts";
import { requestedTagFacts } from "./resource-tags.ts";
import { rootPrefix } from "./template-prefix.ts";

/**
 * The registry in the name of a role that lets it, for what `caller` has asked for.
 * @throws AccessDenied for a role that is not there, or does not trust the registry
 */
export type AssumeTemplateRole = (role: Arn, registry: Registry, caller: Caller) => Promise<Caller>;

export interface RepositoryMakerParts {
  readonly metadata: Pick<Metadata, "read">;
  readonly repositories: Pick<RepositoryService, "create">;
  readonly access: Pick<Access, "grant">;
  readonly assumeRole: AssumeTemplateRole;
  /** From one evaluation of a lifecycle policy to the next. */
  readonly everyMs: number;
  /** Whether a push makes its repository also where no template says so. */
  readonly createOnPush: boolean;
}

/**
 * Makes repositories as creation templates say (ECR user guide, "Templates to control repositories created during a pull
 * through cache, create on push, or replication action"). Whoever needs the repository must be allowed to create it, and
 * so must the template's role, which also is whom keys are asked about.
 */
export function createRepositoryMaking(parts: RepositoryMakerParts): RepositoryMaking {
  const { metadata, repositories, access, assumeRole, everyMs, createOnPush } = parts;
  const { read } = metadata;

  /** The longest of the prefixes that the name lies under, of templates that are for this cause; `ROOT` is the shortest. */
  async function templateFor(registry: Registry, name: RepositoryName, cause: MakingCause) {
    const found = await read.creationTemplates.findMany(registry, [rootPrefix, ...namespacesOf(name)]);
    const lengthOf = ({ prefix }: CreationTemplate) => (prefix === rootPrefix ? 0 : prefix.length);
    return found
      .filter(({ appliedFor }) => appliedFor.includes(cause))
      .reduce<CreationTemplate | undefined>(
        (best, one) => (best && lengthOf(best) > lengthOf(one) ? best : one),
        undefined,
      );
  }

  /** Who makes it: the role of the template, if it has one, else whoever needs it. */
  async function makerOf(template: CreationTemplate, granted: Granted): Promise<Granted> {
    const { prefix, customRole, tags, encryption } = template;
    if (customRole === undefined) {
      if (tags.size === 0 && encryption.type === "AES256") return granted;
      throw cannotFollow(prefix, "it sets resource tags or a KMS key, and has no role that could do so");
    }
    try {
      const role = await assumeRole(customRole, granted.registry, granted.caller);
      return await access.grant(role, granted.registry, granted.needs);
    } catch (error) {
      if (!(error instanceof Refusal && error.is("AccessDenied"))) throw error;
      throw cannotFollow(prefix, error.message, error);
    }
  }

  function wantedBy(template: CreationTemplate): Omit<NewRepository, "name"> {
    const { tagMutability, exclusionFilters, tags, encryption, policy, lifecyclePolicy: text } = template;
    return {
      tagMutability,
      exclusionFilters,
      tags,
      policy,
      encryption: encryption.type === "AES256" ? undefined : encryption,
      lifecycle: text === undefined ? undefined : { text, everyMs },
    };
  }

  return {
    async ensure(caller, registry, name, cause) {
      const found = await read.repositories.find(registry, name);
      if (found) return { repository: found };
      const template = await templateFor(registry, name, cause);
      if (!template && cause === "CREATE_ON_PUSH" && !createOnPush) return undefined;
      const made = await access.grant(caller, registry, needsFor(registry, name, template?.tags ?? new Map()));
      const maker = template ? await makerOf(template, made) : made;
      try {
        const repository = await repositories.create(maker, { name, ...(template && wantedBy(template)) });
        return { repository, made };
      } catch (error) {
        const isTaken = error instanceof Refusal && error.is("RepositoryAlreadyExists");
        const other: Repository | undefined = isTaken ? await read.repositories.find(registry, name) : undefined;
        // Somebody else was a moment faster.
        if (other) return { repository: other };
        throw error;
      }
    },
  };
}

/** `a` and `a/b` for `a/b/c`: a prefix ends where a slash is. */
function namespacesOf(name: RepositoryName): string[] {
  const segments = name.split("/");
  return segments.slice(1).map((_, index) => segments.slice(0, index + 1).join("/"));
}

function needsFor(registry: Registry, name: RepositoryName, tags: ReadonlyMap<string, string>): Need[] {
  const resource = repositoryArn(registry, name);
  const facts = requestedTagFacts(tags);
  const create: Need = { action: "ecr:CreateRepository", resource, facts };
  return tags.size > 0 ? [create, { action: "ecr:TagResource", resource, facts }] : [create];
}

function cannotFollow(prefix: string, why: string, cause?: unknown) {
  const constraint = `The repository creation template with the prefix '${prefix}' cannot be followed: ${why}`;
  return refuse("InvalidParameter", { member: "customRoleArn", constraint }, { cause });
}
