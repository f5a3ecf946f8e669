import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { DescribeRepositoriesCommand, ECRClient } from "@aws-sdk/client-ecr";
import { CreateAccessKeyCommand, CreateUserCommand, IAMClient, PutUserPolicyCommand } from "@aws-sdk/client-iam";
import { runProgram, startServing } from "./support/program.ts";

/** `berth explain` against a real server. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-explain-"));
const cwd = mkdtempSync(join(root, "server-"));
let berth: Awaited<ReturnType<typeof startServing>>;
beforeAll(async () => {
  berth = await startServing(cwd);
});
afterAll(async () => {
  await berth.stop();
  rmSync(root, { recursive: true });
});

/** Beside the server, as its operator: the root key pair is found in its data directory. */
const explain = (args: string[], env: Record<string, string> = {}) =>
  runProgram("berth", ["explain", ...args], { cwd, env: { HOME: root, BERTH_ENDPOINT: berth.url, ...env } });

const rootKeys = () => {
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  return { accessKeyId, secretAccessKey };
};
const config = (credentials: { accessKeyId: string; secretAccessKey: string }) => ({
  region: "us-east-1",
  endpoint: berth.url,
  credentials,
});

/** A user with a key pair, who may do what is in the statements. */
async function user(name: string, statements: object[] = []) {
  const iam = new IAMClient(config(rootKeys()));
  await iam.send(new CreateUserCommand({ UserName: name }));
  if (statements.length > 0) await allow(name, statements);
  const { AccessKey } = await iam.send(new CreateAccessKeyCommand({ UserName: name }));
  const keys = {
    accessKeyId: AccessKey?.AccessKeyId as string,
    secretAccessKey: AccessKey?.SecretAccessKey as string,
  };
  return { keys, env: { AWS_ACCESS_KEY_ID: keys.accessKeyId, AWS_SECRET_ACCESS_KEY: keys.secretAccessKey } };
}

async function allow(name: string, statements: object[]) {
  const document = JSON.stringify({ Version: "2012-10-17", Statement: statements });
  const policy = { UserName: name, PolicyName: "own", PolicyDocument: document };
  await new IAMClient(config(rootKeys())).send(new PutUserPolicyCommand(policy));
}

const arnOf = (name: string) => `arn:aws:iam::000000000000:user/${name}`;
const repository = "arn:aws:ecr:us-east-1:000000000000:repository/app";

test("what would be decided, for people and as JSON", async () => {
  const args = ["--action", "ecr:PutImage", "--resource", repository, "--context", "aws:SourceIp=10.0.0.1"];
  const { out, err, code } = await explain(args);
  expect({ err, code }).toEqual({ err: "", code: 0 });
  expect(out).toStartWith("Allowed, because the caller is the root user of the account\n\n");
  expect(out).toContain("  principal  arn:aws:iam::000000000000:root\n");
  const json = await explain([...args, "--json"]);
  expect(JSON.parse(json.out)).toMatchObject({ allowed: true, action: "ecr:PutImage", resourceArn: repository });
});

test("what cannot be asked is told before anybody is asked, and what is refused with its cause", async () => {
  const wrong: [args: string[], says: string][] = [
    [[], "give the id of a request that was denied, or --action"],
    [["id", "--action", "ecr:PutImage"], "give the id of a request that was denied, or --action"],
    [["id", "--resource", repository], "a request's principal, resource and context are those that it had"],
    [["--action", "ecr:PutImage", "--context", "aws:SourceIp"], "--context takes KEY=VALUE"],
    [["9d8e"], "refused ExplainDecision: ResourceNotFoundException: There is no denial of a request 9d8e"],
  ];
  for (const [args, says] of wrong) {
    const { out, err, code } = await explain(args);
    expect({ out, code }).toEqual({ out: "", code: 1 });
    expect(err).toContain(says);
  }
});

test("the settings of whatever folder this is get no platform's token", async () => {
  const asked: string[] = [];
  using elsewhere = Bun.serve({
    port: 0,
    hostname: "127.0.0.1",
    async fetch(request) {
      asked.push(await request.text());
      return new Response(null, { status: 400 });
    },
  });
  const folder = mkdtempSync(join(root, "folder-"));
  writeFileSync(join(folder, "berth.yaml"), `publicUrl: http://127.0.0.1:${elsewhere.port}\n`);
  writeFileSync(join(folder, "token"), "a.token.of-a-platform");
  const env = {
    HOME: root,
    AWS_WEB_IDENTITY_TOKEN_FILE: join(folder, "token"),
    AWS_ROLE_ARN: "arn:aws:iam::000000000000:role/push",
  };
  const { err, code } = await runProgram("berth", ["explain", "--action", "ecr:PutImage"], { cwd: folder, env });
  expect({ code, asked }).toEqual({ code: 1, asked: [] });
  expect(err).toContain("there is no key pair to ask with");
});

test("a denial, to whom it met, to whom may know, and to nobody else", async () => {
  const onlyFromHome = {
    Sid: "FromHome",
    Effect: "Allow",
    Action: "ecr:DescribeRepositories",
    Resource: "*",
    Condition: { IpAddress: { "aws:SourceIp": "192.0.2.0/24" }, StringEquals: { "aws:RequestTag/team": "red" } },
  };
  const may = { Effect: "Allow", Action: "iam:SimulatePrincipalPolicy", Resource: arnOf("ci") };
  const ci = await user("ci", [onlyFromHome]);
  const admin = await user("admin", [may]);
  const stranger = await user("stranger");

  const denied = await new ECRClient(config(ci.keys)).send(new DescribeRepositoriesCommand({})).then(
    () => undefined,
    (error) => error,
  );
  expect(denied?.name).toBe("AccessDeniedException");
  const id: string = denied.$metadata.requestId;
  // Records are written in batches, beside the requests.
  let own = await explain([id], ci.env);
  for (let tries = 0; own.code !== 0 && tries < 20; tries++) own = await explain([id], ci.env);
  expect(own.out).toMatch(
    /^Denied at \d{4}-\S+Z, because no identity-based policy allows the ecr:DescribeRepositories action\n/,
  );
  expect(own.out).toContain(`  principal  ${arnOf("ci")}\n`);
  expect(own.out).toContain(`  request    ${id}\n`);
  expect(own.out).toContain("policies of the principal  do not allow it");
  expect(own.out).toContain("Policies that you may not read are not shown");

  const full = await explain([id], admin.env);
  expect(full.out).toContain("  aws:requesttag/team\n");
  expect(full.out).not.toContain("may not read");

  const nothing = await explain([id], stranger.env);
  expect(nothing.code).toBe(1);
  expect(nothing.err).toContain(`ResourceNotFoundException: There is no denial of a request ${id}`);

  // The same question without the denial: only who may simulate may ask.
  const question = ["--principal", arnOf("ci"), "--action", "ecr:DescribeRepositories", "--json"];
  const inside = ["--context", "aws:SourceIp=192.0.2.7", "--context", "aws:RequestTag/team=red"];
  expect(JSON.parse((await explain([...question, ...inside], admin.env)).out)).toMatchObject({
    allowed: true,
    statement: { policyKind: "identity", sid: "FromHome" },
  });
  expect((await explain(question, stranger.env)).err).toContain("AccessDeniedException");

  await allow("ci", [{ Effect: "Allow", Action: "ecr:DescribeRepositories", Resource: "*" }]);
  await Bun.sleep(600);
  expect((await explain([id], ci.env)).out).toContain("By now the same request would be allowed");
});
