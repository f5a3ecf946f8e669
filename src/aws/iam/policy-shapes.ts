import { z } from "zod";
import type { Arn } from "../../domain/names.ts";
import { pattern } from "../input.ts";
import { Marker, MaxItems, ExistingUserName as UserName } from "./shapes.ts";

/** The shapes of roles, policies and providers (IAM API reference, "Data Types"), with its limits. */

export { GroupName, Path, PathPrefix, PolicyArn, PolicyName, RoleName, TagKeys, Tags } from "./shapes.ts";
export { UserName };

const arn = z
  .string()
  .min(20)
  .max(2048)
  .transform((text) => text as Arn);

export const ProviderArn = arn;
export const EntityArn = arn;

/** Any text up to IAM's limit of characters: what is wrong with the policy in it is said in other words. */
export const PolicyDocument = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+").min(1).max(131_072);

export const RoleDescription = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*").max(1000);
export const PolicyDescription = z.string().max(1000);
export const MaxSessionDuration = z.number().int().min(3600).max(43_200);
export const VersionId = pattern("v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?");

/** The members that every list takes. */
export const paged = { Marker, MaxItems };

export const PolicyUsage = z.enum(["PermissionsPolicy", "PermissionsBoundary"]);

export function usageOf(filter: z.output<typeof PolicyUsage> | undefined) {
  if (filter === undefined) return undefined;
  return filter === "PermissionsPolicy" ? ("permissions" as const) : ("boundary" as const);
}

export const ClientId = z.string().min(1).max(255);
export const Thumbprints = z.array(z.string().min(40).max(40));
