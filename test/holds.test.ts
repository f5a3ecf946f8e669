import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  PutImageCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import { account, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { askOwn } from "./support/own-api.ts";
import { allow } from "./support/people.ts";

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess({ createOnPush: true });
});
afterAll(() => berth.close());

const hold = (repositoryName: string, imageId: object, more: object = {}) =>
  askOwn(berth, "PutHold", { repositoryName, imageId, reason: "case 7", ...more });
const release = (repositoryName: string, imageId: object) => askOwn(berth, "RemoveHold", { repositoryName, imageId });
const deleteImages = (repositoryName: string, ...imageIds: object[]) =>
  berth.ecr().send(new BatchDeleteImageCommand({ repositoryName, imageIds }));
const deleteOverHttp = async (repository: string, reference: string) => {
  const answer = await berth.oci("DELETE", `/v2/${repository}/manifests/${reference}`);
  const { errors } = answer.status === 202 ? { errors: [] } : ((await answer.json()) as { errors: object[] });
  return { status: answer.status, errors };
};
const isPulled = async (repository: string, reference: string) =>
  (await berth.oci("GET", `/v2/${repository}/manifests/${reference}`)).status === 200;

test("an image that is held by its digest cannot be deleted, in any way, and its tags can", async () => {
  const repository = "holds/digest";
  const { digest } = await berth.pushImage(repository, "v1", "one");
  await berth.pushImage(repository, "v2", "one");
  expect(await hold(repository, { imageDigest: digest })).toEqual({
    status: 200,
    hold: {
      imageId: { imageDigest: digest },
      reason: "case 7",
      placedAt: expect.any(Number),
      placedBy: `arn:aws:iam::${account}:root`,
    },
  });
  const says = `Requested image cannot be deleted or archived because '${digest}' is held: case 7`;

  const both = await deleteImages(repository, { imageDigest: digest }, { imageTag: "v1" });
  expect(both).toMatchObject({
    imageIds: [{ imageDigest: digest, imageTag: "v1" }],
    failures: [{ failureCode: "ImageInaccessible", failureReason: says, imageId: { imageDigest: digest } }],
  });
  // The last tag would take the image along.
  expect(await deleteImages(repository, { imageTag: "v2" })).toMatchObject({
    imageIds: [],
    failures: [{ failureCode: "ImageInaccessible", failureReason: says, imageId: { imageTag: "v2" } }],
  });
  expect(await deleteOverHttp(repository, digest)).toEqual({
    status: 405,
    errors: [{ code: "UNSUPPORTED", message: says }],
  });
  // Over HTTP a tag goes alone.
  expect((await deleteOverHttp(repository, "v2")).status).toBe(202);
  expect(await isPulled(repository, digest)).toBe(true);

  const archive = { repositoryName: repository, imageId: { imageDigest: digest } };
  const archiving = berth.ecr().send(new UpdateImageStorageClassCommand({ ...archive, targetStorageClass: "ARCHIVE" }));
  await expect(archiving).rejects.toMatchObject({ name: "InvalidParameterException", message: says });

  expect(await release(repository, { imageDigest: digest })).toEqual({ status: 200 });
  expect((await deleteOverHttp(repository, digest)).status).toBe(202);
});

test("an image is not archived with a signature that is held", async () => {
  const repository = "holds/signature";
  const { digest } = await berth.pushImage(repository, "v1", "one");
  const subject = { mediaType: mediaTypes.manifest, digest, size: 1 };
  const signature = await berth.pushImage(repository, "signature", "two", { subject });
  await hold(repository, { imageTag: "signature" });
  const archive = () =>
    berth.ecr().send(
      new UpdateImageStorageClassCommand({
        repositoryName: repository,
        imageId: { imageDigest: digest },
        targetStorageClass: "ARCHIVE",
      }),
    );
  await expect(archive()).rejects.toMatchObject({
    name: "InvalidParameterException",
    message: "Requested image cannot be deleted or archived because 'signature' is held: case 7",
  });
  expect(await isPulled(repository, signature.digest)).toBe(true);
  await release(repository, { imageTag: "signature" });
  expect(await archive()).toMatchObject({ imageStatus: "ARCHIVED" });
});

test("a tag that is held stays where it is, and keeps its image", async () => {
  const repository = "holds/tag";
  const { digest } = await berth.pushImage(repository, "prod", "one");
  await berth.pushImage(repository, "other", "one");
  await hold(repository, { imageTag: "prod" });
  const moved = `The image tag 'prod' in the '${repository}' repository cannot be moved or deleted because 'prod' is held: case 7`;

  const { manifest } = await berth.pushImage(repository, "two", "two");
  const pushed = await berth.oci("PUT", `/v2/${repository}/manifests/prod`, {
    headers: { "content-type": mediaTypes.manifest },
    body: manifest,
  });
  expect(pushed.status).toBe(400);
  expect(await pushed.json()).toEqual({ errors: [{ code: "TAG_INVALID", message: moved }] });
  const put = { repositoryName: repository, imageManifest: manifest, imageTag: "prod" };
  await expect(berth.ecr().send(new PutImageCommand(put))).rejects.toMatchObject({
    name: "ImageTagAlreadyExistsException",
    message: moved,
  });
  expect((await deleteOverHttp(repository, "prod")).status).toBe(400);
  const { failures } = await deleteImages(repository, { imageTag: "prod" }, { imageDigest: digest });
  expect(failures?.map(({ failureReason }) => failureReason)).toEqual([
    moved,
    "Requested image cannot be deleted or archived because 'prod' is held: case 7",
  ]);
  // The same image once more is no move, and its other tag is nobody's concern.
  await berth.pushImage(repository, "prod", "one");
  expect((await deleteImages(repository, { imageTag: "other" })).failures).toEqual([]);

  await release(repository, { imageTag: "prod" });
  await berth.pushImage(repository, "prod", "two");
  expect((await deleteImages(repository, { imageDigest: digest })).failures).toEqual([]);
});

