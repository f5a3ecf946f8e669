import { afterAll, beforeAll, beforeEach, describe, expect, test } from "bun:test";
import {
  BatchGetImageCommand,
  CreateRepositoryCommand,
  DescribeImagesCommand,
  GetDownloadUrlForLayerCommand,
  PutImageCommand,
} from "@aws-sdk/client-ecr";
import { check } from "../src/domain/registry/check.ts";
import { account, digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";

/** Layers that a manifest says are kept elsewhere (S22): taken, or refused, and never fetched from there. */

const foreignTypes = [
  "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+gzip",
  "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
];

let visits = 0;
const elsewhere = Bun.serve({
  hostname: "127.0.0.1",
  port: 0,
  fetch() {
    visits++;
    return new Response("bytes of somebody else");
  },
});
const urls = [`http://127.0.0.1:${elsewhere.port}/layer`];
afterAll(() => elsewhere.stop(true));

const absent = { digest: digestOf("bytes of somebody else"), size: 22 };
const config = { mediaType: mediaTypes.config, digest: digestOf("{}"), size: 2 };
const imageOf = (...layers: object[]) => ({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers });

let berth: InProcess;
let tags = 0;

async function open(foreignLayers?: "allow" | "refuse"): Promise<void> {
  berth = await inProcess({ foreignLayers });
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName: "app" }));
  await berth.pushBlob("app", "{}");
}

/** What pushes of one manifest come to: by tag, by digest, by API. */
async function pushes(manifest: object): Promise<unknown[]> {
  const imageManifest = JSON.stringify(manifest);
  const { mediaType = mediaTypes.manifest } = manifest as { mediaType?: string };
  const headers = { "content-type": mediaType };
  const answers: unknown[] = [];
  for (const reference of [`v${tags++}`, digestOf(imageManifest)]) {
    const put = await berth.oci("PUT", `/v2/app/manifests/${reference}`, { headers, body: imageManifest });
    answers.push(put.status === 201 ? "taken" : [put.status, ((await put.json()) as { errors: unknown[] }).errors[0]]);
  }
  const put = new PutImageCommand({ repositoryName: "app", imageManifest, imageTag: `v${tags++}` });
  const api = await berth
    .ecr()
    .send(put)
    .then(
      () => "taken",
      ({ name, message }) => [name, message],
    );
  return [...answers, api];
}

const invalid = (member: string) =>
  `The image manifest is invalid: '${member}' has 'urls', and this registry takes no content that is kept elsewhere`;
const refusedAs = (code: string, status: number, exception: string, message: string) => [
  [status, { code, message }],
  [status, { code, message }],
  [exception, message],
];
const refused = (member: string) => refusedAs("MANIFEST_INVALID", 400, "InvalidParameterException", invalid(member));
const missing = refusedAs(
  "MANIFEST_BLOB_UNKNOWN",
  404,
  "LayersNotFoundException",
  `Layers with digests '[${absent.digest}]' required for pushing image into repository with name 'app' in the registry with id '${account}' do not exist`,
);
const taken = ["taken", "taken", "taken"];

describe("allowed, which is how it is where nobody says", () => {
  beforeAll(() => open());
  afterAll(() => berth.close());

  test.each(foreignTypes)("%s is taken without its bytes", async (mediaType) => {
    expect(await pushes(imageOf({ mediaType, ...absent, urls }))).toEqual(taken);
    expect(await pushes(imageOf({ mediaType, ...absent }))).toEqual(taken);
  });

  test("an ordinary layer with urls must be here all the same", async () => {
    expect(await pushes(imageOf({ mediaType: mediaTypes.layer, ...absent, urls }))).toEqual(missing);
  });

  test("nobody here goes to the addresses", async () => {
    const layer = { mediaType: foreignTypes[0], ...absent, urls };
    const manifest = JSON.stringify(imageOf(layer));
    const headers = { "content-type": mediaTypes.manifest };
    expect((await berth.oci("PUT", "/v2/app/manifests/away", { headers, body: manifest })).status).toBe(201);
    expect(await (await berth.oci("GET", "/v2/app/manifests/away")).text()).toBe(manifest);
    for (const method of ["HEAD", "GET"]) {
      expect((await berth.oci(method, `/v2/app/blobs/${absent.digest}`)).status).toBe(404);
    }
    const mount = `/v2/app/blobs/uploads/?mount=${absent.digest}&from=app`;
    expect((await berth.oci("POST", mount)).status).toBe(202);
    const image = { repositoryName: "app", imageIds: [{ imageTag: "away" }] };
    await berth.ecr().send(new BatchGetImageCommand(image));
    await berth.ecr().send(new DescribeImagesCommand(image));
    const download = new GetDownloadUrlForLayerCommand({ repositoryName: "app", layerDigest: absent.digest });
    expect(
      await berth
        .ecr()
        .send(download)
        .catch(({ name }) => name),
    ).toBe("LayersNotFoundException");
    await check(
      { ...berth.stores, clock: () => new Date() },
      { rehash: true, repair: true, bytesPerSecond: 0, found: () => {} },
    );
    expect(visits).toBe(0);
  });
});

describe("refused", () => {
  beforeAll(() => open("refuse"));
  afterAll(() => berth.close());
  beforeEach(async () => {
    await berth.pushBlob("app", "here");
  });
  const here = { digest: digestOf("here"), size: 4 };

  test.each(foreignTypes)("%s has no urls, and must have been pushed", async (mediaType) => {
    expect(await pushes(imageOf({ mediaType, ...absent, urls }))).toEqual(refused("layers[0]"));
    expect(await pushes(imageOf({ mediaType, ...absent }))).toEqual(missing);
    expect(await pushes(imageOf({ mediaType, ...here, urls }))).toEqual(refused("layers[0]"));
    expect(await pushes(imageOf({ mediaType, ...here, urls: [] }))).toEqual(taken);
  });

  test("urls are refused in every descriptor, whatever is here already", async () => {
    const layer = { mediaType: mediaTypes.layer, ...here };
    expect(await pushes(imageOf(layer, { ...layer, urls }))).toEqual(refused("layers[1]"));
    expect(await pushes({ ...imageOf(layer), config: { ...config, urls } })).toEqual(refused("config"));
    const { manifest } = await berth.pushImage("app", "child", "here");
    const child = { mediaType: mediaTypes.manifest, digest: digestOf(manifest), size: manifest.length, urls };
    expect(await pushes({ ...imageOf(layer), subject: child })).toEqual(refused("subject"));
    const index = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [child] };
    expect(await pushes(index)).toEqual(refused("manifests[0]"));
  });

  test("leaves no tag and no image behind", async () => {
    const [first] = await pushes(imageOf({ mediaType: foreignTypes[0], ...absent, urls }));
    expect(first).toEqual(refused("layers[0]")[0]);
    const imageManifest = JSON.stringify(imageOf({ mediaType: foreignTypes[0], ...absent, urls }));
    expect((await berth.oci("GET", `/v2/app/manifests/${digestOf(imageManifest)}`)).status).toBe(404);
    expect((await berth.oci("GET", `/v2/app/manifests/v${tags - 2}`)).status).toBe(404);
  });
});
