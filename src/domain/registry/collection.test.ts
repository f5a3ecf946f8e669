import { expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import type { AllMetadata } from "../../storage/metadata/metadata.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { rootPrincipal } from "../identity/credentials.ts";
import { type AccountId, parseDigest, type Region, type RepositoryName } from "../names.ts";
import { decisionParts, rootAccess } from "../testing.ts";
import { collectGarbage, strayAfterMs, sweepStrays } from "./collection.ts";
import { createLayers } from "./layers.ts";
import type { BlobStore } from "./ports.ts";
import { createRepositories } from "./repositories.ts";

const name = "app" as RepositoryName;
const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
/** Of no bytes. */
const digest = parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
if (!digest) throw new Error("not a digest");

async function* nothing() {}

const graceMs = 24 * 3_600_000;

/** A registry in memory, with a clock, and durable transactions that end when `settle` says so. */
async function world() {
  let nowMs = Date.now();
  let settle = async () => {};
  const clock = () => new Date(nowMs);
  const blobs = openMemoryBlobs();
  const sound = await openSqlite({ path: ":memory:" });
  const metadata: AllMetadata = {
    ...sound,
    async transact(work, options) {
      const result = await sound.transact(work, options);
      if (options?.durable !== false) await settle();
      return result;
    },
  };
  const principal = rootPrincipal(registry.account);
  const caller = { principal, requestId: "test", sourceIp: "127.0.0.1", secureTransport: true, note() {} };
  const granted = await rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
  await createRepositories({ metadata, ...decisionParts(metadata), clock }).create(granted, { name });
  return {
    granted,
    layers: createLayers({ metadata, blobs, ...decisionParts(metadata), clock }),
    stores: { metadata, blobs, clock },
    settlesWith(next: () => Promise<void>) {
      settle = next;
    },
    pass(milliseconds: number) {
      nowMs += milliseconds;
    },
    async [Symbol.asyncDispose]() {
      await sound.close();
    },
  };
}

const copies = async (blobs: BlobStore) => (await Array.fromAsync(blobs.list())).length;

test.each([
  ["another collection", collectGarbage],
  ["a sweep", sweepStrays],
])("no byte goes to %s before the end of its row is durable", async (_, other) => {
  await using opened = await world();
  const { granted, layers, stores, pass, settlesWith } = opened;
  await layers.push(granted, name, digest, nothing());
  pass(graceMs + 3_600_000);
  await layers.delete(granted, name, digest);
  pass(graceMs + 1);
  const { promise: synced, resolve: sync } = Promise.withResolvers<void>();
  settlesWith(() => synced);
  const first = collectGarbage(stores, { graceMs });
  await Bun.sleep(10);
  const second = other(stores, { graceMs });
  await Bun.sleep(10);
  expect(await copies(stores.blobs)).toBe(1);
  sync();
  await Promise.all([first, second]);
  expect(await copies(stores.blobs)).toBe(0);
});

test("an old copy is no stray while the upload that it came from can still be completed", async () => {
  await using opened = await world();
  const { granted, layers, stores, pass } = opened;
  const interrupted = async () => {
    const { id } = await layers.begin(granted, name);
    // The copy is there, and what should name it is not.
    const { transact } = stores.metadata;
    const broken = async () => Promise.reject(new Error("out of reach"));
    Object.assign(stores.metadata, {
      transact: (...[work, options]: Parameters<typeof transact>) =>
        options?.durable === false ? transact(work, options) : broken(),
    });
    await expect(layers.complete(granted, name, id, [digest])).rejects.toThrow("out of reach");
    Object.assign(stores.metadata, { transact });
    pass(strayAfterMs + 3_600_000);
    return id;
  };

  const id = await interrupted();
  expect(await sweepStrays(stores)).toEqual({ blobs: 0, bytes: 0 });
  await layers.complete(granted, name, id, [digest]);
  expect((await layers.read(granted, name, digest)).content.sizeBytes).toBe(0);

  await layers.cancel(granted, name, await interrupted());
  expect(await sweepStrays(stores)).toEqual({ blobs: 1, bytes: 0 });
});
