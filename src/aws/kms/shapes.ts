import { z } from "zod";
import type { Facts } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { EncryptionContext as Context } from "../../domain/keys/ciphertext.ts";

/** The shapes that several KMS operations take (KMS API reference, "Data Types"), with its limits. */

/** An id, an alias, or the ARN of either. */
export const KeyId = z.string().min(1).max(2048);
export const AliasName = z.string().min(1).max(256);
export const Description = z.string().max(8192);
export const Policy = z.string().min(1).max(131_072);
export const PolicyName = z.string().min(1).max(128);
export const GrantId = z.string().min(1).max(128);
export const GrantTokens = z.array(z.string().min(1).max(8192)).max(10);
export const Principal = z.string().min(1).max(256);
export const EncryptionAlgorithm = z.enum(["SYMMETRIC_DEFAULT", "RSAES_OAEP_SHA_1", "RSAES_OAEP_SHA_256", "SM2PKE"]);
export const TagKey = z.string().min(1).max(128);
export const Tags = z.array(z.object({ TagKey, TagValue: z.string().max(256) }));

export const paged = {
  Limit: z.number().int().min(1).max(1000).optional(),
  Marker: z.string().min(1).max(2048).optional(),
};

/** What can be encrypted at once, and what comes of it at the most. */
export const maxPlaintextBytes = 4096;
export const maxCiphertextBytes = 6144;

const maxContextCharacters = 8192;
export const EncryptionContext = z
  .record(z.string(), z.string())
  .refine(
    (context) => JSON.stringify(context).length <= maxContextCharacters,
    `Member must have length less than or equal to ${maxContextCharacters}`,
  );

/** Attested enclaves. */
export const Recipient = z.unknown();
export const DryRunModifiers = z.unknown();

/** @throws UnsupportedKey for what there is none of here, rather than doing without it */
export function mustBeAbsent(members: Readonly<Record<string, unknown>>): void {
  for (const [name, value] of Object.entries(members)) {
    if (value !== undefined) throw refuse("UnsupportedKey", { reason: `${name} is not supported` });
  }
}

/** @throws Validation for what a symmetric key cannot do */
export function mustBeSymmetric(algorithm: z.output<typeof EncryptionAlgorithm> | undefined): void {
  if (algorithm !== undefined && algorithm !== "SYMMETRIC_DEFAULT") {
    throw refuse("Validation", {
      reason: `The algorithm ${algorithm} is not compatible with a key of SYMMETRIC_DEFAULT`,
    });
  }
}

/** @throws KeyDryRun, where everything else was good */
export function endDryRun(isDry: boolean | undefined): void {
  if (isDry) throw refuse("KeyDryRun");
}

export function contextOf(given: z.output<typeof EncryptionContext> = {}): Context {
  return new Map(Object.entries(given));
}

/** @throws InvalidKeyTag for a key that is given twice */
export function tagsOf(tags: z.output<typeof Tags>): Map<string, string> {
  const map = new Map(tags.map(({ TagKey, TagValue }) => [TagKey, TagValue]));
  if (map.size < tags.length) throw refuse("InvalidKeyTag", { reason: "Duplicate tag keys" });
  return map;
}

/** What policies may ask about the tags in a request. */
export function requestTagFacts(tags: z.output<typeof Tags>): Facts {
  const values = tags.map(({ TagKey, TagValue }) => [`aws:requesttag/${TagKey.toLowerCase()}`, TagValue]);
  return { ...Object.fromEntries(values), ...tagKeyFacts(tags.map(({ TagKey }) => TagKey)) };
}

export function tagKeyFacts(keys: readonly string[]): Facts {
  return { "aws:tagkeys": keys.length > 0 ? keys : undefined };
}
