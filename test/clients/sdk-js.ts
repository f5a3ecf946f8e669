import {
  BatchDeleteImageCommand,
  BatchGetImageCommand,
  CompleteLayerUploadCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  ECRClient,
  GetDownloadUrlForLayerCommand,
  InitiateLayerUploadCommand,
  PutImageCommand,
  paginateDescribeRepositories,
  paginateListImages,
  RepositoryAlreadyExistsException,
  RepositoryNotFoundException,
  UploadLayerPartCommand,
} from "@aws-sdk/client-ecr";
import packageFile from "@aws-sdk/client-ecr/package.json" with { type: "json" };
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";
import type { World } from "./client.ts";
import { equal, holds, present } from "./expect.ts";
import { type Image, sampleImage } from "./images.ts";

export const name = "sdk-js";
export const find = async () => packageFile.version;

/** The operations one by one are tested in process; here the SDK speaks through a socket, as an application would. */
export async function run(world: World): Promise<void> {
  const { check, ecr } = world;
  const credentials = { accessKeyId: world.accessKeyId, secretAccessKey: world.secretAccessKey };
  const image = sampleImage("sdk");
  const repositoryName = "sdk/app";

  await check("STS GetCallerIdentity", async () => {
    const sts = new STSClient({ endpoint: world.url, region: world.region, credentials });
    equal((await sts.send(new GetCallerIdentityCommand({}))).Account, world.account, "Account");
  });
  await check("CreateRepository answers with a Date, and refuses the second time with the modelled class", async () => {
    const { repository } = await ecr.send(new CreateRepositoryCommand({ repositoryName }));
    holds(repository?.createdAt instanceof Date, "createdAt is no Date");
    const error = await refusal(ecr.send(new CreateRepositoryCommand({ repositoryName })));
    holds(error instanceof RepositoryAlreadyExistsException, `refused with ${error}`);
    holds(present(error.$metadata.requestId, "request id").length > 0, "an empty request id");
  });
  await check("layers and image through the API, then the same bytes by URL", async () => {
    for (const [digest, bytes] of image.blobs) await uploadLayer(ecr, repositoryName, digest, bytes);
    const imageManifest = new TextDecoder().decode(image.manifest);
    await ecr.send(new PutImageCommand({ repositoryName, imageManifest, imageTag: "v1" }));
    const { images } = await ecr.send(new BatchGetImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }));
    equal(images?.[0]?.imageManifest, imageManifest, "manifest");
    for (const [layerDigest, bytes] of image.blobs) {
      const { downloadUrl } = await ecr.send(new GetDownloadUrlForLayerCommand({ repositoryName, layerDigest }));
      equal(await (await fetch(present(downloadUrl, "downloadUrl"))).bytes(), bytes, "layer");
    }
  });
  await check("DescribeImages", async () => {
    const { imageDetails } = await ecr.send(new DescribeImagesCommand({ repositoryName }));
    const size = imageDetails?.[0]?.imageSizeInBytes ?? 0;
    const [least, most] = sizes(image);
    holds(size >= least && size <= most, `imageSizeInBytes ${size} is not between ${least} and ${most}`);
  });
  await check("paginators", async () => {
    for (const number of [1, 2, 3, 4, 5])
      await ecr.send(new CreateRepositoryCommand({ repositoryName: `sdk/page${number}` }));
    const names: (string | undefined)[] = [];
    for await (const page of paginateDescribeRepositories({ client: ecr, pageSize: 2 }, {})) {
      names.push(...(page.repositories ?? []).map((repository) => repository.repositoryName));
    }
    equal(names.filter((each) => each?.startsWith("sdk/")).length, 6, "repositories");
    const tags: (string | undefined)[] = [];
    for await (const page of paginateListImages({ client: ecr }, { repositoryName })) {
      tags.push(...(page.imageIds ?? []).map((each) => each.imageTag));
    }
    equal(tags, ["v1"], "tags");
  });
  await check("a missing repository is refused with the modelled class", async () => {
    const error = await refusal(ecr.send(new DescribeRepositoriesCommand({ repositoryNames: ["sdk/none"] })));
    holds(error instanceof RepositoryNotFoundException, `refused with ${error}`);
  });
  await check("a wrong secret is refused", async () => {
    const wrong = new ECRClient({
      endpoint: world.url,
      region: world.region,
      credentials: { ...credentials, secretAccessKey: "wrong" },
    });
    const error = await refusal(wrong.send(new DescribeRepositoriesCommand({})));
    equal((error as Error).name, "InvalidSignatureException", "error");
  });
  await check("thirty requests at the same time", async () => {
    const asked = Array.from({ length: 30 }, () =>
      ecr.send(new DescribeRepositoriesCommand({ repositoryNames: [repositoryName] })),
    );
    for (const answer of await Promise.all(asked)) equal(answer.repositories?.length, 1, "repositories");
  });
  await check("BatchDeleteImage, DeleteRepository", async () => {
    const { failures } = await ecr.send(
      new BatchDeleteImageCommand({ repositoryName, imageIds: [{ imageTag: "v1" }] }),
    );
    equal(failures, [], "failures");
    await ecr.send(new DeleteRepositoryCommand({ repositoryName }));
  });
}

async function uploadLayer(ecr: ECRClient, repositoryName: string, digest: string, bytes: Uint8Array): Promise<void> {
  const { uploadId } = await ecr.send(new InitiateLayerUploadCommand({ repositoryName }));
  const range = { partFirstByte: 0, partLastByte: bytes.length - 1 };
  await ecr.send(new UploadLayerPartCommand({ repositoryName, uploadId, ...range, layerPartBlob: bytes }));
  await ecr.send(new CompleteLayerUploadCommand({ repositoryName, uploadId, layerDigests: [digest] }));
}

async function refusal(call: Promise<unknown>): Promise<unknown> {
  try {
    await call;
  } catch (error) {
    return error;
  }
  throw new Error("not refused");
}

/** The layers alone, and with config and manifest: ECR does not say which it counts. */
function sizes(image: Image): [least: number, most: number] {
  const { layers, config } = JSON.parse(new TextDecoder().decode(image.manifest)) as {
    layers: { size: number }[];
    config: { size: number };
  };
  const least = layers.reduce((total, layer) => total + layer.size, 0);
  return [least, least + config.size + image.manifest.length];
}
