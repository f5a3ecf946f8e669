import { beforeEach, describe, expect, test } from "bun:test";
import type { Principal } from "./access.ts";
import { Refusal } from "./errors.ts";
import type { AccountId, Region } from "./names.ts";
import { createRates, ecrRates, type RatesParts } from "./rates.ts";

const region = "us-east-1" as Region;
const principal = (name: string, account = "111122223333"): Principal => ({
  kind: "user",
  account: account as AccountId,
  arn: `arn:aws:iam::${account}:user/${name}`,
  userId: name,
});
const anna = principal("anna");

let nowMs: number;
beforeEach(() => {
  nowMs = Date.UTC(2026, 0, 1);
});

function rates(limits: RatesParts["limits"], more: Partial<RatesParts> = {}) {
  const { take } = createRates({ limits, per: "account", clock: () => new Date(nowMs), ...more });
  /** 0 when the call was taken, else after how many milliseconds to try again. */
  return (operations: string | string[], who = anna, where = region): number => {
    try {
      take(who, where, [operations].flat());
      return 0;
    } catch (error) {
      if (error instanceof Refusal && error.is("RateExceeded")) return error.facts.retryAfterMs;
      throw error;
    }
  };
}

const times = (count: number, call: () => number) => Array.from({ length: count }, call);

test("a burst at once, then as many as the rate gives", () => {
  const take = rates({ PutImage: { perSecond: 10, burst: 3 } });
  expect(times(4, () => take("PutImage"))).toEqual([0, 0, 0, 100]);
  nowMs += 99;
  expect(take("PutImage")).toBe(1);
  nowMs += 1;
  expect(times(2, () => take("PutImage"))).toEqual([0, 100]);
  nowMs += 3_600_000;
  expect(times(4, () => take("PutImage"))).toEqual([0, 0, 0, 100]);
});

test("a refused call costs nothing", () => {
  const take = rates({ PutImage: { perSecond: 1, burst: 1 } });
  expect(times(5, () => take("PutImage"))).toEqual([0, 1000, 1000, 1000, 1000]);
  nowMs += 1000;
  expect(take("PutImage")).toBe(0);
});

test("less than one in a second", () => {
  const take = rates({ PutImage: { perSecond: 0.1, burst: 1 } });
  expect(times(2, () => take("PutImage"))).toEqual([0, 10_000]);
  nowMs += 10_000;
  expect(take("PutImage")).toBe(0);
});

test("operations, regions and accounts do not share, the principals of an account do", () => {
  const take = rates({ PutImage: { perSecond: 1, burst: 1 }, ListImages: { perSecond: 1, burst: 1 } });
  expect(take("PutImage")).toBe(0);
  expect(take("ListImages")).toBe(0);
  expect(take("PutImage", anna, "eu-west-1" as Region)).toBe(0);
  expect(take("PutImage", principal("anna", "444455556666"))).toBe(0);
  expect(take("PutImage", principal("ben"))).toBe(1000);
});

test("each principal on its own, where that is wanted", () => {
  const take = rates({ PutImage: { perSecond: 1, burst: 1 } }, { per: "principal" });
  expect([take("PutImage"), take("PutImage", principal("ben")), take("PutImage")]).toEqual([0, 0, 1000]);
});

test("what has no rate is not limited, unless every other operation has one", () => {
  const some = rates({ PutImage: { perSecond: 1, burst: 1 } });
  expect(times(100, () => some("ListImages")).every((wait) => wait === 0)).toBe(true);
  const all = rates({ PutImage: { perSecond: 5, burst: 5 }, "*": { perSecond: 1, burst: 1 } });
  expect([all("ListImages"), all("ListImages"), all("DescribeImages")]).toEqual([0, 1000, 0]);
  expect(times(2, () => all("PutImage"))).toEqual([0, 0]);
});

test("a request that counts as several operations takes all or none", () => {
  const take = rates({
    InitiateLayerUpload: { perSecond: 1, burst: 5 },
    CompleteLayerUpload: { perSecond: 1, burst: 1 },
  });
  const both = ["InitiateLayerUpload", "CompleteLayerUpload"];
  expect(times(4, () => take(both))).toEqual([0, 1000, 1000, 1000]);
  expect(times(5, () => take("InitiateLayerUpload"))).toEqual([0, 0, 0, 0, 1000]);
});

test("a clock that is set back neither gives nor takes", () => {
  const take = rates({ PutImage: { perSecond: 1, burst: 2 } });
  take("PutImage");
  nowMs -= 3_600_000;
  expect(times(2, () => take("PutImage"))).toEqual([0, 1000]);
  nowMs += 1000;
  expect(take("PutImage")).toBe(0);
});

describe("memory", () => {
  test("is bounded: beyond the cap, who was not heard of for longest begins anew", () => {
    const take = rates({ PutImage: { perSecond: 1, burst: 1 } }, { per: "principal", maxBuckets: 100 });
    const [first, last] = [principal("0"), principal("999")];
    for (let i = 0; i < 1000; i++) take("PutImage", principal(String(i)));
    expect(take("PutImage", last)).toBe(1000);
    expect(take("PutImage", first)).toBe(0);
  });

  test("a caller that goes on calling is not forgotten for newcomers", () => {
    const take = rates({ PutImage: { perSecond: 1, burst: 1 } }, { per: "principal", maxBuckets: 10 });
    take("PutImage");
    for (let i = 0; i < 100; i++) {
      take("PutImage", principal(String(i)));
      expect(take("PutImage")).toBe(1000);
    }
  });
});

test("ECR's quotas", () => {
  const take = rates(ecrRates);
  expect(times(11, () => take("PutImage")).at(-1)).toBe(100);
  expect(times(101, () => take("InitiateLayerUpload")).at(-1)).toBe(10);
  expect(times(101, () => take("CompleteLayerUpload")).at(-1)).toBe(10);
  expect(times(501, () => take("UploadLayerPart")).at(-1)).toBe(2);
  expect(times(501, () => take("GetAuthorizationToken")).at(-1)).toBe(2);
  expect(times(1001, () => take("BatchCheckLayerAvailability")).at(-1)).toBe(1);
  expect(times(2001, () => take("BatchGetImage")).at(-1)).toBe(1);
  expect(times(3001, () => take("GetDownloadUrlForLayer")).at(-1)).toBe(1);
  expect(take("DescribeImages")).toBe(0);
});
