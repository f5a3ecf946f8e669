import { GetRegistryScanningConfigurationCommand } from "@aws-sdk/client-ecr";
import type { World } from "./client.ts";
import { equal } from "./expect.ts";
import { expectEmptyPlan, findTerraform, openTerraform } from "./terraform-cli.ts";

/** How a registry and its repositories are scanned, as Terraform manages it. */
export const name = "terraform-scanning";
export const timeoutMs = 420_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, ecr, account } = world;
  const terraform = await openTerraform(world);
  const stored = async () =>
    (await ecr.send(new GetRegistryScanningConfigurationCommand({}))).scanningConfiguration ?? {};

  const applied = await check("apply: basic scans on push, and repositories with and without the flag", async () => {
    await terraform.write(configuration("BASIC", true));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    const filters = [{ filter: "prod/*", filterType: "WILDCARD" as const }];
    equal(
      await stored(),
      { scanType: "BASIC", rules: [{ scanFrequency: "SCAN_ON_PUSH", repositoryFilters: filters }] },
      "configuration",
    );
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("the flag of a repository is changed in place", async () => {
    await terraform.write(configuration("BASIC", false));
    equal([...(await terraform.plan())], [["aws_ecr_repository.flagged", "update"]], "plan");
    await terraform.apply();
    await expectEmptyPlan(terraform);
  });
  await check("enhanced scans with two frequencies, and an empty plan", async () => {
    await terraform.write(configuration("ENHANCED", false));
    await terraform.apply();
    const { scanType, rules = [] } = await stored();
    equal(
      [scanType, rules.map((rule) => rule.scanFrequency).sort()],
      ["ENHANCED", ["CONTINUOUS_SCAN", "SCAN_ON_PUSH"]],
      "configuration",
    );
    await expectEmptyPlan(terraform);
  });
  await check("import of the configuration", async () => {
    await terraform.run("state", "rm", "aws_ecr_registry_scanning_configuration.this");
    await terraform.run("import", "-input=false", "aws_ecr_registry_scanning_configuration.this", account);
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves basic scanning without rules", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal(await stored(), { scanType: "BASIC", rules: [] }, "configuration");
    equal([...(await terraform.values())], [], "resources left");
  });
}

const rule = (frequency: string, filter: string) => `
  rule {
    scan_frequency = "${frequency}"
    repository_filter {
      filter      = "${filter}"
      filter_type = "WILDCARD"
    }
  }
`;

const configuration = (scanType: "BASIC" | "ENHANCED", scanOnPush: boolean) => `
resource "aws_ecr_registry_scanning_configuration" "this" {
  scan_type = "${scanType}"
  ${rule("SCAN_ON_PUSH", "prod/*")}
  ${scanType === "ENHANCED" ? rule("CONTINUOUS_SCAN", "core") : ""}
}

resource "aws_ecr_repository" "flagged" {
  name = "tf-scanning/flagged"
  image_scanning_configuration {
    scan_on_push = ${scanOnPush}
  }
}

resource "aws_ecr_repository" "plain" {
  name = "tf-scanning/plain"
}
`;
