import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { BatchGetImageCommand, type ECRServiceException, PutImageCommand } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { equal, holds } from "./expect.ts";
import { type Image, pushImage, sampleImage, writeImageLayout } from "./images.ts";
import { sha256 } from "./registry.ts";

export const name = "races";
export const find = async () => `HTTP${Bun.which("crane") ? " and crane" : ""}`;

export async function run(world: World): Promise<void> {
  await checkDifferentImages(world);
  await checkOneTag(world);
  await checkImmutableTag(world);
  await checkSameBlob(world);
  await checkPushAgainstDelete(world);
}

const seeds = (prefix: string, count: number) => Array.from({ length: count }, (_, number) => `${prefix}${number}`);

async function checkDifferentImages(world: World): Promise<void> {
  await world.repository("races/http");
  await world.check("20 clients push different images into one repository, by HTTP", async () => {
    const images = seeds("http", 20).map((seed) => [seed, sampleImage(seed)] as const);
    const answers = await Promise.all(
      images.map(([tag, image]) => pushImage(world.registry, "races/http", tag, image)),
    );
    equal(
      answers.map((answer) => answer.status),
      images.map(() => 201),
      "statuses",
    );
    for (const [tag, image] of images) await checkWhole(world, "races/http", tag, image);
  });
  if (Bun.which("crane") === null) return world.skip("20 crane processes at the same time", "crane is not found");
  const repository = await world.repository("races/crane");
  await world.check("20 crane processes push different images into one repository", async () => {
    const login = ["crane", "auth", "login", world.host, "--username", "AWS", "--password-stdin"];
    await world.run(login, { input: await world.password() });
    const images = seeds("crane", 20).map((seed) => [seed, sampleImage(seed)] as const);
    for (const [tag, image] of images) {
      await mkdir(join(world.folder, tag));
      await writeImageLayout(join(world.folder, tag), image, tag);
    }
    await Promise.all(
      images.map(([tag]) => world.run(["crane", "push", join(world.folder, tag), `${repository}:${tag}`])),
    );
    for (const [tag, image] of images) await checkWhole(world, "races/crane", tag, image);
  });
}

/** The tag leads to this image, and each of its blobs has the bytes that its digest says. */
async function checkWhole(world: World, repository: string, tag: string, image: Image): Promise<void> {
  equal((await world.registry.manifest(repository, tag)).digest, image.digest, `digest of ${tag}`);
  for (const digest of image.blobs.keys())
    equal(sha256(await world.registry.blob(repository, digest)), digest, `blob of ${tag}`);
}

async function checkOneTag(world: World): Promise<void> {
  await world.repository("races/tag");
  await world.check("10 clients race for one tag, by HTTP: no error, the last state is one of the pushes", async () => {
    const images = seeds("tag", 10).map((seed) => sampleImage(seed));
    const answers = await Promise.all(images.map((image) => pushImage(world.registry, "races/tag", "latest", image)));
    equal(
      answers.map((answer) => answer.status),
      images.map(() => 201),
      "statuses",
    );
    await checkOneWon(world, "races/tag", images);
  });
  await world.check("10 clients race for one tag, by PutImage: no error, and both ways see the same", async () => {
    const images = seeds("put", 10).map((seed) => sampleImage(seed));
    await pushAllBlobs(world, "races/tag", images);
    await Promise.all(images.map((image) => putImage(world, "races/tag", image)));
    const winner = await checkOneWon(world, "races/tag", images);
    const { images: shown } = await world.ecr.send(
      new BatchGetImageCommand({ repositoryName: "races/tag", imageIds: [{ imageTag: "latest" }] }),
    );
    equal(shown?.[0]?.imageId?.imageDigest, winner.digest, "digest by the API");
  });
}

