import { describe, expect, test } from "bun:test";
import { parseDigest, parseRegion, parseRepositoryArn, parseRepositoryName, parseTag, parseUploadId } from "./names.ts";

const hex = (length: number) => "0123456789abcdef".repeat(8).slice(0, length);

describe("repository names", () => {
  const good = ["ab", "a1", "1a", "team/api", "a/b/c", "a.b", "a_b", "a__b", "a-b", "a---b", "x".repeat(256)];
  const bad = [
    ["", "empty"],
    ["a", "one character"],
    ["x".repeat(257), "257 characters"],
    ["Team/api", "capitals"],
    ["/ab", "leading slash"],
    ["ab/", "trailing slash"],
    ["a//b", "empty segment"],
    ["a..b", "two dots"],
    ["a___b", "three underscores"],
    ["-ab", "leading separator"],
    ["ab-", "trailing separator"],
    ["a._b", "mixed separators"],
    ["a/../b", "path traversal"],
    ["a/./b", "dot segment"],
    ["a b", "space"],
    ["ab\n", "new line"],
    ["ä-b", "not ASCII"],
    ["a:b", "colon"],
  ] as const;
  for (const name of good)
    test(`takes ${name.slice(0, 40)}`, () => expect(parseRepositoryName(name)).toBe(name as never));
  for (const [name, why] of bad) test(`refuses ${why}`, () => expect(parseRepositoryName(name)).toBeUndefined());
});

describe("tags", () => {
  for (const tag of ["latest", "_x", "1.0", "A-b_c.d", "x".repeat(128)]) {
    test(`takes ${tag.slice(0, 20)}`, () => expect(parseTag(tag)).toBe(tag as never));
  }
  for (const tag of ["", ".x", "-x", "a/b", "a:b", "a b", "x".repeat(129), "a\n", "ä"]) {
    test(`refuses ${JSON.stringify(tag.slice(0, 20))}`, () => expect(parseTag(tag)).toBeUndefined());
  }
});

describe("digests", () => {
  test("takes sha256 and sha512", () => {
    expect(parseDigest(`sha256:${hex(64)}`)).toBeDefined();
    expect(parseDigest(`sha512:${hex(128)}`)).toBeDefined();
  });
  const bad = [
    "",
    "sha256",
    "sha256:",
    `sha256:${hex(63)}`,
    `sha256:${hex(65)}`,
    `sha256:${hex(64).toUpperCase()}`,
    `SHA256:${hex(64)}`,
    `sha512:${hex(64)}`,
    `md5:${hex(32)}`,
    `sha256:${hex(62)}/x`,
    `sha256:${hex(63)}\n`,
    `constructor:${hex(64)}`,
    hex(64),
  ];
  for (const text of bad)
    test(`refuses ${JSON.stringify(text.slice(0, 24))}`, () => expect(parseDigest(text)).toBeUndefined());
});

test("upload ids are lower-case UUIDs", () => {
  expect(parseUploadId("8e6d0000-0000-4000-8000-000000000000")).toBeDefined();
  for (const bad of ["", "x", "../../etc/passwd", "8E6D0000-0000-4000-8000-000000000000"]) {
    expect(parseUploadId(bad)).toBeUndefined();
  }
});

test("regions have AWS's form", () => {
  for (const region of ["us-east-1", "eu-central-1", "us-gov-west-1", "ap-southeast-2"]) {
    expect(parseRegion(region)).toBe(region as never);
  }
  for (const bad of ["", "local", "us_east_1", "us-east", "US-EAST-1", "us-east-1/x"])
    expect(parseRegion(bad)).toBeUndefined();
});

test("only the ARN of a repository is one", () => {
  expect(parseRepositoryArn("arn:aws:ecr:us-east-1:000000000000:repository/team/api")).toEqual({
    registry: { account: "000000000000", region: "us-east-1" },
    name: "team/api",
  } as never);
  for (const bad of [
    "",
    "arn:aws:ecr:us-east-1:000000000000:repository/",
    "arn:aws:ecr:us-east-1:000000000000:repository/A",
    "arn:aws:ecr:us-east-1:000000000000:registry/ab",
    "arn:aws:ecr:us-east-1:0000:repository/ab",
    "arn:aws:s3:us-east-1:000000000000:repository/ab",
    "arn:aws:ecr:us-east-1:000000000000:repository/ab:c",
    "arn:aws:ecr::000000000000:repository/ab",
  ]) {
    expect(parseRepositoryArn(bad)).toBeUndefined();
  }
});
