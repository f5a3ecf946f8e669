import { openAws } from "./aws.ts";
import type { World } from "./client.ts";
import { contains, equal } from "./expect.ts";
import { version } from "./process.ts";

/** Secrets, and pull through cache rules over them, with the stock AWS CLI. */
export const name = "secrets";
export const installedByCi = true;
// Each call starts Python anew, which costs most of a second.
export const timeoutMs = 300_000;
export const find = () => version(["aws", "--version"]);

const secretId = "ecr-pullthroughcache/cli";
const value = (accessToken: string) => JSON.stringify({ username: "me", accessToken });

export async function run(world: World): Promise<void> {
  const { check, account } = world;
  const aws = openAws(world);
  const secrets = (operation: string, ...args: string[]) => aws.json("secretsmanager", operation, ...args);
  const ecr = (operation: string, ...args: string[]) => aws.json("ecr", operation, ...args);
  const of = ["--secret-id", secretId] as const;

  await check("create, read, change, describe and list a secret", async () => {
    const { ARN } = await secrets("create-secret", "--name", secretId, "--secret-string", value("one"));
    equal((await secrets("get-secret-value", ...of)).SecretString, value("one"), "SecretString");
    const { VersionStages } = await secrets("put-secret-value", ...of, "--secret-string", value("two"));
    equal(VersionStages, ["AWSCURRENT"], "VersionStages");
    const before = await secrets("get-secret-value", ...of, "--version-stage", "AWSPREVIOUS");
    equal(before.SecretString, value("one"), "SecretString");
    equal((await secrets("describe-secret", ...of)).ARN, ARN, "ARN");
    const { SecretList } = await secrets("list-secrets", "--filters", "Key=name,Values=ecr-pullthroughcache/");
    equal(
      SecretList.map(({ Name }: { Name: string }) => Name),
      [secretId],
      "names",
    );
    const taken = await aws.refused("secretsmanager", "create-secret", "--name", secretId, "--secret-string", "x");
    contains(taken, "ResourceExistsException", "the refusal");
  });

  await check("make, show, change and delete a rule", async () => {
    const { ARN } = await secrets("describe-secret", ...of);
    const rule = ["--ecr-repository-prefix", "cli-hub"] as const;
    const hub = ["--upstream-registry-url", "registry-1.docker.io", "--credential-arn", ARN] as const;
    const made = await ecr("create-pull-through-cache-rule", ...rule, ...hub);
    equal([made.registryId, made.upstreamRegistry], [account, "docker-hub"], "the rule");
    const { pullThroughCacheRules } = await ecr("describe-pull-through-cache-rules");
    equal(pullThroughCacheRules.length, 1, "rules");
    equal(
      (await ecr("update-pull-through-cache-rule", ...rule, "--credential-arn", ARN)).credentialArn,
      ARN,
      "the ARN",
    );
    const again = await aws.refused("ecr", "create-pull-through-cache-rule", ...rule, ...hub);
    contains(again, "PullThroughCacheRuleAlreadyExistsException", "the refusal");
    await ecr("delete-pull-through-cache-rule", ...rule);
    contains(
      await aws.refused("ecr", "delete-pull-through-cache-rule", ...rule),
      "RuleNotFoundException",
      "the refusal",
    );
  });

  await check("delete a secret, take it back, and delete it for good", async () => {
    await secrets("delete-secret", ...of, "--recovery-window-in-days", "7");
    contains(await aws.refused("secretsmanager", "get-secret-value", ...of), "InvalidRequestException", "the refusal");
    await secrets("restore-secret", ...of);
    equal((await secrets("get-secret-value", ...of)).SecretString, value("two"), "SecretString");
    await secrets("delete-secret", ...of, "--force-delete-without-recovery");
    contains(await aws.refused("secretsmanager", "describe-secret", ...of), "ResourceNotFoundException", "the refusal");
  });
}
