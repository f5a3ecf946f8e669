import { z } from "zod";
import { parseAccountId, parseRepositoryName } from "../../domain/names.ts";
import { mustMatch, named } from "../input.ts";

export const RegistryId = named(z.string(), parseAccountId, mustMatch("[0-9]{12}"));
export const RepositoryName = named(
  z.string().min(2).max(256),
  parseRepositoryName,
  "Member must be a repository name",
);
export const MaxResults = z.number().int().min(1).max(1000).optional();
export const NextToken = z.string().max(4096).optional();