test("a repository with something held cannot be deleted, whatever the force", async () => {
  const repositoryName = "holds/repository";
  const { digest } = await berth.pushImage(repositoryName, "v1", "one");
  await hold(repositoryName, { imageTag: "v1" }, { until: berth.now.getTime() / 1000 + 60 });
  const remove = (force: boolean) => berth.ecr().send(new DeleteRepositoryCommand({ repositoryName, force }));
  await expect(remove(false)).rejects.toMatchObject({ name: "RepositoryNotEmptyException" });
  const until = new Date(berth.now.getTime() + 60_000).toISOString();
  await expect(remove(true)).rejects.toMatchObject({
    name: "InvalidParameterException",
    message: `The repository with name '${repositoryName}' in the registry with id '${account}' cannot be deleted because 'v1' is held until ${until}: case 7`,
  });
  const { imageDetails } = await berth.ecr().send(new DescribeImagesCommand({ repositoryName }));
  expect(imageDetails?.map(({ imageDigest }) => imageDigest)).toEqual([digest]);

  berth.now = new Date(berth.now.getTime() + 60_000);
  expect((await remove(true)).repository).toMatchObject({ repositoryName });
});

test("an index that is held keeps what it lists", async () => {
  const repository = "holds/index";
  const { digest } = await berth.pushImage(repository, "child", "one");
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.index,
    manifests: [{ mediaType: mediaTypes.manifest, digest, size: 1 }],
  });
  const headers = { "content-type": mediaTypes.index };
  await berth.oci("PUT", `/v2/${repository}/manifests/all`, { headers, body: index });
  await hold(repository, { imageTag: "all" });
  const { failures } = await deleteImages(repository, { imageTag: "all" }, { imageDigest: digest });
  expect(failures?.map(({ failureCode }) => failureCode)).toEqual([
    "ImageInaccessible",
    "ImageReferencedByManifestList",
  ]);
  expect(await isPulled(repository, digest)).toBe(true);
});

test("holds are listed page by page, and changed by placing them again", async () => {
  const repository = "holds/list";
  for (const tag of ["a", "b", "c"]) {
    await berth.pushImage(repository, tag, tag);
    await hold(repository, { imageTag: tag });
  }
  await hold(repository, { imageTag: "b" }, { reason: "case 8" });
  const list = (more: object = {}) => askOwn(berth, "ListHolds", { repositoryName: repository, ...more });
  const first = await list({ maxResults: 2 });
  expect(first.holds).toMatchObject([
    { imageId: { imageTag: "a" }, reason: "case 7" },
    { imageId: { imageTag: "b" }, reason: "case 8" },
  ]);
  const second = await list({ maxResults: 2, nextToken: first.nextToken });
  expect(second.holds).toMatchObject([{ imageId: { imageTag: "c" } }]);
  expect(second.nextToken).toBeUndefined();
});

test("what cannot be held, and what is not", async () => {
  const repository = "holds/wrong";
  const { digest } = await berth.pushImage(repository, "v1", "one");
  const past = { until: berth.now.getTime() / 1000 - 1 };
  expect(await hold(repository, { imageTag: "v1" }, past)).toMatchObject({ __type: "ValidationException" });
  expect(await hold(repository, { imageTag: "v1", imageDigest: digest })).toMatchObject({
    __type: "ValidationException",
    message: expect.stringContaining("Member must have either imageDigest or imageTag"),
  });
  expect(await hold(repository, {})).toMatchObject({ __type: "ValidationException" });
  expect(await hold(repository, { imageTag: "v1" }, { reason: "" })).toMatchObject({ __type: "ValidationException" });
  expect(await hold(repository, { imageTag: "v2" })).toMatchObject({ __type: "ImageNotFoundException" });
  expect(await hold("holds/none", { imageTag: "v1" })).toMatchObject({ __type: "RepositoryNotFoundException" });
  expect(await release(repository, { imageTag: "v1" })).toMatchObject({
    status: 400,
    __type: "ResourceNotFoundException",
    message: `There is no hold on 'v1' in the repository with name '${repository}' in the registry with id '${account}'`,
  });
});

test("holding takes permissions of its own, and is in the trail", async () => {
  const repository = "holds/permitted";
  await berth.pushImage(repository, "v1", "one");
  const ecrOnly = await berth.crowd.user(account, "ecr-only", allow("ecr:*"));
  const keeper = await berth.crowd.user(account, "keeper", allow("berth:PutHold"));
  const input = { repositoryName: repository, imageId: { imageTag: "v1" }, reason: "mine" };
  expect(await askOwn(berth, "PutHold", input, ecrOnly)).toMatchObject({ __type: "AccessDeniedException" });
  expect(await askOwn(berth, "PutHold", input, keeper)).toMatchObject({ hold: { placedBy: keeper.principal.arn } });
  expect(await askOwn(berth, "RemoveHold", input, keeper)).toMatchObject({ __type: "AccessDeniedException" });
  const recorded = (await berth.records()).filter(({ eventName }) => eventName === "PutHold").slice(-2);
  expect(recorded).toMatchObject([
    { errorCode: "AccessDenied" },
    { readOnly: false, requestParameters: { repositoryName: repository, imageId: { imageTag: "v1" }, reason: "mine" } },
  ]);
});
