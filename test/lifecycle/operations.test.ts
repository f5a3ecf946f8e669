import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DeleteLifecyclePolicyCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  GetLifecyclePolicyCommand,
  GetLifecyclePolicyPreviewCommand,
  PutLifecyclePolicyCommand,
  StartLifecyclePolicyPreviewCommand,
} from "@aws-sdk/client-ecr";
import { evaluateLifecycle } from "../../src/domain/registry/lifecycle-jobs.ts";
import { account, type InProcess, inProcess } from "../support/berth.ts";
import { createLifecycleRunner, type LifecycleRunner } from "../support/lifecycle.ts";

const dayMs = 24 * 60 * 60_000;
const repositoryName = "app";

let berth: InProcess;
let jobs: LifecycleRunner;

beforeEach(async () => {
  berth = await inProcess();
  jobs = createLifecycleRunner(berth);
  await ecr().send(new CreateRepositoryCommand({ repositoryName }));
});
afterEach(() => berth.close());

const rule = (tagStatus: string, count: number, others: object = {}) => ({
  rulePriority: 1,
  description: "the newest of them stay, and all others go when their time has come",
  selection: { tagStatus, countType: "imageCountMoreThan", countNumber: count, ...others },
  action: { type: "expire" },
});
const policy = (...rules: object[]) => JSON.stringify({ rules }).padEnd(100);
const keepTwo = policy(rule("any", 2));

/** Signs by the clock that the test has moved. */
const ecr = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const put = (lifecyclePolicyText: string) =>
  ecr().send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText }));
const get = () => ecr().send(new GetLifecyclePolicyCommand({ repositoryName }));
const start = (lifecyclePolicyText?: string) =>
  ecr().send(new StartLifecyclePolicyPreviewCommand({ repositoryName, lifecyclePolicyText }));
const preview = (input: object = {}) => ecr().send(new GetLifecyclePolicyPreviewCommand({ repositoryName, ...input }));
const described = async () => {
  const { imageDetails = [] } = await ecr().send(new DescribeImagesCommand({ repositoryName }));
  return imageDetails.map(({ imageTags = [] }) => imageTags.join("+")).sort();
};
const wait = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};

/** One a minute, oldest first. */
async function push(...tags: string[]) {
  const digests: string[] = [];
  for (const tag of tags) {
    digests.push((await berth.pushImage(repositoryName, tag, `content of ${tag}`)).digest);
    wait(60_000);
  }
  return digests;
}

test("a policy is what was put, until it is deleted", async () => {
  const text = ` ${keepTwo} `;
  expect(await put(text)).toMatchObject({ registryId: account, repositoryName, lifecyclePolicyText: text });
  const expected = { registryId: account, repositoryName, lifecyclePolicyText: text, lastEvaluatedAt: new Date(0) };
  expect(await get()).toMatchObject(expected);
  const other = policy(rule("untagged", 1));
  await put(other);
  expect(await get()).toMatchObject({ lifecyclePolicyText: other });
  const deleted = await ecr().send(new DeleteLifecyclePolicyCommand({ repositoryName }));
  expect(deleted).toMatchObject({ lifecyclePolicyText: other, lastEvaluatedAt: new Date(0) });
  const missing = {
    name: "LifecyclePolicyNotFoundException",
    message: `Lifecycle policy does not exist for the repository with name 'app' in the registry with id '${account}'`,
  };
  await expect(get()).rejects.toMatchObject(missing);
  await expect(ecr().send(new DeleteLifecyclePolicyCommand({ repositoryName }))).rejects.toMatchObject(missing);
  await expect(start()).rejects.toMatchObject(missing);
});

