import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { CreatePullThroughCacheRuleCommand } from "@aws-sdk/client-ecr";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { account, digestOf, type InProcess, inProcess } from "./support/berth.ts";
import { allow, noticed } from "./support/people.ts";
import { startUpstream, type Upstream, upstreamsHere } from "./support/upstream.ts";

/** Who may bring what into a cache, and who may read it then. */

setDefaultTimeout(30_000);

let berth: InProcess;
let upstream: Upstream;
let other: Upstream;
const remotes = createRemotes({ pauseMs: 1 });
const layer = "a layer";

beforeAll(async () => {
  [upstream, other] = [await startUpstream(), await startUpstream()];
  berth = await inProcess({ upstreams: upstreamsHere, openRemote: remotes.open });
  for (const [ecrRepositoryPrefix, { host }] of [
    ["far", upstream],
    ["other", other],
  ] as const) {
    await berth.ecr().send(new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix, upstreamRegistryUrl: host }));
  }
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
  remotes.close();
  await upstream.close();
  await other.close();
});

const pull = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"];
const codeOf = async (answer: Response) => {
  const { errors } = (await answer.json()) as { errors: { code: string; message: string }[] };
  return [answer.status, errors[0]?.code, errors[0]?.message];
};

test("the first pull takes the permission to create the repository, and to import", async () => {
  upstream.image("app", "1", layer);
  const path = "/v2/far/app/manifests/1";
  const puller = await berth.crowd.user(account, "puller", allow(pull));
  const importer = await berth.crowd.user(account, "importer", allow([...pull, "ecr:BatchImportUpstreamImage"]));
  const creator = await berth.crowd.user(account, "creator", allow([...pull, "ecr:CreateRepository"]));
  const noName = `The repository with name 'far/app' does not exist in the registry with id '${account}'`;
  for (const person of [puller, importer]) {
    expect(await codeOf(await berth.ociAs(person, "GET", path))).toEqual([404, "NAME_UNKNOWN", noName]);
  }
  const noImage = [404, "MANIFEST_UNKNOWN", "Requested image not found"];
  expect(await codeOf(await berth.ociAs(creator, "GET", path))).toEqual(noImage);
  expect(upstream.asked).toEqual([]);

  expect((await berth.oci("GET", path)).status).toBe(200);
  // A new layer takes the permission to import, and whoever has it not learns nothing.
  const blob = `/v2/far/app/blobs/${digestOf(layer)}`;
  expect((await codeOf(await berth.ociAs(puller, "GET", blob))).slice(0, 2)).toEqual([404, "BLOB_UNKNOWN"]);
  expect(await (await berth.ociAs(importer, "GET", blob)).text()).toBe(layer);
  // What is there takes no more than any pull.
  expect((await berth.ociAs(puller, "GET", path)).status).toBe(200);
  // The last byte may be sent a moment before the layer has its name here.
  while ((await berth.ociAs(puller, "GET", blob)).status === 404) await Bun.sleep(5);
  expect(await (await berth.ociAs(puller, "GET", blob)).text()).toBe(layer);
  // And without that, nothing is readable.
  const nobody = await berth.crowd.user(account, "nobody", allow("ecr:BatchImportUpstreamImage"));
  expect((await berth.ociAs(nobody, "GET", path)).status).toBe(403);
  expect((await berth.ociAs(nobody, "GET", blob)).status).toBe(403);

  const records = await berth.records();
  const imported = records.filter(({ eventName }) => eventName === "BatchImportUpstreamImage");
  expect(imported).toHaveLength(1);
  expect(imported[0]?.requestParameters).toMatchObject({ repositoryName: "far/app" });
  expect(records.some(({ eventName }) => eventName === "CreateRepository")).toBe(true);
});

test("whoever may not import still has a copy that is too old", async () => {
  const first = upstream.image("old", "1", "first");
  await berth.oci("GET", "/v2/far/old/manifests/1");
  upstream.image("old", "1", "second");
  berth.now = new Date(berth.now.getTime() + 48 * 3_600_000);
  const puller = await berth.crowd.user(account, "late", allow(pull));
  await noticed();
  upstream.asked.length = 0;
  const answer = await berth.ociAs(puller, "GET", "/v2/far/old/manifests/1");
  expect([answer.status, answer.headers.get("docker-content-digest")]).toEqual([200, first]);
  expect(upstream.asked).toEqual([]);
});

test("content that one upstream brought is nothing to the cache of another", async () => {
  const secret = "only at the first upstream";
  upstream.image("one", "1", secret);
  await berth.oci("GET", "/v2/far/one/manifests/1");
  expect(await (await berth.oci("GET", `/v2/far/one/blobs/${digestOf(secret)}`)).text()).toBe(secret);
  // The other one names the layer without having it.
  const manifest = JSON.parse(upstream.manifests.get("one/1") ?? "");
  other.manifest("one", "1", manifest);
  expect((await berth.oci("GET", "/v2/other/one/manifests/1")).status).toBe(200);
  const stolen = await berth.oci("GET", `/v2/other/one/blobs/${digestOf(secret)}`);
  expect((await codeOf(stolen)).slice(0, 2)).toEqual([502, "UNKNOWN"]);
  expect(other.asked).toContain(`GET /v2/one/blobs/${digestOf(secret)}`);
});

test("a name that no rule covers costs the upstream nothing", async () => {
  const before = upstream.asked.length;
  expect((await berth.oci("GET", "/v2/farther/app/manifests/1")).status).toBe(404);
  expect((await berth.oci("GET", `/v2/farther/app/blobs/${digestOf(layer)}`)).status).toBe(404);
  expect(upstream.asked).toHaveLength(before);
});
