import { expect, test } from "bun:test";
import { openMemoryBlobs } from "../../storage/blobs/memory.ts";
import { openSqlite } from "../../storage/metadata/sqlite.ts";
import { rootPrincipal } from "../identity/credentials.ts";
import { type AccountId, parseDigest, type Region, type RepositoryName } from "../names.ts";
import { decisionParts, rootAccess } from "../testing.ts";
import { createLayers } from "./layers.ts";
import { createRepositories } from "./repositories.ts";

const registry = { account: "000000000000" as AccountId, region: "us-east-1" as Region };
/** Of no bytes. */
const digest = parseDigest("sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
if (!digest) throw new Error("not a digest");

async function* nothing() {}

test("caches neither give layers to other repositories nor take any", async () => {
  const clock = () => new Date(Date.UTC(2030, 0, 1));
  await using metadata = Object.assign(await openSqlite({ path: ":memory:" }), {
    async [Symbol.asyncDispose]() {
      await metadata.close();
    },
  });
  const caller = {
    principal: rootPrincipal(registry.account),
    requestId: "test",
    sourceIp: "127.0.0.1",
    secureTransport: true,
    note() {},
  };
  const granted = await rootAccess().grant(caller, registry, [{ action: "ecr:PutImage", resource: "*" }]);
  const asked: string[] = [];
  const layers = createLayers({
    metadata,
    ...decisionParts(metadata),
    blobs: openMemoryBlobs(),
    clock,
    isCacheRepository: async (_registry, name) => {
      asked.push(name);
      return name.startsWith("cache/");
    },
  });
  const repositories = createRepositories({ metadata, ...decisionParts(metadata), clock });
  const [plain, other, cache] = ["plain", "other", "cache/app"] as RepositoryName[] as [
    RepositoryName,
    RepositoryName,
    RepositoryName,
  ];
  const create = (name: RepositoryName) => repositories.create(granted, { name });
  const pushImage = async (name: RepositoryName) => {
    await layers.push(granted, name, digest, nothing());
    const { id: repositoryId } = (await repositories.describe(granted, [name]))[0] ?? { id: 0 };
    await metadata.transact(({ images }) =>
      images.put({
        repositoryId,
        digest,
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        manifestBytes: 1,
        imageBytes: 7,
        manifest: Uint8Array.of(1),
        layers: [{ digest, mediaType: "application/octet-stream" }],
        children: [],
        pushedAt: clock(),
      }),
    );
  };
  const mount = async (into: RepositoryName, from?: RepositoryName) =>
    (await layers.mount(granted, into, digest, { from, mayRead: async () => true }))?.digest;

  for (const name of [plain, other, cache]) await create(name);
  await pushImage(cache);
  expect([await mount(other, cache), await mount(other)]).toEqual([undefined, undefined]);
  await pushImage(plain);
  expect([await mount(cache, plain), await mount(cache)]).toEqual([undefined, undefined]);
  expect([await mount(other, cache), await mount(other, plain), await mount(other)]).toEqual([
    undefined,
    digest,
    digest,
  ]);
  // What is no repository is asked about as well: the answer takes as long.
  asked.length = 0;
  await mount(other, "no/where" as RepositoryName);
  expect(asked).toEqual(["other", "no/where"]);
});