test("without the repository there is neither a policy nor a preview", async () => {
  const missing = { name: "RepositoryNotFoundException" };
  const repositoryName = "none";
  const lifecyclePolicyText = keepTwo;
  const calls = [
    ecr().send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText })),
    ecr().send(new GetLifecyclePolicyCommand({ repositoryName })),
    ecr().send(new DeleteLifecyclePolicyCommand({ repositoryName })),
    ecr().send(new StartLifecyclePolicyPreviewCommand({ repositoryName, lifecyclePolicyText })),
    ecr().send(new GetLifecyclePolicyPreviewCommand({ repositoryName })),
  ];
  for (const call of await Promise.allSettled(calls)) expect(call).toMatchObject({ reason: missing });
});

test("a text that is no policy is refused, by a preview too", async () => {
  const wrong = policy({ ...rule("any", 2), action: { type: "keep" } });
  const refused = {
    name: "InvalidParameterException",
    message:
      "Invalid parameter at 'LifecyclePolicyText' failed to satisfy constraint: 'Lifecycle policy validation failure: instance value (keep) not found in enum :(possible values: [\"expire\", \"transition\"])'",
  };
  await expect(put(wrong)).rejects.toMatchObject(refused);
  await expect(start(wrong)).rejects.toMatchObject(refused);
  await expect(put("{}")).rejects.toMatchObject({
    name: "InvalidParameterException",
    message:
      "Invalid parameter at 'lifecyclePolicyText' failed to satisfy constraint: 'Member must have length greater than or equal to 100'",
  });
});

test("a preview says what would go, and touches nothing", async () => {
  await expect(preview()).rejects.toMatchObject({ name: "LifecyclePolicyPreviewNotFoundException" });
  const digests = await push("a", "b", "c", "d");
  const started = { registryId: account, repositoryName, lifecyclePolicyText: keepTwo, status: "IN_PROGRESS" } as const;
  expect(await start(keepTwo)).toMatchObject(started);
  expect(await preview()).toMatchObject({ ...started, previewResults: [], summary: { expiringImageTotalCount: 0 } });
  await expect(start(keepTwo)).rejects.toMatchObject({ name: "LifecyclePolicyPreviewInProgressException" });

  await jobs.runDue();
  const complete = await preview();
  expect(complete).toMatchObject({ ...started, status: "COMPLETE", summary: { expiringImageTotalCount: 2 } });
  expect(complete.summary).not.toHaveProperty("transitioningImageTotalCounts");
  expect(complete.previewResults).toEqual(
    ["a", "b"].map((tag, index) => ({
      imageTags: [tag],
      imageDigest: digests[index],
      imagePushedAt: expect.any(Date),
      action: { type: "EXPIRE" },
      appliedRulePriority: 1,
      storageClass: "STANDARD",
    })),
  );
  expect(await described()).toEqual(["a", "b", "c", "d"]);

  // Another one takes its place.
  await put(policy(rule("any", 1)));
  await start();
  await jobs.runDue();
  expect((await preview()).summary).toEqual({ expiringImageTotalCount: 3 });
});

