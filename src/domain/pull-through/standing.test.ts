import { expect, test } from "bun:test";
import { RemoteFailure } from "../registry/remote-registry.ts";
import type { PullThroughRule } from "./rules.ts";
import { createStanding } from "./standing.ts";

const rule = (prefix: string) =>
  ({ registry: { account: "1", region: "r" }, prefix, upstreamUrl: "quay.io" }) as unknown as PullThroughRule;
const [one, other] = [rule("one"), rule("other")];

function standing() {
  const clock = { now: 0 };
  return { clock, ...createStanding(() => new Date(clock.now)) };
}

test("who said to wait is left alone for so long, by the rule that was told", () => {
  const { clock, failed, checkOpen, isDown } = standing();
  failed(one, new RemoteFailure("throttled", "slow down", { retryAfterMs: 5_000 }));
  clock.now = 4_000;
  expect(() => checkOpen(one)).toThrow(
    expect.objectContaining({ problem: "throttled", facts: { retryAfterMs: 1_000 } }),
  );
  expect([isDown(one), isDown(other)]).toEqual([true, false]);
  checkOpen(other);
  clock.now = 5_000;
  checkOpen(one);
});

test("whoever asks meanwhile does not make it longer", () => {
  const { clock, failed, checkOpen } = standing();
  failed(one, new RemoteFailure("throttled", "slow down", { retryAfterMs: 2_000 }));
  for (clock.now = 500; clock.now < 2_000; clock.now += 500) {
    try {
      checkOpen(one);
    } catch (error) {
      failed(one, error as RemoteFailure);
    }
  }
  checkOpen(one);
});

test.each([
  [undefined, 60_000],
  [0, 1_000],
  [24 * 3_600_000, 15 * 60_000],
])("to wait for %p ms is to wait for %i", (retryAfterMs, waitedMs) => {
  const { clock, failed, checkOpen } = standing();
  failed(one, new RemoteFailure("throttled", "slow down", { retryAfterMs }));
  clock.now = waitedMs - 1;
  expect(() => checkOpen(one)).toThrow();
  clock.now = waitedMs;
  checkOpen(one);
});

test("who does not answer is down for a moment, and up once it does", () => {
  const { failed, answered, checkOpen, isDown } = standing();
  failed(one, new RemoteFailure("unavailable", "no connection"));
  expect(isDown(one)).toBe(true);
  checkOpen(one);
  answered(one);
  expect(isDown(one)).toBe(false);
  // What is wrong with one image says nothing of the others.
  for (const problem of ["denied", "nonsense"] as const) failed(one, new RemoteFailure(problem, "no"));
  expect(isDown(one)).toBe(false);
});

test("what was not there is not asked for again at once, and is forgotten when there is too much of it", () => {
  const { clock, absent, isAbsent } = standing();
  absent("a");
  expect([isAbsent("a"), isAbsent("b")]).toEqual([true, false]);
  for (let other = 0; other < 10_000; other++) absent(`other ${other}`);
  expect([isAbsent("a"), isAbsent("other 9999")]).toEqual([false, true]);
  clock.now = 60_000;
  expect(isAbsent("other 9999")).toBe(false);
});
