import { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import { accountNamePattern, emailPattern } from "../../domain/identity/accounts.ts";
import { policyTypes } from "../../domain/identity/organization-names.ts";
import type { OrganizationPolicyType } from "../../domain/identity/ports.ts";
import { pattern } from "../input.ts";

/** The shapes that several operations take (Organizations API reference, "Data Types"), with its limits. */

const root = "r-[0-9a-z]{4,32}";
const unit = "ou-[0-9a-z]{4,32}-[a-z0-9]{8,32}";
const account = "\\d{12}";

export const RootId = pattern(root);
export const UnitId = pattern(unit);
export const MemberId = pattern(account);
export const ParentId = pattern(`(${root})|(${unit})`);
export const ChildId = pattern(`(${account})|(${unit})`);
export const TargetId = pattern(`(${root})|(${account})|(${unit})`);
export const PolicyId = pattern("p-[0-9a-zA-Z_]{8,128}");
/** Whatever can have tags. */
export const TaggedId = pattern(`(${root})|(${account})|(${unit})|(p-[0-9a-zA-Z_]{8,128})`);
export const CreateAccountRequestId = pattern("car-[a-z0-9]{8,32}");

export const AccountName = pattern(accountNamePattern);
export const Email = pattern(emailPattern).min(6).max(64);
export const RoleName = pattern("[\\w+=,.@-]{1,64}");
export const UnitName = z.string().min(1).max(128);
export const PolicyName = z.string().min(1).max(128);
export const PolicyDescription = z.string().max(512);
export const PolicyContent = z.string().min(1);

export const PolicyType = z.enum([
  ...policyTypes,
  "AISERVICES_OPT_OUT_POLICY",
  "BACKUP_POLICY",
  "BEDROCK_POLICY",
  "CHATBOT_POLICY",
  "DECLARATIVE_POLICY_EC2",
  "GUARDDUTY_POLICY",
  "INSPECTOR_POLICY",
  "NETWORK_SECURITY_DIRECTOR_POLICY",
  "S3_POLICY",
  "SECURITYHUB_CSPM_POLICY",
  "SECURITYHUB_POLICY",
  "TAG_POLICY",
  "UPGRADE_ROLLOUT_POLICY",
]);

/** `undefined` for the types that manage what there is nothing of here. */
export function ourPolicyType(type: z.output<typeof PolicyType>): OrganizationPolicyType | undefined {
  return policyTypes.find((ours) => ours === type);
}

/** @throws PolicyTypeNotAvailable */
export function availablePolicyType(type: z.output<typeof PolicyType>): OrganizationPolicyType {
  const ours = ourPolicyType(type);
  if (!ours) throw refuse("PolicyTypeNotAvailable");
  return ours;
}

export const MaxResults = z.number().int().min(1).max(20).optional();
export const NextToken = z.string().max(100_000).optional();
export const paged = { NextToken, MaxResults };

/** Nothing keeps them, and a tag that is silently lost is worse than one that is refused. */
export const Tags = z
  .array(z.object({ Key: z.string(), Value: z.string() }))
  .max(0, "Tags are not supported on resources of an organization")
  .optional();
