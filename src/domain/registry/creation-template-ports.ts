import type { Arn, Registry } from "../names.ts";
import type { Page, StoredPolicy, TagMutability } from "./ports.ts";
import type { WantedEncryption } from "./repository-keys.ts";
import type { MakingCause } from "./repository-making.ts";

/** What creation templates need kept for them, beside all that `ports.ts` lists and in the same transactions. */
export interface CreationTemplateNouns {
  readonly creationTemplates: CreationTemplates;
}

/** What a template says of the repositories that are made by it (ECR API reference, RepositoryCreationTemplate). */
export interface TemplateSettings {
  readonly description?: string;
  readonly encryption: { readonly type: "AES256" } | WantedEncryption;
  readonly tags: ReadonlyMap<string, string>;
  readonly tagMutability: TagMutability;
  readonly exclusionFilters: readonly string[];
  /** The policy of each repository, bound to whom it meant when it was written here. */
  readonly policy?: StoredPolicy;
  /** Exactly as it was sent. */
  readonly lifecyclePolicy?: string;
  readonly appliedFor: readonly MakingCause[];
  /** The role in whose name repositories are made. */
  readonly customRole?: Arn;
}

export interface CreationTemplate extends TemplateSettings {
  /** As it was given: `ROOT`, or a path, perhaps with a slash at its end. */
  readonly prefix: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

/** Templates by namespace, which is the prefix without a slash at its end. */
export interface CreationTemplates {
  /** Those of the namespaces that have one, in no order. */
  findMany(registry: Registry, namespaces: readonly string[]): Promise<CreationTemplate[]>;
  /** By namespace, ascending by byte value. */
  list(registry: Registry, page: Page<string>): Promise<CreationTemplate[]>;
  count(registry: Registry): Promise<number>;
  /** Answers whether the namespace had none. */
  create(registry: Registry, namespace: string, template: CreationTemplate): Promise<boolean>;
  /** Replaces all of it but its prefix and when it was created. */
  update(registry: Registry, namespace: string, template: CreationTemplate): Promise<void>;
  /** Inside a transaction that changes it: others that would wait. */
  lock(registry: Registry, namespace: string): Promise<CreationTemplate | undefined>;
  /** Answers what is gone. */
  delete(registry: Registry, namespace: string): Promise<CreationTemplate | undefined>;
}
