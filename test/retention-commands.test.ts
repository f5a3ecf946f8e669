import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  ECRClient,
  PutImageCommand,
  PutLifecyclePolicyCommand,
} from "@aws-sdk/client-ecr";
import { digestOf, mediaTypes } from "./support/berth.ts";
import { runProgram, startServing } from "./support/program.ts";

/** `berth hold`, `protect`, `undelete` and `lifecycle` against a real server. */

// Each start of a process takes its time on a busy machine.
setDefaultTimeout(60_000);

const root = mkdtempSync(join(tmpdir(), "berth-retention-"));
const cwd = mkdtempSync(join(root, "server-"));
let berth: Awaited<ReturnType<typeof startServing>>;
let ecr: ECRClient;
beforeAll(async () => {
  berth = await startServing(cwd, { BERTH_UNDELETE_WINDOW: "1h" });
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  ecr = new ECRClient({ region: "us-east-1", endpoint: berth.url, credentials: { accessKeyId, secretAccessKey } });
});
afterAll(async () => {
  await berth.stop();
  rmSync(root, { recursive: true });
});

/** Beside the server, as its operator: the root key pair is found in its data directory. */
async function run(...args: string[]) {
  const { out, err, code } = await runProgram("berth", args, { cwd, env: { HOME: root, BERTH_ENDPOINT: berth.url } });
  return { out, err, code };
}
const json = async (...args: string[]) => JSON.parse((await run(...args, "--json")).out);

async function push(repositoryName: string, ...tags: string[]): Promise<string[]> {
  await ecr.send(new CreateRepositoryCommand({ repositoryName }));
  const digests: string[] = [];
  for (const imageTag of tags) {
    // Indexes of nothing: images as good as any here.
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { imageTag } };
    const imageManifest = JSON.stringify(manifest);
    await ecr.send(new PutImageCommand({ repositoryName, imageManifest, imageTag }));
    digests.push(digestOf(imageManifest));
  }
  return digests;
}
const newest = (countNumber: number) => {
  const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber };
  return JSON.stringify({ rules: [{ rulePriority: 1, selection, action: { type: "expire" } }] }).padEnd(100);
};

test("holds", async () => {
  const [digest = ""] = await push("cli/held", "v1");
  const added = await run("hold", "add", "cli/held:v1", "--reason", "case 7", "--until", "2100-01-01");
  expect(added).toEqual({ out: "cli/held:v1 is held until 2100-01-01T00:00:00.000Z\n", err: "", code: 0 });
  const byDigest = await run("hold", "add", `cli/held@${digest}`, "--reason", "for good");
  expect(byDigest.out).toBe(`cli/held@${digest} is held for good\n`);
  expect(await json("hold", "list", "cli/held")).toEqual([
    expect.objectContaining({ imageId: { imageDigest: digest }, reason: "for good" }),
    expect.objectContaining({ imageId: { imageTag: "v1" }, until: "2100-01-01T00:00:00.000Z" }),
  ]);
  const { out } = await run("hold", "list", "cli/held");
  expect(out).toMatch(/^IMAGE +HELD +SINCE +BY +REASON\n/);
  expect(out).toMatch(/\ncli\/held:v1 +until 2100-01-01T00:00:00.000Z +\S+ +arn:aws:iam::000000000000:root +case 7\n/);

  const imageIds = [{ imageDigest: digest }];
  const { failures } = await ecr.send(new BatchDeleteImageCommand({ repositoryName: "cli/held", imageIds }));
  expect(failures?.length).toBe(1);
  expect((await run("hold", "remove", "cli/held:v1")).out).toBe("cli/held:v1 is not held any more\n");
  expect(await json("hold", "remove", `cli/held@${digest}`)).toEqual({ removed: true });
  expect((await run("hold", "list", "cli/held")).out).toBe("nothing is held\n");
  const again = await run("hold", "remove", "cli/held:v1");
  expect(again.code).toBe(1);
  expect(again.err).toContain("refused RemoveHold: ResourceNotFoundException: There is no hold on 'v1'");
  expect(await run("hold", "add", "cli/held", "--reason", "x")).toMatchObject({
    code: 1,
    err: 'berth: given "cli/held"; allowed: REPOSITORY:TAG or REPOSITORY@DIGEST\n',
  });
  const wrongTime = await run("hold", "add", "cli/held:v1", "--reason", "x", "--until", "soon");
  expect(wrongTime.err).toContain('--until: given "soon"');
});

