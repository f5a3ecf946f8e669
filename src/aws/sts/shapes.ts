import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { SessionCredentials } from "../../domain/identity/credentials.ts";
import type { MadeSession, SessionTag } from "../../domain/identity/sessions.ts";
import { type AccountId, type Arn, parseAccountId } from "../../domain/names.ts";
import { CallRefused } from "../errors.ts";
import { pattern } from "../input.ts";

// Lengths and patterns are those of the STS API reference.

export const SessionArn = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u007E\\u0085\\u00A0-\\uD7FF\\uE000-\\uFFFD]+")
  .min(20)
  .max(2048);
export const SessionName = pattern("[\\w+=,.@-]*").min(2).max(64);
export const SessionPolicy = pattern("[\\u0009\\u000A\\u000D\\u0020-\\u00FF]+").min(1).max(2048);
export const PolicyArns = z.array(z.object({ arn: SessionArn.optional() })).max(10);
const TagKey = pattern("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]+").min(1).max(128);
const TagValue = pattern("[\\p{L}\\p{Z}\\p{N}_.:/=+\\-@]*").max(256);
export const Tags = z.array(z.object({ Key: TagKey, Value: TagValue })).max(50);
export const TransitiveTagKeys = z.array(TagKey).max(50);
export const SerialNumber = z.string().min(9).max(256);
export const TokenCode = z.string();
export const MinimumSessionTokenSize = z.number().int().min(0).max(4096);

/** Nobody has a device here. A session must not look as if one had been asked. */
export function refuseDevice({ SerialNumber, TokenCode }: { SerialNumber?: string; TokenCode?: string }): void {
  if (SerialNumber === undefined && TokenCode === undefined) return;
  throw new CallRefused("AccessDenied", "MultiFactorAuthentication failed with invalid MFA one time pass code.");
}

/** @throws Validation for what is no role's ARN */
export function checkRoleArn(arn: string): Arn {
  if (accountOfRole(arn) === undefined) throw refuse("Validation", { reason: `${arn} is invalid` });
  return arn as Arn;
}

export function accountOfRole(arn: string): AccountId | undefined {
  return parseAccountId(/^arn:aws:iam::(\d{12}):role\/[\x21-\x7e]+$/.exec(arn)?.[1] ?? "");
}

export function arnsOf(descriptors: z.output<typeof PolicyArns> | undefined): string[] | undefined {
  return descriptors?.flatMap(({ arn }) => arn ?? []);
}

export function tagsOf(tags: z.output<typeof Tags> | undefined): SessionTag[] | undefined {
  return tags?.map(({ Key, Value }) => ({ key: Key, value: Value }));
}

/** What policies can ask about tags that somebody wants. */
export function tagFacts(tags: readonly SessionTag[] = [], transitiveTagKeys: readonly string[] = []) {
  return {
    ...Object.fromEntries(tags.map(({ key, value }) => [`aws:requesttag/${key.toLowerCase()}`, value])),
    "aws:tagkeys": tags.length > 0 ? tags.map(({ key }) => key) : undefined,
    "sts:transitivetagkeys": transitiveTagKeys.length > 0 ? transitiveTagKeys : undefined,
  };
}

/** @throws Validation where a longer token is wanted than there are */
export function credentialsView(session: SessionCredentials, minimumTokenSize = 0) {
  if (session.sessionToken.length < minimumTokenSize) {
    throw refuse("Validation", { reason: `Session tokens have ${session.sessionToken.length} bytes on this server` });
  }
  return {
    AccessKeyId: session.accessKeyId,
    SecretAccessKey: session.secretAccessKey,
    SessionToken: session.sessionToken,
    Expiration: session.expiration,
  };
}

/** What all operations answer that assume a role. */
export function assumedView({ principal, credentials, packedPercent }: MadeSession, minimumTokenSize?: number) {
  return {
    Credentials: credentialsView(credentials, minimumTokenSize),
    AssumedRoleUser: { AssumedRoleId: principal.userId, Arn: principal.arn },
    PackedPolicySize: packedPercent,
    SourceIdentity: principal.session?.sourceIdentity,
  };
}
