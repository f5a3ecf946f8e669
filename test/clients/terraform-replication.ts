import {
  DescribeRegistryCommand,
  GetRegistryPolicyCommand,
  RegistryPolicyNotFoundException,
} from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { equal } from "./expect.ts";
import { expectEmptyPlan, findTerraform, openTerraform } from "./terraform-cli.ts";

/** Replication rules, and the registry policy that lets replicas in, as Terraform manages them. */
export const name = "terraform-replication";
export const timeoutMs = 300_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, ecr, account } = world;
  const terraform = await openTerraform(world);
  const rules = async () => (await ecr.send(new DescribeRegistryCommand({}))).replicationConfiguration?.rules ?? [];
  const applied = await check("apply: rules with filters, and a registry policy", async () => {
    await terraform.write(configuration(account, "prod/"));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    equal(
      await rules(),
      [
        {
          destinations: [
            { region: "eu-west-1", registryId: account },
            { region: "us-east-1", registryId: "444455556666" },
          ],
          repositoryFilters: [{ filter: "prod/", filterType: "PREFIX_MATCH" }],
        },
        { destinations: [{ region: "ap-south-1", registryId: account }] },
      ],
      "rules",
    );
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("a change is applied, and the plan is empty again", async () => {
    await terraform.write(configuration(account, "release/"));
    await terraform.apply();
    equal((await rules())[0]?.repositoryFilters?.[0]?.filter, "release/", "filter");
    await expectEmptyPlan(terraform);
  });
  await check("import of rules that exist", async () => {
    await terraform.run("state", "rm", "aws_ecr_replication_configuration.replicas");
    await terraform.run("import", "-input=false", "aws_ecr_replication_configuration.replicas", account);
    await expectEmptyPlan(terraform);
  });
  await check("destroy ends replication", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal(await rules(), [], "rules left");
    const answer = await ecr.send(new GetRegistryPolicyCommand({})).catch((error) => error);
    equal(answer instanceof RegistryPolicyNotFoundException, true, "the policy is gone");
  });
}

const configuration = (account: string, prefix: string) => `
resource "aws_ecr_replication_configuration" "replicas" {
  replication_configuration {
    rule {
      destination {
        region      = "eu-west-1"
        registry_id = "${account}"
      }
      destination {
        region      = "us-east-1"
        registry_id = "444455556666"
      }
      repository_filter {
        filter      = "${prefix}"
        filter_type = "PREFIX_MATCH"
      }
    }
    rule {
      destination {
        region      = "ap-south-1"
        registry_id = "${account}"
      }
    }
  }
}

resource "aws_ecr_registry_policy" "replicas" {
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "Replicas"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${account}:root" }
      Action    = ["ecr:ReplicateImage", "ecr:CreateRepository"]
      Resource  = "arn:aws:ecr:us-east-1:${account}:repository/*"
    }]
  })
}
`;
