import { afterAll, beforeAll, expect, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  DescribeImageScanFindingsCommand,
  DescribeImageSigningStatusCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  type ECRClient,
  ListImagesCommand,
  PutImageTagMutabilityCommand,
  PutSigningConfigurationCommand,
  StartImageScanCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import { collectGarbage } from "../src/domain/registry/collection.ts";
import { account, digestOf, type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { askOwn } from "./support/own-api.ts";
import { allow } from "./support/people.ts";

const hourMs = 3_600_000;
const windowMs = 24 * hourMs;

let berth: InProcess;
beforeAll(async () => {
  berth = await inProcess({ createOnPush: true, undeleteMs: windowMs });
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
});

const later = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};
/** Signs by the clock that Berth reads. */
const ecrNow = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const collect = () => collectGarbage({ ...berth.stores, clock: () => berth.now }, { graceMs: 0 });
const remove = (repositoryName: string, ...imageIds: object[]) =>
  ecrNow().send(new BatchDeleteImageCommand({ repositoryName, imageIds }));
const undelete = (repositoryName: string, imageDigest: string, more: object = {}) =>
  askOwn(berth, "UndeleteImage", { repositoryName, imageDigest, ...more });
const deletedIn = async (repositoryName: string) =>
  (await askOwn(berth, "ListDeletedImages", { repositoryName })).images;
const pulled = async (repository: string, reference: string) => {
  const answer = await berth.oci("GET", `/v2/${repository}/manifests/${reference}`);
  return answer.status === 200 ? digestOf(await answer.text()) : answer.status;
};
const layerIsThere = async (repository: string, manifest: string) => {
  const { digest } = JSON.parse(manifest).layers[0];
  const answer = await berth.oci("GET", `/v2/${repository}/blobs/${digest}`);
  return answer.status === 200 && digestOf(await answer.text()) === digest;
};

async function pushManifest(repository: string, reference: string, mediaType: string, manifest: object) {
  const body = JSON.stringify({ schemaVersion: 2, mediaType, ...manifest });
  const digest = digestOf(body);
  const path = `/v2/${repository}/manifests/${reference || digest}`;
  const { status } = await berth.oci("PUT", path, { headers: { "content-type": mediaType }, body });
  expect(status).toBe(201);
  return digest;
}
const described = (digest: string) => ({ mediaType: mediaTypes.manifest, digest, size: 1 });
const pushIndex = (repository: string, reference: string, ...children: string[]) =>
  pushManifest(repository, reference, mediaTypes.index, { manifests: children.map(described) });

test("a deleted image is gone for everybody, and comes back as it was", async () => {
  const repositoryName = "undelete/one";
  const signingProfileArn = `arn:aws:signer:us-east-1:${account}:/signing-profiles/one`;
  await ecrNow().send(new PutSigningConfigurationCommand({ signingConfiguration: { rules: [{ signingProfileArn }] } }));
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "one");
  await berth.pushImage(repositoryName, "v2", "one");
  await pulled(repositoryName, "v1");
  await berth.flushPullTimes();
  const describe = async () => (await ecrNow().send(new DescribeImagesCommand({ repositoryName }))).imageDetails ?? [];
  const before = await describe();
  const image = { repositoryName, imageId: { imageDigest: digest } };
  await ecrNow().send(new StartImageScanCommand(image));
  const found = async () => [
    (await ecrNow().send(new DescribeImageScanFindingsCommand(image))).imageScanStatus?.status,
    (await ecrNow().send(new DescribeImageSigningStatusCommand(image))).signingStatuses?.map(({ status }) => status),
  ];
  expect(await found()).toEqual(["FAILED", ["FAILED"]]);

  later(hourMs);
  await remove(repositoryName, { imageDigest: digest });
  expect(await describe()).toEqual([]);
  expect((await ecrNow().send(new ListImagesCommand({ repositoryName }))).imageIds).toEqual([]);
  const got = await ecrNow().send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageDigest: digest }] }));
  expect(got.failures).toMatchObject([{ failureCode: "ImageNotFound" }]);
  expect([await pulled(repositoryName, "v1"), await pulled(repositoryName, digest)]).toEqual([404, 404]);
  expect(await (await berth.oci("GET", `/v2/${repositoryName}/tags/list`)).json()).toMatchObject({ tags: [] });
  const again = await remove(repositoryName, { imageDigest: digest });
  expect(again.failures).toMatchObject([{ failureCode: "ImageNotFound" }]);

  expect(await deletedIn(repositoryName)).toEqual([
    {
      imageDigest: digest,
      imageTags: ["v1", "v2"],
      imagePushedAt: expect.any(Number),
      imageSizeInBytes: 5,
      deletedAt: berth.now.getTime() / 1000,
      deletedBy: `arn:aws:iam::${account}:root`,
      keptUntil: (berth.now.getTime() + windowMs) / 1000,
    },
  ]);
  later(windowMs - 1);
  await collect();
  expect(await undelete(repositoryName, digest)).toEqual({
    status: 200,
    images: [{ imageDigest: digest, imageTags: ["v1", "v2"], takenTags: [] }],
  });
  expect(await describe()).toEqual(before);
  expect(await found()).toEqual(["FAILED", ["FAILED"]]);
  expect(await pulled(repositoryName, "v2")).toBe(digest);
  expect(await deletedIn(repositoryName)).toEqual([]);
  await collect();
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);
  const history = await berth.oci("GET", `/v2/${repositoryName}/_berth/tags/v1/history`);
  expect(await history.json()).toMatchObject({ moves: [{ to: digest }, { from: digest }, { to: digest }] });
});

