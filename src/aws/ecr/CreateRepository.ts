import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { repositoryArn } from "../../domain/names.ts";
import type { WantedEncryption } from "../../domain/registry/repository-keys.ts";
import { operation } from "./operation.ts";
import { requestTagFacts, resourceTagsOf } from "./resource-tags.ts";
import {
  ExclusionFilters,
  ImageScanningConfiguration,
  ImageTagMutability,
  RegistryId,
  RepositoryName,
  ResourceTags,
} from "./shapes.ts";
import { exclusionFiltersOf } from "./tag-mutability.ts";
import { repositoryView } from "./views.ts";

const EncryptionConfiguration = z.object({
  encryptionType: z.enum(["AES256", "KMS", "KMS_DSSE"]),
  kmsKey: z.string().min(1).max(2048).optional(),
});

export const CreateRepository = operation("CreateRepository", {
  input: {
    registryId: RegistryId.optional(),
    repositoryName: RepositoryName,
    tags: ResourceTags.optional(),
    imageTagMutability: ImageTagMutability.optional(),
    imageTagMutabilityExclusionFilters: ExclusionFilters.optional(),
    imageScanningConfiguration: ImageScanningConfiguration.optional(),
    encryptionConfiguration: EncryptionConfiguration.optional(),
  },
  needs({ repositoryName, tags = [] }, registry) {
    const resource = repositoryArn(registry, repositoryName);
    const facts = requestTagFacts(tags);
    const create = { action: "ecr:CreateRepository", resource, facts } as const;
    return tags.length > 0 ? [create, { action: "ecr:TagResource", resource, facts }] : [create];
  },
  throws: ["InvalidParameter", "InvalidTag", "TooManyTags", "RepositoryAlreadyExists", "KeyUnusable"],
  async run(input, granted, { repositories, addresses }) {
    const { imageTagMutability, imageTagMutabilityExclusionFilters } = input;
    const repository = await repositories.create(granted, {
      name: input.repositoryName,
      tagMutability: imageTagMutability,
      exclusionFilters: exclusionFiltersOf(imageTagMutability, imageTagMutabilityExclusionFilters),
      scanOnPush: input.imageScanningConfiguration?.scanOnPush,
      tags: resourceTagsOf(input.tags ?? []),
      encryption: encryptionOf(input.encryptionConfiguration),
    });
    return { repository: repositoryView(repository, addresses) };
  },
});

function encryptionOf(wanted: z.output<typeof EncryptionConfiguration> | undefined): WantedEncryption | undefined {
  if (wanted === undefined) return undefined;
  const { encryptionType: type, kmsKey: key } = wanted;
  if (type !== "AES256") return { type, key };
  // Nobody should believe that a key of theirs protects what it does not.
  if (key !== undefined) {
    const constraint = "kmsKey cannot be set when encryptionType is AES256";
    throw refuse("InvalidParameter", { member: "encryptionConfiguration", constraint });
  }
  return undefined;
}
