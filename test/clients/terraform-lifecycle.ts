import { GetLifecyclePolicyCommand, LifecyclePolicyNotFoundException } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { equal } from "./expect.ts";
import { expectEmptyPlan, findTerraform, openTerraform } from "./terraform-cli.ts";

/** Lifecycle policies as Terraform manages them, written by hand and by the provider's data source. */
export const name = "terraform-lifecycle";
export const timeoutMs = 300_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, ecr } = world;
  const terraform = await openTerraform(world);
  const repositoryName = "tf-lifecycle/documented";
  const stored = async () => {
    const { lifecyclePolicyText = "" } = await ecr.send(new GetLifecyclePolicyCommand({ repositoryName }));
    return JSON.parse(lifecyclePolicyText);
  };
  const applied = await check("apply: policies by the data source and by hand", async () => {
    await terraform.write(configuration(14));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    const { rules } = await stored();
    equal(
      rules.map((rule: { rulePriority: number }) => rule.rulePriority),
      [1, 2, 3],
      "priorities",
    );
    equal(rules[1].selection.countNumber, 14, "countNumber");
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("a change is applied, and the plan is empty again", async () => {
    await terraform.write(configuration(30));
    await terraform.apply();
    equal((await stored()).rules[1].selection.countNumber, 30, "countNumber");
    await expectEmptyPlan(terraform);
  });
  await check("import of a policy that exists", async () => {
    await terraform.run("state", "rm", "aws_ecr_lifecycle_policy.documented");
    await terraform.run("import", "-input=false", "aws_ecr_lifecycle_policy.documented", repositoryName);
    await expectEmptyPlan(terraform);
  });
  await check("destroy of a policy leaves the repository without one", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false", "-target=aws_ecr_lifecycle_policy.documented");
    const answer = await stored().catch((error) => error);
    equal(answer instanceof LifecyclePolicyNotFoundException, true, "the policy is gone");
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await terraform.values())], [], "resources left");
  });
}

const configuration = (days: number) => `
resource "aws_ecr_repository" "documented" {
  name = "tf-lifecycle/documented"
}

resource "aws_ecr_repository" "written" {
  name = "tf-lifecycle/written"
}

data "aws_ecr_lifecycle_policy_document" "policy" {
  rule {
    priority    = 1
    description = "keep the newest releases"
    selection {
      tag_status       = "tagged"
      tag_pattern_list = ["release-*", "*-lts"]
      count_type       = "imageCountMoreThan"
      count_number     = 100
    }
    action {
      type = "expire"
    }
  }

  rule {
    priority    = 2
    description = "untagged images go"
    selection {
      tag_status   = "untagged"
      count_type   = "sinceImagePushed"
      count_unit   = "days"
      count_number = ${days}
    }
  }

  rule {
    priority    = 3
    description = "what else is old goes too"
    selection {
      tag_status   = "any"
      count_type   = "sinceImagePushed"
      count_unit   = "days"
      count_number = 365
    }
  }
}

resource "aws_ecr_lifecycle_policy" "documented" {
  repository = aws_ecr_repository.documented.name
  policy     = data.aws_ecr_lifecycle_policy_document.policy.json
}

resource "aws_ecr_lifecycle_policy" "written" {
  repository = aws_ecr_repository.written.name
  policy = jsonencode({
    rules = [{
      rulePriority = 1
      description  = "branches stay for ${days} days"
      selection = {
        tagStatus     = "tagged"
        tagPrefixList = ["branch-", "pr-"]
        countType     = "sinceImagePushed"
        countUnit     = "days"
        countNumber   = ${days}
      }
      action = { type = "expire" }
    }]
  })
}
`;
