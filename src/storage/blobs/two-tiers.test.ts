import { expect, test } from "bun:test";

import { serverScope } from "../../domain/registry/encryption.ts";
import type { BlobStore, StoredBlob } from "../../domain/registry/ports.ts";
import { hashOf } from "../../domain/registry/uploads.ts";
import { blobContract } from "./contract.ts";
import { openMemoryBlobs } from "./memory.ts";
import { twoTiers } from "./two-tiers.ts";

blobContract("a blob store with one for the archive", async () => {
  const blobs = twoTiers(openMemoryBlobs(), openMemoryBlobs());
  return { blobs, reopen: async () => blobs, async dispose() {} };
});

async function* from(text: string) {
  yield new TextEncoder().encode(text);
}

async function put(store: BlobStore, text: string): Promise<StoredBlob> {
  const staging = await store.begin(serverScope);
  const { blob } = await store.store(staging, await hashOf(from(text), "sha256"), from(text), serverScope);
  if (!blob) throw new Error("not stored");
  return blob;
}

const textOf = async (store: BlobStore, blob: StoredBlob) => {
  const chunks: Uint8Array[] = [];
  for await (const chunk of store.bytes(blob)) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
};

test("copies of both stores are found, listed in one order, and removed", async () => {
  const [standard, archive] = [openMemoryBlobs(), openMemoryBlobs()];
  const both = twoTiers(standard, archive);
  const made: StoredBlob[] = [];
  for (let index = 0; index < 20; index++) {
    made.push(await put(index % 3 === 0 ? archive : standard, `blob ${index}`));
    if (index % 5 === 0) made.push(await put(archive, `blob ${index}`));
  }
  const keyOf = ({ digest, generation }: StoredBlob) => `${digest} ${generation}`;
  const listed = await Array.fromAsync(both.list());
  expect(listed.map(keyOf)).toEqual(made.map(keyOf).sort());
  const behind = await Array.fromAsync(both.list(listed[7]));
  expect(behind.map(keyOf)).toEqual(listed.slice(8).map(keyOf));
  const [inArchive, inStandard] = [made[0], made[2]];
  if (!inArchive || !inStandard) throw new Error("not made");
  for (const blob of [inArchive, inStandard]) {
    expect(await both.stat(blob)).toMatchObject({ sizeBytes: blob.sizeBytes });
    expect(await textOf(both, blob)).toMatch(/^blob /);
    expect(await both.read(blob)).toBeDefined();
    expect(await both.remove(blob)).toBe(blob.sizeBytes);
    expect(await both.stat(blob)).toBeUndefined();
  }
  expect(await standard.stat(inArchive)).toBeUndefined();
});

test("what comes goes to the first store, and uploads that either has left are found and dropped", async () => {
  const [standard, archive] = [openMemoryBlobs(), openMemoryBlobs()];
  const both = twoTiers(standard, archive);
  const blob = await put(both, "new");
  expect(await standard.stat(blob)).toBeDefined();
  expect(await archive.stat(blob)).toBeUndefined();
  for (const store of [standard, archive]) {
    const staging = await store.begin(serverScope);
    await store.append(staging, 0, from("half"), { scope: serverScope, algorithm: "sha256" });
  }
  const stale = await Array.fromAsync(both.stale(new Date(Date.now() + 1000)));
  expect(stale).toHaveLength(2);
  for (const staging of stale) await both.abort(staging);
  expect(await Array.fromAsync(both.stale(new Date(Date.now() + 1000)))).toEqual([]);
});
