import { afterAll, beforeAll, expect, test } from "bun:test";
import { createKeptByRetention } from "../src/domain/registry/kept-by-retention.ts";
import { type InProcess, inProcess, mediaTypes } from "./support/berth.ts";
import { createLifecycleRunner, type LifecycleRunner } from "./support/lifecycle.ts";
import { askOwn } from "./support/own-api.ts";

const dayMs = 24 * 3_600_000;

let berth: InProcess;
let runner: LifecycleRunner;
beforeAll(async () => {
  berth = await inProcess({ createOnPush: true, undeleteMs: 30 * dayMs });
  runner = createLifecycleRunner(
    berth,
    createKeptByRetention(() => berth.now),
    30 * dayMs,
  );
});
afterAll(async () => {
  expect(berth.logged).toEqual([]);
  await berth.close();
});

const own = (operation: string, repositoryName: string, more: object = {}) =>
  askOwn(berth, operation, { repositoryName, ...more });
const newest = (countNumber: number) => {
  const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber };
  return JSON.stringify({ rules: [{ rulePriority: 1, selection, action: { type: "expire" } }] }).padEnd(100);
};
const putPolicy = async (repositoryName: string, lifecyclePolicyText: string) => {
  const input = { repositoryName, lifecyclePolicyText };
  expect((await askOwn(berth, "PutLifecyclePolicy", input, undefined, "ecr")).status).toBe(200);
};
const tagsOf = async (repository: string) =>
  ((await (await berth.oci("GET", `/v2/${repository}/tags/list`)).json()) as { tags: string[] }).tags;

/** Images `v1` to `vN`, a minute apart. */
async function push(repository: string, count: number): Promise<string[]> {
  const digests: string[] = [];
  for (let number = 1; number <= count; number++) {
    berth.now = new Date(berth.now.getTime() + 60_000);
    digests.push((await berth.pushImage(repository, `v${number}`, `${repository} ${number}`)).digest);
  }
  return digests;
}

async function evaluate() {
  berth.now = new Date(berth.now.getTime() + dayMs);
  return runner.runDue();
}

test("evaluations leave what is held and retained, and what they delete can be brought back", async () => {
  const repository = "retained/evaluated";
  const [first = "", , third = ""] = await push(repository, 6);
  await putPolicy(repository, newest(1));
  await own("PutHold", repository, { imageId: { imageDigest: first }, reason: "held" });
  await own("PutHold", repository, { imageId: { imageTag: "v2" }, reason: "held" });
  const retain = [{ name: "four", selection: { tagStatus: "tagged", tagPatternList: ["v4"] } }];
  await own("PutRetention", repository, { retentionText: JSON.stringify({ retain }) });
  await evaluate();
  expect(await tagsOf(repository)).toEqual(["v1", "v2", "v4", "v6"]);

  const { images } = await own("ListDeletedImages", repository);
  expect(images).toMatchObject([
    { imageDigest: third, imageTags: ["v3"], deletedBy: "ecr.amazonaws.com" },
    { imageTags: ["v5"] },
  ]);
  await own("UndeleteImage", repository, { imageDigest: third });
  expect(await tagsOf(repository)).toEqual(["v1", "v2", "v3", "v4", "v6"]);
});

test("with report only, evaluations touch nothing", async () => {
  const repository = "retained/reported";
  await push(repository, 3);
  await putPolicy(repository, newest(1));
  await own("PutRetention", repository, { reportOnly: true });
  expect(await evaluate()).toContainEqual({ outcome: "reported", images: 3, acted: 0, failed: 0 });
  expect(await tagsOf(repository)).toEqual(["v1", "v2", "v3"]);
  await own("PutRetention", repository, { reportOnly: false });
  await evaluate();
  expect(await tagsOf(repository)).toEqual(["v3"]);
});

