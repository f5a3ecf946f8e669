import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { World } from "./client.ts";
import { equal, holds, present } from "./expect.ts";
import { version } from "./process.ts";

/** Where machines keep providers that Terraform is to use without a download. */
const PLUGIN_FOLDERS = [
  process.env.BERTH_TF_PLUGINS,
  "/opt/tf-plugins",
  "/usr/share/terraform/plugins",
  "/usr/local/share/terraform/plugins",
];
const PROVIDER = "registry.terraform.io/hashicorp/aws";

export async function findTerraform(): Promise<string | undefined> {
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
export type Json = any;

export interface Terraform {
  /** The resources of main.tf; settings of Terraform and of the provider come before them. */
  write(resources: string): Promise<void>;
  run(...args: string[]): Promise<string>;
  apply(): Promise<void>;
  /** Makes a plan and returns what it would change, by address. */
  plan(): Promise<ReadonlyMap<string, string>>;
  values(): Promise<ReadonlyMap<string, Json>>;
}

export async function expectEmptyPlan(terraform: Terraform): Promise<void> {
  equal([...(await terraform.plan())], [], "planned changes");
}

/**
 * A working folder with the AWS provider that leads to the server under test.
 * @param provider.tags default tags of every resource
 */
export async function openTerraform(
  world: World,
  options: { readonly defaultTags?: boolean } = {},
): Promise<Terraform> {
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
    write: (resources) =>
      writeFile(join(folder, "main.tf"), `${settings(world, provider.version, options)}\n${resources}`),
    async apply() {
      await run("apply", "-auto-approve", "-input=false");
    },
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

function settings(world: World, providerVersion: string, options: { readonly defaultTags?: boolean }): string {
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
${options.defaultTags ? '  default_tags {\n    tags = { Stage = "test" }\n  }\n' : ""}  endpoints {
    ecr = "${world.url}"
    sts = "${world.url}"
    iam = "${world.url}"
    kms = "${world.url}"
    secretsmanager = "${world.url}"
    organizations = "${world.url}"
  }
}
`;
}
