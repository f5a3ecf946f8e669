import { expect, test } from "bun:test";
import type { Arn, RepositoryName } from "../names.ts";
import { signingsOf } from "./signing.ts";

const profile = (name: string) => `arn:aws:signer:us-east-1:111122223333:/signing-profiles/${name}` as Arn;

test.each<[name: string, filters: string[] | undefined, isSigned: boolean]>([
  ["prod", undefined, true],
  ["prod", ["prod"], true],
  // Not as filters of scans, which match what contains them.
  ["prod/app", ["prod"], false],
  ["prod/app", ["prod*"], true],
  ["team/prod/app", ["prod*"], false],
  ["team/prod/app", ["*/app", "other"], true],
  ["prodXapp", ["prod.app"], false],
])("'%s' by the filters %p", (name, filters, isSigned) => {
  const signings = signingsOf({ rules: [{ profile: profile("one"), filters }] }, name as RepositoryName);
  expect(signings.length > 0).toBe(isSigned);
});

test("a profile signs an image once, however many rules name it", () => {
  const rules = [
    { profile: profile("one") },
    { profile: profile("two"), filters: ["a*"] },
    { profile: profile("one"), filters: ["app"] },
    { profile: profile("three"), filters: ["b*"] },
  ];
  const signings = signingsOf({ rules }, "app" as RepositoryName);
  expect(signings.map((signing) => signing.profile)).toEqual([profile("one"), profile("two")]);
});