test("when its time is over, it is gone, and its layers too", async () => {
  const repositoryName = "undelete/over";
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "a layer of its own");
  await remove(repositoryName, { imageDigest: digest });
  later(windowMs);
  expect(await deletedIn(repositoryName)).toEqual([]);
  expect(await undelete(repositoryName, digest)).toMatchObject({
    status: 400,
    __type: "ResourceNotFoundException",
    message: `There is no deleted image '${digest}' in the repository with name '${repositoryName}' in the registry with id '${account}' that could be brought back`,
  });
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);
  await collect();
  later(1);
  expect((await collect()).blobs).toBeGreaterThan(0);
  expect(await layerIsThere(repositoryName, manifest)).toBe(false);
});

test("tags that others have by now stay theirs, and may all be left out", async () => {
  const repositoryName = "undelete/tags";
  const one = await berth.pushImage(repositoryName, "latest", "one");
  await berth.pushImage(repositoryName, "v1", "one");
  await remove(repositoryName, { imageDigest: one.digest });
  // The name is free at once, for an immutable tag too.
  const mutability = { repositoryName, imageTagMutability: "IMMUTABLE" } as const;
  await ecrNow().send(new PutImageTagMutabilityCommand(mutability));
  const two = await berth.pushImage(repositoryName, "latest", "two");
  expect((await undelete(repositoryName, one.digest)).images).toEqual([
    { imageDigest: one.digest, imageTags: ["v1"], takenTags: ["latest"] },
  ]);
  expect(await pulled(repositoryName, "latest")).toBe(two.digest);
  expect(await pulled(repositoryName, "v1")).toBe(one.digest);

  await remove(repositoryName, { imageDigest: two.digest });
  expect((await undelete(repositoryName, two.digest, { withTags: false })).images).toEqual([
    { imageDigest: two.digest, imageTags: [], takenTags: [] },
  ]);
  expect([await pulled(repositoryName, "latest"), await pulled(repositoryName, two.digest)]).toEqual([404, two.digest]);
});

