import type { RepositoryCreationTemplate } from "@aws-sdk/client-ecr";
import { z } from "zod";
import type { Need } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { Arn, Registry } from "../../domain/names.ts";
import type { TemplateSettings } from "../../domain/registry/creation-template-ports.ts";
import { repositoriesOf, type ShownTemplate, type WrittenTemplate } from "../../domain/registry/creation-templates.ts";
import { makingCauses } from "../../domain/registry/repository-making.ts";
import { pattern } from "../input.ts";
import { resourceTagsOf } from "./resource-tags.ts";
import { ExclusionFilters, ImageTagMutability, ResourceTags } from "./shapes.ts";
import { filtersOf } from "./tag-mutability.ts";
import { mutabilityView, tagsView } from "./views.ts";

/** What operations on creation templates take and show (ECR API reference, RepositoryCreationTemplate). */

const segment = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*";
const prefixPattern = `(${segment}(\\/${segment})*\\/?|ROOT)`;
const keyPattern = "^$|arn:aws[a-z0-9-]*:kms:[a-z0-9-]+:[0-9]{12}:key\\/[a-z0-9-]+";
const rolePattern = "^$|arn:aws:iam::[0-9]{12}:role(\\/[\\w+=,.@-]+)+";

export const TemplatePrefix = pattern(prefixPattern).min(1).max(256);

export const AppliedFor = z.array(z.enum(makingCauses)).min(1);

/** Of a template that is made, and of one that is changed. */
export const templateMembers = {
  description: z.string().max(256).optional(),
  encryptionConfiguration: z
    .object({ encryptionType: z.enum(["AES256", "KMS", "KMS_DSSE"]), kmsKey: pattern(keyPattern).optional() })
    .optional(),
  resourceTags: ResourceTags.optional(),
  imageTagMutability: ImageTagMutability.optional(),
  imageTagMutabilityExclusionFilters: ExclusionFilters.optional(),
  repositoryPolicy: z.string().max(10_240).optional(),
  lifecyclePolicy: z.string().max(30_720).optional(),
  customRoleArn: pattern(rolePattern).max(2048).optional(),
};

type Members = z.output<z.ZodObject<typeof templateMembers>>;

/** @throws InvalidParameter */
export function writtenTemplate(input: Members): WrittenTemplate {
  return {
    description: input.description,
    encryption: encryptionOf(input.encryptionConfiguration),
    tags: input.resourceTags && resourceTagsOf(input.resourceTags),
    tagMutability: input.imageTagMutability,
    exclusionFilters: filtersOf(input.imageTagMutabilityExclusionFilters),
    policy: input.repositoryPolicy,
    lifecyclePolicy: input.lifecyclePolicy,
    customRole: input.customRoleArn as Arn | "" | undefined,
  };
}

function encryptionOf(wanted: Members["encryptionConfiguration"]): TemplateSettings["encryption"] | undefined {
  if (wanted === undefined) return undefined;
  const { encryptionType: type, kmsKey } = wanted;
  if (type !== "AES256") return { type, key: kmsKey || undefined };
  if (!kmsKey) return { type };
  const constraint = "kmsKey cannot be set when encryptionType is AES256";
  throw refuse("InvalidParameter", { member: "encryptionConfiguration", constraint });
}

/**
 * Whoever writes a template decides what others make by it, so they must be allowed to do that to every repository that it
 * is for (ECR user guide, "Creating a repository creation template").
 */
export function needsOfTemplate(action: `ecr:${string}`, prefix: string, input: Members, registry: Registry): Need[] {
  const resource = repositoriesOf(registry, prefix);
  const needs: Need[] = [
    { action, resource: "*" },
    { action: "ecr:CreateRepository", resource },
  ];
  if (input.lifecyclePolicy) needs.push({ action: "ecr:PutLifecyclePolicy", resource });
  if (input.repositoryPolicy) needs.push({ action: "ecr:SetRepositoryPolicy", resource });
  if (input.customRoleArn) {
    const facts = { "iam:passedtoservice": "ecr.amazonaws.com" };
    needs.push({ action: "iam:PassRole", resource: input.customRoleArn as Arn, facts });
  }
  return needs;
}

export function templateView(template: ShownTemplate): RepositoryCreationTemplate {
  const { encryption, tags, policy, appliedFor, customRole } = template;
  const { type: encryptionType } = encryption;
  return {
    prefix: template.prefix,
    description: template.description,
    encryptionConfiguration: { encryptionType, ...(encryption.type !== "AES256" && { kmsKey: encryption.key }) },
    resourceTags: tags.size > 0 ? tagsView(tags) : undefined,
    ...mutabilityView(template),
    repositoryPolicy: policy,
    lifecyclePolicy: template.lifecyclePolicy,
    appliedFor: [...appliedFor],
    customRoleArn: customRole,
    createdAt: template.createdAt,
    updatedAt: template.updatedAt,
  };
}
