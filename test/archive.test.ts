import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  BatchCheckLayerAvailabilityCommand,
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  GetDownloadUrlForLayerCommand,
  ListImageReferrersCommand,
  ListImagesCommand,
  PutImageCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import { account, digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { allow } from "./support/people.ts";

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

/** Pushes a manifest of manifests: an index, or what refers to a subject. */
async function pushManifest(repository: string, reference: string, mediaType: string, manifest: object) {
  const body = JSON.stringify({ schemaVersion: 2, mediaType, ...manifest });
  const digest = digestOf(body);
  const path = `/v2/${repository}/manifests/${reference || digest}`;
  const { status } = await berth.oci("PUT", path, { headers: { "content-type": mediaType }, body });
  return { digest, status };
}
const described = (digest: string) => ({ mediaType: mediaTypes.manifest, digest, size: 1 });
const pushIndex = (repository: string, reference: string, ...children: string[]) =>
  pushManifest(repository, reference, mediaTypes.index, { manifests: children.map(described) });
async function pushReferrer(repository: string, subject: string, name: string) {
  const { digest } = await berth.pushImage(repository, "tmp", name, { subject: described(subject) });
  await berth.oci("DELETE", `/v2/${repository}/manifests/tmp`);
  return digest;
}

/** The status of each image of a repository that is named. */
async function statuses(repositoryName: string, ...digests: string[]) {
  const imageIds = digests.map((imageDigest) => ({ imageDigest }));
  const { imageDetails = [] } = await berth.ecr().send(new DescribeImagesCommand({ repositoryName, imageIds }));
  return imageDetails.map(({ imageStatus }) => imageStatus);
}
const refused = { name: "ImageStorageClassUpdateNotSupportedException" };

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

test("a push of an archived image brings it back at once, under its tag or another, immutable or not", async () => {
  for (const imageTagMutability of ["MUTABLE", "IMMUTABLE"] as const) {
    const repositoryName = `archive/again-${imageTagMutability.toLowerCase()}`;
    await berth.ecr().send(new CreateRepositoryCommand({ repositoryName, imageTagMutability }));
    const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "again");
    for (const reference of ["v1", digest, "v2"]) {
      await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
      expect((await berth.pushImage(repositoryName, reference, "again")).digest).toBe(digest);
      expect(await statuses(repositoryName, digest)).toEqual(["ACTIVE"]);
      const pulled = await berth.oci("GET", `/v2/${repositoryName}/manifests/${reference}`);
      expect(await pulled.text()).toBe(manifest);
    }
    for (const imageTag of ["v1", undefined, "v3"]) {
      await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
      await berth.ecr().send(new PutImageCommand({ repositoryName, imageManifest: manifest, imageTag }));
      expect(await statuses(repositoryName, digest)).toEqual(["ACTIVE"]);
    }
    // The tag of an archived image is still its own.
    await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
    const other = berth.pushImage(repositoryName, "v1", "another");
    if (imageTagMutability === "IMMUTABLE") await expect(other).rejects.toThrow("TAG_INVALID");
    else await other;
    const { imageIds } = await berth
      .ecr()
      .send(new ListImagesCommand({ repositoryName, filter: { imageStatus: "ARCHIVED" } }));
    const tags = imageIds?.map(({ imageTag }) => imageTag);
    expect(tags).toEqual(imageTagMutability === "IMMUTABLE" ? ["v1", "v2", "v3"] : ["v2", "v3"]);
  }
});