test("what is pushed again meanwhile just works, and deleting it again counts anew", async () => {
  const repositoryName = "undelete/again";
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "one");
  await remove(repositoryName, { imageDigest: digest });
  later(hourMs);
  await berth.pushImage(repositoryName, "v2", "one");
  expect(await pulled(repositoryName, "v2")).toBe(digest);
  expect((await undelete(repositoryName, digest)).images).toMatchObject([{ imageTags: ["v1"] }]);
  expect([await pulled(repositoryName, "v1"), await pulled(repositoryName, "v2")]).toEqual([digest, digest]);

  await remove(repositoryName, { imageDigest: digest });
  later(windowMs - 1);
  await berth.pushImage(repositoryName, "v3", "one");
  await remove(repositoryName, { imageDigest: digest });
  later(1);
  await collect();
  expect(await deletedIn(repositoryName)).toMatchObject([{ imageTags: ["v3"] }]);
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);
});

test("an index comes back with what it lists, and an image with its signatures", async () => {
  const repositoryName = "undelete/graph";
  const child = await berth.pushImage(repositoryName, "amd64", "amd64");
  const kept = await berth.pushImage(repositoryName, "arm64", "arm64");
  const index = await pushIndex(repositoryName, "all", child.digest, kept.digest);
  const outer = await pushIndex(repositoryName, "outer", index);
  const signature = await pushManifest(repositoryName, "", mediaTypes.manifest, {
    ...JSON.parse(child.manifest),
    subject: { ...described(index), mediaType: mediaTypes.index },
  });
  const revoked = await pushManifest(repositoryName, "", mediaTypes.manifest, {
    ...JSON.parse(kept.manifest),
    subject: { ...described(index), mediaType: mediaTypes.index },
  });
  await remove(repositoryName, { imageDigest: revoked });
  later(1);
  await remove(repositoryName, { imageDigest: outer }, { imageDigest: index }, { imageDigest: child.digest });
  await remove(repositoryName, { imageDigest: signature });
  expect((await deletedIn(repositoryName)).length).toBe(5);

  const { images } = await undelete(repositoryName, outer);
  expect(images.map(({ imageDigest }: { imageDigest: string }) => imageDigest)).toEqual([
    child.digest,
    index,
    outer,
    signature,
  ]);
  for (const [tag, digest] of [
    ["amd64", child.digest],
    ["arm64", kept.digest],
    ["all", index],
    ["outer", outer],
  ]) {
    expect(await pulled(repositoryName, tag as string)).toBe(digest as string);
  }
  const referrers = await berth.oci("GET", `/v2/${repositoryName}/referrers/${index}`);
  expect(await referrers.json()).toMatchObject({ manifests: [{ digest: signature }] });
  // The index keeps what it lists again.
  const { failures } = await remove(repositoryName, { imageDigest: child.digest });
  expect(failures).toMatchObject([{ failureCode: "ImageReferencedByManifestList" }]);
});

test("an index of which a part is gone for good stays gone", async () => {
  const repositoryName = "undelete/parts";
  const child = await berth.pushImage(repositoryName, "child", "one");
  const index = await pushIndex(repositoryName, "all", child.digest);
  await remove(repositoryName, { imageDigest: index }, { imageDigest: child.digest });
  later(hourMs);
  await pushManifest(repositoryName, "child", mediaTypes.manifest, JSON.parse(child.manifest));
  await pushIndex(repositoryName, "all", child.digest);
  await remove(repositoryName, { imageDigest: index });
  // The child was pushed again and stays, so the index comes back.
  expect((await undelete(repositoryName, index)).images).toMatchObject([{ imageDigest: index }]);
  await remove(repositoryName, { imageDigest: index });
  await berth.stores.metadata.transact(async ({ images, repositories }) => {
    const registry = { account, region: "us-east-1" } as never;
    const repository = await repositories.find(registry, repositoryName as never);
    const image = repository && (await images.find(repository.id, child.digest as never));
    if (image) await images.delete(image, berth.now);
  });
  await collect();
  later(windowMs - hourMs);
  await collect();
  expect(await undelete(repositoryName, index)).toMatchObject({ __type: "ReferencedImagesNotFoundException" });
});