test("results come in pages, by tag status and by image", async () => {
  const digests = await push("a", "b", "c", "d", "e");
  await berth.pushImage(repositoryName, "a", "takes the tag away");
  await start(policy(rule("any", 1)));
  await jobs.runDue();
  const tagsOf = ({ previewResults = [] }: Awaited<ReturnType<typeof preview>>) =>
    previewResults.map(({ imageTags = [] }) => imageTags.join("+"));
  const all = ["", "b", "c", "d", "e"];
  const pages: string[][] = [];
  for (let nextToken: string | undefined; ; ) {
    const page = await preview({ maxResults: 2, nextToken });
    expect(page.summary).toEqual({ expiringImageTotalCount: 5 });
    pages.push(tagsOf(page));
    nextToken = page.nextToken;
    if (nextToken === undefined) break;
  }
  expect(pages.map((page) => page.length)).toEqual([2, 2, 1]);
  expect(pages.flat()).toEqual(all);
  expect(tagsOf(await preview({ filter: { tagStatus: "UNTAGGED" } }))).toEqual([""]);
  const tagged = await preview({ filter: { tagStatus: "TAGGED" }, maxResults: 3 });
  expect(tagsOf(tagged)).toEqual(["b", "c", "d"]);
  const { nextToken } = tagged;
  expect(tagsOf(await preview({ filter: { tagStatus: "TAGGED" }, nextToken }))).toEqual(["e"]);
  await expect(preview({ nextToken })).rejects.toMatchObject({
    message: "Invalid parameter at 'NextToken' failed to satisfy constraint: 'Invalid next token provided'",
  });
  const imageIds = [{ imageDigest: digests[0] }, { imageTag: "d" }, { imageTag: "a" }];
  expect(tagsOf(await preview({ imageIds }))).toEqual(["", "d"]);
  expect(tagsOf(await preview({ imageIds, filter: { tagStatus: "TAGGED" } }))).toEqual(["d"]);
  await expect(preview({ imageIds, maxResults: 1 })).rejects.toMatchObject({ name: "InvalidParameterException" });
  for (const maxResults of [0, 101]) {
    await expect(preview({ maxResults })).rejects.toMatchObject({ name: "InvalidParameterException" });
  }
  // Of a preview that is no more.
  await start(keepTwo);
  await jobs.runDue();
  await expect(preview({ filter: { tagStatus: "TAGGED" }, nextToken })).rejects.toMatchObject({
    name: "InvalidParameterException",
  });
});

test("what would move to the archive is counted apart", async () => {
  await push("a", "b", "c");
  const action = { type: "transition", targetStorageClass: "archive" };
  await start(policy({ ...rule("any", 1), action }));
  await jobs.runDue();
  const { summary, previewResults } = await preview();
  expect(summary).toEqual({
    expiringImageTotalCount: 0,
    transitioningImageTotalCounts: [{ targetStorageClass: "ARCHIVE", imageTotalCount: 2 }],
  });
  expect(previewResults?.[0]).toMatchObject({ action: { type: "TRANSITION", targetStorageClass: "ARCHIVE" } });
});

test("results are there for a day", async () => {
  await push("a", "b", "c");
  await start(keepTwo);
  await jobs.runDue();
  wait(dayMs - 1);
  expect(await preview()).toMatchObject({ status: "COMPLETE", previewResults: [{ imageTags: ["a"] }] });
  wait(1);
  expect(await preview()).toMatchObject({ status: "EXPIRED", previewResults: [], lifecyclePolicyText: keepTwo });
  await jobs.runDue();
  const stored = await berth.stores.metadata.read.lifecyclePreviews.find(1);
  expect(await berth.stores.metadata.read.lifecyclePreviews.pages(stored?.id ?? 0, { from: 0, limit: 1 })).toEqual([]);
  expect(await preview()).toMatchObject({ status: "EXPIRED" });
  expect(await start(keepTwo)).toMatchObject({ status: "IN_PROGRESS" });
});

test("a repository takes its policy, its preview and their jobs along", async () => {
  await push("a", "b", "c");
  await put(keepTwo);
  await start();
  await jobs.runDue();
  const { schedules } = berth.stores.metadata.read;
  expect(await schedules.find(evaluateLifecycle.name, "1")).toBeDefined();
  await ecr().send(new DeleteRepositoryCommand({ repositoryName, force: true }));
  expect(await schedules.find(evaluateLifecycle.name, "1")).toBeUndefined();
  await ecr().send(new CreateRepositoryCommand({ repositoryName }));
  await expect(get()).rejects.toMatchObject({ name: "LifecyclePolicyNotFoundException" });
  await expect(preview()).rejects.toMatchObject({ name: "LifecyclePolicyPreviewNotFoundException" });
  const { metadata } = berth.stores;
  await metadata.transact(async ({ garbage }) => {
    while (!(await garbage.purge(1, 10, berth.now)));
  });
  expect(await metadata.read.lifecyclePolicies.find(1)).toBeUndefined();
  expect(await metadata.read.lifecyclePreviews.find(1)).toBeUndefined();
});
