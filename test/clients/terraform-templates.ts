import {
  DescribeRepositoriesCommand,
  DescribeRepositoryCreationTemplatesCommand,
  GetAccountSettingCommand,
} from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { equal } from "./expect.ts";
import { pushImage, sampleImage } from "./images.ts";
import { expectEmptyPlan, findTerraform, openTerraform } from "./terraform-cli.ts";

/** Creation templates and settings of a registry as Terraform manages them, and a push that goes by one. */
export const name = "terraform-templates";
export const timeoutMs = 300_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, ecr } = world;
  const terraform = await openTerraform(world);
  const templates = async () => {
    const { repositoryCreationTemplates = [] } = await ecr.send(new DescribeRepositoryCreationTemplatesCommand({}));
    return new Map(repositoryCreationTemplates.map((template) => [template.prefix, template]));
  };
  const setting = async (named: string) => (await ecr.send(new GetAccountSettingCommand({ name: named }))).value;

  let knows: Abilities = { createOnPush: false, mounting: false };
  const ready = await check("init and validate", async () => {
    await terraform.write("");
    await terraform.run("init", "-input=false");
    /** Whether the provider takes this configuration: its schema does not list which values it knows. */
    const isValid = async (resources: string) => {
      await terraform.write(resources);
      return JSON.parse(await terraform.run("validate", "-json").catch(() => '{"valid":false}')).valid as boolean;
    };
    knows = {
      createOnPush: await isValid(template("x", 'applied_for = ["CREATE_ON_PUSH"]')),
      mounting: await isValid(accountSetting("mounting", "BLOB_MOUNTING", "ENABLED")),
    };
    equal(await isValid(configuration(first, knows)), true, "the configuration is valid");
  });
  if (!ready) return;
  const unknown = "this version of the provider does not know it";
  if (!knows.createOnPush) world.skip("CREATE_ON_PUSH", unknown);
  if (!knows.mounting) world.skip("BLOB_MOUNTING", unknown);

  const applied = await check("apply: templates, their data source, settings", async () => {
    await terraform.write(configuration(first, knows));
    await terraform.apply();
    const { ROOT, "tf-made": made, "tf-plain": plain } = Object.fromEntries(await templates());
    equal(ROOT?.appliedFor, ["REPLICATION"], "causes of ROOT");
    equal(made?.imageTagMutability, "IMMUTABLE", "mutability");
    equal(made?.resourceTags, [{ Key: "team", Value: "core" }], "tags");
    equal(made?.customRoleArn?.endsWith(":role/tf-template-maker"), true, "role");
    equal(plain?.description, undefined, "no description");
    equal(await setting("REGISTRY_POLICY_SCOPE"), "V1", "REGISTRY_POLICY_SCOPE");
    if (knows.mounting) equal(await setting("BLOB_MOUNTING"), "DISABLED", "BLOB_MOUNTING");
    const values = await terraform.values();
    equal(values.get("data.aws_ecr_repository_creation_template.made").description, "first", "the data source");
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  const push = () =>
    check("a push makes its repository by the template", async () => {
      equal((await pushImage(world.registry, "tf-made/app", "v1", sampleImage("templates"))).status, 201, "the push");
      const { repositories = [] } = await ecr.send(
        new DescribeRepositoriesCommand({ repositoryNames: ["tf-made/app"] }),
      );
      equal(repositories[0]?.imageTagMutability, "IMMUTABLE", "mutability of what was made");
    });
  if (knows.createOnPush) await push();
  await check("changes are applied in place, and the plan is empty again", async () => {
    await terraform.write(configuration(second, knows));
    equal([...new Set((await terraform.plan()).values())], ["update"], "what is planned");
    await terraform.apply();
    const { "tf-made": made } = Object.fromEntries(await templates());
    equal(made?.imageTagMutability, "MUTABLE", "mutability");
    equal(
      [made?.resourceTags, made?.lifecyclePolicy, made?.repositoryPolicy],
      [undefined, undefined, undefined],
      "gone",
    );
    equal([made?.description, made?.customRoleArn], [undefined, undefined], "gone too");
    equal(await setting("REGISTRY_POLICY_SCOPE"), "V2", "REGISTRY_POLICY_SCOPE");
    if (knows.mounting) equal(await setting("BLOB_MOUNTING"), "ENABLED", "BLOB_MOUNTING");
    await expectEmptyPlan(terraform);
  });
  await check("import of a template that exists", async () => {
    await terraform.run("state", "rm", "aws_ecr_repository_creation_template.tf-made");
    await terraform.run("import", "-input=false", "aws_ecr_repository_creation_template.tf-made", "tf-made");
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves no templates", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await templates()).keys()], [], "templates left");
    equal([...(await terraform.values())], [], "resources left");
  });
}

/** What only newer versions of the provider know. */
interface Abilities {
  readonly createOnPush: boolean;
  readonly mounting: boolean;
}

interface Stage {
  readonly mounting: string;
  readonly scope: string;
  readonly causes: readonly string[];
  /** What the template `made` says. */
  readonly says: string;
}

const second: Stage = { mounting: "ENABLED", scope: "V2", causes: ["PULL_THROUGH_CACHE", "REPLICATION"], says: "" };

const first: Stage = {
  mounting: "DISABLED",
  scope: "V1",
  causes: ["REPLICATION"],
  says: `
  description          = "first"
  image_tag_mutability = "IMMUTABLE"
  custom_role_arn      = aws_iam_role.maker.arn
  resource_tags        = { team = "core" }

  repository_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Readers"
      Effect    = "Allow"
      Principal = "*"
      Action    = ["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"]
    }]
  })

  lifecycle_policy = jsonencode({
    rules = [{
      rulePriority = 1
      selection = {
        tagStatus   = "untagged"
        countType   = "imageCountMoreThan"
        countNumber = 10
      }
      action = { type = "expire" }
    }]
  })
`,
};

const configuration = ({ mounting, scope, causes, says }: Stage, knows: Abilities) => `
resource "aws_iam_role" "maker" {
  name = "tf-template-maker"
  assume_role_policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Allow"
      Principal = { Service = "ecr.amazonaws.com" }
      Action    = "sts:AssumeRole"
    }]
  })
}

resource "aws_iam_role_policy" "maker" {
  role = aws_iam_role.maker.name
  policy = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Allow", Action = ["ecr:CreateRepository", "ecr:TagResource"], Resource = "*" }]
  })
}

${template("ROOT", `applied_for = ${JSON.stringify(causes)}`)}
${template("tf-plain", 'applied_for = ["PULL_THROUGH_CACHE", "REPLICATION"]\n  encryption_configuration {\n    encryption_type = "KMS"\n  }')}
${template("tf-made", `applied_for = ["${knows.createOnPush ? "CREATE_ON_PUSH" : "REPLICATION"}"]\n${says}`)}

data "aws_ecr_repository_creation_template" "made" {
  prefix = aws_ecr_repository_creation_template.tf-made.prefix
}

${knows.mounting ? accountSetting("mounting", "BLOB_MOUNTING", mounting) : ""}
${accountSetting("scope", "REGISTRY_POLICY_SCOPE", scope)}
${accountSetting("scanning", "BASIC_SCAN_TYPE_VERSION", "AWS_NATIVE")}
`;

const template = (prefix: string, says: string) => `
resource "aws_ecr_repository_creation_template" "${prefix}" {
  prefix = "${prefix}"
  ${says}
}
`;

const accountSetting = (as: string, named: string, value: string) => `
resource "aws_ecr_account_setting" "${as}" {
  name  = "${named}"
  value = "${value}"
}
`;
