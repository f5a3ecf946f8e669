import type {
  EncryptionConfiguration,
  GetLifecyclePolicyPreviewResponse,
  GetLifecyclePolicyResponse,
  LifecyclePolicyPreviewResult,
  ImageDetail as SdkImageDetail,
  Repository as SdkRepository,
  Tag,
} from "@aws-sdk/client-ecr";
import { previewSummary } from "../../domain/lifecycle/preview.ts";
import type { PreviewEntry } from "../../domain/lifecycle/types.ts";
import type { Registry, RepositoryName } from "../../domain/names.ts";
import { repositoryArn } from "../../domain/names.ts";
import type { Addresses } from "../../domain/registry/addresses.ts";
import type { ImageDetail } from "../../domain/registry/images.ts";
import type { StoredLifecyclePolicy } from "../../domain/registry/lifecycle-ports.ts";
import type { Preview } from "../../domain/registry/lifecycle-previews.ts";
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

export function lifecyclePolicyView(
  { account: registryId }: Registry,
  repositoryName: RepositoryName,
  { text: lifecyclePolicyText, lastEvaluatedAt = new Date(0) }: StoredLifecyclePolicy,
): GetLifecyclePolicyResponse {
  return { registryId, repositoryName, lifecyclePolicyText, lastEvaluatedAt };
}

export function previewView(
  { account: registryId }: Registry,
  repositoryName: RepositoryName,
  { text: lifecyclePolicyText, status, expiring, transitioning }: Preview,
): GetLifecyclePolicyPreviewResponse {
  const { transitioningImageTotalCounts: moved, ...expired } = previewSummary({ expiring, transitioning });
  const summary = { ...expired, ...(moved && { transitioningImageTotalCounts: [...moved] }) };
  return { registryId, repositoryName, lifecyclePolicyText, status, summary };
}

export function previewEntryView(entry: PreviewEntry): LifecyclePolicyPreviewResult {
  const { imageTags, imagePushedAt, ...others } = entry;
  return { imageTags: [...imageTags], imagePushedAt: new Date(imagePushedAt), ...others };
}

export function tagsView(tags: ReadonlyMap<string, string>): Tag[] {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}
