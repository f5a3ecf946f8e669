import { z } from "zod";
import type { Arn } from "../../domain/names.ts";
import type { Problem } from "../input.ts";
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

export const PolicyArn = z
  .string()
  .min(20)
  .max(2048)
  .transform((text) => text as Arn);

export const AccessKeyId = z.string().min(16).max(128).regex(/^\w+$/, invalid("contain only alphanumeric characters"));

export const AccountAlias = z
  .string()
  .min(3)
  .max(63)
  .regex(
    /^[a-z0-9](?:-?[a-z0-9])*$/,
    invalid("contain only lowercase letters, digits, and single hyphens, and begin and end with a letter or digit"),
  );

/** A page of a list, as `page` takes it. */
export const Marker = z.string().min(1).max(4096).optional();
export const MaxItems = z.number().int().min(1).max(1000).optional();

export const Tags = z.array(z.object({ Key: z.string().min(1).max(128), Value: z.string().max(256) })).max(50);
export const TagKeys = z.array(z.string().min(1).max(128)).max(50);

/** What IAM says of input that it does not take. */
export function invalidText(problems: readonly Problem[]): string {
  const problem = problems.find(({ constraint }) => constraint.startsWith("is invalid. "));
  if (!problem) return validationText(problems);
  return `The specified value for ${lowerFirst(problem.member)} ${problem.constraint}`;
}

function lowerFirst(name: string): string {
  return name.charAt(0).toLowerCase() + name.slice(1);
}
