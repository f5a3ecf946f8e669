import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
