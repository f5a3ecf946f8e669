import { afterAll, afterEach, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchGetImageCommand,
  CreatePullThroughCacheRuleCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  GetDownloadUrlForLayerCommand,
  ListImageReferrersCommand,
} from "@aws-sdk/client-ecr";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { startUpstream, type Upstream, upstreamsHere } from "./support/upstream.ts";

/** Pulls through a cache, from a registry on this machine. What becomes of bad ones is in pull-through-failures.test.ts. */

// Blobs are synced, on a machine that may be busy.
setDefaultTimeout(30_000);

let berth: InProcess;
let upstream: Upstream;
const remotes = createRemotes({ clock: () => berth.now, pauseMs: 1 });
const day = 24 * 3_600_000;

beforeAll(async () => {
  upstream = await startUpstream();
  berth = await inProcess({ upstreams: upstreamsHere, openRemote: remotes.open });
  await rule("far", {});
});
afterEach(() => {
  upstream.instead = undefined;
  upstream.asked.length = 0;
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
  remotes.close();
  await upstream.close();
});

/** The clock of its client goes with Berth's. */
const ecr = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const rule = (ecrRepositoryPrefix: string, input: object) =>
  ecr().send(
    new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix, upstreamRegistryUrl: upstream.host, ...input }),
  );

const get = (path: string, headers?: Record<string, string>) => berth.oci("GET", `/v2/${path}`, { headers });
const later = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};

test("an image comes with what is asked of it, once", async () => {
  const layer = "a layer ".repeat(1000);
  const digest = upstream.image("app", "1", layer);
  const manifest = await get("far/app/manifests/1");
  expect([manifest.status, manifest.headers.get("docker-content-digest")]).toEqual([200, digest]);
  expect(digestOf(await manifest.text())).toBe(digest);
  expect(upstream.asked).toEqual(["GET /v2/app/manifests/1"]);

  const head = await berth.oci("HEAD", `/v2/far/app/blobs/${digestOf(layer)}`);
  expect([head.status, head.headers.get("content-length")]).toEqual([200, String(layer.length)]);
  const asked = await ecr().send(
    new BatchCheckLayerAvailabilityCommand({ repositoryName: "far/app", layerDigests: [digestOf(layer)] }),
  );
  expect(asked.layers?.[0]).toMatchObject({ layerAvailability: "AVAILABLE", layerSize: layer.length });
  expect(upstream.asked).toHaveLength(1);

  for (const _ of [1, 2]) {
    const blob = await get(`far/app/blobs/${digestOf(layer)}`);
    expect([blob.status, blob.headers.get("content-type"), await blob.text()]).toEqual([200, mediaTypes.layer, layer]);
  }
  expect(upstream.asked.filter((line) => line.includes("/blobs/"))).toHaveLength(1);
  expect((await get("far/app/manifests/1")).status).toBe(200);
  expect((await get(`far/app/manifests/${digest}`)).status).toBe(200);
  expect(upstream.asked).toHaveLength(2);
  const { repositories } = await ecr().send(new DescribeRepositoriesCommand({ repositoryNames: ["far/app"] }));
  expect(repositories?.[0]).toMatchObject({ imageTagMutability: "MUTABLE" });
});

test("an index comes without its parts, and each part when it is asked for", async () => {
  const amd64 = upstream.image("multi", "amd64", "for amd64");
  const arm64 = upstream.image("multi", "arm64", "for arm64");
  const described = (digest: string, architecture: string) => ({
    mediaType: mediaTypes.manifest,
    digest,
    size: Buffer.byteLength(upstream.manifests.get(`multi/${digest}`) ?? ""),
    platform: { os: "linux", architecture },
  });
  const index = { mediaType: mediaTypes.index, manifests: [described(amd64, "amd64"), described(arm64, "arm64")] };
  const digest = upstream.manifest("multi", "1", index);
  expect((await get("far/multi/manifests/1")).headers.get("docker-content-digest")).toBe(digest);
  expect((await get(`far/multi/manifests/${arm64}`)).status).toBe(200);
  expect(upstream.asked).toEqual(["GET /v2/multi/manifests/1", `GET /v2/multi/manifests/${arm64}`]);
  const { imageDetails = [] } = await ecr().send(new DescribeImagesCommand({ repositoryName: "far/multi" }));
  expect(imageDetails.map(({ imageDigest }) => imageDigest).sort()).toEqual([digest, arm64].sort());
  // A part that came belongs to the index like any other.
  expect((await berth.oci("DELETE", `/v2/far/multi/manifests/${arm64}`)).status).toBe(405);
  expect((await berth.oci("DELETE", `/v2/far/multi/manifests/${digest}`)).status).toBe(202);
  expect((await berth.oci("DELETE", `/v2/far/multi/manifests/${arm64}`)).status).toBe(202);
});

