import type { World } from "./client.ts";
import { equal, holds } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { expectEmptyPlan, findTerraform, type Json, openTerraform } from "./terraform-cli.ts";

export const name = "terraform";
export const timeoutMs = 420_000;
export const find = findTerraform;

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
  const terraform = await openTerraform(world, { defaultTags: true });
  const write = (wanted: Stage) => terraform.write(configuration(world, wanted));
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
    await write(stage({}));
    await terraform.run("init", "-input=false");
    await terraform.run("validate");
    const schema = await terraform.run("providers", "schema", "-json");
    abilities = {
      exclusionFilters: schema.includes('"image_tag_mutability_exclusion_filter"'),
      imagesDataSource: schema.includes('"aws_ecr_images"'),
    };
    await write(stage({}));
  });
  const unknown = "this version of the provider does not know it";
  if (!abilities.exclusionFilters) world.skip("image_tag_mutability_exclusion_filter", unknown);
  if (!abilities.imagesDataSource) world.skip("data source aws_ecr_images", unknown);

  const applied = await check("apply: repositories, policy, data sources", async () => {
    await terraform.apply();
    await checkValues(world, await terraform.values());
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("a change of tags, mutability and scanning is planned and applied in place", async () => {
    await write(stage({ mutability: "IMMUTABLE", team: "two" }));
    equal([...new Set((await terraform.plan()).values())], ["update"], "planned actions");
    await terraform.apply();
    const app = (await terraform.values()).get("aws_ecr_repository.app");
    equal([app.image_tag_mutability, app.tags.Team], ["IMMUTABLE", "two"], "mutability and tag");
    await expectEmptyPlan(terraform);
  });
  await check("data sources of images", async () => {
    const image = sampleImage("terraform");
    equal((await pushImage(world.registry, "terraform/app", "v1", image)).status, 201, "status of the push");
    await write(stage({ mutability: "IMMUTABLE", team: "two", withImages: true }));
    await terraform.apply();
    await checkImageValues(world, await terraform.values(), image.digest);
    await expectEmptyPlan(terraform);
  });
  await check("import of a repository that exists", async () => {
    await world.repository("terraform/imported", { tags: [{ Key: "Stage", Value: "test" }] });
    await write(stage({ mutability: "IMMUTABLE", team: "two", withImages: true, withImported: true }));
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

function configuration(world: World, stage: Stage): string {
  return `
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
