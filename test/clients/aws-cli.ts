import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { checkScanning } from "./aws-cli-scanning.ts";
import type { World } from "./client.ts";
import { contains, equal, holds } from "./expect.ts";
import { sampleImage } from "./images.ts";
import { version } from "./process.ts";

export const name = "aws-cli";
export const installedByCi = true;
// Each call starts Python anew, which costs most of a second.
export const timeoutMs = 420_000;
export const find = () => version(["aws", "--version"]);

const REPOSITORY = "cli/app";

export async function run(world: World): Promise<void> {
  const cli = openCli(world);
  await checkIdentity(world, cli);
  await checkRepositories(world, cli);
  await checkImages(world, cli);
  await checkArchive(world, cli);
  await checkLifecycle(world, cli);
  await checkScanning(world, cli);
  await checkSettings(world, cli);
  await checkDeletion(world, cli);
}

// biome-ignore lint/suspicious/noExplicitAny: what a command prints is known by its documentation only.
type Json = any;

export interface Cli {
  json(...args: string[]): Promise<Json>;
  text(...args: string[]): Promise<string>;
  refused(...args: string[]): Promise<string>;
}

function openCli(world: World): Cli {
  return {
    json: async (...args) => JSON.parse((await world.run(["aws", ...args, "--output", "json"])).stdout),
    text: async (...args) => (await world.run(["aws", ...args, "--output", "text"])).stdout.trim(),
    refused: async (...args) => (await world.run(["aws", ...args], { fails: true })).stderr,
  };
}

async function checkIdentity({ check, account, url, host }: World, { json, text }: Cli): Promise<void> {
  await check("sts get-caller-identity", async () => {
    const identity = await json("sts", "get-caller-identity");
    equal([identity.Account, identity.Arn], [account, `arn:aws:iam::${account}:root`], "identity");
  });
  await check("sts get-session-token", async () => {
    const { Credentials } = await json("sts", "get-session-token", "--duration-seconds", "900");
    holds(typeof Credentials.SessionToken === "string", "no session token");
    holds(!Number.isNaN(Date.parse(Credentials.Expiration)), `Expiration ${Credentials.Expiration}`);
  });
  await check("get-authorization-token", async () => {
    const [data] = (await json("ecr", "get-authorization-token")).authorizationData;
    equal(data.proxyEndpoint, url, "proxyEndpoint");
    holds(atob(data.authorizationToken).startsWith("AWS:"), "the token is not for the user AWS");
  });
  await check("get-login-password", async () => {
    const password = await text("ecr", "get-login-password");
    const response = await fetch(`http://${host}/v2/`, {
      headers: { authorization: `Basic ${btoa(`AWS:${password}`)}` },
    });
    equal(response.status, 200, "status of /v2/");
  });
  await check("describe-registry", async () => {
    equal(
      await json("ecr", "describe-registry"),
      { registryId: account, replicationConfiguration: { rules: [] } },
      "registry",
    );
  });
}

async function checkRepositories({ check, account }: World, { json, text, refused }: Cli): Promise<void> {
  await check("create-repository", async () => {
    const settings = ["--tags", "Key=team,Value=registry", "--image-scanning-configuration", "scanOnPush=true"];
    const { repository } = await json("ecr", "create-repository", "--repository-name", REPOSITORY, ...settings);
    equal(repository.repositoryArn, `arn:aws:ecr:us-east-1:${account}:repository/${REPOSITORY}`, "repositoryArn");
    equal(repository.imageScanningConfiguration, { scanOnPush: true }, "imageScanningConfiguration");
  });
  await check("create-repository again is refused in ECR's words", async () => {
    const expected = `An error occurred (RepositoryAlreadyExistsException) when calling the CreateRepository operation: The repository with name '${REPOSITORY}' already exists in the registry with id '${account}'`;
    contains(await refused("ecr", "create-repository", "--repository-name", REPOSITORY), expected, "standard error");
  });
  await check("describe-repositories, in pages", async () => {
    for (const number of [1, 2, 3]) await json("ecr", "create-repository", "--repository-name", `cli/page${number}`);
    const query = "repositories[?starts_with(repositoryName, `cli/`)].repositoryName";
    const names = await json("ecr", "describe-repositories", "--page-size", "2", "--query", query);
    equal(names.sort(), [REPOSITORY, "cli/page1", "cli/page2", "cli/page3"], "names");
    const first = await json("ecr", "describe-repositories", "--max-items", "1");
    holds(first.repositories.length === 1 && typeof first.NextToken === "string", "no NextToken after one item");
    equal(
      (await json("ecr", "describe-repositories", "--starting-token", first.NextToken, "--max-items", "1")).repositories
        .length,
      1,
      "next page",
    );
  });
  await check("describe-repositories as text", async () => {
    const query = ["--repository-names", REPOSITORY, "--query", "repositories[0].repositoryName"];
    equal(await text("ecr", "describe-repositories", ...query), REPOSITORY, "name");
  });
}

