import { expect, test } from "bun:test";
import { parseStrictJson } from "./json.ts";

const parse = (text: string) => parseStrictJson(text, { maxDepth: 8 });

test.each(['{"a":1,"b":{"a":2}}', '[{"a":1},{"a":2}]', '"text"', "3", "null", '{"a":"{\\"a\\":1,\\"a\\":2}"}', "{}"])(
  "takes %s",
  (text) => {
    expect(parse(text)).toEqual({ value: JSON.parse(text) });
  },
);

test.each([
  ['{"a":1,"a":2}', "the key 'a' stands twice in one object"],
  ['{"a":1,"\\u0061":2}', "the key 'a' stands twice in one object"],
  ['{"x":{"a":[],"b":{},"a":{}}}', "the key 'a' stands twice in one object"],
  ['[[1],{"k":"v","k":"v"}]', "the key 'k' stands twice in one object"],
  ["[[[[[[[[[1]]]]]]]]]", "nested deeper than 8 levels"],
  ["", "not valid JSON"],
  ["{", "not valid JSON"],
  ['{"a"', "not valid JSON"],
  ['{"a', "not valid JSON"],
  ['{"a":1,}', "not valid JSON"],
  ["{'a':1}", "not valid JSON"],
  ["}{", "not valid JSON"],
  ["\ufeff{}", "not valid JSON"],
  ["{} {}", "not valid JSON"],
])("refuses %s", (text, problem) => {
  expect(parse(text)).toEqual({ problem });
});

test("a million open brackets cost no stack", () => {
  expect(parse("[".repeat(1_000_000))).toEqual({ problem: "nested deeper than 8 levels" });
});
