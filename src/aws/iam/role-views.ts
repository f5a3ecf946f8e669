import type { Tags } from "../../domain/identity/ports.ts";
import type { Role } from "../../domain/identity/roles.ts";
import { encodeStrictly } from "../urlencoded.ts";
import { arnOf, boundaryView, tagsView } from "./views.ts";

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
    PermissionsBoundary: boundaryView(role),
    Tags: role.tags.size > 0 ? tagsView(role.tags) : undefined,
    RoleLastUsed: { LastUsedDate: role.lastUsedAt, Region: role.lastUsedRegion },
  };
}

/** By key, as pages of tags are. */
export function sortedTags(tags: Tags) {
  return tagsView(tags).sort((a, b) => (a.Key < b.Key ? -1 : 1));
}