async function checkImages(world: World, { json, refused }: Cli): Promise<void> {
  const { check, folder } = world;
  const image = sampleImage("cli");
  const inRepository = ["--repository-name", REPOSITORY];
  const digests = [...image.blobs.keys()];
  await writeFile(join(folder, "manifest.json"), image.manifest);

  await check("batch-check-layer-availability before the push", async () => {
    const { layers, failures } = await json(
      "ecr",
      "batch-check-layer-availability",
      ...inRepository,
      "--layer-digests",
      ...digests,
    );
    equal(
      layers.map((layer: Json) => layer.layerAvailability),
      digests.map(() => "UNAVAILABLE"),
      "availability",
    );
    equal(failures, [], "failures");
  });
  await check("initiate-layer-upload, upload-layer-part, complete-layer-upload", async () => {
    for (const [digest, bytes] of image.blobs) {
      const { uploadId } = await json("ecr", "initiate-layer-upload", ...inRepository);
      await writeFile(join(folder, "part"), bytes);
      const range = ["--part-first-byte", "0", "--part-last-byte", String(bytes.length - 1)];
      const part = ["--upload-id", uploadId, ...range, "--layer-part-blob", "fileb://part"];
      equal(
        (await json("ecr", "upload-layer-part", ...inRepository, ...part)).lastByteReceived,
        bytes.length - 1,
        "lastByteReceived",
      );
      const complete = ["--upload-id", uploadId, "--layer-digests", digest];
      equal(
        (await json("ecr", "complete-layer-upload", ...inRepository, ...complete)).layerDigest,
        digest,
        "layerDigest",
      );
    }
  });
  await check("put-image", async () => {
    const shown = await json(
      "ecr",
      "put-image",
      ...inRepository,
      "--image-tag",
      "v1",
      "--image-manifest",
      "file://manifest.json",
    );
    equal(shown.image.imageId, { imageDigest: image.digest, imageTag: "v1" }, "imageId");
  });
  await check("batch-get-image", async () => {
    const { images, failures } = await json(
      "ecr",
      "batch-get-image",
      ...inRepository,
      "--image-ids",
      "imageTag=v1",
      "imageTag=none",
    );
    equal(images[0].imageManifest, new TextDecoder().decode(image.manifest), "imageManifest");
    equal(failures[0].failureCode, "ImageNotFound", "failure");
  });
  await check("list-images, describe-images", async () => {
    equal(
      (await json("ecr", "list-images", ...inRepository)).imageIds,
      [{ imageDigest: image.digest, imageTag: "v1" }],
      "imageIds",
    );
    const [detail] = (await json("ecr", "describe-images", ...inRepository)).imageDetails;
    equal([detail.imageDigest, detail.imageTags], [image.digest, ["v1"]], "image");
    const { imagePushedAt: pushedAt } = detail;
    // Version 1 prints seconds, version 2 an ISO date.
    const pushedMs = typeof pushedAt === "number" ? pushedAt * 1000 : Date.parse(pushedAt);
    holds(Math.abs(pushedMs - Date.now()) < 120_000, `imagePushedAt ${pushedAt}`);
  });
  await check("describe-images of a missing tag is refused in ECR's words", async () => {
    const expected = `The image with imageId {imageDigest:'null', imageTag:'none'} does not exist within the repository with name '${REPOSITORY}' in the registry with id '${world.account}'`;
    contains(
      await refused("ecr", "describe-images", ...inRepository, "--image-ids", "imageTag=none"),
      expected,
      "standard error",
    );
  });
  await check("get-download-url-for-layer", async () => {
    for (const [digest, bytes] of image.blobs) {
      const { downloadUrl } = await json(
        "ecr",
        "get-download-url-for-layer",
        ...inRepository,
        "--layer-digest",
        digest,
      );
      equal(await (await fetch(downloadUrl)).bytes(), bytes, "layer");
    }
  });
  await check("list-image-referrers", async () => {
    const { referrers } = await json(
      "ecr",
      "list-image-referrers",
      ...inRepository,
      "--subject-id",
      `imageDigest=${image.digest}`,
    );
    equal(referrers, [], "referrers");
  });
}

