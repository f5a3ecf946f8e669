import type { Tag } from "../names.ts";
import { matchesWildcard } from "../registry/tag-mutability.ts";
import type { RuleMatch } from "./rules.ts";

/**
 * What a rule lets through. The rest is as if the upstream had none of it: it is not asked. Where only some tags are let
 * through, a manifest that is asked for by its digest is, too, only if an index of the cache lists it: nobody can say which
 * tags it has.
 */
export function lets({ rule: { options }, upstreamRepository }: RuleMatch): {
  readonly repository: boolean;
  readonly anyDigest: boolean;
  tag(tag: Tag): boolean;
} {
  const { allowTags, denyTags, allowRepositories, denyRepositories } = options;
  return {
    repository: passes(upstreamRepository, allowRepositories, denyRepositories),
    anyDigest: allowTags === undefined && (denyTags ?? []).length === 0,
    tag: (tag) => passes(tag, allowTags, denyTags),
  };
}

function passes(text: string, allowed: readonly string[] | undefined, denied: readonly string[] = []): boolean {
  if (denied.some((filter) => matchesWildcard(filter, text))) return false;
  return allowed === undefined || allowed.some((filter) => matchesWildcard(filter, text));
}
