import { expect, test } from "bun:test";
import { Mutex } from "./mutex.ts";

test("lets one in at a time, in the order of asking", async () => {
  const mutex = new Mutex();
  const entered: number[] = [];
  let inside = 0;
  await Promise.all(
    Array.from({ length: 10 }, async (_, index) => {
      const release = await mutex.acquire();
      inside++;
      expect(inside).toBe(1);
      await Promise.resolve();
      entered.push(index);
      inside--;
      release();
    }),
  );
  expect(entered).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
});