test("why each image stays or goes", async () => {
  const repository = "retained/explained";
  const [first, second, third] = await push(repository, 3);
  expect(await own("ExplainLifecycle", repository)).toMatchObject({ __type: "LifecyclePolicyNotFoundException" });
  await putPolicy(repository, newest(1));
  await own("PutHold", repository, { imageId: { imageTag: "v1" }, reason: "case 7" });
  const explained = await own("ExplainLifecycle", repository);
  expect(explained).toEqual({
    status: 200,
    evaluatedAt: berth.now.getTime() / 1000,
    summary: {
      expiringImageCount: 1,
      expiringSizeInBytes: expect.any(Number),
      transitioningImageCount: 0,
      transitioningSizeInBytes: 0,
      rules: [{ rulePriority: 1, action: "EXPIRE", selectedImageCount: 3, actingImageCount: 1 }],
    },
    images: [
      {
        imageDigest: first,
        imageTags: ["v1"],
        imageTagCount: 1,
        imagePushedAt: expect.any(Number),
        imageSizeInBytes: expect.any(Number),
        storageClass: "STANDARD",
        action: "KEEP",
        reasonCode: "held",
        reason: "It is held: case 7",
      },
      expect.objectContaining({ imageDigest: second, action: "EXPIRE", appliedRulePriority: 1, reasonCode: "count" }),
      expect.objectContaining({ imageDigest: third, action: "KEEP", reasonCode: "within-count" }),
    ],
  });
  const asked = { imageIds: [{ imageTag: "v3" }, { imageDigest: second }] };
  const some = await own("ExplainLifecycle", repository, asked);
  expect(some.images).toMatchObject([{ imageDigest: third }, { imageDigest: second }]);
  expect(some.nextToken).toBeUndefined();
  const missing = await own("ExplainLifecycle", repository, { imageIds: [{ imageTag: "none" }] });
  expect(missing).toMatchObject({ __type: "ImageNotFoundException" });
  // What if?
  const more = { lifecyclePolicyText: newest(2), imageIds: [{ imageTag: "v2" }] };
  expect((await own("ExplainLifecycle", repository, more)).images).toMatchObject([{ action: "KEEP" }]);
});

test("what another policy would do, page by page as of one time", async () => {
  const repository = "retained/compared";
  const digests = await push(repository, 7);
  const lifecyclePolicyText = newest(2);
  const whole = await own("DiffLifecyclePolicy", repository, { lifecyclePolicyText });
  expect(whole.before).toMatchObject({ expiringImageCount: 0, rules: [] });
  expect(whole.after).toMatchObject({ expiringImageCount: 5 });
  expect(whole.changes.map(({ imageDigest }: { imageDigest: string }) => imageDigest)).toEqual(digests.slice(0, 5));
  expect(whole.changes[0]).toMatchObject({
    imageTags: ["v1"],
    before: { action: "KEEP", reasonCode: "unselected" },
    after: { action: "EXPIRE", appliedRulePriority: 1, reasonCode: "count" },
  });

  await putPolicy(repository, newest(5));
  const found: string[] = [];
  const times = new Set<number>();
  for (let nextToken: string | undefined; ; ) {
    const page = await own("DiffLifecyclePolicy", repository, { lifecyclePolicyText, maxResults: 2, nextToken });
    found.push(...page.changes.map(({ imageTags }: { imageTags: string[] }) => imageTags[0]));
    times.add(page.evaluatedAt);
    nextToken = page.nextToken;
    if (nextToken === undefined) break;
    berth.now = new Date(berth.now.getTime() + 1000);
  }
  expect(found).toEqual(["v3", "v4", "v5"]);
  expect(times.size).toBe(1);

  const retentionText = JSON.stringify({ retain: [{ name: "all", selection: { tagStatus: "any" } }] });
  const retained = await own("DiffLifecyclePolicy", repository, { retentionText });
  expect(retained.changes).toMatchObject([
    { imageTags: ["v1"], before: { action: "EXPIRE" }, after: { action: "KEEP", reasonCode: "retained" } },
    { imageTags: ["v2"] },
  ]);
  expect(await own("DiffLifecyclePolicy", repository, { lifecyclePolicyText: "{}" })).toMatchObject({
    __type: "InvalidParameterException",
  });
});

test("a repository that comes back is evaluated again", async () => {
  const repository = "retained/back";
  await push(repository, 2);
  await putPolicy(repository, newest(1));
  const input = { repositoryName: repository, force: true };
  expect((await askOwn(berth, "DeleteRepository", input, undefined, "ecr")).status).toBe(200);
  await evaluate();
  await own("UndeleteRepository", repository);
  expect(await tagsOf(repository)).toEqual(["v1", "v2"]);
  await evaluate();
  expect(await tagsOf(repository)).toEqual(["v2"]);
});

test("a hold keeps the signatures of its image, too", async () => {
  const repository = "retained/signed";
  const [digest = ""] = await push(repository, 1);
  await own("PutHold", repository, { imageId: { imageTag: "v1" }, reason: "held" });
  const subject = { mediaType: mediaTypes.manifest, digest, size: 1 };
  const signature = await berth.pushImage(repository, "tmp", "signature", { subject });
  await berth.oci("DELETE", `/v2/${repository}/manifests/tmp`);
  await berth.pushImage(repository, "v2", "newer");
  await putPolicy(repository, newest(1));
  await evaluate();
  for (const one of [digest, signature.digest]) {
    expect((await berth.oci("GET", `/v2/${repository}/manifests/${one}`)).status).toBe(200);
  }
});
