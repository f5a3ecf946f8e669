import { afterEach, beforeEach, expect, setDefaultTimeout, test } from "bun:test";
import { CreatePullThroughCacheRuleCommand } from "@aws-sdk/client-ecr";
import { check } from "../src/domain/registry/check.ts";
import { collectGarbage } from "../src/domain/registry/collection.ts";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { startUpstream, type Upstream, upstreamsHere } from "./support/upstream.ts";

/** Images that are here without all of their content: what upkeep makes of them. */

setDefaultTimeout(30_000);

let berth: InProcess;
let upstream: Upstream;
const remotes = createRemotes({ pauseMs: 1 });
const layers = ["the layer that came", "the layer that did not"] as const;
const [came, away] = layers.map((layer) => digestOf(layer));

beforeEach(async () => {
  upstream = await startUpstream();
  berth = await inProcess({ undeleteMs: 3_600_000, upstreams: upstreamsHere, openRemote: remotes.open });
  await berth
    .ecr()
    .send(new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "far", upstreamRegistryUrl: upstream.host }));
  upstream.image("app", "1", ...layers);
  expect((await get("manifests/1")).status).toBe(200);
  expect(await (await get(`blobs/${came}`)).text()).toBe(layers[0]);
  while (!(await isLinked())) await Bun.sleep(5);
});
afterEach(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
  await upstream.close();
});

const get = (path: string) => berth.oci("GET", `/v2/far/app/${path}`);
const registry = { account: "000000000000", region: "us-east-1" } as never;
async function isLinked(): Promise<boolean> {
  const { read } = berth.stores.metadata;
  const repository = await read.repositories.find(registry, "far/app" as never);
  return repository !== undefined && (await read.layers.find(repository.id, came as never)) !== undefined;
}

const dayMs = 24 * 3_600_000;
const later = () => new Date(Date.now() + 48 * 3_600_000);

test("what came is not garbage, and what did not is not lost", async () => {
  const problems: unknown[] = [];
  const stores = { ...berth.stores, clock: later };
  const how = {
    rehash: true,
    repair: true,
    bytesPerSecond: 0,
    found: (problem: unknown) => void problems.push(problem),
  };
  await check(stores, how);
  expect(problems).toEqual([]);
  expect(await collectGarbage(stores, { graceMs: 0 })).toMatchObject({ links: 0, blobs: 0 });
  upstream.asked.length = 0;
  expect(await (await get(`blobs/${came}`)).text()).toBe(layers[0]);
  expect(upstream.asked).toEqual([]);
  expect(await (await get(`blobs/${away}`)).text()).toBe(layers[1]);
});

test("a layer that was pushed is not fetched, and not garbage either", async () => {
  await berth.pushBlob("far/app", layers[1]);
  expect(await collectGarbage({ ...berth.stores, clock: later }, { graceMs: 0 })).toMatchObject({ links: 0 });
  upstream.asked.length = 0;
  expect(await (await get(`blobs/${away}`)).text()).toBe(layers[1]);
  expect(upstream.asked).toEqual([]);
});

test("a layer that was pushed goes with the image that awaited it", async () => {
  await berth.pushBlob("far/app", layers[1]);
  const digest = (await get("manifests/1")).headers.get("docker-content-digest");
  const collect = (days: number) =>
    collectGarbage({ ...berth.stores, clock: () => new Date(Date.now() + days * dayMs) }, { graceMs: dayMs });
  await collect(2);
  expect((await berth.oci("DELETE", `/v2/far/app/manifests/${digest}`)).status).toBe(202);
  await collect(4);
  expect((await get(`blobs/${away}`)).status).toBe(404);
});

test("an image goes with what it awaited, and comes again from the upstream", async () => {
  const digest = (await get("manifests/1")).headers.get("docker-content-digest");
  expect((await berth.oci("DELETE", `/v2/far/app/manifests/${digest}`)).status).toBe(202);
  expect((await get(`blobs/${away}`)).status).toBe(404);
  await collectGarbage({ ...berth.stores, clock: later }, { graceMs: 0 });
  expect((await get(`blobs/${came}`)).status).toBe(404);
  expect((await get("manifests/1")).status).toBe(200);
  expect(await (await get(`blobs/${came}`)).text()).toBe(layers[0]);
});

test("a damaged layer comes again from the upstream", async () => {
  const { metadata } = berth.stores;
  const repository = await metadata.read.repositories.find(registry, "far/app" as never);
  const link = repository && (await metadata.read.layers.find(repository.id, came as never));
  if (!link) throw new Error("no link");
  await metadata.transact(({ blobs }) => blobs.quarantine(link, new Date()));
  expect(await (await get(`blobs/${came}`)).text()).toBe(layers[0]);
});

test("an index goes although its parts never came", async () => {
  const absent = { mediaType: mediaTypes.manifest, digest: digestOf("never"), size: 5 };
  const index = upstream.manifest("app", "index", { mediaType: mediaTypes.index, manifests: [absent] });
  expect((await get("manifests/index")).status).toBe(200);
  const problems: unknown[] = [];
  const how = {
    rehash: false,
    repair: true,
    bytesPerSecond: 0,
    found: (problem: unknown) => void problems.push(problem),
  };
  await check({ ...berth.stores, clock: later }, how);
  expect(problems).toEqual([]);
  expect((await berth.oci("DELETE", `/v2/far/app/manifests/${index}`)).status).toBe(202);
});

const tagOf = async (tag: string) => (await get(`manifests/${tag}`)).headers.get("docker-content-digest");

test.each(["new", "1"])(
  "a tag (%p) that is pushed while the upstream is asked for it is not the upstream's to move",
  async (tag) => {
    berth.now = new Date(berth.now.getTime() + 2 * dayMs);
    const theirs = upstream.image("app", tag, "moved there");
    let pushed: string | undefined;
    upstream.instead = async () => {
      upstream.instead = undefined;
      pushed = (await berth.pushImage("far/app", tag, "pushed here")).digest;
      return false;
    };
    expect(await tagOf(tag)).toBe(pushed ?? "nothing was pushed");
    berth.now = new Date(berth.now.getTime() + 2 * dayMs);
    expect(await tagOf(tag)).toBe(pushed ?? "");
    expect((await get(`manifests/${theirs}`)).status).toBe(200);
  },
);

test.each(["2", "1"])("a cache that ends as soon as it has moved a tag (%p) goes on following it", async (tag) => {
  berth.now = new Date(berth.now.getTime() + 2 * dayMs);
  upstream.image("app", tag, "another");
  const { metadata } = berth.stores;
  const { transact } = metadata;
  const isThere = async () => {
    const repository = await metadata.read.repositories.find(registry, "far/app" as never);
    const found = repository && (await metadata.read.tags.find(repository.id, tag as never));
    return found?.digest === digestOf(upstream.manifests.get(`app/${tag}`) ?? "");
  };
  Object.assign(metadata, {
    async transact(...given: Parameters<typeof transact>) {
      if (!(await isThere())) return transact.apply(metadata, given);
      throw new Error("the process ends");
    },
  });
  await get(`manifests/${tag}`);
  Object.assign(metadata, { transact });
  berth.logged.length = 0;
  expect(await isThere()).toBe(true);
  berth.now = new Date(berth.now.getTime() + 2 * dayMs);
  const moved = upstream.image("app", tag, "moved again");
  expect(await tagOf(tag)).toBe(moved);
});
