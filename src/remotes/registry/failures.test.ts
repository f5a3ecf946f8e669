import { expect, test } from "bun:test";
import { failureOf, retryAfterMs } from "./failures.ts";

const now = new Date("2026-01-01T00:00:00Z");
const failed = (status: number, text = "", retryAfter?: string) =>
  failureOf("registry.test", { status, text, retryAfter }, ["secret"], now);
const coded = (code: unknown, message: unknown = "why") => JSON.stringify({ errors: [{ code, message }] });

test.each([
  [401, "denied"],
  [403, "denied"],
  [429, "throttled"],
  [500, "unavailable"],
  [502, "unavailable"],
  [503, "unavailable"],
  [504, "unavailable"],
  [408, "unavailable"],
  [400, "refused"],
  [404, "refused"],
  [405, "refused"],
  [409, "refused"],
  [413, "refused"],
  [416, "refused"],
  [302, "nonsense"],
  [204, "nonsense"],
])("%p means %s", (status, problem) => {
  expect(failed(status)).toMatchObject({
    problem,
    detail: `registry.test answered ${status}`,
    facts: { status },
  } as never);
});

test("who says to wait throttles", () => {
  expect(failed(503, "", "5")).toMatchObject({ problem: "throttled", facts: { retryAfterMs: 5_000 } });
  expect(failed(403, coded("TOOMANYREQUESTS"))).toMatchObject({ problem: "throttled" });
});

test.each([
  ["7", 7_000],
  [" 0 ", 0],
  ["Thu, 01 Jan 2026 00:00:09 GMT", 9_000],
  ["Thu, 01 Jan 1970 00:00:09 GMT", 0],
  ["999999999", 86_400_000],
  ["soon", undefined],
  ["-1", undefined],
  [undefined, undefined],
])("Retry-After: %p", (header, ms) => {
  expect(retryAfterMs(header, now)).toBe(ms as number);
});

test("of what the other side says only what is short and printable is shown", () => {
  expect(failed(400, coded("NAME_INVALID", "a\u0000b\nc secret é")).message).toBe(
    "registry.test answered 400 (NAME_INVALID: a b c …)",
  );
  expect(failed(400, coded("x".repeat(100))).facts.code).toBeUndefined();
  expect(failed(400, coded("NAME INVALID")).facts.code).toBeUndefined();
  expect(failed(400, coded(7, { a: 1 })).message).toBe("registry.test answered 400");
  expect(failed(400, coded("A", "x".repeat(10_000))).message.length).toBeLessThan(300);
  for (const text of ["", "<html>", "null", "[]", '{"errors":7}', '{"errors":[]}', '{"errors":[null]}'])
    expect(failed(400, text).message).toBe("registry.test answered 400");
});
