import { expect, test } from "bun:test";
import { createFresh } from "./fresh.ts";

test("one question serves many, for half a second", async () => {
  let asked = 0;
  const fresh = createFresh({ read: async (key) => `${key}${++asked}`, maxEntries: 10 });
  expect(await Promise.all([fresh.get("a"), fresh.get("a")])).toEqual(["a1", "a1"]);
  expect(await fresh.get("b")).toBe("b2");
  await Bun.sleep(550);
  expect(await fresh.get("a")).toBe("a3");
});

test("what is forgotten is asked for again", async () => {
  let asked = 0;
  const fresh = createFresh({ read: async () => ++asked, maxEntries: 10 });
  expect(await fresh.get("a")).toBe(1);
  fresh.forget("b");
  expect(await fresh.get("a")).toBe(1);
  fresh.forget("a");
  expect(await fresh.get("a")).toBe(2);
  fresh.forget();
  expect(await fresh.get("a")).toBe(3);
});

test("a failure is not remembered, and neither is what shall not be kept", async () => {
  const answers = [Promise.reject(new Error("away")), Promise.resolve(undefined), Promise.resolve(3)];
  answers[0]?.catch(() => {});
  const read = () => answers.shift() as Promise<number | undefined>;
  const fresh = createFresh({ read, maxEntries: 10, keeps: (value) => value !== undefined });
  await expect(fresh.get("a")).rejects.toThrow("away");
  expect(await fresh.get("a")).toBeUndefined();
  expect(await fresh.get("a")).toBe(3);
});

test("there are never more than so many", async () => {
  let asked = 0;
  const fresh = createFresh({ read: async () => ++asked, maxEntries: 2 });
  for (const key of ["a", "b", "c"]) await fresh.get(key);
  expect(await fresh.get("c")).toBe(3);
  expect(await fresh.get("a")).toBe(4);
});
