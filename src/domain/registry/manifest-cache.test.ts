import { expect, test } from "bun:test";
import { createManifestCache } from "./manifest-cache.ts";

const bytes = (length: number) => new Uint8Array(length);

test("what was asked for last stays", () => {
  const cache = createManifestCache(10_000);
  for (let id = 1; id <= 9; id++) {
    cache.set(id, bytes(800));
    expect(cache.get(1)).toBeDefined();
  }
  cache.set(10, bytes(800));
  cache.set(11, bytes(800));
  expect(cache.get(1)?.length).toBe(800);
  expect(cache.get(2)).toBeUndefined();
  expect(cache.get(11)?.length).toBe(800);
});

test("memory is bounded, whatever comes", () => {
  const cache = createManifestCache(10_000);
  let kept = 0;
  for (let id = 0; id < 1_000; id++) cache.set(id, bytes(id % 1_000));
  for (let id = 0; id < 1_000; id++) kept += (cache.get(id)?.length ?? -200) + 200;
  expect(kept).toBeLessThanOrEqual(10_000);
  expect(kept).toBeGreaterThan(5_000);
});

test("one manifest does not push out all others", () => {
  const cache = createManifestCache(10_000);
  cache.set(1, bytes(500));
  cache.set(2, bytes(5_000));
  expect(cache.get(2)).toBeUndefined();
  expect(cache.get(1)).toBeDefined();
});

test("an image that is set again counts once", () => {
  const cache = createManifestCache(10_000);
  for (let time = 0; time < 100; time++) cache.set(1, bytes(1_000));
  cache.set(2, bytes(1_000));
  expect(cache.get(1)).toBeDefined();
});
