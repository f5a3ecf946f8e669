import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { equal, holds, present } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { version } from "./process.ts";

export const name = "terraform";
export const timeoutMs = 420_000;

/** Where machines keep providers that Terraform is to use without a download. */
const PLUGIN_FOLDERS = [
  process.env.BERTH_TF_PLUGINS,
  "/opt/tf-plugins",
  "/usr/share/terraform/plugins",
  "/usr/local/share/terraform/plugins",
];
const PROVIDER = "registry.terraform.io/hashicorp/aws";

export async function find(): Promise<string | undefined> {
  const terraform = await version(["terraform", "version"]);
  const provider = await findProvider();
  return terraform && provider ? `${terraform}, AWS provider ${provider.version}` : undefined;
}

async function findProvider(): Promise<{ folder: string; version: string } | undefined> {
  for (const folder of PLUGIN_FOLDERS.filter((each) => each !== undefined)) {
    const glob = new Bun.Glob(`${PROVIDER}/*/*/terraform-provider-aws*`);
    const [found] = await Array.fromAsync(glob.scan({ cwd: folder })).catch(() => []);
    const providerVersion = found?.split("/")[3];
    if (providerVersion) return { folder, version: providerVersion };
  }
  return undefined;
}

// biome-ignore lint/suspicious/noExplicitAny: Terraform's JSON has the shape of each configuration.
type Json = any;

interface Terraform {
  write(stage: Stage): Promise<void>;
  run(...args: string[]): Promise<string>;
  /** Makes a plan and returns what it would change, by address. */
  plan(): Promise<ReadonlyMap<string, string>>;
  values(): Promise<ReadonlyMap<string, Json>>;
}

/** What only newer versions of the provider know. */
interface Abilities {
  readonly exclusionFilters: boolean;
  readonly imagesDataSource: boolean;
}

interface Stage {
  readonly mutability: string;
  readonly team: string;
  readonly withImages: boolean;
  readonly abilities: Abilities;
  readonly withImported: boolean;
}

