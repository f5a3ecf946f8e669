import type { World } from "./client.ts";
import { contains, equal } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { openRegistry } from "./registry.ts";
import { expectEmptyPlan, findTerraform, type Json, openTerraform } from "./terraform-cli.ts";

/** Users, roles and policies as Terraform manages them. */
export const name = "terraform-iam";
export const timeoutMs = 420_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, account, region } = world;
  const terraform = await openTerraform(world);
  const applied = await check("apply: users, keys, groups, roles, policies, attachments, providers", async () => {
    await terraform.write(configuration(world, 3600));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    checkValues(account, await terraform.values());
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("what it made decides: the user's key pushes to its repository and nowhere else", async () => {
    const key = (await terraform.values()).get("aws_iam_access_key.ci");
    const registry = openRegistry(world.url, key.id, key.secret);
    equal((await pushImage(registry, "tfiam/app", "v1", sampleImage("tfiam"))).status, 201, "status of the push");
    const elsewhere = await registry.request("POST", "/v2/tfiam/other/blobs/uploads/");
    equal(elsewhere.status, 403, "status elsewhere");
    const arn = `arn:aws:ecr:${region}:${account}:repository/tfiam/other`;
    contains(await elsewhere.text(), `ecr:InitiateLayerUpload on resource: ${arn}`, "message");
  });
  await check("a change of role, policy and group is applied in place, and the plan is empty again", async () => {
    await terraform.write(configuration(world, 7200));
    const actions = new Set((await terraform.plan()).values());
    equal([...actions], ["update"], "planned actions");
    await terraform.apply();
    await expectEmptyPlan(terraform);
  });
  await check("import of what exists", async () => {
    const addresses: [string, string][] = [
      ["aws_iam_user.ci", "tf-ci"],
      ["aws_iam_role.cluster", "tf-cluster"],
      ["aws_iam_policy.push", `arn:aws:iam::${account}:policy/team/tf-push`],
    ];
    for (const [address, id] of addresses) {
      await terraform.run("state", "rm", address);
      await terraform.run("import", "-input=false", address, id);
    }
    const left = await terraform.plan();
    // force_destroy and the like live in the state only, and come back with the next apply.
    for (const [address, action] of left) equal([address, action], ["aws_iam_user.ci", "update"], "planned change");
    await terraform.apply();
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves nothing", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await terraform.values())], [], "resources left");
  });
}

function checkValues(account: string, values: ReadonlyMap<string, Json>): void {
  equal(values.get("aws_iam_user.ci").arn, `arn:aws:iam::${account}:user/build/tf-ci`, "ARN of the user");
  equal(values.get("aws_iam_role.cluster").max_session_duration, 3600, "max_session_duration");
  equal(
    values.get("aws_iam_openid_connect_provider.github").arn,
    `arn:aws:iam::${account}:oidc-provider/token.actions.githubusercontent.com`,
    "ARN of the provider",
  );
  equal(values.get("aws_ecr_registry_policy.this").registry_id, account, "registry_id");
}

function configuration({ account, region }: World, sessionSeconds: number): string {
  const changed = sessionSeconds === 3600 ? "one" : "two";
  return `
resource "aws_ecr_repository" "app" {
  name         = "tfiam/app"
  force_delete = true
}

resource "aws_ecr_repository" "other" {
  name = "tfiam/other"
}

resource "aws_iam_user" "ci" {
  name          = "tf-ci"
  path          = "/build/"
  force_destroy = true
  tags          = { Team = "${changed}" }
}

resource "aws_iam_access_key" "ci" {
  user = aws_iam_user.ci.name
}

resource "aws_iam_group" "developers" {
  name = "tf-developers"
  path = "${changed === "one" ? "/" : "/people/"}"
}

resource "aws_iam_group_membership" "developers" {
  name  = "developers"
  group = aws_iam_group.developers.name
  users = [aws_iam_user.ci.name]
}

resource "aws_iam_group_policy" "developers" {
  name  = "list"
  group = aws_iam_group.developers.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "ecr:ListImages", Resource = "*" }]
  })
}

resource "aws_iam_group_policy_attachment" "developers" {
  group      = aws_iam_group.developers.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryReadOnly"
}

data "aws_iam_policy_document" "push" {
  statement {
    actions   = ["ecr:GetAuthorizationToken"]
    resources = ["*"]
  }
  statement {
    sid = "Push"
    actions = [
      "ecr:BatchCheckLayerAvailability", "ecr:InitiateLayerUpload", "ecr:UploadLayerPart",
      "ecr:CompleteLayerUpload", "ecr:PutImage",${changed === "two" ? ' "ecr:BatchGetImage",' : ""}
    ]
    resources = [aws_ecr_repository.app.arn]
    condition {
      test     = "StringEquals"
      variable = "aws:RequestedRegion"
      values   = ["${region}"]
    }
  }
}

resource "aws_iam_policy" "push" {
  name        = "tf-push"
  path        = "/team/"
  description = "May push"
  policy      = data.aws_iam_policy_document.push.json
}

resource "aws_iam_user_policy_attachment" "ci" {
  user       = aws_iam_user.ci.name
  policy_arn = aws_iam_policy.push.arn
}

resource "aws_iam_user_policy" "ci" {
  name = "inline"
  user = aws_iam_user.ci.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Deny", Action = "ecr:DeleteRepository", Resource = "*" }]
  })
}

resource "aws_iam_role" "cluster" {
  name                 = "tf-cluster"
  max_session_duration = ${sessionSeconds}
  permissions_boundary = aws_iam_policy.boundary.arn
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Federated = aws_iam_openid_connect_provider.github.arn }
      Action    = "sts:AssumeRoleWithWebIdentity"
      Condition = {
        StringEquals = { "token.actions.githubusercontent.com:aud" = "sts.amazonaws.com" }
        StringLike   = { "token.actions.githubusercontent.com:sub" = "repo:acme/app:*" }
      }
    }]
  })
}

resource "aws_iam_policy" "boundary" {
  name = "tf-boundary"
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = "ecr:*", Resource = "*" }]
  })
}

resource "aws_iam_role_policy" "cluster" {
  name = "pull"
  role = aws_iam_role.cluster.id
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], Resource = "*" }]
  })
}

resource "aws_iam_role_policy_attachment" "cluster" {
  role       = aws_iam_role.cluster.name
  policy_arn = "arn:aws:iam::aws:policy/AmazonEC2ContainerRegistryPullOnly"
}

resource "aws_iam_openid_connect_provider" "github" {
  url             = "https://token.actions.githubusercontent.com"
  client_id_list  = ["sts.amazonaws.com"]
  thumbprint_list = ["6938fd4d98bab03faadb97b34396831e3780aea1"]
}

resource "aws_ecr_repository_policy" "app" {
  repository = aws_ecr_repository.app.name
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Cluster pulls"
      Effect    = "Allow"
      Principal = { AWS = aws_iam_role.cluster.arn }
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })
}

resource "aws_ecr_registry_policy" "this" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Import"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${account}:root" }
      Action    = ["ecr:ReplicateImage"]
      Resource  = ["arn:aws:ecr:${region}:${account}:repository/*"]
    }]
  })
}

data "aws_iam_policy" "read_only" {
  name = "AmazonEC2ContainerRegistryReadOnly"
}

data "aws_iam_role" "cluster" {
  name = aws_iam_role.cluster.name
}
`;
}
