import { expect, test } from "bun:test";
import type { Tag } from "../names.ts";
import { isImmutable, matchesWildcard } from "./tag-mutability.ts";

test.each([
  ["*", "anything", true],
  ["*", "", true],
  ["dev-*", "dev-1", true],
  ["dev-*", "dev-", true],
  ["dev-*", "xdev-1", false],
  ["*-dev", "1-dev", true],
  ["a*b*c", "aXbYc", true],
  ["a*b*c", "abc", true],
  ["a*b*c", "acb", false],
  ["ab*ba", "aba", false],
  ["v1.0", "v1x0", false],
  ["v1.0", "v1.0", true],
  ["latest", "latest2", false],
])("the filter %s on %s: %p", (filter, tag, matches) => {
  expect(matchesWildcard(filter, tag)).toBe(matches);
});

test.each([
  ["MUTABLE", [], "dev-1", false],
  ["IMMUTABLE", [], "dev-1", true],
  ["MUTABLE_WITH_EXCLUSION", ["dev-*"], "dev-1", true],
  ["MUTABLE_WITH_EXCLUSION", ["dev-*"], "v1", false],
  ["IMMUTABLE_WITH_EXCLUSION", ["dev-*"], "dev-1", false],
  ["IMMUTABLE_WITH_EXCLUSION", ["dev-*"], "v1", true],
] as const)("%s with %p: %s immutable %p", (tagMutability, exclusionFilters, tag, immutable) => {
  expect(isImmutable(tag as unknown as Tag, { tagMutability, exclusionFilters })).toBe(immutable);
});
