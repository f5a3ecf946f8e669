import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { digestHex } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import { manifestDigest } from "../../domain/registry/manifests.ts";
import type { BlobStore, Bytes, KeyScope, StoredBlob } from "../../domain/registry/ports.ts";
import { verify } from "../../domain/registry/verify.ts";
import { openFilesystemBlobs } from "./filesystem.ts";
import { type TestKeys, testKeys } from "./test-keys.ts";

/** Sealed copies that go from store to store as they are. */

let folder: string;
let keys: TestKeys;
let from: BlobStore;
/** Without keys, as a backup's. */
let to: BlobStore;
const content = Buffer.from("what is sealed ".repeat(50_000));

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), "berth-adopt-"));
  keys = testKeys();
  from = await openFilesystemBlobs({ root: join(folder, "from"), keys });
  to = await openFilesystemBlobs({ root: join(folder, "to") });
});
afterEach(() => rmSync(folder, { recursive: true }));

async function* once(bytes: Uint8Array): Bytes {
  yield bytes;
}

async function put(store: BlobStore, scope: KeyScope = serverScope): Promise<StoredBlob> {
  const { blob } = await store.store(await store.begin(scope), manifestDigest(content), once(content), scope);
  if (!blob) throw new Error("interrupted");
  return blob;
}

const fileOf = (store: string, { digest, generation }: StoredBlob) =>
  join(folder, store, "sha256", digestHex(digest).slice(0, 2), `${digestHex(digest)}.${generation}`);

test("keep their name, every byte and their key, and need none on the way", async () => {
  for (const scope of [serverScope, "KMS_DSSE:a" as KeyScope]) {
    const blob = await put(from, scope);
    keys.failure = new Error("out of reach");
    expect(await to.adopt(blob, from.stored(blob))).toEqual(blob);
    keys.failure = undefined;
    expect(await to.stat(blob)).toEqual(blob);
    const file = readFileSync(fileOf("to", blob));
    expect(file.equals(readFileSync(fileOf("from", blob)))).toBe(true);
    expect(file.includes("what is sealed")).toBe(false);
    const back = await openFilesystemBlobs({ root: join(folder, "back"), keys });
    await back.adopt(blob, to.stored(blob));
    expect(await verify(back, blob)).toEqual({ kind: "sound" });
    // Once more changes nothing.
    expect(await back.adopt(blob, to.stored(blob))).toEqual(blob);
    expect(Buffer.concat(await Array.fromAsync(back.bytes(blob))).equals(content)).toBe(true);
  }
});

test("are all there or not at all", async () => {
  const blob = await put(from);
  const broken = async function* (): Bytes {
    for await (const chunk of from.stored(blob)) yield chunk.subarray(0, 1000);
    throw new Error("the disk is gone");
  };
  await expect(to.adopt(blob, broken())).rejects.toThrow("the disk is gone");
  expect(await to.stat(blob)).toBeUndefined();
  expect(await Array.fromAsync(to.stale(new Date(Date.now() + 1000)))).toEqual([]);
});

test("are told from plain ones, which say nothing about themselves", async () => {
  const plain = await put(to);
  await expect(from.adopt(plain, to.stored(plain))).rejects.toThrow(RangeError);
});

test("are read with a verdict", async () => {
  const blob = await put(from);
  const file = fileOf("from", blob);
  const sound = readFileSync(file);
  expect(await verify(from, blob)).toEqual({ kind: "sound" });
  // Whatever the key says, the bytes are not to blame.
  keys.failure = new Error("the master key is elsewhere");
  expect(await verify(from, blob)).toEqual({ kind: "locked", why: "the master key is elsewhere" });
  keys.failure = undefined;
  for (const at of [0, 20, 405, 600, sound.length - 1]) {
    const changed = Buffer.from(sound);
    changed[at] = (changed[at] ?? 0) ^ 1;
    writeFileSync(file, changed);
    expect({ at, verdict: await verify(from, blob) }).toMatchObject({ at, verdict: { kind: "corrupt" } });
  }
  for (const length of [0, 100, 600, sound.length - 1]) {
    writeFileSync(file, sound.subarray(0, length));
    expect({ length, verdict: await verify(from, blob) }).toMatchObject({ length, verdict: { kind: "corrupt" } });
  }
  rmSync(file);
  expect(await verify(from, blob)).toMatchObject({ kind: "unreadable" });
});
