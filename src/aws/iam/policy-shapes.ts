import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { Arn } from "../../domain/names.ts";
import { pattern } from "../input.ts";

/** The shapes of roles, policies and providers (IAM API reference, "Data Types"), with its limits. */

const namePattern = "[\\w+=,.@-]+";

export const RoleName = pattern(namePattern).min(1).max(64);
export const UserName = pattern(namePattern).min(1).max(128);
export const GroupName = pattern(namePattern).min(1).max(128);
export const PolicyName = pattern(namePattern).min(1).max(128);

export const Path = pattern("(\\u002F)|(\\u002F[\\u0021-\\u007E]+\\u002F)").min(1).max(512);
export const PathPrefix = pattern("\\u002F[\\u0021-\\u007E]*").min(1).max(512);

const arn = z
  .string()
  .min(20)
  .max(2048)
  .regex(/^[\x21-\x7e]+$/, "Member must be an ARN")
  .transform((text) => text as Arn);

/** Must be an ARN in form; whether it is one of something is known later. */
export const PolicyArn = arn;
export const ProviderArn = arn;
export const EntityArn = arn;

/** Any text up to IAM's limit of bytes: what is wrong with the policy in it is said in other words. */
export const PolicyDocument = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+").min(1).max(131_072);

export const RoleDescription = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*").max(1000);
export const PolicyDescription = z.string().max(1000);
export const MaxSessionDuration = z.number().int().min(3600).max(43_200);
export const VersionId = pattern("v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?");

const TagKey = pattern("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+").min(1).max(128);
const TagValue = pattern("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*").max(256);
export const Tags = z.array(z.object({ Key: TagKey, Value: TagValue })).max(50);
export const TagKeys = z.array(TagKey).max(50);

/** @throws InvalidInput for a key that is given twice */
export function tagsOf(tags: z.output<typeof Tags> = []): Map<string, string> {
  const keys = new Set(tags.map(({ Key }) => Key.toLowerCase()));
  if (keys.size === tags.length) return new Map(tags.map(({ Key, Value }) => [Key, Value]));
  const reason = "Duplicate tag keys found. Please note that Tag keys are case insensitive.";
  throw refuse("InvalidInput", { reason });
}

/** The members that every list takes. */
export const paged = {
  Marker: z.string().min(1).max(4096).optional(),
  MaxItems: z.number().int().min(1).max(1000).optional(),
};

export const PolicyUsage = z.enum(["PermissionsPolicy", "PermissionsBoundary"]);

export function usageOf(filter: z.output<typeof PolicyUsage> | undefined) {
  if (filter === undefined) return undefined;
  return filter === "PermissionsPolicy" ? "permissions" : "boundary";
}

export const ClientId = z.string().min(1).max(255);
export const Thumbprints = z.array(z.string().min(40).max(40));
