import { expect, test } from "bun:test";
import { refuse } from "../errors.ts";
import { createFlights } from "./flights.ts";
import { createSlots } from "./slots.ts";

test("all who want the same at the same moment share the work, and the next ones do it anew", async () => {
  const flights = createFlights<number>();
  let done = 0;
  const work = async () => ++done;
  expect(await Promise.all([1, 2, 3].map(() => flights.share("a", work)))).toEqual([1, 1, 1]);
  expect(await flights.share("a", work)).toBe(2);
});

test("a failure is everybody's, but what one was not allowed to do the others do", async () => {
  const flights = createFlights<string>();
  const failing = [1, 2].map(() => flights.share("a", () => Promise.reject(new Error("down"))));
  expect(await Promise.allSettled(failing)).toMatchObject([{ status: "rejected" }, { status: "rejected" }]);
  const denied = refuse("RepositoryNotFound", { repository: "a" as never, registry: { account: "1" } as never });
  const first = flights.share("a", () => Promise.reject(denied));
  const second = flights.share("a", async () => "mine");
  await expect(first).rejects.toBe(denied);
  expect(await second).toBe("mine");
});

test("so many at once, and the others in turn", async () => {
  const slots = createSlots({ atOnce: 2, atOnceEach: 2 });
  const gates = [0, 1, 2, 3].map(() => Promise.withResolvers<void>());
  const begun: number[] = [];
  const all = gates.map(({ promise }, index) =>
    slots.with("one", async () => {
      begun.push(index);
      await promise;
    }),
  );
  await Bun.sleep(1);
  expect(begun).toEqual([0, 1]);
  gates[1]?.resolve();
  await all[1];
  await Bun.sleep(1);
  expect(begun).toEqual([0, 1, 2]);
  for (const { resolve } of gates) resolve();
  await Promise.all(all);
  expect(begun).toEqual([0, 1, 2, 3]);
});
