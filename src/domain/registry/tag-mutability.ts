import { refuse } from "../errors.ts";
import type { Tag } from "../names.ts";
import type { RepositorySettings, TagMutability } from "./ports.ts";

/** Whether a tag that exists may not be moved (ECR user guide, "Preventing image tags from being overwritten"). */
export function isImmutable(
  tag: Tag,
  { tagMutability, exclusionFilters }: Pick<RepositorySettings, "tagMutability" | "exclusionFilters">,
): boolean {
  const excluded = () => exclusionFilters.some((filter) => matchesWildcard(filter, tag));
  switch (tagMutability) {
    case "MUTABLE":
      return false;
    case "IMMUTABLE":
      return true;
    case "MUTABLE_WITH_EXCLUSION":
      return excluded();
    case "IMMUTABLE_WITH_EXCLUSION":
      return !excluded();
  }
}

/** Filters belong to the `_WITH_EXCLUSION` values and to no other. @throws InvalidParameter */
export function checkedExclusionFilters(
  value: TagMutability,
  filters: readonly string[] | undefined,
): readonly string[] {
  const isExpected = value.endsWith("_WITH_EXCLUSION");
  if (isExpected === (filters !== undefined)) return filters ?? [];
  throw refuse("InvalidParameter", {
    member: "imageTagMutabilityExclusionFilters",
    constraint: `ImageTagMutabilityExclusionFilters ${isExpected ? "can't" : "must"} be null when imageTagMutability is set as ${value}`,
  });
}

/** `*` stands for any run of characters, also none; everything else for itself. Linear in the text, whatever the filter. */
export function matchesWildcard(filter: string, text: string): boolean {
  const pieces = filter.split("*");
  const first = pieces.shift() ?? "";
  const last = pieces.pop();
  if (last === undefined) return text === first;
  if (text.length < first.length + last.length || !text.startsWith(first) || !text.endsWith(last)) return false;
  let from = first.length;
  for (const piece of pieces) {
    const at = text.indexOf(piece, from);
    if (at < 0) return false;
    from = at + piece.length;
  }
  return from <= text.length - last.length;
}
