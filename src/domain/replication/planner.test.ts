import { expect, test } from "bun:test";
import type { AccountId, Region, RepositoryName, Tag } from "../names.ts";
import { formatReplicates, parseReplicates } from "./header.ts";
import { destinationsOf } from "./planner.ts";
import { noOptions, type ReplicationRule } from "./ports.ts";
import { wantedTags } from "./trigger.ts";

const registry = (account: string, region: string) => ({ account: account as AccountId, region: region as Region });
const source = registry("111111111111", "us-east-1");
const [west, south, theirs] = [
  registry("111111111111", "us-west-2"),
  registry("111111111111", "ap-south-1"),
  registry("222222222222", "us-east-1"),
];
const rule = (destinations: ReplicationRule["destinations"], ...prefixes: string[]) => ({ destinations, prefixes });
const go = (rules: readonly ReplicationRule[], name: string) => destinationsOf(rules, name as RepositoryName, source);

test("without filters all repositories go; with some, those that begin with one of them", () => {
  expect(go([rule([west, south])], "any/app")).toEqual([west, south]);
  const filtered = [rule([west], "prod", "team/")];
  expect(
    ["prod", "production/app", "team/app", "team", "a/prod", "Prod"].map((name) => go(filtered, name).length),
  ).toEqual([1, 1, 1, 0, 0, 0]);
});

test("each destination once, whichever rules name it, and never home", () => {
  const rules = [rule([west, theirs], "prod"), rule([west, south]), rule([source])];
  expect(go(rules, "prod/app")).toEqual([west, theirs, south]);
  expect(go(rules, "app")).toEqual([west, south]);
  expect(go([], "app")).toEqual([]);
});

test("tag filters choose images and their tags; what refers to another image goes all the same", () => {
  const options = { ...noOptions, tags: ["v*", "latest"] };
  const wanted = (tags: string[], subject?: string) =>
    wantedTags({ tags: tags as Tag[], subject: subject as never }, options);
  expect(wanted(["v1", "branch", "latest"])).toEqual(["v1", "latest"] as Tag[]);
  expect(wanted(["branch"])).toBeUndefined();
  expect(wanted([])).toBeUndefined();
  expect(wanted(["branch"], "sha256:…")).toEqual([]);
  expect(wantedTags({ tags: ["branch" as Tag], subject: undefined }, noOptions)).toEqual(["branch" as Tag]);
});

test("the header of replication says from where to where, or nothing", () => {
  const text = formatReplicates({ from: source, to: west });
  expect(text).toBe("from=111111111111/us-east-1; to=111111111111/us-west-2");
  expect(parseReplicates(text)).toEqual({ from: source, to: west });
  for (const bad of [
    "",
    "from=1/us-east-1; to=111111111111/us-west-2",
    `${text} `,
    `${text}; x=y`,
    text.replace("us-west-2", "US"),
  ]) {
    expect(parseReplicates(bad)).toBeUndefined();
  }
});
