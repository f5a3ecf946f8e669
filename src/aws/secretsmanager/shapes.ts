import { z } from "zod";
import type { Facts } from "../../domain/access.ts";
import { refuse } from "../../domain/errors.ts";
import type { SecretValue } from "../../domain/secrets/secrets.ts";
import { Blob } from "../blob.ts";

/** The shapes that several operations take (Secrets Manager API reference), with its limits. */

export const SecretId = z.string().min(1).max(2048);
export const ClientRequestToken = z.string().min(32).max(64);
export const Description = z.string().max(2048);
export const KmsKeyId = z.string().max(2048);
export const VersionStage = z.string().min(1).max(256);
export const Tags = z.array(
  z.object({ Key: z.string().min(1).max(128).optional(), Value: z.string().max(256).optional() }),
);
export const Type = z.string().max(64);

const maxValueBytes = 65_536;
export const SecretString = z
  .string()
  .refine(
    (text) => text.length <= maxValueBytes && Buffer.byteLength(text) <= maxValueBytes,
    `Member must have length less than or equal to ${maxValueBytes}`,
  );
export const SecretBinary = Blob(maxValueBytes, 1);

interface Given {
  readonly SecretString?: string;
  readonly SecretBinary?: Uint8Array;
}

/** `undefined` where none is given. @throws InvalidSecretParameter for both */
export function givenValue({ SecretString: text, SecretBinary: bytes }: Given): SecretValue | undefined {
  if (text !== undefined && bytes !== undefined) {
    throw refuse("InvalidSecretParameter", {
      reason: "You can't specify both a binary secret value and a string secret value in the same secret.",
    });
  }
  if (text !== undefined) return { kind: "string", bytes: new TextEncoder().encode(text) };
  return bytes && { kind: "binary", bytes };
}

export function valueView({ kind, bytes }: SecretValue) {
  return kind === "string" ? { SecretString: new TextDecoder().decode(bytes) } : { SecretBinary: bytes };
}

/** @throws InvalidSecretParameter for a key of KMS but the one that Secrets Manager has of its own, and for replicas */
export function mustBeOrdinary({
  KmsKeyId: key,
  AddReplicaRegions: replicas = [],
  Type: type,
}: {
  readonly KmsKeyId?: string;
  readonly AddReplicaRegions?: readonly unknown[];
  readonly Type?: string;
}): void {
  const refused = (reason: string) => refuse("InvalidSecretParameter", { reason });
  if (key && !/^(?:arn:aws:kms:[a-z0-9-]+:\d{12}:)?alias\/aws\/secretsmanager$/.test(key)) {
    throw refused("KmsKeyId is not supported: secrets are encrypted by the server's own key");
  }
  if (replicas.length > 0) throw refused("AddReplicaRegions is not supported");
  if (type) throw refused("Type is not supported");
}

/** @throws InvalidSecretParameter for a key that is given twice, or not at all */
export function tagsOf(tags: z.output<typeof Tags> = []): Map<string, string> {
  const map = new Map<string, string>();
  for (const { Key, Value = "" } of tags) {
    if (Key === undefined || map.has(Key)) {
      throw refuse("InvalidSecretParameter", { reason: "Every tag must have a key that no other tag has" });
    }
    map.set(Key, Value);
  }
  return map;
}

/** What policies may ask about the tags in a request. */
export function tagFacts(tags: z.output<typeof Tags> = []): Facts {
  const values = tags.map(({ Key = "", Value = "" }) => [`aws:requesttag/${Key.toLowerCase()}`, Value]);
  return { ...Object.fromEntries(values), ...tagKeyFacts(tags.map(({ Key = "" }) => Key)) };
}

export function tagKeyFacts(keys: readonly string[]): Facts {
  return { "aws:tagkeys": keys.length > 0 ? keys : undefined };
}