export async function run(world: World): Promise<void> {
  const { check } = world;
  const terraform = await openTerraform(world);
  let abilities: Abilities = { exclusionFilters: false, imagesDataSource: false };
  const stage = (changes: Partial<Stage>): Stage => ({
    mutability: "MUTABLE",
    team: "one",
    withImages: false,
    abilities,
    withImported: false,
    ...changes,
  });

  await check("init and validate", async () => {
    await terraform.write(stage({}));
    await terraform.run("init", "-input=false");
    await terraform.run("validate");
    const schema = await terraform.run("providers", "schema", "-json");
    abilities = {
      exclusionFilters: schema.includes('"image_tag_mutability_exclusion_filter"'),
      imagesDataSource: schema.includes('"aws_ecr_images"'),
    };
    await terraform.write(stage({}));
  });
  const unknown = "this version of the provider does not know it";
  if (!abilities.exclusionFilters) world.skip("image_tag_mutability_exclusion_filter", unknown);
  if (!abilities.imagesDataSource) world.skip("data source aws_ecr_images", unknown);

  const applied = await check("apply: repositories, policy, data sources", async () => {
    await terraform.run("apply", "-auto-approve", "-input=false");
    await checkValues(world, await terraform.values());
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("a change of tags, mutability and scanning is planned and applied in place", async () => {
    await terraform.write(stage({ mutability: "IMMUTABLE", team: "two" }));
    equal([...new Set((await terraform.plan()).values())], ["update"], "planned actions");
    await terraform.run("apply", "-auto-approve", "-input=false");
    const app = (await terraform.values()).get("aws_ecr_repository.app");
    equal([app.image_tag_mutability, app.tags.Team], ["IMMUTABLE", "two"], "mutability and tag");
    await expectEmptyPlan(terraform);
  });
  await check("data sources of images", async () => {
    const image = sampleImage("terraform");
    equal((await pushImage(world.registry, "terraform/app", "v1", image)).status, 201, "status of the push");
    await terraform.write(stage({ mutability: "IMMUTABLE", team: "two", withImages: true }));
    await terraform.run("apply", "-auto-approve", "-input=false");
    await checkImageValues(world, await terraform.values(), image.digest);
    await expectEmptyPlan(terraform);
  });
  await check("import of a repository that exists", async () => {
    await world.repository("terraform/imported", { tags: [{ Key: "Stage", Value: "test" }] });
    await terraform.write(stage({ mutability: "IMMUTABLE", team: "two", withImages: true, withImported: true }));
    await terraform.run("import", "-input=false", "aws_ecr_repository.imported", "terraform/imported");
    await expectEmptyPlan(terraform);
  });
  await check("destroy, with force_delete of a repository that has an image", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    const { repositories } = JSON.parse(await (await world.registry.request("GET", "/v2/_catalog?n=1000")).text());
    equal(
      repositories.filter((each: string) => each.startsWith("terraform/")),
      [],
      "repositories left",
    );
  });
}

async function expectEmptyPlan(terraform: Terraform): Promise<void> {
  equal([...(await terraform.plan())], [], "planned changes");
}

async function openTerraform(world: World): Promise<Terraform> {
  const provider = present(await findProvider(), "the AWS provider");
  const folder = join(world.folder, "terraform");
  await mkdir(folder);
  const mirror = `provider_installation {\n  filesystem_mirror {\n    path = "${provider.folder}"\n  }\n}\n`;
  await writeFile(join(world.folder, "terraform.rc"), `disable_checkpoint = true\n${mirror}`);
  const env = { TF_CLI_CONFIG_FILE: join(world.folder, "terraform.rc"), TF_IN_AUTOMATION: "1" };
  const run = async (...args: string[]) =>
    (await world.run(["terraform", ...args, ...noColor(args)], { env, cwd: folder })).stdout;

  return {
    run,
    write: (stage) => writeFile(join(folder, "main.tf"), configuration(world, provider.version, stage)),
    async plan() {
      // Exit 2 means that something would change.
      const command = ["sh", "-c", "terraform plan -json -input=false -detailed-exitcode || test $? = 2"];
      const { stdout } = await world.run(command, { env, cwd: folder });
      const lines: Json[] = stdout
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      holds(
        lines.some((line) => line.type === "change_summary"),
        `no summary in\n${stdout}`,
      );
      const changes = lines.filter((line) => line.type === "planned_change").map((line) => line.change);
      const wanted = changes.filter((change) => change.action !== "read");
      return new Map(wanted.map((change) => [change.resource.addr, change.action]));
    },
    async values() {
      // The state file, because `terraform show` starts the provider, which takes seconds.
      const { resources } = await Bun.file(join(folder, "terraform.tfstate")).json();
      const address = ({ mode, type, name }: Json) => `${mode === "data" ? "data." : ""}${type}.${name}`;
      return new Map(resources.map((resource: Json) => [address(resource), resource.instances[0]?.attributes]));
    },
  };
}

const noColor = (args: readonly string[]) => (args[0] === "providers" ? [] : ["-no-color"]);

async function checkValues(world: World, values: ReadonlyMap<string, Json>): Promise<void> {
  const app = values.get("aws_ecr_repository.app");
  equal(app.repository_url, `${world.host}/terraform/app`, "repository_url");
  equal(app.arn, `arn:aws:ecr:us-east-1:${world.account}:repository/terraform/app`, "arn");
  equal(app.tags_all, { Team: "one", Stage: "test" }, "tags_all");
  equal(values.get("aws_ecr_repository.scanned").image_scanning_configuration[0].scan_on_push, true, "scan_on_push");
  const token = values.get("data.aws_ecr_authorization_token.token");
  const response = await fetch(`${world.url}/v2/`, {
    headers: { authorization: `Basic ${btoa(`${token.user_name}:${token.password}`)}` },
  });
  equal([token.proxy_endpoint, response.status], [world.url, 200], "authorization token");
  equal(values.get("data.aws_ecr_repository.app").repository_url, app.repository_url, "data source of the repository");
  holds(
    values.get("data.aws_ecr_repositories.all").names.includes("terraform/app"),
    "aws_ecr_repositories lacks terraform/app",
  );
  equal(values.get("data.aws_caller_identity.me").account_id, world.account, "account");
}

async function checkImageValues(world: World, values: ReadonlyMap<string, Json>, digest: string): Promise<void> {
  const image = values.get("data.aws_ecr_image.newest");
  equal([image.image_digest, image.image_tags], [digest, ["v1"]], "newest image");
  equal(image.image_uri, `${world.host}/terraform/app@${digest}`, "image_uri");
  equal(values.get("data.aws_ecr_image.tagged").image_digest, digest, "tagged image");
  const images = values.get("data.aws_ecr_images.all");
  if (images) equal(images.image_ids, [{ image_digest: digest, image_tag: "v1" }], "images");
}

function configuration(world: World, providerVersion: string, stage: Stage): string {
  return `
terraform {
  required_providers {
    aws = {
      source  = "hashicorp/aws"
      version = "${providerVersion}"
    }
  }
}

provider "aws" {
  region                      = "${world.region}"
  access_key                  = "${world.accessKeyId}"
  secret_key                  = "${world.secretAccessKey}"
  skip_credentials_validation = false
  skip_metadata_api_check     = true
  skip_region_validation      = true
  default_tags {
    tags = { Stage = "test" }
  }
  endpoints {
    ecr = "${world.url}"
    sts = "${world.url}"
  }
}

resource "aws_ecr_repository" "app" {
  name                 = "terraform/app"
  image_tag_mutability = "${stage.mutability}"
  force_delete         = true
  tags                 = { Team = "${stage.team}" }
  image_scanning_configuration {
    scan_on_push = ${stage.mutability === "IMMUTABLE"}
  }
}

resource "aws_ecr_repository" "plain" {
  name = "terraform/plain"
}

resource "aws_ecr_repository" "scanned" {
  name                 = "terraform/scanned"
  image_tag_mutability = "IMMUTABLE"
  image_scanning_configuration {
    scan_on_push = true
  }
  encryption_configuration {
    encryption_type = "AES256"
  }
}
${stage.abilities.exclusionFilters ? FILTERED : ""}
resource "aws_ecr_repository_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "pull"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${world.account}:root" }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer", "ecr:BatchCheckLayerAvailability"]
    }]
  })
}

data "aws_caller_identity" "me" {}

data "aws_ecr_authorization_token" "token" {}

data "aws_ecr_repository" "app" {
  name = aws_ecr_repository.app.name
}

data "aws_ecr_repositories" "all" {
  depends_on = [aws_ecr_repository.app]
}
${stage.withImages ? IMAGE : ""}${stage.withImages && stage.abilities.imagesDataSource ? IMAGES : ""}${stage.withImported ? IMPORTED : ""}`;
}

const FILTERED = `
resource "aws_ecr_repository" "filtered" {
  name                 = "terraform/filtered"
  image_tag_mutability = "IMMUTABLE_WITH_EXCLUSION"
  image_tag_mutability_exclusion_filter {
    filter      = "dev-*"
    filter_type = "WILDCARD"
  }
}
`;

const IMAGE = `
data "aws_ecr_image" "newest" {
  repository_name = aws_ecr_repository.app.name
  most_recent     = true
}

data "aws_ecr_image" "tagged" {
  repository_name = aws_ecr_repository.app.name
  image_tag       = "v1"
}
`;

const IMAGES = `
data "aws_ecr_images" "all" {
  repository_name = aws_ecr_repository.app.name
}
`;

const IMPORTED = `
resource "aws_ecr_repository" "imported" {
  name = "terraform/imported"
}
`;
