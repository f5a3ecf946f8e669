import { expect, test } from "bun:test";
import { BodyTooSlow, createPaceKeeper } from "./pace.ts";

/** A body whose chunks come when the test says so, and a clock that it moves. */
function scene({ minBytesPerSecond = 100, windowMs = 60_000 } = {}) {
  let at = 0;
  const pace = createPaceKeeper({ minBytesPerSecond, windowMs, now: () => at });
  const told: string[] = [];
  let [send, end, fail]: (() => void)[] = [];
  let returned = false;
  const chunks: AsyncIterable<Uint8Array> = {
    [Symbol.asyncIterator]: () => ({
      next: () =>
        new Promise((resolve, reject) => {
          send = () => resolve({ done: false, value: new Uint8Array(1000) });
          end = () => resolve({ done: true, value: undefined });
          fail = () => reject(new Error("gone"));
        }),
      return: async () => {
        returned = true;
        return { done: true, value: undefined };
      },
    }),
  };
  const paced = pace.keep(chunks, () => told.push("too slow"))[Symbol.asyncIterator]();
  return {
    paced,
    told,
    pass(seconds: number) {
      at += seconds * 1000;
      pace.check();
    },
    /** Waits so long for the next chunk, which then comes. */
    async chunk(afterSeconds = 0) {
      const next = paced.next();
      await Promise.resolve();
      at += afterSeconds * 1000;
      pace.check();
      send?.();
      return next;
    },
    end: () => end?.(),
    fail: () => fail?.(),
    get returned() {
      return returned;
    },
  };
}

test("a body that stands still is cut off after the window", async () => {
  const body = scene();
  await body.chunk();
  const next = body.paced.next();
  body.pass(59);
  expect(body.told).toEqual([]);
  body.pass(1);
  await expect(next).rejects.toBeInstanceOf(BodyTooSlow);
  expect(body.told).toEqual(["too slow"]);
  expect(await body.paced.next()).toEqual({ done: true, value: undefined });
});

test("a chunk now and then is too slow, the least pace is not", async () => {
  const steady = scene({ minBytesPerSecond: 80 });
  for (let i = 0; i < 100; i++) expect((await steady.chunk(10)).value?.length).toBe(1000);
  expect(steady.told).toEqual([]);

  const trickle = scene({ minBytesPerSecond: 150 });
  for (let i = 0; i < 5; i++) await trickle.chunk(10);
  await expect(trickle.chunk(10)).rejects.toBeInstanceOf(BodyTooSlow);

  const slowedDown = scene({ minBytesPerSecond: 100 });
  for (let i = 0; i < 1000; i++) await slowedDown.chunk(0.1);
  await slowedDown.chunk(59);
  await expect(slowedDown.chunk(60)).rejects.toBeInstanceOf(BodyTooSlow);
});

test("only the client's time counts, not the time that it waits for us", async () => {
  const body = scene();
  await body.chunk();
  body.pass(3600);
  await body.chunk();
  body.pass(3600);
  const last = body.paced.next();
  body.end();
  expect(await last).toEqual({ done: true, value: undefined });
  expect(body.told).toEqual([]);
});

test("an early end of either side is passed on", async () => {
  const gone = scene();
  const next = gone.paced.next();
  gone.fail();
  await expect(next).rejects.toThrow("gone");
  expect(gone.told).toEqual([]);
  const left = scene();
  await left.chunk();
  await left.paced.return?.();
  expect(left.returned).toBe(true);
});