async function checkArchive({ check, account, host }: World, { json, refused, text }: Cli): Promise<void> {
  const inRepository = ["--repository-name", REPOSITORY];
  const move = async (target: string) => {
    const image = ["--image-id", "imageTag=v1", "--target-storage-class", target];
    return (await json("ecr", "update-image-storage-class", ...inRepository, ...image)).imageStatus;
  };
  const pull = async () => {
    const password = await text("ecr", "get-login-password");
    const headers = { authorization: `Basic ${btoa(`AWS:${password}`)}` };
    return (await fetch(`http://${host}/v2/${REPOSITORY}/manifests/v1`, { headers })).status;
  };
  await check("update-image-storage-class, and no pull meanwhile", async () => {
    equal(await move("ARCHIVE"), "ARCHIVED", "imageStatus");
    equal(await pull(), 404, "pull");
    equal((await json("ecr", "list-images", ...inRepository)).imageIds, [], "active images");
    const archived = ["--filter", "imageStatus=ARCHIVED"];
    const [detail] = (await json("ecr", "describe-images", ...inRepository, ...archived)).imageDetails;
    equal([detail.imageTags, detail.imageStatus], [["v1"], "ARCHIVED"], "archived image");
    equal(await move("STANDARD"), "ACTIVATING", "imageStatus");
    equal(await pull(), 200, "pull");
  });
  await check("register, list and deregister pull time update exclusions", async () => {
    const principal = ["--principal-arn", `arn:aws:iam::${account}:role/scanner`];
    await json("ecr", "register-pull-time-update-exclusion", ...principal);
    contains(
      await refused("ecr", "register-pull-time-update-exclusion", ...principal),
      "(ExclusionAlreadyExistsException)",
      "standard error",
    );
    const listed = await json("ecr", "list-pull-time-update-exclusions");
    equal(listed.pullTimeUpdateExclusions, [principal[1]], "exclusions");
    await json("ecr", "deregister-pull-time-update-exclusion", ...principal);
  });
}

async function checkLifecycle({ check, account, folder }: World, { json, text, refused }: Cli): Promise<void> {
  const inRepository = ["--repository-name", REPOSITORY];
  const policy = {
    rules: [
      {
        rulePriority: 1,
        description: "everything that is tagged stays for a day",
        selection: { tagStatus: "any", countType: "sinceImagePushed", countUnit: "days", countNumber: 1 },
        action: { type: "expire" },
      },
    ],
  };
  await writeFile(join(folder, "lifecycle.json"), JSON.stringify(policy));
  const policyText = ["--lifecycle-policy-text", "file://lifecycle.json"];

  await check("put-lifecycle-policy, get-lifecycle-policy", async () => {
    await json("ecr", "put-lifecycle-policy", ...inRepository, ...policyText);
    const shown = await json("ecr", "get-lifecycle-policy", ...inRepository);
    equal(JSON.parse(shown.lifecyclePolicyText), policy, "policy");
    equal(new Date(shown.lastEvaluatedAt).getTime(), 0, "lastEvaluatedAt before the first evaluation");
  });
  await check("start-lifecycle-policy-preview, wait, get-lifecycle-policy-preview", async () => {
    const started = await json("ecr", "start-lifecycle-policy-preview", ...inRepository, ...policyText);
    equal(started.status, "IN_PROGRESS", "status");
    await text("ecr", "wait", "lifecycle-policy-preview-complete", ...inRepository);
    const shown = await json("ecr", "get-lifecycle-policy-preview", ...inRepository);
    equal(shown.status, "COMPLETE", "status");
    equal([shown.previewResults, shown.summary], [[], { expiringImageTotalCount: 0 }], "nothing is so old");
  });
  await check("delete-lifecycle-policy", async () => {
    await json("ecr", "delete-lifecycle-policy", ...inRepository);
    const expected = `(LifecyclePolicyNotFoundException) when calling the GetLifecyclePolicy operation: Lifecycle policy does not exist for the repository with name '${REPOSITORY}' in the registry with id '${account}'`;
    contains(await refused("ecr", "get-lifecycle-policy", ...inRepository), expected, "standard error");
  });
}

