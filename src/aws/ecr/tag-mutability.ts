import type { z } from "zod";
import type { TagMutability } from "../../domain/registry/ports.ts";
import { checkedExclusionFilters } from "../../domain/registry/tag-mutability.ts";
import type { ExclusionFilters } from "./shapes.ts";

type Filters = z.output<typeof ExclusionFilters>;

/** Filters belong to the `_WITH_EXCLUSION` values and to no other. @throws InvalidParameter */
export function exclusionFiltersOf(
  mutability: TagMutability | undefined,
  filters: Filters | undefined,
): readonly string[] {
  return checkedExclusionFilters(mutability ?? "MUTABLE", filtersOf(filters));
}

export function filtersOf(filters: Filters | undefined): string[] | undefined {
  return filters?.map(({ filter }) => filter);
}
