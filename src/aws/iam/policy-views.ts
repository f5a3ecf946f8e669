import type { DescribedPolicy, ShownVersion } from "../../domain/identity/managed-policies.ts";
import type { Arn } from "../../domain/names.ts";
import { encodeStrictly } from "../urlencoded.ts";
import { tagsView } from "./views.ts";

/** A policy as lists show it. */
export function listedPolicy(policy: DescribedPolicy) {
  return {
    PolicyName: policy.name,
    PolicyId: policy.uniqueId,
    Arn: policy.arn,
    Path: policy.path,
    DefaultVersionId: policy.defaultVersion,
    AttachmentCount: policy.attachmentCount,
    PermissionsBoundaryUsageCount: policy.boundaryCount,
    IsAttachable: policy.attachable,
    CreateDate: policy.createdAt,
    UpdateDate: policy.updatedAt,
  };
}

export function policyView(policy: DescribedPolicy) {
  return { ...listedPolicy(policy), Description: policy.description || undefined, Tags: tagsView(policy.tags) };
}

/** A version as lists show it. */
export function listedVersion({ version, isDefault, createdAt }: ShownVersion) {
  return { VersionId: version, IsDefaultVersion: isDefault, CreateDate: createdAt };
}

export function versionView(version: ShownVersion) {
  return { Document: encodeStrictly(version.document), ...listedVersion(version) };
}

export function attachedView(arn: Arn) {
  return { PolicyName: arn.slice(arn.lastIndexOf("/") + 1), PolicyArn: arn };
}

/** The path of a policy, which its ARN has. */
export function pathOf(arn: Arn): string {
  return arn.slice(arn.indexOf("/"), arn.lastIndexOf("/") + 1);
}

/** Newest first: the keys of versions ascend. */
export function versionKey({ version }: { readonly version: string }): string {
  return String(1e9 - Number(version.slice(1)));
}