async function checkOneWon(world: World, repository: string, images: readonly Image[]): Promise<Image> {
  const { digest } = await world.registry.manifest(repository, "latest");
  const winner = images.find((image) => image.digest === digest);
  holds(winner !== undefined, `${digest} is none of the images pushed`);
  await checkWhole(world, repository, "latest", winner);
  // The others lost the tag, not the image.
  for (const image of images)
    equal((await world.registry.manifest(repository, image.digest)).digest, image.digest, "digest");
  return winner;
}

async function checkImmutableTag(world: World): Promise<void> {
  await world.repository("races/immutable", { imageTagMutability: "IMMUTABLE" });
  await world.check("10 clients race for an immutable tag by HTTP: one wins, nine are told why not", async () => {
    const images = seeds("immutable", 10).map((seed) => sampleImage(seed));
    const answers = await Promise.all(
      images.map((image) => pushImage(world.registry, "races/immutable", "latest", image)),
    );
    const texts = await Promise.all(answers.map((answer) => answer.text()));
    const refused = texts.filter((_, number) => answers[number]?.status !== 201);
    equal(refused.length, 9, "refused pushes");
    for (const text of refused) equal(JSON.parse(text).errors[0].code, "TAG_INVALID", "code");
    const { digest } = await world.registry.manifest("races/immutable", "latest");
    equal(digest, images.find((_, number) => answers[number]?.status === 201)?.digest, "the winner's digest");
  });
  await world.check("10 clients race for an immutable tag by PutImage: one wins, nine are told why not", async () => {
    await world.repository("races/immutable-api", { imageTagMutability: "IMMUTABLE" });
    const images = seeds("immutable-api", 10).map((seed) => sampleImage(seed));
    await pushAllBlobs(world, "races/immutable-api", images);
    const results = await Promise.allSettled(images.map((image) => putImage(world, "races/immutable-api", image)));
    const reasons = results.flatMap((result) =>
      result.status === "rejected" ? [(result.reason as ECRServiceException).name] : [],
    );
    equal(reasons, Array(9).fill("ImageTagAlreadyExistsException"), "refusals");
  });
}

async function pushAllBlobs(world: World, repository: string, images: readonly Image[]): Promise<void> {
  const blobs = new Map(images.flatMap((image) => [...image.blobs]));
  await Promise.all([...blobs.values()].map((bytes) => world.registry.pushBlob(repository, bytes)));
}

function putImage(world: World, repositoryName: string, image: Image): Promise<unknown> {
  const imageManifest = new TextDecoder().decode(image.manifest);
  return world.ecr.send(new PutImageCommand({ repositoryName, imageManifest, imageTag: "latest" }));
}

async function checkSameBlob(world: World): Promise<void> {
  await world.check("20 clients push the same blob and the same image", async () => {
    await world.repository("races/same");
    const image = sampleImage("same");
    const answers = await Promise.all(seeds("v", 20).map((tag) => pushImage(world.registry, "races/same", tag, image)));
    equal(
      answers.map((answer) => answer.status),
      Array(20).fill(201),
      "statuses",
    );
    for (const tag of seeds("v", 20)) await checkWhole(world, "races/same", tag, image);
  });
}

async function checkPushAgainstDelete(world: World): Promise<void> {
  await world.check("pushes and deletes of one tag: what a push acknowledged last is whole", async () => {
    await world.repository("races/delete");
    const images = seeds("delete", 10).map((seed) => sampleImage(seed));
    const statuses = await Promise.all(
      images.map(async (image) => {
        const pushed = await pushImage(world.registry, "races/delete", "latest", image);
        const deleted = await world.registry.request("DELETE", `/v2/races/delete/manifests/${image.digest}`);
        return [pushed.status, deleted.status];
      }),
    );
    equal(
      statuses,
      images.map(() => [201, 202]),
      "statuses of push and delete",
    );
    equal((await world.registry.request("GET", "/v2/races/delete/manifests/latest")).status, 404, "status of the tag");
    const last = sampleImage("after the deletes");
    equal((await pushImage(world.registry, "races/delete", "latest", last)).status, 201, "status");
    await checkWhole(world, "races/delete", "latest", last);
  });
}
