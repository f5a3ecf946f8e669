import type { Identity, Tags } from "../../domain/identity/ports.ts";
import { iamArn } from "../../domain/names.ts";

/** Entities as IAM answers with them (IAM API reference, "Data Types"). */

export function arnOf({ account, kind, path, name }: Identity) {
  return iamArn(account, kind, path, name);
}

export function tagsView(tags: Tags) {
  return [...tags].map(([Key, Value]) => ({ Key, Value }));
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

export function boundaryView({ boundary }: Identity) {
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