test("layers of a deleted image cannot be taken from under it", async () => {
  const repositoryName = "undelete/layers";
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "layers of one");
  const layer = JSON.parse(manifest).layers[0].digest;
  await remove(repositoryName, { imageDigest: digest });
  const refused = await berth.oci("DELETE", `/v2/${repositoryName}/blobs/${layer}`);
  expect(refused.status).toBe(405);
  expect(await refused.json()).toEqual({
    errors: [
      {
        code: "UNSUPPORTED",
        message: `The layer with digest '${layer}' is part of an image that was deleted and can still be brought back`,
      },
    ],
  });
  await undelete(repositoryName, digest);
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);
});

test("an archived image comes back archived", async () => {
  const repositoryName = "undelete/archive";
  const { digest } = await berth.pushImage(repositoryName, "v1", "one");
  const archive = { repositoryName, imageId: { imageDigest: digest }, targetStorageClass: "ARCHIVE" } as const;
  await ecrNow().send(new UpdateImageStorageClassCommand(archive));
  const describe = async () => {
    const imageIds = [{ imageDigest: digest }];
    return (await ecrNow().send(new DescribeImagesCommand({ repositoryName, imageIds }))).imageDetails;
  };
  const before = await describe();
  expect(before).toMatchObject([{ imageStatus: "ARCHIVED", imageTags: ["v1"] }]);
  later(hourMs);
  await remove(repositoryName, { imageDigest: digest });
  await collect();
  await undelete(repositoryName, digest);
  expect(await describe()).toEqual(before);
  expect(await pulled(repositoryName, "v1")).toBe(404);
});

test("a deleted repository comes back with all it had, if its name is free", async () => {
  const repositoryName = "undelete/repository";
  const ecr = { send: ((command: never) => ecrNow().send(command)) as ECRClient["send"] };
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "of a repository");
  const described = async () =>
    (await ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] }))).repositories;
  const before = await described();
  await ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  await expect(described()).rejects.toMatchObject({ name: "RepositoryNotFoundException" });
  expect(await pulled(repositoryName, "v1")).toBe(404);
  expect(await undelete(repositoryName, digest)).toMatchObject({ __type: "RepositoryNotFoundException" });
  const list = async () => (await askOwn(berth, "ListDeletedRepositories", {})).repositories;
  expect(await list()).toEqual([
    {
      repositoryName,
      deletedAt: berth.now.getTime() / 1000,
      deletedBy: `arn:aws:iam::${account}:root`,
      keptUntil: (berth.now.getTime() + windowMs) / 1000,
    },
  ]);
  await ecr.send(new CreateRepositoryCommand({ repositoryName }));
  expect(await askOwn(berth, "UndeleteRepository", { repositoryName })).toMatchObject({
    __type: "RepositoryAlreadyExistsException",
  });
  await ecr.send(new DeleteRepositoryCommand({ repositoryName }));
  later(1);
  // The one that was deleted last.
  expect(await askOwn(berth, "UndeleteRepository", { repositoryName })).toEqual({ status: 200, repositoryName });
  expect(await pulled(repositoryName, "v1")).toBe(404);
  await ecr.send(new DeleteRepositoryCommand({ repositoryName }));
  later(windowMs - 1);
  await collect();
  expect((await list()).length).toBe(1);
  later(1);
  await collect();
  expect(await list()).toEqual([]);

  await berth.pushImage(repositoryName, "v1", "of a repository");
  await ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  later(windowMs - 1);
  await collect();
  expect(await askOwn(berth, "UndeleteRepository", { repositoryName })).toEqual({ status: 200, repositoryName });
  expect(await described()).toMatchObject([{ repositoryName, repositoryArn: before?.[0]?.repositoryArn }]);
  expect(await pulled(repositoryName, "v1")).toBe(digest);
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);

  await ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  later(windowMs);
  await collect();
  expect(await askOwn(berth, "UndeleteRepository", { repositoryName })).toMatchObject({
    __type: "ResourceNotFoundException",
  });
});

