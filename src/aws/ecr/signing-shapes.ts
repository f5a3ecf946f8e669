import type { SigningConfiguration as SdkSigningConfiguration } from "@aws-sdk/client-ecr";
import { z } from "zod";
import type { Arn } from "../../domain/names.ts";
import type { SigningConfiguration as Signing } from "../../domain/registry/scanning-ports.ts";
import { mustMatch, named, pattern } from "../input.ts";

/** What ECR takes and shows of a signing configuration (ECR API reference, "Data Types"). */

const profilePattern = "arn:aws(-[a-z]+)*:signer:[a-z0-9-]+:[0-9]{12}:\\/signing-profiles\\/[a-zA-Z0-9_]{2,}";
const profileForm = new RegExp(`^${profilePattern}$`);
const filterPattern = "^(?:[a-z0-9*]+(?:[._-][a-z0-9*]+)*/)*[a-z0-9*]+(?:[._-][a-z0-9*]+)*$";

const ProfileArn = named(
  z.string().max(200),
  (text) => (profileForm.test(text) ? (text as Arn) : undefined),
  mustMatch(`^${profilePattern}$`),
);

const Filter = z.object({
  filter: pattern(filterPattern).min(1).max(256),
  filterType: z.enum(["WILDCARD_MATCH"]),
});

export const SigningConfiguration = z.object({
  rules: z
    .array(z.object({ signingProfileArn: ProfileArn, repositoryFilters: z.array(Filter).min(1).max(100).optional() }))
    .max(10),
});

export function signingOf({ rules }: z.output<typeof SigningConfiguration>): Signing {
  return {
    rules: rules.map(({ signingProfileArn: profile, repositoryFilters }) => ({
      profile,
      filters: repositoryFilters?.map(({ filter }) => filter),
    })),
  };
}

export function signingView({ rules }: Signing): SdkSigningConfiguration {
  return {
    rules: rules.map(({ profile: signingProfileArn, filters }) => ({
      signingProfileArn,
      repositoryFilters: filters?.map((filter) => ({ filter, filterType: "WILDCARD_MATCH" as const })),
    })),
  };
}
