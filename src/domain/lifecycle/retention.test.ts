import { expect, test } from "bun:test";
import { checkRetention } from "./retention.ts";

const check = (document: unknown) => {
  return checkRetention(typeof document === "string" ? document : JSON.stringify(document), "retentionText");
};
const any = { tagStatus: "any" };

test("what it does not say is as in ECR", () => {
  expect(check({})).toEqual({
    retention: { text: "{}", retain: [], ageFrom: "push", signatureTags: "follow" },
  });
});

test("retain rules keep all, or the newest, or what was used lately", () => {
  const keeps = [undefined, { newest: 3 }, { pushedWithinDays: 7 }, { pulledWithinDays: 8 }, { taggedWithinDays: 9 }];
  const checked = check({
    ageFrom: "lastTagged",
    signatureTags: "ordinary",
    retain: keeps.map((keep, index) => ({ name: `rule ${index}`, selection: any, ...(keep && { keep }) })),
  });
  expect(checked).toMatchObject({ retention: { ageFrom: "lastTagged", signatureTags: "ordinary" } });
  expect("retention" in checked && checked.retention.retain.map(({ keep }) => keep)).toEqual([
    { kind: "all" },
    { kind: "newest", count: 3 },
    { kind: "pushedWithinDays", days: 7 },
    { kind: "pulledWithinDays", days: 8 },
    { kind: "taggedWithinDays", days: 9 },
  ]);
});

test("a retain rule is for both storage classes, unless it names one", () => {
  const checked = check({
    retain: [
      { name: "a", selection: any },
      { name: "b", selection: { ...any, storageClass: "archive" } },
    ],
  });
  expect("retention" in checked && checked.retention.retain.map(({ selection }) => selection.storageClass)).toEqual([
    "any",
    "archive",
  ]);
});

const refusals: readonly [string, unknown, string][] = [
  ["no JSON", "{", "The text cannot be read: not valid JSON"],
  [
    "a key twice",
    '{"ageFrom":"push","ageFrom":"push"}',
    "The text cannot be read: the key 'ageFrom' appears twice in an object",
  ],
  ["a list", [], 'instance type (array) does not match any allowed primitive type (allowed: ["object"])'],
  ["an unknown member", { keep: 1 }, 'object instance has properties which are not allowed by the schema: (["keep"])'],
  [
    "another age",
    { ageFrom: "pull" },
    'instance value (pull) not found in enum :(possible values: ["lastTagged", "push"])',
  ],
  ["no name", { retain: [{ selection: any }] }, 'object has missing required properties (["name"])'],
  ["no selection", { retain: [{ name: "a" }] }, 'object has missing required properties (["selection"])'],
  [
    "an empty name",
    { retain: [{ name: "", selection: any }] },
    'string "" is too short (length: 0, required minimum: 1)',
  ],
  [
    "a long name",
    { retain: [{ name: "n".repeat(129), selection: any }] },
    `string "${"n".repeat(128)}…" is too long (length: 129, maximum allowed: 128)`,
  ],
  [
    "two ways to keep",
    { retain: [{ name: "a", selection: any, keep: { newest: 1, pushedWithinDays: 1 } }] },
    "instance failed to match exactly one schema (matched 0 out of 4)",
  ],
  [
    "no way to keep",
    { retain: [{ name: "a", selection: any, keep: {} }] },
    "instance failed to match exactly one schema (matched 0 out of 4)",
  ],
  [
    "none to keep",
    { retain: [{ name: "a", selection: any, keep: { newest: 0 } }] },
    "numeric instance is lower than the required minimum (minimum: 1, found: 0)",
  ],
  [
    "tagged, with nothing",
    { retain: [{ name: "a", selection: { tagStatus: "tagged" } }] },
    "a: Must specify tagPrefixList or tagPatternList when tagStatus=TAGGED.",
  ],
  [
    "the same name twice",
    {
      retain: [
        { name: "a", selection: any },
        { name: "a", selection: any },
      ],
    },
    "Each retain rule must have a name of its own",
  ],
  [
    "too many",
    { retain: Array.from({ length: 31 }, (_, index) => ({ name: `${index}`, selection: any })) },
    "array is too long: must have at most 30 elements but instance has 31 elements",
  ],
  ["too long", " ".repeat(30_721), "Member must have length less than or equal to 30720"],
];

for (const [name, document, constraint] of refusals) {
  test(`refused: ${name}`, () => {
    expect(check(document)).toEqual({ problem: { member: "retentionText", constraint } });
  });
}
