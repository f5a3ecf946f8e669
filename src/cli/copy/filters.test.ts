import { expect, test } from "bun:test";
import type { Tag } from "../../domain/names.ts";
import { createFilter, createRepositoryFilter, wildcard } from "./filters.ts";

const image = (repository: string, tag: string) => ({ repository, reference: { tag: tag as Tag } });

test.each([
  ["*", "anything", true],
  ["team/*", "team/a/b", true],
  ["team/*", "team", false],
  ["*-rc?", "v1-rc2", true],
  ["*-rc?", "v1-rc", false],
  ["a*b*c", "aXbYbZc", true],
  ["a*b*c", "aXbYbZ", false],
  ["v1.*", "v1.2", true],
  ["v1.*", "v1x2", false],
])("%s against %s", (pattern, text, expected) => {
  expect(wildcard(pattern)(text)).toBe(expected);
});

test("many stars cost no more than a look at each place", () => {
  expect(wildcard(`${"*a".repeat(200)}b`)("a".repeat(20_000))).toBe(false);
});

test("a pattern without a colon is a tag of one repository, and else a repository", () => {
  const patterns = { include: ["v1.*"], exclude: [] };
  expect(createFilter(patterns, true)(image("app", "v1.2"))).toBe(true);
  expect(createFilter(patterns, false)(image("app", "v1.2"))).toBe(false);
});

test("what is excluded is not included, by whole names, repositories or tags", () => {
  const filter = createFilter({ include: ["team/*", "base:3*"], exclude: ["team/tmp", ":*-dev"] }, false);
  const chosen = [
    image("team/api", "v1"),
    image("team/tmp", "v1"),
    image("team/api", "v1-dev"),
    image("base", "3.1"),
    image("base", "2"),
  ];
  expect(chosen.map(filter)).toEqual([true, false, false, true, false]);
});

test("tags of a repository that cannot be meant are not listed", () => {
  const wanted = createRepositoryFilter({ include: ["team/*:v1", ":v2"], exclude: ["other", "team/api:*"] });
  expect(["team/api", "other", "third"].map(wanted)).toEqual([true, false, true]);
  expect(["team/api", "third"].map(createRepositoryFilter({ include: ["team/*:v1"], exclude: [] }))).toEqual([
    true,
    false,
  ]);
});

test.each(["", ":", "a:b:c", "a b", "x".repeat(600)])("%p is no pattern", (pattern) => {
  expect(() => createFilter({ include: [pattern], exclude: [] }, false)).toThrow(/^--include: given/);
});
