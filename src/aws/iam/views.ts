import type { DescribedPolicy, ShownVersion } from "../../domain/identity/managed-policies.ts";
import type { Identity, Tags } from "../../domain/identity/ports.ts";
import type { Role } from "../../domain/identity/roles.ts";
import { type Arn, iamArn } from "../../domain/names.ts";
import { encodeStrictly } from "../urlencoded.ts";

/** Entities as IAM answers with them (IAM API reference, "Data Types"). */

export function arnOf({ account, kind, path, name }: Identity) {
  return iamArn(account, kind, path, name);
}

export function tagsView(tags: Tags) {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}

/** By key, as pages of tags are. */
export function sortedTags(tags: Tags) {
  return tagsView(tags).sort((a, b) => (a.Key < b.Key ? -1 : 1));
}

/** Lists of users show neither tags nor boundaries; whoever reads one user sees them. */
export function listedUserView(user: Identity) {
  return {
    Path: user.path,
    UserName: user.name,
    UserId: user.uniqueId,
    Arn: arnOf(user),
    CreateDate: user.createdAt,
  };
}

export function userView(user: Identity) {
  return {
    ...listedUserView(user),
    PermissionsBoundary: boundaryView(user),
    Tags: user.tags.size > 0 ? tagsView(user.tags) : undefined,
  };
}

function boundaryView({ boundary }: Identity) {
  if (boundary === undefined) return undefined;
  // The API's type says `PermissionsBoundaryPolicy`, its answers say `Policy`.
  return { PermissionsBoundaryType: "Policy" as "PermissionsBoundaryPolicy", PermissionsBoundaryArn: boundary };
}

export function groupView(group: Identity) {
  return {
    Path: group.path,
    GroupName: group.name,
    GroupId: group.uniqueId,
    Arn: arnOf(group),
    CreateDate: group.createdAt,
  };
}

/** A role as lists show it. */
export function listedRoleView(role: Role) {
  return {
    Path: role.path,
    RoleName: role.name,
    RoleId: role.uniqueId,
    Arn: arnOf(role),
    CreateDate: role.createdAt,
    // IAM shows every policy percent-encoded.
    AssumeRolePolicyDocument: encodeStrictly(role.trustPolicy),
    Description: role.description || undefined,
    MaxSessionDuration: role.maxSessionSeconds,
  };
}

export function roleView(role: Role) {
  return {
    ...listedRoleView(role),
    PermissionsBoundary: boundaryView(role),
    Tags: role.tags.size > 0 ? tagsView(role.tags) : undefined,
    RoleLastUsed: { LastUsedDate: role.lastUsedAt, Region: role.lastUsedRegion },
  };
}

/** A policy as lists show it. */
export function listedPolicyView(policy: DescribedPolicy) {
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
  return { ...listedPolicyView(policy), Description: policy.description || undefined, Tags: tagsView(policy.tags) };
}

/** A version as lists show it. */
export function listedVersionView({ version, isDefault, createdAt }: ShownVersion) {
  return { VersionId: version, IsDefaultVersion: isDefault, CreateDate: createdAt };
}

export function versionView(version: ShownVersion) {
  return { Document: encodeStrictly(version.document), ...listedVersionView(version) };
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
