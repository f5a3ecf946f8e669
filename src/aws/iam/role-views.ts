import { arnOf } from "../../domain/identity/directory.ts";
import type { Tags } from "../../domain/identity/ports.ts";
import type { Role } from "../../domain/identity/roles.ts";
import type { Arn } from "../../domain/names.ts";
import { encodeStrictly } from "../urlencoded.ts";

/** A role as lists show it. */
export function listedRole(role: Role) {
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
    ...listedRole(role),
    PermissionsBoundary: boundaryView(role.boundary),
    Tags: role.tags.size === 0 ? undefined : tagsView(role.tags),
    RoleLastUsed: { LastUsedDate: role.lastUsedAt, Region: role.lastUsedRegion },
  };
}

export function boundaryView(boundary: Arn | undefined) {
  if (boundary === undefined) return undefined;
  return { PermissionsBoundaryType: "PermissionsBoundaryPolicy" as const, PermissionsBoundaryArn: boundary };
}

export function tagsView(tags: Tags) {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
}