test("a tag counts for a day, and then it is asked for again", async () => {
  const first = upstream.image("fresh", "1", "first");
  const digestNow = async () => (await get("far/fresh/manifests/1")).headers.get("docker-content-digest");
  expect(await digestNow()).toBe(first);
  const second = upstream.image("fresh", "1", "second");
  later(day - 60_000);
  expect(await digestNow()).toBe(first);
  later(120_000);
  expect(await digestNow()).toBe(second);
  expect(await digestNow()).toBe(second);
  // Unchanged, it costs the upstream the headers.
  later(day);
  upstream.asked.length = 0;
  expect(await digestNow()).toBe(second);
  expect(await digestNow()).toBe(second);
  expect(upstream.asked).toEqual(["HEAD /v2/fresh/manifests/1"]);
  // What is gone there stays here, as in ECR.
  later(day);
  upstream.manifests.delete("fresh/1");
  expect(await digestNow()).toBe(second);
  expect((await get(`far/fresh/manifests/${first}`)).status).toBe(200);
});

test("a tag that was pushed here is not the upstream's to move", async () => {
  upstream.image("ours", "1", "theirs");
  await get("far/ours/manifests/1");
  const { digest } = await berth.pushImage("far/ours", "1", "pushed here");
  later(2 * day);
  expect((await get("far/ours/manifests/1")).headers.get("docker-content-digest")).toBe(digest);
});

test("fifty clients at once are one request, and all have all of it", async () => {
  const layer = new Uint8Array(12 * 1024 * 1024).map((_, at) => (at * 7919) >> 5);
  upstream.image("many", "1", layer);
  const all = await Promise.all(Array.from({ length: 50 }, () => get("far/many/manifests/1")));
  expect(new Set(all.map(({ status }) => status))).toEqual(new Set([200]));
  const digest = digestOf(layer);
  const blobs = await Promise.all(
    Array.from({ length: 50 }, async () => digestOf(await (await get(`far/many/blobs/${digest}`)).bytes())),
  );
  expect(new Set(blobs)).toEqual(new Set([digest]));
  expect(upstream.asked).toEqual(["GET /v2/many/manifests/1", `GET /v2/many/blobs/${digest}`]);
});

test("a range of what is not here yet is the right one", async () => {
  const layer = new Uint8Array(3 * 1024 * 1024).map((_, at) => (at * 31) >> 3);
  upstream.image("ranges", "1", layer);
  await get("far/ranges/manifests/1");
  const range = await get(`far/ranges/blobs/${digestOf(layer)}`, { range: "bytes=1048575-1048600" });
  expect([range.status, range.headers.get("content-range")]).toEqual([206, `bytes 1048575-1048600/${layer.length}`]);
  expect(await range.bytes()).toEqual(layer.slice(1048575, 1048601));
  const behind = await get(`far/ranges/blobs/${digestOf(layer)}`, { range: `bytes=${layer.length}-` });
  expect(behind.status).toBe(416);
});

