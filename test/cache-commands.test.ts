import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreatePullThroughCacheRuleCommand, ECRClient, ValidatePullThroughCacheRuleCommand } from "@aws-sdk/client-ecr";
import { CreateSecretCommand, PutSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { runProgram, startServing } from "./support/program.ts";

/** `berth cache`, and rules that really ask their upstream: one Berth before another. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-cache-"));
type Server = Awaited<ReturnType<typeof startServing>> & { readonly cwd: string };
let [upstream, berth]: [Server, Server] = [undefined as never, undefined as never];

async function serve(name: string, env: Record<string, string> = {}): Promise<Server> {
  const cwd = join(root, name);
  mkdirSync(cwd);
  return { ...(await startServing(cwd, env)), cwd };
}
beforeAll(async () => {
  upstream = await serve("upstream");
  const { host } = new URL(upstream.url);
  berth = await serve("cache", {
    BERTH_PULL_THROUGH_UPSTREAMS: `${host}=berth`,
    BERTH_PULL_THROUGH_ALLOW_PRIVATE: host,
    BERTH_PULL_THROUGH_INSECURE: host,
    BERTH_PULL_THROUGH_MIRRORS: `quay.io=${upstream.url}`,
  });
});
afterAll(async () => {
  for (const server of [upstream, berth]) await server?.stop();
  rmSync(root, { recursive: true });
});

function keysOf({ cwd }: Server): { accessKeyId: string; secretAccessKey: string } {
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  return { accessKeyId, secretAccessKey };
}
const config = () => ({ region: "us-east-1", endpoint: berth.url, credentials: keysOf(berth) });

async function run(...args: string[]) {
  const env = { HOME: root, BERTH_ENDPOINT: berth.url };
  const { out, err, code } = await runProgram("berth", args, { cwd: berth.cwd, env });
  return { out, err, code };
}

test("a rule is good as soon as its secret is, and berth cache shows it", async () => {
  const ecr = new ECRClient(config());
  const secrets = new SecretsManagerClient(config());
  const upstreamRegistryUrl = new URL(upstream.url).host;
  const { accessKeyId: username, secretAccessKey: accessToken } = keysOf(upstream);
  const { ARN: credentialArn } = await secrets.send(
    new CreateSecretCommand({
      Name: "ecr-pullthroughcache/upstream",
      SecretString: JSON.stringify({ username, accessToken: "wrong" }),
    }),
  );
  await ecr.send(
    new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "up", upstreamRegistryUrl, credentialArn }),
  );
  const validate = (ecrRepositoryPrefix: string) =>
    ecr.send(new ValidatePullThroughCacheRuleCommand({ ecrRepositoryPrefix }));
  const refused = await validate("up");
  expect(refused).toMatchObject({ isValid: false, upstreamRegistryUrl });
  expect(refused.failure).toStartWith(`The upstream registry ${upstreamRegistryUrl} could not be accessed: `);

  await secrets.send(
    new PutSecretValueCommand({ SecretId: credentialArn, SecretString: JSON.stringify({ username, accessToken }) }),
  );
  expect(await validate("up")).toMatchObject({ isValid: true });

  // The mirror, which is the same server, wants a user and a password, and was given none.
  await ecr.send(
    new CreatePullThroughCacheRuleCommand({ ecrRepositoryPrefix: "quay", upstreamRegistryUrl: "quay.io" }),
  );
  expect(await validate("quay")).toMatchObject({ isValid: false });

  const { out } = await run("cache", "list");
  const lines = out.trim().split("\n");
  expect(lines).toHaveLength(3);
  expect(lines[1]).toMatch(/^quay +quay\.io +ROOT +none$/);
  expect(lines[2]).toContain(`${upstreamRegistryUrl}  ROOT`);
  expect(JSON.parse((await run("cache", "list", "--json")).out)).toHaveLength(2);
});

test("options of a rule", async () => {
  const ecr = new ECRClient(config());
  const rule = { ecrRepositoryPrefix: "k8s", upstreamRegistryUrl: "registry.k8s.io" };
  await ecr.send(new CreatePullThroughCacheRuleCommand(rule));
  expect((await run("cache", "options", "show", "k8s")).out).toBe(
    "tags are compared     after 86400 s\ntags                  *\nupstream repositories *\n",
  );
  const set = await run(
    ...["cache", "options", "set", "k8s", "--fresh", "1h"],
    ...["--allow-tag", "v*", "latest", "--deny-tag", "*-rc*", "--deny-repository", "old/*"],
  );
  expect(set).toEqual({
    out: "tags are compared     after 3600 s\ntags                  v*, latest, without *-rc*\nupstream repositories *, without old/*\n",
    err: "",
    code: 0,
  });
  expect(JSON.parse((await run("cache", "options", "set", "k8s", "--fresh", "0", "--json")).out)).toEqual({
    ecrRepositoryPrefix: "k8s",
    freshSeconds: 0,
  });
  expect((await run("cache", "options", "set", "k8s", "--fresh", "soon")).err).toContain('given "soon"');
  const missing = await run("cache", "options", "show", "ghost");
  expect([missing.code === 0, missing.out]).toEqual([false, ""]);
  expect(missing.err).toContain("prefix 'ghost' does not exist");
});
