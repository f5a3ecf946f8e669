import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  InitiateLayerUploadCommand,
  ListImageReferrersCommand,
  ListImagesCommand,
  PutImageCommand,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import { digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";

/** Where the API and the registry meet, and corners that only the whole system shows. */

let berth: InProcess;
const repositoryName = "app";
beforeAll(async () => {
  berth = await inProcess();
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
});
afterAll(() => berth.close());

const bareManifest = async () => {
  const config = { mediaType: mediaTypes.config, ...(await berth.pushBlob(repositoryName, "{}")) };
  return { schemaVersion: 2, config, layers: [] };
};

test("a manifest has one media type, the first it was pushed with", async () => {
  const imageManifest = JSON.stringify(await bareManifest());
  const put = (imageTag: string, imageManifestMediaType: string) =>
    berth.ecr().send(new PutImageCommand({ repositoryName, imageManifest, imageTag, imageManifestMediaType }));
  const docker = "application/vnd.docker.distribution.manifest.v2+json";
  expect((await put("one", mediaTypes.manifest)).image?.imageManifestMediaType).toBe(mediaTypes.manifest);
  expect((await put("two", docker)).image?.imageManifestMediaType).toBe(mediaTypes.manifest);
  const read = await berth.ecr().send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "two" }] }));
  expect(read.images?.[0]?.imageManifestMediaType).toBe(mediaTypes.manifest);
});

test("any of the digests of a layer will do, whatever its algorithm", async () => {
  const { uploadId } = await berth.ecr().send(new InitiateLayerUploadCommand({ repositoryName }));
  const layerPartBlob = new TextEncoder().encode("five hundred and twelve");
  const part = { partFirstByte: 0, partLastByte: layerPartBlob.length - 1, layerPartBlob };
  await berth.ecr().send(new UploadLayerPartCommand({ repositoryName, uploadId, ...part }));
  const right = digestOf(layerPartBlob, "sha512");
  const layerDigests = [right, `sha256:${"0".repeat(64)}`];
  const done = await berth.ecr().send(new CompleteLayerUploadCommand({ repositoryName, uploadId, layerDigests }));
  expect(done.layerDigest).toBe(right);
});

test("half of a surrogate pair is refused, not changed", async () => {
  const manifest = JSON.stringify({
    ...(await bareManifest()),
    mediaType: mediaTypes.manifest,
    annotations: { a: "\ud800" },
  });
  // JSON.stringify escapes it, and the manifest's escape is fine; a bare one in the request is not.
  await berth.ecr().send(new PutImageCommand({ repositoryName, imageManifest: manifest }));
  const bare = manifest.replace("\\ud800", "\ud800");
  const put = berth.ecr().send(new PutImageCommand({ repositoryName, imageManifest: bare }));
  await expect(put).rejects.toMatchObject({ name: "SerializationException" });
});

test("a digest of an unknown algorithm is looked at after the manifest", async () => {
  const put = (imageManifest: string) =>
    berth.ecr().send(new PutImageCommand({ repositoryName, imageManifest, imageDigest: "md5:aa" }));
  await expect(put("abc")).rejects.toMatchObject({ name: "InvalidParameterException" });
  const manifest = JSON.stringify({ ...(await bareManifest()), mediaType: mediaTypes.manifest });
  await expect(put(manifest)).rejects.toMatchObject({ name: "ImageDigestDoesNotMatchException" });
});

test("a forged page token is refused also where there is nothing to list", async () => {
  const subjectId = { imageDigest: digestOf("nothing") };
  const list = (filter: object) =>
    berth.ecr().send(new ListImageReferrersCommand({ repositoryName, subjectId, nextToken: "zz", ...filter }));
  const refused = {
    name: "InvalidParameterException",
    message: "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token provided'",
  };
  await expect(list({})).rejects.toMatchObject(refused);
  await expect(list({ filter: { artifactStatus: "ARCHIVED" } })).rejects.toMatchObject(refused);
});

test("deleting what a list printed leaves no failures", async () => {
  const { digest } = await berth.pushImage(repositoryName, "twin-a", "twins");
  await berth.pushImage(repositoryName, "twin-b", "twins");
  const { imageIds = [] } = await berth.ecr().send(new ListImagesCommand({ repositoryName }));
  const twins = imageIds.filter(({ imageDigest }) => imageDigest === digest);
  expect(twins).toHaveLength(2);
  const deleted = await berth.ecr().send(new BatchDeleteImageCommand({ repositoryName, imageIds: twins }));
  expect(deleted.failures).toEqual([]);
  expect(deleted.imageIds).toHaveLength(2);
});