test("referrers go with their subject and come back with it, and do neither alone", async () => {
  const repositoryName = "archive/referrers";
  const ecr = berth.ecr();
  const { digest: subject } = await berth.pushImage(repositoryName, "v1", "subject");
  const signature = await pushReferrer(repositoryName, subject, "signature");
  const ofSignature = await pushReferrer(repositoryName, signature, "signature of signature");
  const all = [subject, signature, ofSignature];
  const referrers = async (artifactStatus?: "ARCHIVED" | "ANY") => {
    const subjectId = { imageDigest: subject };
    const filter = artifactStatus && { artifactStatus };
    const answer = await ecr.send(new ListImageReferrersCommand({ repositoryName, subjectId, filter }));
    return answer.referrers?.map((referrer) => [referrer.digest, referrer.artifactStatus]);
  };
  const overHttp = async () => {
    const answer = (await (await berth.oci("GET", `/v2/${repositoryName}/referrers/${subject}`)).json()) as {
      manifests: object[];
    };
    return answer.manifests.length;
  };

  await expect(move(repositoryName, { imageDigest: signature }, "ARCHIVE")).rejects.toMatchObject(refused);
  await move(repositoryName, { imageTag: "v1" }, "ARCHIVE");
  expect(await statuses(repositoryName, ...all)).toEqual(["ARCHIVED", "ARCHIVED", "ARCHIVED"]);
  expect(await referrers()).toEqual([]);
  expect(await referrers("ARCHIVED")).toEqual([[signature, "ARCHIVED"]]);
  expect(await overHttp()).toBe(0);
  await expect(move(repositoryName, { imageDigest: signature }, "STANDARD")).rejects.toMatchObject(refused);
  expect(await move(repositoryName, { imageTag: "v1" }, "STANDARD")).toBe("ACTIVATING");
  expect(await statuses(repositoryName, ...all)).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
  expect(await referrers()).toEqual([[signature, "ACTIVE"]]);
  expect(await overHttp()).toBe(1);

  await move(repositoryName, { imageTag: "v1" }, "ARCHIVE");
  await berth.pushImage(repositoryName, "v1", "subject");
  expect(await statuses(repositoryName, ...all)).toEqual(["ACTIVE", "ACTIVE", "ACTIVE"]);
  // Without its subject it is an image like others.
  const alone = await pushReferrer(repositoryName, digestOf("nowhere"), "of nothing");
  expect(await move(repositoryName, { imageDigest: alone }, "ARCHIVE")).toBe("ARCHIVED");
});

test("what an index lists goes after the index, and comes back with it", async () => {
  const repositoryName = "archive/index";
  const { digest: child } = await berth.pushImage(repositoryName, "child", "child");
  const { digest: other } = await berth.pushImage(repositoryName, "other", "other child");
  const inner = (await pushIndex(repositoryName, "", other)).digest;
  const index = (await pushIndex(repositoryName, "v1", child, inner)).digest;
  const sbom = await pushReferrer(repositoryName, child, "sbom of child");
  const all = [index, child, inner, other, sbom];

  await expect(move(repositoryName, { imageDigest: child }, "ARCHIVE")).rejects.toMatchObject({
    ...refused,
    message: expect.stringContaining(`referenced by manifest list: [${index}]`),
  });
  await move(repositoryName, { imageDigest: index }, "ARCHIVE");
  expect(await statuses(repositoryName, ...all)).toEqual(["ARCHIVED", "ACTIVE", "ACTIVE", "ACTIVE", "ACTIVE"]);
  expect((await berth.oci("GET", `/v2/${repositoryName}/manifests/${child}`)).status).toBe(200);
  await expect(move(repositoryName, { imageDigest: other }, "ARCHIVE")).rejects.toMatchObject(refused);
  for (const digest of [child, inner, other]) await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
  const archived = all.map(() => "ARCHIVED" as const);
  expect(await statuses(repositoryName, ...all)).toEqual(archived);

  await move(repositoryName, { imageDigest: index }, "STANDARD");
  expect(await statuses(repositoryName, ...all)).toEqual(all.map(() => "ACTIVE"));

  // A push that lists what is archived brings that back.
  for (const digest of [index, child]) await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
  expect((await pushIndex(repositoryName, "v2", child)).status).toBe(201);
  expect(await statuses(repositoryName, index, child, sbom)).toEqual(["ARCHIVED", "ACTIVE", "ACTIVE"]);
  // Alone, a child of an archived index may come back.
  await berth.oci("DELETE", `/v2/${repositoryName}/manifests/v2`);
  expect((await pushIndex(repositoryName, "v3", inner)).status).toBe(201);
});

