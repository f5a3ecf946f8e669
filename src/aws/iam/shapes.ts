import { z } from "zod";
import type { Arn } from "../../domain/names.ts";
import { type Problem, pattern } from "../input.ts";
import { validationText } from "../validation.ts";

/** The shapes that several IAM operations take (IAM API reference), with its limits and its wording. */

/** What IAM says of a value of the wrong characters begins with the name of the member: see `invalidText`. */
const invalid = (mustBe: string) => `is invalid. It must ${mustBe}`;
const invalidName = invalid("contain only alphanumeric characters and/or the following: +=,.@_-");
const invalidPath = invalid("begin and end with / and contain only alphanumeric characters and/or / characters.");
const invalidPrefix = invalid("begin with / and contain only alphanumeric characters and/or / characters.");

const name = (maxLength: number) =>
  z
    .string()
    .min(1)
    .max(maxLength)
    .regex(/^[\w+=,.@-]+$/, invalidName);

export const UserName = name(64);
/** Of a user that is there: old names may be longer. */
export const ExistingUserName = name(128);
export const GroupName = name(128);
export const RoleName = name(64);
export const PolicyName = name(128);

export const Path = z
  .string()
  .min(1)
  .max(512)
  .regex(/^\/(?:[!-~]+\/)?$/, invalidPath);
export const PathPrefix = z
  .string()
  .min(1)
  .max(512)
  .regex(/^\/[!-\x7f]*$/, invalidPrefix);

const arn = z
  .string()
  .min(20)
  .max(2048)
  .transform((text) => text as Arn);

export const PolicyArn = arn;
export const ProviderArn = arn;
export const EntityArn = arn;

export const AccessKeyId = z.string().min(16).max(128).regex(/^\w+$/, invalid("contain only alphanumeric characters"));

export const AccountAlias = z
  .string()
  .min(3)
  .max(63)
  .regex(
    /^[a-z0-9](?:-?[a-z0-9])*$/,
    invalid("contain only lowercase letters, digits, and single hyphens, and begin and end with a letter or digit"),
  );

/** The members that every list takes, as `listPage` does. */
export const paged = {
  Marker: z.string().min(1).max(4096).optional(),
  MaxItems: z.number().int().min(1).max(1000).optional(),
};

export const Tags = z.array(z.object({ Key: z.string().min(1).max(128), Value: z.string().max(256) })).max(50);
export const TagKeys = z.array(z.string().min(1).max(128)).max(50);

/** Any text up to IAM's limit of characters: what is wrong with the policy in it is said in other words. */
export const PolicyDocument = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+").min(1).max(131_072);

export const RoleDescription = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u00A1-\\u00FF]*").max(1000);
export const PolicyDescription = z.string().max(1000);
export const MaxSessionDuration = z.number().int().min(3600).max(43_200);
export const VersionId = pattern("v[1-9][0-9]*(\\.[A-Za-z0-9-]*)?");

export const PolicyUsage = z.enum(["PermissionsPolicy", "PermissionsBoundary"]);

export function usageOf(filter: z.output<typeof PolicyUsage> | undefined) {
  if (filter === undefined) return undefined;
  return filter === "PermissionsPolicy" ? ("permissions" as const) : ("boundary" as const);
}

export const ClientId = z.string().min(1).max(255);
export const Thumbprints = z.array(z.string().min(40).max(40));

/** The tags of a request, as the domain takes them. */
export function newTags(tags: readonly { readonly Key: string; readonly Value: string }[] = []) {
  return tags.map(({ Key, Value }) => ({ key: Key, value: Value }));
}

/** What IAM says of input that it does not take. */
export function invalidText(problems: readonly Problem[]): string {
  const problem = problems.find(({ constraint }) => constraint.startsWith("is invalid. "));
  if (!problem) return validationText(problems);
  return `The specified value for ${lowerFirst(problem.member)} ${problem.constraint}`;
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
