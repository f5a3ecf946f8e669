import { afterEach, beforeEach, expect, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DeleteLifecyclePolicyCommand,
  DeleteRepositoryCommand,
  DescribeImagesCommand,
  GetLifecyclePolicyCommand,
  PutLifecyclePolicyCommand,
} from "@aws-sdk/client-ecr";
import { noRetention, type Retention } from "../../src/domain/lifecycle/ports.ts";
import type { Digest, RepositoryName, Tag } from "../../src/domain/names.ts";
import { type EvaluationParts, evaluateRepository } from "../../src/domain/registry/lifecycle-evaluation.ts";
import type { LifecycleEvent } from "../../src/domain/registry/lifecycle-events.ts";
import type { EvaluationJob } from "../../src/domain/registry/lifecycle-jobs.ts";
import type { Nouns } from "../../src/domain/registry/ports.ts";
import { account, type InProcess, inProcess, mediaTypes, region } from "../support/berth.ts";
import { createLifecycleRunner, lifecycleEveryMs } from "../support/lifecycle.ts";

const repositoryName = "app";
const job: EvaluationJob = { id: 1, account, region, name: repositoryName as RepositoryName };

let berth: InProcess;

beforeEach(async () => {
  berth = await inProcess();
  await ecr().send(new CreateRepositoryCommand({ repositoryName }));
});
afterEach(() => berth.close());

/** Signs by the clock that the test has moved. */
const ecr = () => berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
const put = (...rules: object[]) => {
  const lifecyclePolicyText = JSON.stringify({ rules }).padEnd(100);
  return ecr().send(new PutLifecyclePolicyCommand({ repositoryName, lifecyclePolicyText }));
};
const keep = (countNumber: number, selection: object = { tagStatus: "any" }, others: object = {}) => ({
  rulePriority: 1,
  description: `keep ${countNumber}`,
  selection: { ...selection, countType: "imageCountMoreThan", countNumber },
  action: { type: "expire" },
  ...others,
});
const toArchive = { action: { type: "transition", targetStorageClass: "archive" } };
const wait = (ms: number) => {
  berth.now = new Date(berth.now.getTime() + ms);
};

async function push(...tags: string[]): Promise<Digest[]> {
  const digests: Digest[] = [];
  for (const tag of tags) {
    digests.push((await berth.pushImage(repositoryName, tag, `content of ${tag}`)).digest as Digest);
    wait(60_000);
  }
  return digests;
}

/** A manifest that is no image of layers: an index, or what refers to another one. */
async function pushManifest(manifest: object, mediaType: string, tag?: string): Promise<Digest> {
  const body = JSON.stringify(manifest);
  const digest = `sha256:${new Bun.CryptoHasher("sha256").update(body).digest("hex")}` as Digest;
  const pushed = await berth.oci("PUT", `/v2/${repositoryName}/manifests/${tag ?? digest}`, {
    headers: { "content-type": mediaType },
    body,
  });
  expect(pushed.status).toBe(201);
  return digest;
}

const pushIndex = (tag: string, ...digests: string[]) =>
  pushManifest(
    {
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: digests.map((digest) => ({ mediaType: mediaTypes.manifest, digest, size: 1 })),
    },
    mediaTypes.index,
    tag,
  );

async function sign(subject: string, note = "signature"): Promise<Digest> {
  const config = { mediaType: "application/vnd.oci.empty.v1+json", ...(await berth.pushBlob(repositoryName, "{}")) };
  const descriptor = { mediaType: mediaTypes.manifest, digest: subject, size: 1 };
  const manifest = { schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [], subject: descriptor };
  return pushManifest({ ...manifest, annotations: { note } }, mediaTypes.manifest);
}

async function left(imageStatus: "ANY" | "ARCHIVED" = "ANY"): Promise<string[]> {
  const { imageDetails = [] } = await ecr().send(
    new DescribeImagesCommand({ repositoryName, filter: { imageStatus }, maxResults: 1000 }),
  );
  return imageDetails.map(({ imageTags, imageDigest = "" }) => imageTags?.join("+") ?? imageDigest).sort();
}

/** Evaluations of this process, without a queue: nothing stands between two of them, and `between` comes before each transaction. */
function evaluator(
  options: { retention?: Retention<Nouns>; between?: (transaction: number) => Promise<unknown> } = {},
) {
  const { retention = noRetention, between } = options;
  const { metadata } = berth.stores;
  const events: LifecycleEvent[] = [];
  let transactions = 0;
  const parts: EvaluationParts = {
    metadata: {
      ...metadata,
      async transact(work, how) {
        await between?.(++transactions);
        return metadata.transact(work, how);
      },
    },
    retention,
    record: async (event) => void events.push(event),
    clock: () => berth.now,
    everyMs: lifecycleEveryMs,
  };
  const attempt = {
    signal: new AbortController().signal,
    progress: undefined,
    checkpoint: async () => {},
    complete: async () => {},
  };
  return { events, evaluate: () => evaluateRepository(parts, job, attempt) };
}

