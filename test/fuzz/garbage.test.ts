import { expect, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { collectGarbage } from "../../src/domain/registry/collection.ts";
import { openMemoryBlobs } from "../../src/storage/blobs/memory.ts";
import { type AllMetadata, openMetadata } from "../../src/storage/metadata/index.ts";
import { fuzzGarbage, type GarbageFuzz } from "./garbage.ts";

async function run({
  wrap = (metadata) => metadata,
  ...options
}: Partial<GarbageFuzz> & { wrap?: (metadata: AllMetadata) => AllMetadata }) {
  const folder = mkdtempSync(join(tmpdir(), "berth-fuzz-"));
  const metadata = await openMetadata(`sqlite:${join(folder, "berth.sqlite")}`);
  try {
    return await fuzzGarbage({
      metadata: wrap(metadata),
      openBlobs: (clock) => openMemoryBlobs({ clock }),
      seed: 7,
      steps: 2_000,
      ...options,
    });
  } finally {
    await metadata.close();
    rmSync(folder, { recursive: true });
  }
}

test("a collection amid pushes and deletes removes what is of no use, and nothing else", async () => {
  const { collectedBlobs, wrongDeletions, leftovers, mixed } = await run({ steps: 3_000 });
  expect(wrongDeletions).toEqual([]);
  expect(leftovers).toEqual([]);
  expect(mixed).toEqual([]);
  expect(collectedBlobs).toBeGreaterThan(50);
}, 60_000);

test("the oracle sees a collection that has no grace", async () => {
  const { wrongDeletions } = await run({ collect: (stores) => collectGarbage(stores, { graceMs: 0 }) });
  expect(wrongDeletions).not.toEqual([]);
}, 60_000);

test("the oracle sees a collection that does not look again", async () => {
  const { wrongDeletions } = await run({
    async collect(stores, options) {
      // The bytes of whatever waits, rescued or not.
      const due = await stores.metadata.read.garbage.links(stores.clock(), 1000);
      for await (const blob of stores.blobs.list()) {
        if (due.some(({ digest }) => digest === blob.digest)) await stores.blobs.remove(blob);
      }
      return collectGarbage(stores, options);
    },
  });
  expect(wrongDeletions).not.toEqual([]);
}, 60_000);

test("the oracle sees copies that repositories of several keys share", async () => {
  const { mixed } = await run({
    wrap: (metadata) => ({
      ...metadata,
      transact: (work, options) =>
        metadata.transact(
          ({ layers, ...nouns }) =>
            work({
              ...nouns,
              layers: {
                ...layers,
                link: ({ id }, blob, at) => layers.link({ id, encryption: { type: "AES256" } }, blob, at),
              },
            }),
          options,
        ),
    }),
  });
  expect(mixed).not.toEqual([]);
}, 60_000);

test("the oracle sees a collection that forgets", async () => {
  const { leftovers } = await run({
    collect: async () => ({ repositories: 0, links: 0, blobs: 0, bytes: 0 }),
  });
  expect(leftovers).not.toEqual([]);
}, 60_000);
