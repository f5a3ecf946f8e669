import { expect, test } from "bun:test";
import { boundedJson, jobKind, maxPayloadBytes } from "./kinds.ts";
import { failureText } from "./queue.ts";
import { backOffMs, nextSlot } from "./timing.ts";

const hour = 60 * 60_000;

test.each([
  [1, 0, 2_500],
  [1, 1, 5_000],
  [2, 1, 10_000],
  [5, 0, 40_000],
  [11, 1, hour],
  [4000, 0, hour / 2],
])("attempt %d waits, with the random number %d, for %d ms", (attempt, random, expected) => {
  expect(backOffMs(attempt, random)).toBe(expected);
});

test("who names a time is waited for, within a day, and never shorter than the back-off", () => {
  expect(backOffMs(1, 1, 20_000)).toBe(20_000);
  expect(backOffMs(1, 1, 1)).toBe(5_000);
  expect(backOffMs(1, 1, 1e15)).toBe(24 * hour);
});

test("each schedule has a place of its own in the interval, the same one forever", () => {
  const everyMs = 24 * hour;
  const places = new Set<number>();
  const hours = Array.from({ length: 24 }, () => 0);
  for (let number = 0; number < 1_000; number++) {
    const schedule = { kind: "lifecycle.evaluate", key: String(number), everyMs };
    const now = new Date(Date.UTC(2026, 0, 1) + number * 7_777_777);
    const next = nextSlot(schedule, now);
    expect(next.getTime()).toBeGreaterThan(now.getTime());
    expect(next.getTime() - now.getTime()).toBeLessThanOrEqual(everyMs);
    expect(nextSlot(schedule, next).getTime() - next.getTime()).toBe(everyMs);
    const place = next.getTime() % everyMs;
    places.add(place);
    const at = Math.floor(place / hour);
    hours[at] = (hours[at] ?? 0) + 1;
  }
  expect(places.size).toBeGreaterThan(990);
  // 1,000 over 24 hours are about 42 an hour.
  expect(Math.min(...hours)).toBeGreaterThan(20);
  expect(Math.max(...hours)).toBeLessThan(70);
});

test("a payload is JSON, and not large", () => {
  expect(boundedJson("it", { a: [1] })).toBe('{"a":[1]}');
  expect(() => boundedJson("it", undefined)).toThrow("it must be JSON");
  expect(boundedJson("it", "x".repeat(maxPayloadBytes - 2)).length).toBe(maxPayloadBytes);
  expect(() => boundedJson("it", "ü".repeat(maxPayloadBytes / 2))).toThrow("it has 65536 bytes at most");
});

test.each(["", "Upper", "a.b.c", "a b", "a".repeat(32), ".a"])("'%s' names no kind", (name) => {
  expect(() => jobKind(name)).toThrow(RangeError);
});

test("a failure is told with its causes, and not at any length", () => {
  const cause = new TypeError("the root of it");
  expect(failureText(new Error("it failed", { cause }))).toBe("it failed ← TypeError: the root of it");
  expect(failureText("plain")).toBe("plain");
  expect(failureText(new Error("x".repeat(9_000))).length).toBe(2_000);
  const circular = new Error("round");
  circular.cause = circular;
  expect(failureText(circular)).toBe(Array.from({ length: 5 }, () => "round").join(" ← "));
});