const actedOn = (events: readonly LifecycleEvent[]) =>
  events.flatMap(({ actions }) => actions.map(({ tags, digest }) => tags.join("+") || digest));

test("a policy is evaluated at the repository's turn, and not when it is put", async () => {
  const runner = createLifecycleRunner(berth);
  const [a = ""] = await push("a", "b", "c");
  await put(keep(2));
  await runner.runDue();
  expect(await left()).toEqual(["a", "b", "c"]);
  wait(lifecycleEveryMs);
  expect(await runner.runDue()).toEqual([{ outcome: "done", images: 3, acted: 1, failed: 0 }]);
  expect(await left()).toEqual(["b", "c"]);
  const { lastEvaluatedAt } = await ecr().send(new GetLifecyclePolicyCommand({ repositoryName }));
  expect(lastEvaluatedAt).toEqual(berth.now);
  const history = await berth.stores.metadata.read.tags.history(1, "a" as Tag, 1);
  expect(history).toMatchObject([{ from: a, to: undefined, by: "ecr.amazonaws.com" }]);
  expect((await berth.oci("GET", `/v2/${repositoryName}/manifests/a`)).status).toBe(404);
  // And every day from then on.
  await push("d");
  wait(lifecycleEveryMs);
  await runner.runDue();
  expect(await left()).toEqual(["c", "d"]);
});

test("what was done is on record as ECR writes it", async () => {
  const runner = createLifecycleRunner(berth);
  const digests = await push(...Array.from({ length: 13 }, (_, index) => `v${index + 10}`));
  await put(keep(1));
  wait(lifecycleEveryMs);
  await runner.runDue();
  const records = (await berth.records()).filter(({ eventName }) => eventName === "PolicyExecutionEvent");
  expect(records.map(({ serviceEventDetails: { lifecycleEventImageActions: images } }) => images.length)).toEqual([
    10, 2,
  ]);
  expect(records[0]).toMatchObject({
    eventSource: "ecr.amazonaws.com",
    eventType: "AwsServiceEvent",
    userIdentity: { type: "AWSService", invokedBy: "ecr.amazonaws.com" },
    sourceIPAddress: "ecr.amazonaws.com",
    requestParameters: null,
    responseElements: null,
    readOnly: true,
    resources: [
      { ARN: `arn:aws:ecr:${region}:${account}:repository/app`, accountId: account, type: "AWS::ECR::Repository" },
    ],
    recipientAccountId: account,
    serviceEventDetails: {
      repositoryName,
      lifecycleEventPolicy: {
        lifecycleEventRules: [
          {
            rulePriority: 1,
            description: "keep 1",
            lifecycleEventSelection: {
              tagStatus: "Any",
              tagPrefixList: [],
              tagPatternList: [],
              countType: "Image count more than",
              countNumber: 1,
            },
            action: "expire",
          },
        ],
        lastEvaluatedAt: 0,
        policyVersion: 1,
        policyId: expect.stringMatching(/^[0-9a-f-]{36}$/),
      },
      lifecycleEventFailureDetails: [],
    },
  });
  expect(records[0]?.serviceEventDetails.lifecycleEventImageActions[0]).toEqual({
    lifecycleEventImage: { digest: digests[0], tagStatus: "Tagged", tagList: ["v10"], pushedAt: expect.any(Number) },
    rulePriority: 1,
  });
});

test("what an index lists stays until the index is gone, and the trail says why", async () => {
  const [a = "", b = ""] = await push("a", "b");
  for (const tag of ["a", "b"]) await berth.oci("DELETE", `/v2/${repositoryName}/manifests/${tag}`);
  const index = await pushIndex("multi", a, b);
  wait(60_000);
  await push("other");
  await put(keep(1, { tagStatus: "any" }));
  const { evaluate, events } = evaluator();
  expect(await evaluate()).toMatchObject({ acted: 1 });
  // The index was the first to go in its turn; its parts are free for the next one.
  expect(await left()).toEqual([a, b, "other"].sort());
  expect(events.flatMap(({ failures }) => failures)).toMatchObject(
    [a, b].map((digest) => ({
      digest,
      code: "ImageReferencedByManifestList",
      reason: `Requested image referenced by manifest list: [${index}]`,
    })),
  );
  expect(await evaluate()).toMatchObject({ acted: 2 });
  expect(await left()).toEqual(["other"]);
});

test("referrers go with what they refer to, in the same transaction", async () => {
  const [a = ""] = await push("a", "b");
  const signature = await sign(a);
  await sign(signature, "of the signature");
  await put(keep(1));
  const { evaluate, events } = evaluator();
  await evaluate();
  expect(actedOn(events).slice(0, 2)).toEqual(["a", signature]);
  expect(actedOn(events)).toHaveLength(3);
  expect(await left()).toEqual(["b"]);
});

