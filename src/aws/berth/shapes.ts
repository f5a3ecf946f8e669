import { z } from "zod";
import { parseAccountId, parseDigest, parseRepositoryName, parseTag } from "../../domain/names.ts";
import { mustMatch, named } from "../input.ts";

/** The shapes that several of our operations take: as ECR's, where ECR has them. */

const repositoryNamePattern = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*";

export const RegistryId = named(z.string(), parseAccountId, mustMatch("[0-9]{12}"));

export const RepositoryName = named(
  z.string().min(2).max(256),
  parseRepositoryName,
  `must satisfy regular expression '${repositoryNamePattern}'`,
);

/** As of ECR's own operations about pull through cache rules: a slash at the end says nothing. */
const prefixPattern = `^(${repositoryNamePattern}\\/?|ROOT)$`;
export const RulePrefix = z
  .string()
  .min(2)
  .max(30)
  .regex(new RegExp(prefixPattern), mustMatch(prefixPattern))
  .transform((text) => text.replace(/\/$/, ""));

export const ImageDigest = named(
  z.string().max(160),
  parseDigest,
  mustMatch("sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128}"),
);

export const ImageTag = named(z.string().min(1).max(300), parseTag, mustMatch("[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}"));

/** One image, by digest or by tag. */
export const ImageId = z
  .object({ imageDigest: ImageDigest.optional(), imageTag: ImageTag.optional() })
  .refine(
    ({ imageDigest, imageTag }) => (imageDigest === undefined) !== (imageTag === undefined),
    "Member must have either imageDigest or imageTag",
  );

/** Seconds since 1970, as the protocol has times. */
export const Time = z
  .number()
  .min(0)
  .max(253_402_300_799)
  .transform((seconds) => new Date(seconds * 1000));

/** A lifecycle policy or a retention document. */
export const PolicyText = z.string().min(2).max(30_720);

export const MaxResults = z.number().int().min(1).max(1000).optional();
export const NextToken = z.string().max(4096).optional();

export type ImageId = z.output<typeof ImageId>;

/** What is meant: `ImageId` has one of the two. */
export function targetOf({ imageDigest, imageTag }: ImageId) {
  return (imageTag ?? imageDigest) as NonNullable<typeof imageTag | typeof imageDigest>;
}
