import { expect, test } from "bun:test";
import { rememberLatest } from "./latest.ts";

test("answers as the test does, and asks it once for one text in a row", () => {
  const asked: string[] = [];
  const isLong = rememberLatest((text) => {
    asked.push(text.slice(0, 3));
    return text.length > 2;
  });
  asked.length = 0;
  expect(["", "", "a", "a", "abc", "abc", "a", ""].map(isLong)).toEqual([
    false,
    false,
    false,
    false,
    true,
    true,
    false,
    false,
  ]);
  expect(asked).toEqual(["a", "abc", "a", ""]);
});

test("a long text is not kept", () => {
  let asked = 0;
  const isLong = rememberLatest((text) => {
    asked++;
    return text.length > 256;
  });
  asked = 0;
  for (let time = 0; time < 3; time++) expect(isLong("x".repeat(257))).toBe(true);
  expect(asked).toBe(3);
});