test("what refers to an image comes with the list of what does", async () => {
  const digest = upstream.image("signed", "1", "to be signed");
  const size = Buffer.byteLength(upstream.manifests.get("signed/1") ?? "");
  const subject = { mediaType: mediaTypes.manifest, digest, size };
  const empty = { mediaType: "application/vnd.oci.empty.v1+json", ...upstream.blob("{}") };
  const signature = (artifactType: string) =>
    upstream.manifest("signed", artifactType.replaceAll("/", "-"), {
      artifactType,
      config: empty,
      layers: [],
      subject,
    });
  const first = signature("application/first");
  await get("far/signed/manifests/1");
  const listed = async () => {
    const { manifests } = (await (await get(`far/signed/referrers/${digest}`)).json()) as {
      manifests: { digest: string }[];
    };
    return manifests.map(({ digest }) => digest);
  };
  expect(await listed()).toEqual([first]);
  const second = signature("application/second");
  expect(await listed()).toEqual([first]);
  later(6 * 3_600_000);
  expect(await listed()).toEqual([first, second]);
  const { referrers } = await ecr().send(
    new ListImageReferrersCommand({ repositoryName: "far/signed", subjectId: { imageDigest: digest } }),
  );
  expect(referrers?.map(({ digest }) => digest)).toEqual([first, second]);
  // The tag that stands for it in registries without a list is a tag as any other.
  upstream.manifest("signed", `${digest.replace(":", "-")}.sig`, { config: empty, layers: [] });
  expect((await get(`far/signed/manifests/${digest.replace(":", "-")}.sig`)).status).toBe(200);
});

test("the API pulls through as well", async () => {
  const layer = "by the API";
  const digest = upstream.image("api", "1", layer);
  const { images, failures } = await ecr().send(
    new BatchGetImageCommand({ repositoryName: "far/api", imageIds: [{ imageTag: "1" }, { imageTag: "2" }] }),
  );
  expect(images?.map(({ imageId }) => imageId)).toEqual([{ imageDigest: digest, imageTag: "1" }]);
  expect(failures).toEqual([
    { imageId: { imageTag: "2" }, failureCode: "ImageNotFound", failureReason: "Requested image not found" },
  ]);
  const { downloadUrl = "" } = await ecr().send(
    new GetDownloadUrlForLayerCommand({ repositoryName: "far/api", layerDigest: digestOf(layer) }),
  );
  const { pathname, search } = new URL(downloadUrl);
  expect(await (await berth.send("GET", pathname + search)).text()).toBe(layer);
});

test("nothing is mounted into a cache or out of it", async () => {
  const layer = "not to be mounted";
  upstream.image("mounts", "1", layer);
  await get("far/mounts/manifests/1");
  await get(`far/mounts/blobs/${digestOf(layer)}`);
  await berth.pushImage("far/mounts", "here", "pushed here");
  const mount = await berth.oci("POST", `/v2/far/mounts/blobs/uploads/?mount=${digestOf(layer)}&from=far/app`);
  expect(mount.status).toBe(202);
});

test("what a rule does not let through is as if the upstream had none", async () => {
  await rule("few", {});
  const registry = { account: "000000000000", region: "us-east-1" } as never;
  const { pullThroughRules } = berth.stores.metadata.read;
  const found = await pullThroughRules.find(registry, "few");
  const options = { allowTags: ["v*"], denyTags: ["*-rc"], denyRepositories: ["secret/*"] };
  await berth.stores.metadata.transact(async (nouns) => {
    if (found) await nouns.pullThroughRules.update({ ...found, options });
  });
  await Bun.sleep(600);
  const digest = upstream.image("some", "v1", "one");
  const other = upstream.image("some", "v2-rc", "two");
  upstream.image("some", "latest", "three");
  upstream.image("secret/some", "v1", "four");
  const statusOf = async (path: string) => (await get(path)).status;
  expect(await statusOf("few/some/manifests/v2-rc")).toBe(404);
  expect(await statusOf("few/some/manifests/latest")).toBe(404);
  expect(await statusOf("few/secret/some/manifests/v1")).toBe(404);
  expect(await statusOf(`few/some/manifests/${other}`)).toBe(404);
  expect(upstream.asked).toEqual([]);
  expect(await statusOf("few/some/manifests/v1")).toBe(200);
  expect(await statusOf(`few/some/manifests/${digest}`)).toBe(200);
});
