import { z } from "zod";
import {
  type Arn,
  parseAccountId,
  parseRepositoryArn,
  parseRepositoryName,
  parseTag,
  parseUploadId,
} from "../../domain/names.ts";
import { tagMutabilities } from "../../domain/registry/ports.ts";
import { mustMatch, named, pattern } from "../input.ts";

/** The shapes that several ECR operations take (ECR API reference, "Data Types"), with its limits and its wording. */

const repositoryNamePattern = "[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*(\\/[a-z0-9]+((\\.|_|__|-+)[a-z0-9]+)*)*";
const principalArnPattern = "arn:aws(-[a-z]+)*:iam::[0-9]{12}:(role|user)/[\\w+=,.@-]+(/[\\w+=,.@-]+)*";
export const digestPattern = "[a-zA-Z0-9-_+.]+:[a-fA-F0-9]+";
export const tagPattern = "[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}";
const principalArnForm = new RegExp(`^${principalArnPattern}$`, "u");
const uploadIdPattern = "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}";
const exclusionFilterPattern = "^[0-9a-zA-Z._*-]{1,128}$";

export const RegistryId = named(z.string(), parseAccountId, mustMatch("[0-9]{12}"));

export const RepositoryName = named(
  z.string().min(2).max(256),
  parseRepositoryName,
  `must satisfy regular expression '${repositoryNamePattern}'`,
);

/** Stays a text, as it came: `run` and `needs` both read it. */
export const RepositoryArn = z.string().refine((text) => parseRepositoryArn(text) !== undefined, "Invalid ARN");

/** Of a role or a user. */
export const PrincipalArn = named(
  z.string().max(200),
  (text) => (principalArnForm.test(text) ? (text as Arn) : undefined),
  mustMatch(`^${principalArnPattern}$`),
);

/** May name an algorithm that we do not know; such an image or layer is merely not there. */
export const DigestText = pattern(digestPattern);

export const ImageTag = named(z.string().min(1).max(300), parseTag, mustMatch(tagPattern));

export const UploadId = named(z.string(), parseUploadId, mustMatch(uploadIdPattern));

/** Any text: a batch tells for each id what is wrong with it. */
export const ImageIdentifier = z.object({
  imageDigest: z.string().optional(),
  imageTag: z.string().max(300).optional(),
});
export const ImageIds = z.array(ImageIdentifier).min(1).max(100);

export const ImageFilter = z.object({
  tagStatus: z.enum(["TAGGED", "UNTAGGED", "ANY"]).optional(),
  imageStatus: z.enum(["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"]).optional(),
});

export const MaxResults = z.number().int().min(1).max(1000).optional();
export const NextToken = z.string().optional();

export const ImageTagMutability = z.enum(tagMutabilities);

export const ExclusionFilters = z
  .array(
    z.object({
      filterType: z.enum(["WILDCARD"]),
      filter: pattern(exclusionFilterPattern).refine(
        (filter) => filter.split("*").length <= 3,
        "A filter can have at most 2 wildcards (*)",
      ),
    }),
  )
  .min(1)
  .max(5);

export const ImageScanningConfiguration = z.object({ scanOnPush: z.boolean().optional() });

export const ResourceTags = z.array(z.object({ Key: z.string(), Value: z.string() }));
