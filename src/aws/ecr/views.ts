import type {
  EncryptionConfiguration,
  ImageDetail as SdkImageDetail,
  Repository as SdkRepository,
  Tag,
} from "@aws-sdk/client-ecr";
import type { Registry, RepositoryName } from "../../domain/names.ts";
import { repositoryArn } from "../../domain/names.ts";
import type { Addresses } from "../../domain/registry/addresses.ts";
import type { ImageDetail } from "../../domain/registry/images.ts";
import type { Repository } from "../../domain/registry/ports.ts";

/** What ECR shows of things (ECR API reference, "Data Types"). */

export function repositoryView(repository: Repository, addresses: Addresses): SdkRepository {
  const { registry, name } = repository;
  return {
    repositoryArn: repositoryArn(registry, name),
    registryId: registry.account,
    repositoryName: name,
    repositoryUri: addresses.repositoryUri(registry, name),
    createdAt: repository.createdAt,
    ...mutabilityView(repository),
    imageScanningConfiguration: { scanOnPush: repository.scanOnPush },
    encryptionConfiguration: encryptionView(repository),
  };
}

function encryptionView({ encryption }: Repository): EncryptionConfiguration {
  const { type: encryptionType } = encryption;
  return encryption.type === "AES256" ? { encryptionType } : { encryptionType, kmsKey: encryption.key };
}

export function mutabilityView({
  tagMutability,
  exclusionFilters,
}: Pick<Repository, "tagMutability" | "exclusionFilters">): Pick<
  SdkRepository,
  "imageTagMutability" | "imageTagMutabilityExclusionFilters"
> {
  const filters = exclusionFilters.map((filter) => ({ filterType: "WILDCARD" as const, filter }));
  return {
    imageTagMutability: tagMutability,
    imageTagMutabilityExclusionFilters: filters.length > 0 ? filters : undefined,
  };
}

export function imageView(registry: Registry, repositoryName: RepositoryName, image: ImageDetail): SdkImageDetail {
  return {
    registryId: registry.account,
    repositoryName,
    imageDigest: image.digest,
    imageTags: image.tags.length > 0 ? [...image.tags] : undefined,
    imageSizeInBytes: image.imageBytes,
    imagePushedAt: image.pushedAt,
    imageManifestMediaType: image.mediaType,
    artifactMediaType: image.artifactType,
    lastRecordedPullTime: image.lastPulledAt,
    subjectManifestDigest: image.subject,
    imageStatus: image.status,
    lastArchivedAt: image.lastArchivedAt,
    lastActivatedAt: image.lastActivatedAt,
  };
}

export function tagsView(tags: ReadonlyMap<string, string>): Tag[] {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}
