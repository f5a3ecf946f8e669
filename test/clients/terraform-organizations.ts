import { CreateRepositoryCommand, DeleteRepositoryCommand, ECRClient } from "@aws-sdk/client-ecr";
import { AssumeRoleCommand, STSClient } from "@aws-sdk/client-sts";
import type { World } from "./client.ts";
import { contains, equal, present } from "./expect.ts";
import { expectEmptyPlan, findTerraform, type Json, openTerraform } from "./terraform-cli.ts";

/** An organization with units, accounts and policies as Terraform manages it. */
export const name = "terraform-organizations";
export const timeoutMs = 420_000;
export const find = findTerraform;

export async function run(world: World): Promise<void> {
  const { check, account } = world;
  const terraform = await openTerraform(world);
  const applied = await check("apply: organization, units, account, policies, attachments", async () => {
    await terraform.write(configuration("ecr:DeleteRepository"));
    await terraform.run("init", "-input=false");
    await terraform.apply();
    checkValues(account, await terraform.values());
  });
  if (!applied) return;
  await check("plan is empty", () => expectEmptyPlan(terraform));
  const member = (await terraform.values()).get("aws_organizations_account.dev").id;
  await check(
    "the role in the new account lets the management account in, and its unit's policy bounds it",
    async () => {
      const ecr = await signedInto(world, member);
      const repositoryName = "tforg/app";
      const { repository } = await ecr.send(new CreateRepositoryCommand({ repositoryName }));
      equal(repository?.registryId, member, "registry of the repository");
      const denied = await ecr.send(new DeleteRepositoryCommand({ repositoryName })).catch((error) => error);
      equal(denied.name, "AccessDeniedException", "error");
      contains(denied.message, "with an explicit deny in a service control policy", "message");
    },
  );
  await check("a change of policy is applied in place, counts, and the plan is empty again", async () => {
    await terraform.write(configuration("ecr:PutImage"));
    equal([...new Set((await terraform.plan()).values())], ["update"], "planned actions");
    await terraform.apply();
    await expectEmptyPlan(terraform);
    const ecr = await signedInto(world, member);
    await ecr.send(new DeleteRepositoryCommand({ repositoryName: "tforg/app" }));
  });
  await check("import of what exists", async () => {
    const ids = await terraform.values();
    for (const address of ["aws_organizations_organizational_unit.workloads", "aws_organizations_policy.deny"]) {
      await terraform.run("state", "rm", address);
      await terraform.run("import", "-input=false", address, ids.get(address).id);
    }
    await expectEmptyPlan(terraform);
  });
  await check("destroy leaves nothing", async () => {
    await terraform.run("destroy", "-auto-approve", "-input=false");
    equal([...(await terraform.values())], [], "resources left");
  });
}

/** As the administrator of an account that has no keys of its own. */
async function signedInto({ url, region, accessKeyId, secretAccessKey }: World, account: string): Promise<ECRClient> {
  const sts = new STSClient({ endpoint: url, region, credentials: { accessKeyId, secretAccessKey } });
  const RoleArn = `arn:aws:iam::${account}:role/OrganizationAccountAccessRole`;
  const { Credentials } = await sts.send(new AssumeRoleCommand({ RoleArn, RoleSessionName: "terraform" }));
  const made = present(Credentials, "credentials");
  const credentials = {
    accessKeyId: present(made.AccessKeyId, "access key id"),
    secretAccessKey: present(made.SecretAccessKey, "secret"),
    sessionToken: present(made.SessionToken, "session token"),
  };
  return new ECRClient({ endpoint: url, region, credentials });
}

function checkValues(account: string, values: ReadonlyMap<string, Json>): void {
  const organization = values.get("aws_organizations_organization.this");
  equal(organization.master_account_id, account, "management account");
  equal(organization.enabled_policy_types, ["RESOURCE_CONTROL_POLICY", "SERVICE_CONTROL_POLICY"], "policy types");
  const dev = values.get("aws_organizations_account.dev");
  equal(dev.status, "ACTIVE", "status of the account");
  equal(dev.parent_id, values.get("aws_organizations_organizational_unit.workloads").id, "parent of the account");
}

function configuration(deniedAction: string): string {
  return `
resource "aws_organizations_organization" "this" {
  feature_set          = "ALL"
  enabled_policy_types = ["SERVICE_CONTROL_POLICY", "RESOURCE_CONTROL_POLICY"]
}

resource "aws_organizations_organizational_unit" "workloads" {
  name      = "workloads"
  parent_id = aws_organizations_organization.this.roots[0].id
}

resource "aws_organizations_organizational_unit" "below" {
  name      = "below"
  parent_id = aws_organizations_organizational_unit.workloads.id
}

resource "aws_organizations_account" "dev" {
  name      = "dev"
  email     = "terraform@example.com"
  parent_id = aws_organizations_organizational_unit.workloads.id
}

resource "aws_organizations_policy" "deny" {
  # Nothing in it says so, but there is no policy without an organization.
  depends_on  = [aws_organizations_organization.this]
  name        = "deny"
  description = "${deniedAction}"
  content = jsonencode({
    Version   = "2012-10-17"
    Statement = [{ Effect = "Deny", Action = "${deniedAction}", Resource = "*" }]
  })
}

resource "aws_organizations_policy" "ours" {
  name = "ours"
  type = "RESOURCE_CONTROL_POLICY"
  content = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Effect    = "Deny"
      Principal = "*"
      Action    = "ecr:*"
      Resource  = "*"
      Condition = { StringNotEqualsIfExists = { "aws:PrincipalOrgID" = aws_organizations_organization.this.id } }
    }]
  })
}

resource "aws_organizations_policy_attachment" "deny" {
  policy_id = aws_organizations_policy.deny.id
  target_id = aws_organizations_organizational_unit.workloads.id
}

resource "aws_organizations_policy_attachment" "ours" {
  policy_id = aws_organizations_policy.ours.id
  target_id = aws_organizations_account.dev.id
}
`;
}
