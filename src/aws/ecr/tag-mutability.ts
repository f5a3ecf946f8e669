import type { z } from "zod";
import { refuse } from "../../domain/errors.ts";
import type { TagMutability } from "../../domain/registry/ports.ts";
import type { ExclusionFilters } from "./shapes.ts";

/** Filters belong to the `_WITH_EXCLUSION` values and to no other. @throws InvalidParameter */
export function exclusionFiltersOf(
  mutability: TagMutability | undefined,
  filters: z.output<typeof ExclusionFilters> | undefined,
): string[] {
  const value = mutability ?? "MUTABLE";
  const isExpected = value.endsWith("_WITH_EXCLUSION");
  if (isExpected === (filters !== undefined)) return (filters ?? []).map(({ filter }) => filter);
  throw refuse("InvalidParameter", {
    member: "imageTagMutabilityExclusionFilters",
    constraint: `ImageTagMutabilityExclusionFilters ${isExpected ? "can't" : "must"} be null when imageTagMutability is set as ${value}`,
  });
}