test("a repository with a key of its own comes back with it", async () => {
  const repositoryName = "undelete/sealed";
  const ecr = { send: ((command: never) => ecrNow().send(command)) as ECRClient["send"] };
  const encryptionConfiguration = { encryptionType: "KMS" } as const;
  await ecr.send(new CreateRepositoryCommand({ repositoryName, encryptionConfiguration }));
  const { digest, manifest } = await berth.pushImage(repositoryName, "v1", "sealed");
  await ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  await collect();
  expect(await askOwn(berth, "UndeleteRepository", { repositoryName })).toEqual({ status: 200, repositoryName });
  expect(await pulled(repositoryName, "v1")).toBe(digest);
  expect(await layerIsThere(repositoryName, manifest)).toBe(true);
});

test("who may undelete sets no tag that a policy keeps", async () => {
  const repositoryName = "undelete/permitted";
  const { digest } = await berth.pushImage(repositoryName, "prod-1", "one");
  await berth.pushImage(repositoryName, "v1", "one");
  await remove(repositoryName, { imageDigest: digest });
  const deny = {
    Version: "2012-10-17",
    Statement: {
      Effect: "Deny",
      Action: "ecr:PutImage",
      Resource: "*",
      Condition: { StringLike: { "berth:ImageTag": "prod-*" } },
    },
  };
  const careful = await berth.crowd.user(account, "careful", allow("berth:UndeleteImage"), deny);
  const nobody = await berth.crowd.user(account, "nobody", allow("ecr:*"));
  const input = { repositoryName, imageDigest: digest };
  expect(await askOwn(berth, "UndeleteImage", input, nobody)).toMatchObject({ __type: "AccessDeniedException" });
  expect(await askOwn(berth, "UndeleteImage", input, careful)).toMatchObject({ __type: "AccessDeniedException" });
  expect((await deletedIn(repositoryName)).length).toBe(1);
  const withoutTags = { ...input, withTags: false };
  expect(await askOwn(berth, "UndeleteImage", withoutTags, careful)).toMatchObject({ status: 200 });
});

test("protection against deletion", async () => {
  const repositoryName = "undelete/protected";
  const ecr = { send: ((command: never) => ecrNow().send(command)) as ECRClient["send"] };
  await ecr.send(new CreateRepositoryCommand({ repositoryName }));
  const protect = (deletionProtection: boolean) =>
    askOwn(berth, "SetDeletionProtection", { repositoryName, deletionProtection });
  expect(await protect(true)).toEqual({ status: 200, deletionProtection: true });
  for (const force of [false, true]) {
    await expect(ecr.send(new DeleteRepositoryCommand({ repositoryName, force }))).rejects.toMatchObject({
      name: "InvalidParameterException",
      message: `The repository with name '${repositoryName}' in the registry with id '${account}' cannot be deleted because it is protected against deletion`,
    });
  }
  await protect(false);
  await ecr.send(new DeleteRepositoryCommand({ repositoryName }));
});

test("retention is kept as it was sent, and checked", async () => {
  const repositoryName = "undelete/retention";
  await ecrNow().send(new CreateRepositoryCommand({ repositoryName }));
  const put = (more: object) => askOwn(berth, "PutRetention", { repositoryName, ...more });
  const retentionText = ' {"ageFrom": "lastTagged"}';
  const nothing = { reportOnly: false, deletionProtection: false };
  expect(await askOwn(berth, "GetRetention", { repositoryName })).toEqual({ status: 200, ...nothing });
  expect(await put({ retentionText })).toEqual({ status: 200, retentionText, ...nothing });
  const both = { status: 200, retentionText, reportOnly: true, deletionProtection: false };
  expect(await put({ reportOnly: true })).toEqual(both);
  expect(await put({ retentionText: '{"ageFrom": "birth"}' })).toMatchObject({
    __type: "InvalidParameterException",
    message: expect.stringContaining("Invalid parameter at 'retentionText'"),
  });
  expect(await askOwn(berth, "GetRetention", { repositoryName })).toEqual(both);
  expect(await askOwn(berth, "DeleteRetention", { repositoryName })).toEqual(both);
  expect(await askOwn(berth, "GetRetention", { repositoryName })).toEqual({ status: 200, ...nothing });
  expect(await askOwn(berth, "DeleteRetention", { repositoryName })).toMatchObject({
    __type: "ResourceNotFoundException",
  });
});
