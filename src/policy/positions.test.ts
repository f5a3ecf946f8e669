import { expect, test } from "bun:test";
import { statementRanges } from "./positions.ts";

/** The text of each range, and where it begins. */
function cut(text: string) {
  const before = (line: number) =>
    text
      .split("\n")
      .slice(0, line - 1)
      .join("\n").length + (line > 1 ? 1 : 0);
  const offsetOf = ({ line, column }: { line: number; column: number }) => before(line) + column - 1;
  return statementRanges(text).map(({ start, end }) => text.slice(offsetOf(start), offsetOf(end)));
}

test("statements of a list are found", () => {
  const text =
    '{\n    "Version": "2012-10-17",\n    "Statement": [\n        {"Sid": "a,]}"},\n {"Condition": {"a": {"b": [{}]}}}\n]}';
  expect(statementRanges(text)[0]).toEqual({ start: { line: 3, column: 19 }, end: { line: 4, column: 24 } });
  expect(cut(text)).toEqual(['\n        {"Sid": "a,]}"}', '\n {"Condition": {"a": {"b": [{}]}}}']);
});

test("a statement that stands alone is found, wherever it stands", () => {
  expect(cut('{"Statement": {"Sid": "\\"{["}, "Version": "2012-10-17"}')).toEqual([' {"Sid": "\\"{["}']);
  expect(cut('{"Id": "Statement", "Statement" : [{}]}')).toEqual(["{}"]);
});
