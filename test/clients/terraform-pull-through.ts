import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import type { World } from "./client.ts";
import { equal, holds } from "./expect.ts";
import { expectEmptyPlan, findTerraform, openTerraform } from "./terraform-cli.ts";

/** Secrets with their values, and pull through cache rules with and without credentials, as Terraform manages them. */
export const name = "terraform-pull-through";
export const timeoutMs = 900_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, account, region, url, accessKeyId, secretAccessKey } = world;
  const terraform = await openTerraform(world);
  const secrets = new SecretsManagerClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } });
  const stored = async () =>
    (await secrets.send(new GetSecretValueCommand({ SecretId: "ecr-pullthroughcache/hub" }))).SecretString;
  const applied = await check("apply: secrets, versions, rules with and without credentials", async () => {
    await terraform.write(configuration("one"));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    const values = await terraform.values();
    const secret = values.get("aws_secretsmanager_secret.hub");
    const arn = `arn:aws:secretsmanager:${region}:${account}:secret:ecr-pullthroughcache/hub-`;
    holds(secret.arn.startsWith(arn), `the ARN ${secret.arn} begins with ${arn}`);
    const hub = values.get("aws_ecr_pull_through_cache_rule.hub");
    equal([hub.registry_id, hub.credential_arn], [account, secret.arn], "the rule with credentials");
    const quay = values.get("aws_ecr_pull_through_cache_rule.quay");
    equal([quay.upstream_repository_prefix, quay.upstream_registry_url], ["team", "quay.io"], "the rule without");
    equal(await stored(), JSON.stringify({ accessToken: "one", username: "me" }), "the value");
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  await check("a change of value, description, tags and credentials is applied in place", async () => {
    await terraform.write(configuration("two"));
    await terraform.apply();
    equal(await stored(), JSON.stringify({ accessToken: "two", username: "me" }), "the value");
    await expectEmptyPlan(terraform);
  });
  await check("import of what exists", async () => {
    const { arn } = (await terraform.values()).get("aws_secretsmanager_secret.hub");
    const imported = [
      ["aws_secretsmanager_secret.hub", arn],
      ["aws_ecr_pull_through_cache_rule.hub", "tf-hub"],
    ] as const;
    await terraform.run("state", "rm", ...imported.map(([address]) => address));
    for (const [address, id] of imported) await terraform.run("import", "-input=false", address, id);
    // What only a deletion asks for lives in the state, and comes back with the next apply.
    await terraform.apply();
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves nothing", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await terraform.values())], [], "resources left");
  });
}

const configuration = (value: string) => `
resource "aws_secretsmanager_secret" "hub" {
  name                    = "ecr-pullthroughcache/hub"
  description             = "Docker Hub, ${value}"
  recovery_window_in_days = 0
  tags                    = { Value = "${value}" }
}

resource "aws_secretsmanager_secret_version" "hub" {
  secret_id     = aws_secretsmanager_secret.hub.id
  secret_string = jsonencode({ username = "me", accessToken = "${value}" })
}

resource "aws_secretsmanager_secret" "other" {
  name                    = "ecr-pullthroughcache/other"
  recovery_window_in_days = 0
}

resource "aws_secretsmanager_secret_version" "other" {
  secret_id     = aws_secretsmanager_secret.other.id
  secret_string = jsonencode({ username = "you", accessToken = "other" })
}

resource "aws_ecr_pull_through_cache_rule" "hub" {
  ecr_repository_prefix = "tf-hub"
  upstream_registry_url = "registry-1.docker.io"
  credential_arn        = aws_secretsmanager_secret.${value === "one" ? "hub" : "other"}.arn
  depends_on            = [aws_secretsmanager_secret_version.hub, aws_secretsmanager_secret_version.other]
}

resource "aws_ecr_pull_through_cache_rule" "quay" {
  ecr_repository_prefix      = "tf-quay"
  upstream_registry_url      = "quay.io"
  upstream_repository_prefix = "team"
}
`;