async function checkSettings({ check, account, folder }: World, { json, refused, text }: Cli): Promise<void> {
  const inRepository = ["--repository-name", REPOSITORY];
  const resource = ["--resource-arn", `arn:aws:ecr:us-east-1:${account}:repository/${REPOSITORY}`];

  await check("put-image-tag-mutability", async () => {
    const exclusion = ["--image-tag-mutability-exclusion-filters", "filterType=WILDCARD,filter=dev-*"];
    const mode = ["--image-tag-mutability", "IMMUTABLE_WITH_EXCLUSION", ...exclusion];
    const shown = await json("ecr", "put-image-tag-mutability", ...inRepository, ...mode);
    equal(shown.imageTagMutabilityExclusionFilters, [{ filterType: "WILDCARD", filter: "dev-*" }], "filters");
  });
  await check("put-image-scanning-configuration", async () => {
    const setting = ["--image-scanning-configuration", "scanOnPush=false"];
    const shown = await json("ecr", "put-image-scanning-configuration", ...inRepository, ...setting);
    equal(shown.imageScanningConfiguration, { scanOnPush: false }, "imageScanningConfiguration");
  });
  await check("tag-resource, list-tags-for-resource, untag-resource", async () => {
    await text("ecr", "tag-resource", ...resource, "--tags", "Key=stage,Value=test");
    const { tags } = await json("ecr", "list-tags-for-resource", ...resource);
    equal(tags.map((tag: Json) => tag.Key).sort(), ["stage", "team"], "tag keys");
    await text("ecr", "untag-resource", ...resource, "--tag-keys", "stage");
    equal(
      (await json("ecr", "list-tags-for-resource", ...resource)).tags,
      [{ Key: "team", Value: "registry" }],
      "tags",
    );
  });
  await check("set-repository-policy, get-repository-policy, delete-repository-policy", async () => {
    const policy = {
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }],
    };
    await writeFile(join(folder, "policy.json"), JSON.stringify(policy));
    await json("ecr", "set-repository-policy", ...inRepository, "--policy-text", "file://policy.json");
    equal(JSON.parse((await json("ecr", "get-repository-policy", ...inRepository)).policyText), policy, "policy");
    await json("ecr", "delete-repository-policy", ...inRepository);
    contains(
      await refused("ecr", "get-repository-policy", ...inRepository),
      "RepositoryPolicyNotFoundException",
      "standard error",
    );
  });
  await check("repository creation templates: create, describe, update, delete", async () => {
    const prefix = ["--prefix", "cli-template"];
    const lifecyclePolicy = JSON.stringify({
      rules: [
        {
          rulePriority: 1,
          selection: { tagStatus: "untagged", countType: "imageCountMoreThan", countNumber: 5 },
          action: { type: "expire" },
        },
      ],
    });
    const says = ["--applied-for", "CREATE_ON_PUSH", "REPLICATION", "--lifecycle-policy", lifecyclePolicy];
    const tags = ["--resource-tags", "Key=team,Value=registry"];
    const made = await json("ecr", "create-repository-creation-template", ...prefix, ...says, ...tags);
    equal(made.repositoryCreationTemplate.appliedFor, ["CREATE_ON_PUSH", "REPLICATION"], "appliedFor");
    const change = ["--image-tag-mutability", "IMMUTABLE", "--description", "changed"];
    await json("ecr", "update-repository-creation-template", ...prefix, ...change);
    const described = await json("ecr", "describe-repository-creation-templates", "--prefixes", "cli-template");
    const [{ updatedAt, ...shown }] = described.repositoryCreationTemplates;
    const { updatedAt: _, ...expected } = made.repositoryCreationTemplate;
    equal(shown, { ...expected, imageTagMutability: "IMMUTABLE", description: "changed" }, "template");
    holds(updatedAt >= shown.createdAt, `created at ${shown.createdAt}, updated at ${updatedAt}`);
    await json("ecr", "delete-repository-creation-template", ...prefix);
    contains(
      await refused("ecr", "delete-repository-creation-template", ...prefix),
      "TemplateNotFoundException",
      "standard error",
    );
  });
  await check("get-account-setting, put-account-setting", async () => {
    const shown = await json("ecr", "put-account-setting", "--name", "REGISTRY_POLICY_SCOPE", "--value", "V2");
    equal(await json("ecr", "get-account-setting", "--name", "REGISTRY_POLICY_SCOPE"), shown, "setting");
  });
}

async function checkDeletion({ check, account }: World, { json, refused }: Cli): Promise<void> {
  const inRepository = ["--repository-name", REPOSITORY];
  await check("delete-repository with images is refused in ECR's words", async () => {
    const expected = `The repository with name '${REPOSITORY}' in registry with id '${account}' cannot be deleted because it still contains images`;
    contains(await refused("ecr", "delete-repository", ...inRepository), expected, "standard error");
  });
  await check("batch-delete-image", async () => {
    const { imageIds, failures } = await json(
      "ecr",
      "batch-delete-image",
      ...inRepository,
      "--image-ids",
      "imageTag=v1",
      "imageTag=none",
    );
    equal([imageIds[0].imageTag, failures[0].failureCode], ["v1", "ImageNotFound"], "result");
  });
  await check("delete-repository", async () => {
    equal((await json("ecr", "delete-repository", ...inRepository)).repository.repositoryName, REPOSITORY, "name");
    await json("ecr", "delete-repository", "--repository-name", "cli/page1", "--force");
    contains(
      await refused("ecr", "describe-repositories", "--repository-names", REPOSITORY),
      "RepositoryNotFoundException",
      "standard error",
    );
  });
}