test("an image that was signed since the plan was made stays until the next one", async () => {
  const [a = ""] = await push("a", "b");
  await put(keep(1));
  let signature = "";
  const signing = evaluator({
    between: async (transaction) => {
      if (transaction === 1) signature = await sign(a);
    },
  });
  expect(await signing.evaluate()).toMatchObject({ acted: 0 });
  expect(await left()).toEqual(["a", "b", signature].sort());
  expect(await evaluator().evaluate()).toMatchObject({ acted: 2 });
  expect(await left()).toEqual(["b"]);
});

test("what was tagged or listed since the plan was made stays", async () => {
  const [, b = ""] = await push("a-1", "b-1", "c-1", "d-1");
  const rule = keep(1, { tagStatus: "tagged", tagPrefixList: ["a", "b"] }, { rulePriority: 2 });
  await put({ ...rule, selection: { ...rule.selection, tagStatus: "any", tagPrefixList: undefined } });
  const meanwhile = evaluator({
    between: async (transaction) => {
      if (transaction === 1) await pushIndex("multi", b);
    },
  });
  await meanwhile.evaluate();
  expect(await left()).toEqual(["b-1", "d-1", "multi"]);
  expect(meanwhile.events.flatMap(({ failures }) => failures)).toMatchObject([{ digest: b }]);
});

test("an image that is deleted and pushed again meanwhile is another one", async () => {
  const [a = ""] = await push("a", "b");
  await put(keep(1));
  const meanwhile = evaluator({
    between: async (transaction) => {
      if (transaction > 1) return;
      await berth.oci("DELETE", `/v2/${repositoryName}/manifests/${a}`);
      await push("a");
    },
  });
  expect(await meanwhile.evaluate()).toMatchObject({ acted: 0 });
  expect(await left()).toEqual(["a", "b"]);
});

test("another policy, none, or no repository ends an evaluation on its way", async () => {
  const tags = Array.from({ length: 25 }, (_, index) => `v${index + 10}`);
  await push(...tags);
  const changes: (() => Promise<unknown>)[] = [
    () => put(keep(20)),
    () => ecr().send(new DeleteLifecyclePolicyCommand({ repositoryName })),
  ];
  for (const change of changes) {
    await put(keep(1));
    const before = await left();
    const meanwhile = evaluator({ between: async (transaction) => transaction === 2 && (await change()) });
    expect(await meanwhile.evaluate()).toMatchObject({ outcome: "ended", acted: Math.min(10, before.length - 1) });
    expect(await left()).toEqual(before.slice(10));
  }
  await push(...tags);
  await put(keep(1));
  const gone = evaluator({
    between: async (transaction) =>
      transaction === 2 && (await ecr().send(new DeleteRepositoryCommand({ repositoryName, force: true }))),
  });
  expect(await gone.evaluate()).toMatchObject({ outcome: "ended", acted: 10 });
  expect(await gone.evaluate()).toMatchObject({ outcome: "ended", images: 0 });
});

test("a rule archives images with their referrers, and the next one is not about them", async () => {
  const [a = ""] = await push("a", "b", "c");
  const signature = await sign(a);
  await put(keep(1, { tagStatus: "any" }, toArchive));
  const { evaluate, events } = evaluator();
  await evaluate();
  expect(await left("ARCHIVED")).toEqual(["a", "b", signature].sort());
  expect(actedOn(events)).toEqual(["a", signature, "b"]);
  expect(await evaluate()).toMatchObject({ acted: 0 });
});

test("retain rules, holds of the moment and report-only are asked for", async () => {
  await push("a", "b", "c", "d");
  await put(keep(1));
  const options = {
    retain: [
      {
        name: "b",
        selection: { tagStatus: "tagged", tagPatternList: ["b"], storageClass: "any" },
        keep: { kind: "all" },
      },
    ],
  } as const;
  const reporting = { ...noRetention, lifecycleOptionsOf: async () => ({ reportOnly: true }) };
  expect(await evaluator({ retention: reporting }).evaluate()).toMatchObject({ outcome: "reported", acted: 0 });
  const retention: Retention<Nouns> = {
    lifecycleOptionsOf: async (_, { name }) => (name === repositoryName ? options : {}),
    holdsOn: async (_, __, { tags }) => (tags.includes("c") ? [{ target: { tag: "c" }, reason: "wanted" }] : []),
  };
  await evaluator({ retention }).evaluate();
  expect(await left()).toEqual(["b", "c", "d"]);
});

test("two evaluations at once handle each image once", async () => {
  await push(...Array.from({ length: 25 }, (_, index) => `v${index + 10}`));
  await put(keep(3));
  const [one, other] = [evaluator(), evaluator()];
  await Promise.all([one.evaluate(), other.evaluate()]);
  expect(await left()).toEqual(["v32", "v33", "v34"]);
  const all = [...actedOn(one.events), ...actedOn(other.events)];
  expect(all).toHaveLength(22);
  expect(new Set(all).size).toBe(22);
});
