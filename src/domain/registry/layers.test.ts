import { expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import type { AllMetadata } from "../../storage/metadata/metadata.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { rootPrincipal } from "../identity/credentials.ts";
import { type AccountId, parseDigest, type Region, type RepositoryName } from "../names.ts";
import { decisionParts, rootAccess } from "../testing.ts";
import { collectGarbage } from "./collection.ts";
import { copyBlob } from "./copy.ts";
import { serverScope } from "./encryption.ts";
import { createLayers } from "./layers.ts";
import { createPace } from "./pace.ts";
import { createRepositories } from "./repositories.ts";

const graceMs = 24 * 3_600_000;
const name = "app" as RepositoryName;
const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
/** Of no bytes. */
const digest = parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
if (!digest) throw new Error("not a digest");

async function* nothing() {}

test("a layer that is collected while somebody asks for it is not there", async () => {
  let nowMs = Date.UTC(2030, 0, 1);
  let beforeNext = async () => {};
  const clock = () => new Date(nowMs);
  const blobs = openMemoryBlobs();
  await using sound = Object.assign(await openSqlite({ path: ":memory:" }), {
    async [Symbol.asyncDispose]() {
      await sound.close();
    },
  });
  const metadata: AllMetadata = {
    ...sound,
    async transact(work, options) {
      const before = beforeNext;
      beforeNext = async () => {};
      await before();
      return sound.transact(work, options);
    },
  };
  const principal = rootPrincipal(registry.account);
  const caller = { principal, requestId: "test", sourceIp: "127.0.0.1", secureTransport: true, note() {} };
  const granted = await rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
  const layers = createLayers({ metadata, blobs, ...decisionParts(metadata), clock });
  await createRepositories({ metadata, ...decisionParts(metadata), clock }).create(granted, { name });
  const pushAndWait = async () => {
    await layers.push(granted, name, digest, nothing());
    nowMs += graceMs + 1;
  };
  const collect = async () => void (await collectGarbage({ metadata: sound, blobs, clock }, { graceMs }));

  await pushAndWait();
  beforeNext = collect;
  expect(await layers.present(granted, name, [digest])).toEqual([]);

  await pushAndWait();
  beforeNext = collect;
  await expect(layers.stat(granted, name, digest)).rejects.toMatchObject({ code: "LayerNotFound" });

  await pushAndWait();
  expect(await layers.present(granted, name, [digest])).toHaveLength(1);
  await collect();
  expect(await layers.stat(granted, name, digest)).toMatchObject({ digest });
});

test("a layer whose copy another one replaces while somebody asks for it is read from that one", async () => {
  const clock = () => new Date(Date.UTC(2030, 0, 1));
  const blobs = openMemoryBlobs();
  await using metadata = Object.assign(await openSqlite({ path: ":memory:" }), {
    async [Symbol.asyncDispose]() {
      await metadata.close();
    },
  });
  const principal = rootPrincipal(registry.account);
  const caller = { principal, requestId: "test", sourceIp: "127.0.0.1", secureTransport: true, note() {} };
  const granted = await rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
  let beforeRead = async () => {};
  const layers = createLayers({
    metadata,
    ...decisionParts(metadata),
    blobs: {
      ...blobs,
      async read(blob, range) {
        const before = beforeRead;
        beforeRead = async () => {};
        await before();
        return blobs.read(blob, range);
      },
    },
    clock,
  });
  await createRepositories({ metadata, ...decisionParts(metadata), clock }).create(granted, { name });
  const first = await layers.push(granted, name, digest, nothing());

  beforeRead = async () => {
    const made = { ...(await copyBlob(first, serverScope, blobs, blobs, createPace(0))), scope: serverScope };
    await metadata.transact((nouns) => nouns.blobs.replace(first, made, clock()));
    await collectGarbage({ metadata, blobs, clock }, { graceMs });
  };
  const { layer } = await layers.read(granted, name, digest);
  expect(layer.generation).not.toBe(first.generation);
  expect(await blobs.stat(first)).toBeUndefined();

  await blobs.remove(layer);
  await expect(layers.read(granted, name, digest)).rejects.toThrow("the blob store does not have it");
});

test("a layer that another repository has too is answered by the copy that is kept", async () => {
  const blobs = openMemoryBlobs();
  await using metadata = Object.assign(await openSqlite({ path: ":memory:" }), {
    async [Symbol.asyncDispose]() {
      await metadata.close();
    },
  });
  const principal = rootPrincipal(registry.account);
  const caller = { principal, requestId: "test", sourceIp: "127.0.0.1", secureTransport: true, note() {} };
  const granted = await rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
  const parts = { metadata, ...decisionParts(metadata), clock: () => new Date() };
  const layers = createLayers({ ...parts, blobs });
  for (const repository of [name, "other" as RepositoryName]) {
    await createRepositories(parts).create(granted, { name: repository });
    const stored = await layers.push(granted, repository, digest, nothing());
    // Whoever reads what was pushed as it came goes on here.
    expect(await blobs.stat(stored)).toEqual(stored);
  }
});
