import { expect, test } from "bun:test";
import { GroupSync } from "./group-sync.ts";

/** A sync that ends when the test says so. */
function held() {
  const syncs: PromiseWithResolvers<void>[] = [];
  const group = new GroupSync(() => {
    const sync = Promise.withResolvers<void>();
    syncs.push(sync);
    return sync.promise;
  });
  return { group, syncs };
}

const turn = () => new Promise((resolve) => setTimeout(resolve, 0));

test("those who come together share a sync; those who come during one share the next", async () => {
  const { group, syncs } = held();
  const settled: string[] = [];
  const ask = (name: string) => group.settle().then(() => settled.push(name));
  void ask("a");
  void ask("b");
  await turn();
  expect(syncs).toHaveLength(1);
  void ask("c");
  void ask("d");
  await turn();
  expect(syncs).toHaveLength(1);
  syncs[0]?.resolve();
  await turn();
  expect(settled).toEqual(["a", "b"]);
  expect(syncs).toHaveLength(2);
  syncs[1]?.resolve();
  await turn();
  expect(settled).toEqual(["a", "b", "c", "d"]);
});

test("after a failed sync nobody is told that anything is safe", async () => {
  const { group, syncs } = held();
  const first = group.settle();
  await turn();
  const second = group.settle();
  const outcomes = Promise.allSettled([first, second]);
  syncs[0]?.reject(new Error("EIO"));
  expect((await outcomes).map(({ status }) => status)).toEqual(["rejected", "rejected"]);
  expect(await group.settle().catch((error: Error) => error.message)).toBe("EIO");
  expect(syncs).toHaveLength(1);
});

test("a thousand who wait cost a handful of syncs", async () => {
  let syncs = 0;
  const group = new GroupSync(async () => {
    syncs++;
    await turn();
  });
  await Promise.all(Array.from({ length: 1000 }, () => group.settle()));
  expect(syncs).toBeLessThan(5);
});
