import { expect, test } from "bun:test";
import { createSlots } from "./slots.ts";

test("one upstream that does not get on leaves slots to the others, and all are free again after failures", async () => {
  const slots = createSlots({ atOnce: 3, atOnceEach: 2 });
  const begun: string[] = [];
  const hang = Promise.withResolvers<void>();
  const work = (name: string, until: Promise<void>) => async () => {
    begun.push(name);
    await until;
  };
  const slow = [1, 2, 3, 4].map((number) => slots.with("slow", work(`slow ${number}`, hang.promise)));
  await slots.with("other", work("other 1", Promise.resolve()));
  await slots.with("other", work("other 2", Promise.resolve()));
  expect(begun).toEqual(["slow 1", "slow 2", "other 1", "other 2"]);
  hang.reject(new Error("it is down"));
  expect((await Promise.allSettled(slow)).map(({ status }) => status)).toEqual(Array(4).fill("rejected"));
  const more = ["a", "a", "b"].map((key) => slots.with(key, work(key, Promise.resolve())));
  expect(begun.slice(-3)).toEqual(["a", "a", "b"]);
  await Promise.all(more);
});

test("whoever waits goes in the order in which they came, as far as their upstream has room", async () => {
  const slots = createSlots({ atOnce: 2, atOnceEach: 1 });
  const begun: string[] = [];
  const ends = ["a1", "a2", "b1", "c1"].map((name) => {
    const end = Promise.withResolvers<void>();
    const done = slots.with(name.charAt(0), async () => {
      begun.push(name);
      await end.promise;
    });
    return { end: end.resolve, done };
  });
  expect(begun).toEqual(["a1", "b1"]);
  for (const [at, expected] of [
    ["2", "c1"],
    ["0", "a2"],
  ] as const) {
    ends[Number(at)]?.end();
    await ends[Number(at)]?.done;
    expect(begun.at(-1)).toBe(expected);
  }
  for (const { end } of ends) end();
  await Promise.all(ends.map(({ done }) => done));
});
