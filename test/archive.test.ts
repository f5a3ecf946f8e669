import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchGetImageCommand,
  DescribeImagesCommand,
  GetDownloadUrlForLayerCommand,
  ListImagesCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import { type InProcess, inProcess } from "./support/berth.ts";

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess({ createOnPush: true });
});
afterAll(() => berth.close());

const layerOf = (manifest: string): string => JSON.parse(manifest).layers[0].digest;

async function move(repositoryName: string, imageId: object, targetStorageClass: "STANDARD" | "ARCHIVE") {
  const command = new UpdateImageStorageClassCommand({ repositoryName, imageId, targetStorageClass });
  return (await berth.ecr().send(command)).imageStatus;
}

test("an archived image is described, and nothing of it can be read", async () => {
  const repositoryName = "archive/one";
  const ecr = berth.ecr();
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "one");
  const layer = layerOf(manifest);
  expect(await move(repositoryName, { imageTag: "v1" }, "ARCHIVE")).toBe("ARCHIVED");
  expect(await move(repositoryName, { imageDigest: digest }, "ARCHIVE")).toBe("ARCHIVED");

  for (const reference of ["v1", digest]) {
    for (const method of ["GET", "HEAD"]) {
      const pulled = await berth.oci(method, `/v2/${repositoryName}/manifests/${reference}`);
      expect(pulled.status).toBe(404);
    }
  }
  const pulled = await berth.oci("GET", `/v2/${repositoryName}/manifests/v1`);
  expect(await pulled.json()).toMatchObject({ errors: [{ code: "MANIFEST_UNKNOWN" }] });
  for (const method of ["GET", "HEAD"]) {
    expect((await berth.oci(method, `/v2/${repositoryName}/blobs/${layer}`)).status).toBe(404);
  }
  const imageIds = [{ imageDigest: digest }, { imageTag: "v1" }];
  const { images, failures } = await ecr.send(new BatchGetImageCommand({ repositoryName, imageIds }));
  expect(images).toEqual([]);
  expect(failures?.map(({ failureCode }) => failureCode)).toEqual(["ImageNotFound", "ImageNotFound"]);
  const checked = await ecr.send(new BatchCheckLayerAvailabilityCommand({ repositoryName, layerDigests: [layer] }));
  expect(checked.layers).toMatchObject([{ layerDigest: layer, layerAvailability: "ARCHIVED" }]);
  const download = ecr.send(new GetDownloadUrlForLayerCommand({ repositoryName, layerDigest: layer }));
  await expect(download).rejects.toMatchObject({ name: "LayersNotFoundException" });

  const tags = await berth.oci("GET", `/v2/${repositoryName}/tags/list`);
  expect(await tags.json()).toEqual({ name: repositoryName, tags: [] });
  expect((await ecr.send(new DescribeImagesCommand({ repositoryName }))).imageDetails).toEqual([]);
  expect((await ecr.send(new ListImagesCommand({ repositoryName }))).imageIds).toEqual([]);
  for (const imageStatus of ["ARCHIVED", "ANY"] as const) {
    const filter = { imageStatus };
    const described = await ecr.send(new DescribeImagesCommand({ repositoryName, filter }));
    expect(described.imageDetails).toMatchObject([
      { imageDigest: digest, imageTags: ["v1"], imageStatus: "ARCHIVED", lastArchivedAt: expect.any(Date) },
    ]);
    const { imageIds } = await ecr.send(new ListImagesCommand({ repositoryName, filter }));
    expect(imageIds).toEqual([{ imageDigest: digest, imageTag: "v1" }]);
  }
  const named = await ecr.send(new DescribeImagesCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
  expect(named.imageDetails).toMatchObject([{ imageStatus: "ARCHIVED" }]);
});

test("a restored image is on its way first, and can then be pulled as before", async () => {
  const repositoryName = "archive/back";
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "back");
  await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
  expect(await move(repositoryName, { imageDigest: digest }, "STANDARD")).toBe("ACTIVATING");
  expect(await move(repositoryName, { imageDigest: digest }, "STANDARD")).toBe("ACTIVE");
  const pulled = await berth.oci("GET", `/v2/${repositoryName}/manifests/v1`);
  expect(await pulled.text()).toBe(manifest);
  expect((await berth.oci("GET", `/v2/${repositoryName}/blobs/${layerOf(manifest)}`)).status).toBe(200);
  const { imageDetails } = await berth.ecr().send(new DescribeImagesCommand({ repositoryName }));
  expect(imageDetails).toMatchObject([
    { imageStatus: "ACTIVE", lastArchivedAt: expect.any(Date), lastActivatedAt: expect.any(Date) },
  ]);
});
