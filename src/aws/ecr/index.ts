import { refuse } from "../../domain/errors.ts";
import { type JsonService, operationMap } from "../service.ts";
import { BatchCheckLayerAvailability } from "./BatchCheckLayerAvailability.ts";
import { BatchDeleteImage } from "./BatchDeleteImage.ts";
import { BatchGetImage } from "./BatchGetImage.ts";
import { BatchGetRepositoryScanningConfiguration } from "./BatchGetRepositoryScanningConfiguration.ts";
import { CompleteLayerUpload } from "./CompleteLayerUpload.ts";
import { CreateRepository } from "./CreateRepository.ts";
import { DeleteLifecyclePolicy } from "./DeleteLifecyclePolicy.ts";
import { DeleteRegistryPolicy } from "./DeleteRegistryPolicy.ts";
import { DeleteRepository } from "./DeleteRepository.ts";
import { DeleteRepositoryPolicy } from "./DeleteRepositoryPolicy.ts";
import { DeleteSigningConfiguration } from "./DeleteSigningConfiguration.ts";
import { DeregisterPullTimeUpdateExclusion } from "./DeregisterPullTimeUpdateExclusion.ts";
import { DescribeImageScanFindings } from "./DescribeImageScanFindings.ts";
import { DescribeImageSigningStatus } from "./DescribeImageSigningStatus.ts";
import { DescribeImages } from "./DescribeImages.ts";
import { DescribeRegistry } from "./DescribeRegistry.ts";
import { DescribeRepositories } from "./DescribeRepositories.ts";
import { errors, membersOf } from "./errors.ts";
import { GetAccountSetting } from "./GetAccountSetting.ts";
import { GetAuthorizationToken } from "./GetAuthorizationToken.ts";
import { GetDownloadUrlForLayer } from "./GetDownloadUrlForLayer.ts";
import { GetLifecyclePolicy } from "./GetLifecyclePolicy.ts";
import { GetLifecyclePolicyPreview } from "./GetLifecyclePolicyPreview.ts";
import { GetRegistryPolicy } from "./GetRegistryPolicy.ts";
import { GetRegistryScanningConfiguration } from "./GetRegistryScanningConfiguration.ts";
import { GetRepositoryPolicy } from "./GetRepositoryPolicy.ts";
import { GetSigningConfiguration } from "./GetSigningConfiguration.ts";
import { InitiateLayerUpload } from "./InitiateLayerUpload.ts";
import { ListImageReferrers } from "./ListImageReferrers.ts";
import { ListImages } from "./ListImages.ts";
import { ListPullTimeUpdateExclusions } from "./ListPullTimeUpdateExclusions.ts";
import { ListTagsForResource } from "./ListTagsForResource.ts";
import type { EcrParts } from "./operation.ts";
import { PutAccountSetting } from "./PutAccountSetting.ts";
import { PutImage } from "./PutImage.ts";
import { PutImageScanningConfiguration } from "./PutImageScanningConfiguration.ts";
import { PutImageTagMutability } from "./PutImageTagMutability.ts";
import { PutLifecyclePolicy } from "./PutLifecyclePolicy.ts";
import { PutRegistryPolicy } from "./PutRegistryPolicy.ts";
import { PutRegistryScanningConfiguration } from "./PutRegistryScanningConfiguration.ts";
import { PutSigningConfiguration } from "./PutSigningConfiguration.ts";
import { RegisterPullTimeUpdateExclusion } from "./RegisterPullTimeUpdateExclusion.ts";
import { SetRepositoryPolicy } from "./SetRepositoryPolicy.ts";
import { StartImageScan } from "./StartImageScan.ts";
import { StartLifecyclePolicyPreview } from "./StartLifecyclePolicyPreview.ts";
import { TagResource } from "./TagResource.ts";
import { UntagResource } from "./UntagResource.ts";
import { UpdateImageStorageClass } from "./UpdateImageStorageClass.ts";
import { UploadLayerPart } from "./UploadLayerPart.ts";

/** Amazon ECR, API version 2015-09-21. */
export function createEcr(parts: EcrParts): JsonService {
  return {
    name: "ecr",
    targetPrefix: "AmazonEC2ContainerRegistry_V20150921",
    operations: () => operations,
    parts,
    errors,
    internal: ["ServerException", 500],
    members: membersOf,
    invalidInput: ([problem]) =>
      refuse("InvalidParameter", { member: memberName(problem?.member ?? ""), constraint: problem?.constraint ?? "" }),
  };
}

/** Names that ECR's messages spell otherwise than its requests. */
const capitalized = new Map([
  ["policyText", "PolicyText"],
  ["lifecyclePolicyText", "LifecyclePolicyText"],
  ["nextToken", "NextToken"],
]);

function memberName(member: string): string {
  return capitalized.get(member) ?? member;
}

export const operations = operationMap<EcrParts>([
  BatchCheckLayerAvailability,
  BatchDeleteImage,
  BatchGetImage,
  BatchGetRepositoryScanningConfiguration,
  CompleteLayerUpload,
  CreateRepository,
  DeleteLifecyclePolicy,
  DeleteRegistryPolicy,
  DeleteRepository,
  DeleteRepositoryPolicy,
  DeleteSigningConfiguration,
  DeregisterPullTimeUpdateExclusion,
  DescribeImageScanFindings,
  DescribeImageSigningStatus,
  DescribeImages,
  DescribeRegistry,
  DescribeRepositories,
  GetAccountSetting,
  GetAuthorizationToken,
  GetDownloadUrlForLayer,
  GetLifecyclePolicy,
  GetLifecyclePolicyPreview,
  GetRegistryPolicy,
  GetRegistryScanningConfiguration,
  GetRepositoryPolicy,
  GetSigningConfiguration,
  InitiateLayerUpload,
  ListImageReferrers,
  ListImages,
  ListPullTimeUpdateExclusions,
  ListTagsForResource,
  PutAccountSetting,
  PutImage,
  PutImageScanningConfiguration,
  PutImageTagMutability,
  PutLifecyclePolicy,
  PutRegistryPolicy,
  PutRegistryScanningConfiguration,
  PutSigningConfiguration,
  RegisterPullTimeUpdateExclusion,
  SetRepositoryPolicy,
  StartImageScan,
  StartLifecyclePolicyPreview,
  TagResource,
  UntagResource,
  UpdateImageStorageClass,
  UploadLayerPart,
]);