test("a layer can be read as long as one active image of the repository has it", async () => {
  const [repositoryName, elsewhere] = ["archive/layers", "archive/other-layers"];
  const first = await berth.pushImage(repositoryName, "first", "shared layer");
  const second = await berth.pushImage(repositoryName, "second", "shared layer", { annotations: { a: "b" } });
  await berth.pushImage(elsewhere, "v1", "shared layer");
  const layer = digestOf("shared layer");
  const read = async (name = repositoryName) => (await berth.oci("GET", `/v2/${name}/blobs/${layer}`)).status;
  await move(repositoryName, { imageDigest: first.digest }, "ARCHIVE");
  expect(await read()).toBe(200);
  await move(repositoryName, { imageDigest: second.digest }, "ARCHIVE");
  expect([await read(), await read(elsewhere)]).toEqual([404, 200]);

  // Nor by way of another repository.
  const blob = await berth.pushBlob(repositoryName, "only here");
  const { digest } = await berth.pushImage(repositoryName, "only", "only here");
  await move(repositoryName, { imageDigest: digest }, "ARCHIVE");
  const mount = `/v2/${elsewhere}/blobs/uploads/?mount=${blob.digest}&from=${repositoryName}`;
  expect((await berth.oci("POST", mount)).status).toBe(202);
  expect((await berth.oci("POST", mount.replace(/&from=.*/, ""))).status).toBe(202);
  // A new image may have the layer again, once it is pushed.
  await berth.pushImage(repositoryName, "third", "shared layer", { annotations: { c: "d" } });
  expect(await read()).toBe(200);
});

test("an archived image is deleted as others are, and counts as content of its repository", async () => {
  const repositoryName = "archive/deleted";
  const ecr = berth.ecr();
  const { digest } = await berth.pushImage(repositoryName, "v1", "deleted");
  await move(repositoryName, { imageTag: "v1" }, "ARCHIVE");
  await expect(ecr.send(new DeleteRepositoryCommand({ repositoryName }))).rejects.toMatchObject({
    name: "RepositoryNotEmptyException",
  });
  const deleted = await ecr.send(new BatchDeleteImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
  expect(deleted.imageIds).toEqual([{ imageDigest: digest, imageTag: "v1" }]);
  await ecr.send(new DeleteRepositoryCommand({ repositoryName }));
});

test("what cannot be moved is refused with its own name", async () => {
  const repositoryName = "archive/refused";
  await berth.pushImage(repositoryName, "v1", "refused");
  const missing = { imageTag: "none" };
  await expect(move(repositoryName, missing, "ARCHIVE")).rejects.toMatchObject({ name: "ImageNotFoundException" });
  await expect(move("archive/none", missing, "ARCHIVE")).rejects.toMatchObject({ name: "RepositoryNotFoundException" });
  for (const imageId of [{}, { imageDigest: "x" }, { imageTag: "-" }]) {
    await expect(move(repositoryName, imageId, "ARCHIVE")).rejects.toMatchObject({ name: "InvalidParameterException" });
  }
  await expect(move(repositoryName, { imageTag: "v1" }, "GLACIER" as "ARCHIVE")).rejects.toMatchObject({
    name: "InvalidParameterException",
  });
});

test("whoever archives an image must be allowed to for each of its tags, and for what goes with it", async () => {
  const repositoryName = "archive/allowed";
  const { digest } = await berth.pushImage(repositoryName, "dev", "allowed");
  await pushReferrer(repositoryName, digest, "its signature");
  const action = "ecr:UpdateImageStorageClass";
  const developer = await berth.crowd.user(
    account,
    "developer",
    allow(action, "*", { "ForAllValues:StringEquals": { "berth:ImageTag": ["dev"] } }),
  );
  const as = (imageId: object, targetStorageClass: "STANDARD" | "ARCHIVE") =>
    berth.ecrAs(developer).send(new UpdateImageStorageClassCommand({ repositoryName, imageId, targetStorageClass }));
  expect((await as({ imageDigest: digest }, "ARCHIVE")).imageStatus).toBe("ARCHIVED");
  expect((await as({ imageTag: "dev" }, "STANDARD")).imageStatus).toBe("ACTIVATING");
  await berth.pushImage(repositoryName, "prod", "allowed");
  for (const imageId of [{ imageDigest: digest }, { imageTag: "dev" }]) {
    await expect(as(imageId, "ARCHIVE")).rejects.toMatchObject({ name: "AccessDeniedException" });
  }
  expect(await statuses(repositoryName, digest)).toEqual(["ACTIVE"]);
});

test("the audit trail has who moved which image", async () => {
  const repositoryName = "archive/audited";
  await berth.pushImage(repositoryName, "v1", "audited");
  await move(repositoryName, { imageTag: "v1" }, "ARCHIVE");
  const record = (await berth.records()).findLast(({ eventName }) => eventName === "UpdateImageStorageClass");
  expect(record).toMatchObject({
    eventSource: "ecr.amazonaws.com",
    readOnly: false,
    requestParameters: { repositoryName, imageId: { imageTag: "v1" }, targetStorageClass: "ARCHIVE" },
    responseElements: { imageStatus: "ARCHIVED" },
  });
});
