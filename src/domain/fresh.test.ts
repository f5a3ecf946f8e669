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

test("what is no longer fresh takes no memory", async () => {
  const answers: WeakRef<object>[] = [];
  const fresh = createFresh({
    async read() {
      const answer = { large: new Array(1000).fill(0) };
      answers.push(new WeakRef(answer));
      return answer;
    },
    maxEntries: 10_000,
  });
  for (let index = 0; index < 200; index++) await fresh.get(`key ${index}`);
  await Bun.sleep(600);
  await fresh.get("another");
  await Bun.sleep(0);
  Bun.gc(true);
  // The collector may take a few for used.
  expect(answers.filter((answer) => answer.deref() !== undefined).length).toBeLessThan(50);
});
