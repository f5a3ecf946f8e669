import { DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import type { World } from "./client.ts";
import { equal, holds } from "./expect.ts";
import { expectEmptyPlan, findTerraform, type Json, openTerraform } from "./terraform-cli.ts";

/** Encryption keys, their aliases, and repositories of each encryption type, as Terraform manages them. */
export const name = "terraform-kms";
export const timeoutMs = 900_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, account, region, url, accessKeyId, secretAccessKey } = world;
  const terraform = await openTerraform(world);
  const applied = await check(
    "apply: keys, aliases, a key policy, a grant, repositories of each encryption type",
    async () => {
      await terraform.write(configuration(account, "one"));
      await terraform.run("init", "-input=false");
      await terraform.apply();
      checkValues(account, region, await terraform.values());
    },
  );
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  const kms = new KMSClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } });
  const Plaintext = new TextEncoder().encode("terraform");
  const { CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId: "alias/tf-one", Plaintext }));
  await check("a change is applied in place, and the plan is empty again", async () => {
    await terraform.write(configuration(account, "two"));
    const actions = new Set((await terraform.plan()).values());
    equal([...actions], ["update"], "planned actions");
    await terraform.apply();
    await expectEmptyPlan(terraform);
    const opened = await kms.send(new DecryptCommand({ CiphertextBlob }));
    equal(opened.Plaintext, Plaintext, "plaintext");
  });
  await check("import of what exists", async () => {
    const values = await terraform.values();
    for (const [address, id] of [
      ["aws_kms_key.plain", values.get("aws_kms_key.plain").key_id],
      ["aws_kms_alias.one", "alias/tf-one"],
      ["aws_ecr_repository.twice", "tf-kms/twice"],
    ] as const) {
      await terraform.run("state", "rm", address);
      await terraform.run("import", "-input=false", address, id);
    }
    // What only a deletion asks for lives in the state, and comes back with the next apply.
    await terraform.apply();
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves nothing", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await terraform.values())], [], "resources left");
  });
}

function checkValues(account: string, region: string, values: ReadonlyMap<string, Json>): void {
  const key = values.get("aws_kms_key.plain");
  equal(key.arn, `arn:aws:kms:${region}:${account}:key/${key.key_id}`, "ARN of the key");
  equal([key.enable_key_rotation, key.rotation_period_in_days, key.is_enabled], [true, 180, true], "rotation");
  const alias = values.get("aws_kms_alias.one");
  equal([alias.arn, alias.target_key_arn], [`arn:aws:kms:${region}:${account}:alias/tf-one`, key.arn], "alias");
  const encryption = (name: string) => {
    const [{ encryption_type: type, kms_key: of }] = values.get(`aws_ecr_repository.${name}`).encryption_configuration;
    return [type, of];
  };
  equal(
    [encryption("server"), encryption("explicit")],
    [
      ["AES256", ""],
      ["AES256", ""],
    ],
    "encryption by the server",
  );
  equal(
    [encryption("key"), encryption("twice")],
    [
      ["KMS", key.arn],
      ["KMS_DSSE", key.arn],
    ],
    "encryption by a key",
  );
  const [type, of] = encryption("registry");
  equal(type, "KMS", "encryption by the registry's key");
  holds(of.startsWith(`arn:aws:kms:${region}:${account}:key/`) && of !== key.arn, `key of the registry: ${of}`);
}

const configuration = (account: string, description: string) => `
resource "aws_kms_key" "plain" {
  description             = "${description}"
  deletion_window_in_days = 7
  enable_key_rotation     = true
  rotation_period_in_days = 180
  tags                    = { Stage = "${description}" }
}

resource "aws_kms_alias" "one" {
  name          = "alias/tf-one"
  target_key_id = aws_kms_key.plain.key_id
}

resource "aws_ecr_repository" "server" {
  name = "tf-kms/server"
}

resource "aws_ecr_repository" "explicit" {
  name = "tf-kms/explicit"
  encryption_configuration {
    encryption_type = "AES256"
  }
}

resource "aws_ecr_repository" "key" {
  name = "tf-kms/key"
  encryption_configuration {
    encryption_type = "KMS"
    kms_key         = aws_kms_key.plain.arn
  }
}

resource "aws_ecr_repository" "twice" {
  name = "tf-kms/twice"
  encryption_configuration {
    encryption_type = "KMS_DSSE"
    kms_key         = aws_kms_key.plain.arn
  }
}

resource "aws_ecr_repository" "registry" {
  name = "tf-kms/registry"
  encryption_configuration {
    encryption_type = "KMS"
  }
}

resource "aws_kms_key" "own" {
  deletion_window_in_days = 7
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "${description}"
      Effect    = "Allow"
      Principal = { AWS = "arn:aws:iam::${account}:root" }
      Action    = "kms:*"
      Resource  = "*"
    }]
  })
}

resource "aws_iam_user" "reader" {
  name = "tf-kms-reader"
}

resource "aws_kms_grant" "reader" {
  name              = "reader"
  key_id            = aws_kms_key.plain.key_id
  grantee_principal = aws_iam_user.reader.arn
  operations        = ["Decrypt", "DescribeKey"]

  constraints {
    encryption_context_subset = { team = "a" }
  }
}
`;