test("protection, and what comes back", async () => {
  const repositoryName = "cli/protected";
  const [digest = ""] = await push(repositoryName, "v1");
  expect((await run("protect", repositoryName)).out).toBe("cli/protected cannot be deleted\n");
  const remove = () => ecr.send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  await expect(remove()).rejects.toMatchObject({ name: "InvalidParameterException" });
  expect(await json("unprotect", repositoryName)).toEqual({ repositoryName, deletionProtection: false });

  const imageIds = [{ imageDigest: digest }];
  await ecr.send(new BatchDeleteImageCommand({ repositoryName, imageIds }));
  expect(await json("undelete", "--list", repositoryName)).toMatchObject([{ imageDigest: digest, imageTags: ["v1"] }]);
  expect((await run("undelete", "--list", repositoryName)).out).toMatch(
    /^IMAGE +TAGS +SIZE +DELETED +BY +UNTIL\nsha256:/,
  );
  const back = await run("undelete", `${repositoryName}@${digest}`);
  expect(back.code).toBe(0);
  expect(back.out).toMatch(/\n\S+ +v1\n1 image brought back\n$/);

  await remove();
  expect(await json("undelete", "--list")).toMatchObject([{ repositoryName }]);
  expect((await run("undelete", repositoryName)).out).toBe("cli/protected is back\n");
  expect((await run("undelete", "--list")).out).toBe("nothing can be brought back\n");
  expect(await run("undelete")).toMatchObject({ code: 1, err: expect.stringContaining("say what to bring back") });
});

test("retention, reasons and differences", async () => {
  const repositoryName = "cli/lifecycle";
  const digests = await push(repositoryName, "v1", "v2", "v3");
  await ecr.send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText: newest(3) }));
  const policy = join(root, "policy.json");
  writeFileSync(policy, newest(2));
  const retention = join(root, "retention.json");
  writeFileSync(retention, JSON.stringify({ retain: [{ name: "all", selection: { tagStatus: "any" } }] }));

  const explained = await run("lifecycle", "explain", `${repositoryName}:v1`);
  expect(explained).toMatchObject({ code: 0, out: expect.stringMatching(/^keep {6}sha256:\S+ {2}pushed \S+ {2}v1\n/) });
  const all = await json("lifecycle", "explain", repositoryName, "--policy", policy);
  expect(all).toMatchObject({ summary: { expiringImageCount: 1 }, images: [{ action: "EXPIRE" }, {}, {}] });

  const same = await run("lifecycle", "diff", repositoryName, policy, "--retention", retention);
  expect({ code: same.code, err: same.err }).toEqual({ code: 0, err: "" });
  const other = await run("lifecycle", "diff", repositoryName, policy);
  expect({ code: other.code, err: other.err }).toEqual({ code: 1, err: "" });
  expect(other.out).toStartWith(`${digests[0]}  pushed `);
  expect(other.out).toMatch(/\n- today {2}keep +It is number 3 of the newest 3 that rule 1 keeps\.\n/);
  expect(other.out).toMatch(/\n\+ then {3}expire +Rule 1 keeps the newest 2/);
  expect(other.out).toContain("today: 0 images (0 B) deleted, 0 (0 B) archived\nthen: 1 image (");
  expect(await json("lifecycle", "diff", repositoryName, policy)).toMatchObject({
    before: { expiringImageCount: 0 },
    after: { expiringImageCount: 1 },
    changes: [{ imageDigest: digests[0], before: { action: "KEEP" }, after: { action: "EXPIRE" } }],
  });
  expect(await run("lifecycle", "diff", "cli/none", policy)).toMatchObject({
    code: 2,
    err: expect.stringContaining("RepositoryNotFoundException"),
  });

  const set = await run("lifecycle", "retain", "set", repositoryName, retention, "--report-only", "on");
  expect(set.out).toContain("lifecycle evaluations  report only\n");
  expect(await json("lifecycle", "retain", "show", repositoryName)).toEqual({
    retentionText: readFileSync(retention, "utf8"),
    reportOnly: true,
    deletionProtection: false,
  });
  expect((await run("lifecycle", "retain", "clear", repositoryName)).code).toBe(0);
  expect((await run("lifecycle", "retain", "show", repositoryName)).out).toContain("no retention document\n");
  expect((await run("lifecycle", "retain", "set", repositoryName)).err).toContain("give a file, or --report-only");
});
