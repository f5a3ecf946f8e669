import { expect, test } from "bun:test";
import { digestOf } from "../../domain/names.ts";
import { newStagingId } from "./checks.ts";
import { createRunningHashes } from "./running-hashes.ts";

const abc = digestOf("sha256", new Bun.CryptoHasher("sha256").update("abc").digest("hex"));
const hash = () => ({ offset: 3, algorithm: "sha256" as const, hasher: new Bun.CryptoHasher("sha256").update("abc") });

test("a hash is known at its offset and for its algorithm, and once", () => {
  const hashes = createRunningHashes(4);
  const staging = newStagingId();
  const kept = hash();
  hashes.keep(staging, kept);
  expect(hashes.take(staging, 3, "sha256", abc)).toBe(kept.hasher);
  expect(hashes.take(staging, 3, "sha256", abc)).toBeUndefined();
  hashes.keep(staging, kept);
  expect(hashes.take(staging, 2, "sha256", abc)).toBeUndefined();
  hashes.keep(staging, kept);
  expect(hashes.take(staging, 3, "sha512", abc)).toBeUndefined();
  hashes.keep(staging, kept);
  hashes.forget(staging);
  expect(hashes.take(staging, 3, "sha256", abc)).toBeUndefined();
});

test("a hash of bytes that nobody acknowledged is of no use", () => {
  const hashes = createRunningHashes(4);
  const staging = newStagingId();
  const xyz = digestOf("sha256", new Bun.CryptoHasher("sha256").update("xyz").digest("hex"));
  for (const acknowledged of [xyz, undefined]) {
    hashes.keep(staging, hash());
    expect(hashes.take(staging, 3, "sha256", acknowledged)).toBeUndefined();
  }
});

test("the hash of nothing is always known", () => {
  const hasher = createRunningHashes(4).take(newStagingId(), 0, "sha512", undefined);
  expect(hasher?.digest("hex")).toBe(new Bun.CryptoHasher("sha512").digest("hex"));
});

test("the one kept longest ago goes when there are too many", () => {
  const hashes = createRunningHashes(2);
  const [first, second, third] = [newStagingId(), newStagingId(), newStagingId()];
  hashes.keep(first, hash());
  hashes.keep(second, hash());
  hashes.keep(first, hash());
  hashes.keep(third, hash());
  expect(hashes.take(second, 3, "sha256", abc)).toBeUndefined();
  expect(hashes.take(first, 3, "sha256", abc)).toBeDefined();
  expect(hashes.take(third, 3, "sha256", abc)).toBeDefined();
});
