import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  CreateRepositoryCommand,
  DescribeImageReplicationStatusCommand,
  DescribeImagesCommand,
  DescribeReplicationBackfillResultsCommand,
  LimitExceededException,
  ListReplicationBackfillsCommand,
  PutReplicationConfigurationCommand,
  ReplicationBackfillInProgressException,
  ReplicationBackfillInvalidStatusException,
  ReplicationBackfillNotFoundException,
  SetRepositoryPolicyCommand,
  StartReplicationBackfillCommand,
  StopReplicationBackfillCommand,
} from "@aws-sdk/client-ecr";
import type { Granted } from "../src/domain/access.ts";
import type { ClaimedJob } from "../src/domain/jobs/ports.ts";
import { createQueue, Hopeless, type TryLater } from "../src/domain/jobs/queue.ts";
import type { AccountId, Digest, Region, RepositoryName } from "../src/domain/names.ts";
import { RemoteFailure } from "../src/domain/registry/remote-registry.ts";
import { createBackfills } from "../src/domain/replication/backfills.ts";
import { account, digestOf, type InProcess, inProcess, mediaTypes, region } from "./support/berth.ts";
import { createReplicationRunner, type ReplicationRunner } from "./support/replication.ts";

/** Backfills of what was there before there were rules, by the official SDK. */

setDefaultTimeout(30_000);

const elsewhere = "eu-west-1";
const destination = { region: elsewhere, registryId: account };
let berth: InProcess;
let runner: ReplicationRunner;

beforeAll(async () => {
  berth = await inProcess({ createOnPush: true });
  runner = createReplicationRunner(berth);
});
afterAll(() => berth.close());

const replicateTo = (...regions: string[]) =>
  berth.ecr().send(
    new PutReplicationConfigurationCommand({
      replicationConfiguration: {
        rules: [
          {
            destinations: regions.map((region) => ({ region, registryId: account })),
            repositoryFilters: [{ filter: "filled/", filterType: "PREFIX_MATCH" }],
          },
        ],
      },
    }),
  );
const start = async (to = destination) =>
  (await berth.ecr().send(new StartReplicationBackfillCommand({ destination: to }))).replicationBackfillId ?? "";
const stop = (replicationBackfillId: string) =>
  berth.ecr().send(new StopReplicationBackfillCommand({ replicationBackfillId }));
const results = (replicationBackfillId: string, more: object = {}) =>
  berth.ecr().send(new DescribeReplicationBackfillResultsCommand({ replicationBackfillId, ...more }));

test("brings what was there before, and tells of each image under each of its tags", async () => {
  const one = await berth.pushImage("filled/one", "v1", "one");
  await berth.oci("PUT", "/v2/filled/one/manifests/v2", {
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: one.manifest,
  });
  const denied = await berth.pushImage("filled/denied", "v1", "denied");
  await berth.pushImage("other/none", "v1", "none");
  await berth.ecr({ region: elsewhere }).send(new CreateRepositoryCommand({ repositoryName: "filled/denied" }));
  const deny = { Sid: "No", Effect: "Deny", Principal: "*", Action: "ecr:ReplicateImage" };
  await berth.ecr({ region: elsewhere }).send(
    new SetRepositoryPolicyCommand({
      repositoryName: "filled/denied",
      policyText: JSON.stringify({ Version: "2012-10-17", Statement: [deny] }),
    }),
  );
  await replicateTo(elsewhere);

  const begun = await berth.ecr().send(new StartReplicationBackfillCommand({ destination }));
  expect(begun).toMatchObject({ registryId: account, destination, status: "PREPARING" });
  const id = begun.replicationBackfillId ?? "";
  const preparing = await results(id);
  expect(preparing).toMatchObject({ status: "PREPARING", results: [] });
  expect(preparing.progress).toBeUndefined();

  await runner.runDue();
  const ended = await results(id);
  expect(ended).toMatchObject({
    replicationBackfillId: id,
    destination,
    status: "COMPLETE",
    startedAt: begun.startedAt,
    endedAt: expect.any(Date),
    progress: {
      totalReplicationCount: 3,
      completedReplicationCount: 2,
      failedReplicationCount: 1,
      failureCodes: ["AccessDenied"],
    },
    results: [
      {
        repositoryName: "filled/denied",
        imageId: { imageDigest: denied.digest, imageTag: "v1" },
        status: "FAILED",
        failureCode: "AccessDenied",
      },
      { repositoryName: "filled/one", imageId: { imageDigest: one.digest, imageTag: "v1" }, status: "COMPLETE" },
      { repositoryName: "filled/one", imageId: { imageDigest: one.digest, imageTag: "v2" }, status: "COMPLETE" },
    ],
  });
  const { imageDetails } = await berth
    .ecr({ region: elsewhere })
    .send(new DescribeImagesCommand({ repositoryName: "filled/one" }));
  expect(imageDetails).toMatchObject([{ imageDigest: one.digest, imageTags: ["v1", "v2"] }]);
  const status = new DescribeImageReplicationStatusCommand({
    repositoryName: "filled/one",
    imageId: { imageDigest: one.digest },
  });
  expect((await berth.ecr().send(status)).replicationStatuses).toEqual([{ ...destination, status: "COMPLETE" }]);

  // In pages, and filtered.
  const first = await results(id, { maxResults: 2 });
  expect(first.results).toHaveLength(2);
  expect((await results(id, { maxResults: 2, nextToken: first.nextToken })).results).toEqual(ended.results?.slice(2));
  expect((await results(id, { resultStatusFilter: "FAILED" })).results).toEqual(ended.results?.slice(0, 1));
  expect(results(id, { resultStatusFilter: "FAILED", nextToken: first.nextToken })).rejects.toThrow(
    "Invalid next token provided",
  );
  expect(stop(id)).rejects.toThrow(ReplicationBackfillInvalidStatusException);
});

test("can be stopped, and another one goes on where it was", async () => {
  for (let number = 0; number < 70; number++) await berth.pushImage("filled/many", `v${number}`, `many ${number}`);
  await runner.runDue();
  await replicateTo("ap-south-1");
  const to = { region: "ap-south-1", registryId: account };
  const early = await start(to);
  expect(await stop(early)).toMatchObject({ replicationBackfillId: early, status: "STOPPED" });
  await runner.runDue();
  const stopped = await results(early);
  expect(stopped).toMatchObject({ status: "STOPPED", results: [], endedAt: expect.any(Date) });
  expect(stopped.progress).toBeUndefined();

  const late = await start(to);
  let seen = 0;
  const openTarget: typeof berth.openTarget = (...args) => {
    const target = berth.openTarget(...args);
    return {
      ...target,
      async put(image) {
        await target.put(image);
        // What is on its way is finished.
        if (++seen === 10) expect(await stop(late)).toMatchObject({ status: "STOPPING" });
      },
    };
  };
  expect(await createReplicationRunner({ ...berth, now: new Date(), openTarget }).runDue()).toEqual([]);
  const half = await results(late, { maxResults: 1000 });
  expect(half.status).toBe("STOPPED");
  expect(half.results?.length).toBe(half.progress?.completedReplicationCount as number);
  expect(half.progress?.completedReplicationCount).toBeLessThan(half.progress?.totalReplicationCount as number);
  const brought = seen;

  const whole = await start(to);
  let again = 0;
  const counting: typeof berth.openTarget = (...args) => {
    const target = berth.openTarget(...args);
    return {
      ...target,
      put(image) {
        again++;
        return target.put(image);
      },
    };
  };
  await createReplicationRunner({ ...berth, now: new Date(), openTarget: counting }).runDue();
  const { status, progress } = await results(whole);
  expect({ status, failed: progress?.failedReplicationCount }).toEqual({ status: "COMPLETE", failed: 0 });
  // One image of the first test, and one that may not come there.
  expect(brought + again).toBe(72);
});

describe("a destination that is away", () => {
  /** A server with a few images, whose destination does not answer. */
  async function filled() {
    const here = await inProcess({ createOnPush: true });
    for (const tag of ["v1", "v2"]) await here.pushImage("filled/away", tag, `away ${tag}`);
    const registry = { account: account as AccountId, region: region as Region };
    const to = { account: account as AccountId, region: elsewhere as Region };
    await here.stores.metadata.transact(({ replication }) =>
      replication.setRules(registry, [{ destinations: [to], prefixes: [] }]),
    );
    const openTarget: typeof here.openTarget = (...args) => ({
      ...here.openTarget(...args),
      has: () => Promise.reject(new RemoteFailure("unavailable", "nobody is there")),
    });
    const at = { ...here, now: here.now, openTarget };
    const { read } = here.stores.metadata;
    const backfills = createBackfills({ metadata: here.stores.metadata, clock: () => at.now });
    const granted = { registry } as Granted;
    const { id } = await backfills.start(granted, to);
    const run = createReplicationRunner(at);
    const images = async () => {
      const repository = await read.repositories.find(registry, "filled/away" as RepositoryName);
      const listed = await read.images.list(repository?.id ?? 0, "ANY", { limit: 10 }, "ANY");
      const found = await Promise.all(listed.map((image) => read.replication.find(image.id, to)));
      return found.map((replica) => [replica?.status, replica?.failureCode]);
    };
    return {
      here,
      at,
      run,
      backfill: () => backfills.describe(granted, id),
      stop: () => backfills.stop(granted, id),
      images,
    };
  }
  const minutes = (count: number) => count * 60_000;

  test("is asked at longer and longer intervals, for a day", async () => {
    const { here, at, run, backfill, images } = await filled();
    const began = at.now.getTime();
    const waits: number[] = [];
    while (!(await backfill()).endedAt && waits.length < 1000) {
      for (const failure of await run.runDue()) waits.push((failure as TryLater).afterMs);
      at.now = new Date(at.now.getTime() + minutes(30));
    }
    expect(waits[0]).toBeLessThan(waits.at(-1) as number);
    expect(waits.at(-1)).toBe(minutes(5));
    expect(await backfill()).toMatchObject({ status: "FAILED", failureCode: "DestinationUnavailable" });
    expect(at.now.getTime() - began).toBeGreaterThan(minutes(24 * 60));
    expect(await images()).toEqual([
      ["FAILED", "DestinationUnavailable"],
      ["FAILED", "DestinationUnavailable"],
    ]);
    expect(await here.stores.metadata.read.jobs.counts()).toEqual([]);
    await here.close();
  });

  test("fails a backfill that has no attempt left, and leaves none that never ends", async () => {
    const { here, at, run, backfill } = await filled();
    // From its second day on each attempt counts.
    at.now = new Date(at.now.getTime() + minutes(25 * 60));
    for (let tries = 0; tries < 40; tries++) {
      await run.runDue();
      // At the end it waits for an hour between two of them.
      at.now = new Date(at.now.getTime() + minutes(tries < 12 ? 10 : 61));
      if ((await backfill()).endedAt) break;
    }
    expect(await backfill()).toMatchObject({ status: "FAILED", failureCode: "DestinationUnavailable" });
    expect(await here.stores.metadata.read.jobs.counts()).toEqual([]);
    await here.close();
  });

  test("can be stopped when its job is a dead letter", async () => {
    const { here, at, run, backfill, stop } = await filled();
    await run.runDue();
    at.now = new Date(at.now.getTime() + minutes(5));
    const queue = createQueue({ metadata: here.stores.metadata, worker: "test", clock: () => at.now });
    const [job] = await queue.claim("replication.backfill", 1);
    expect(await queue.fail(job as ClaimedJob, new Hopeless("a bug"))).toEqual({ kind: "dead" });
    expect(await stop()).toMatchObject({ status: "STOPPING" });
    await run.runDue();
    expect(await backfill()).toMatchObject({ status: "STOPPED", endedAt: expect.any(Date) });
    await here.close();
  });
});

test("an image that a cache has not fetched wholly fails, and keeps nothing waiting", async () => {
  const here = await inProcess({ createOnPush: true });
  const { metadata } = here.stores;
  const whole = await here.pushImage("filled/cache", "whole", "whole");
  const blob = (content: string) => ({ digest: digestOf(content) as Digest, size: content.length });
  const layer = { mediaType: mediaTypes.layer, ...blob("still at the upstream") };
  const config = { mediaType: mediaTypes.config, ...blob("{}") };
  const text = JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.manifest, config, layers: [layer] });
  const registry = { account: account as AccountId, region: region as Region };
  const to = { account: account as AccountId, region: elsewhere as Region };
  await metadata.transact(async ({ repositories, images, replication }) => {
    const repository = await repositories.find(registry, "filled/cache" as RepositoryName);
    await images.put({
      repositoryId: repository?.id ?? 0,
      digest: digestOf(text) as Digest,
      mediaType: mediaTypes.manifest,
      manifestBytes: text.length,
      imageBytes: layer.size,
      manifest: new TextEncoder().encode(text),
      layers: [config],
      children: [],
      awaited: [{ ...layer, sizeBytes: layer.size }],
      pushedAt: here.now,
    } as unknown as Parameters<typeof images.put>[0]);
    await replication.setRules(registry, [{ destinations: [to], prefixes: [] }]);
  });
  const backfills = createBackfills({ metadata, clock: () => here.now });
  const granted = { registry } as Granted;
  const { id } = await backfills.start(granted, to);
  expect(await createReplicationRunner(here).runDue()).toEqual([]);
  const backfill = await backfills.describe(granted, id);
  expect(backfill).toMatchObject({ status: "COMPLETE", progress: { completed: 1, failed: 1 } });
  expect(await backfills.results(backfill, { limit: 10 })).toMatchObject([
    { digest: whole.digest, status: "COMPLETE" },
    { digest: digestOf(text), status: "FAILED", failureCode: "ImageInaccessible" },
  ]);
  await here.close();
});

test("there is one at a time for each region, and ten in all; they are listed newest first", async () => {
  const regions = Array.from({ length: 11 }, (_, index) => `eu-north-${index + 1}`);
  await replicateTo(...regions);
  const ids: string[] = [];
  for (const region of regions.slice(0, 10)) {
    berth.now = new Date(berth.now.getTime() + 1000);
    ids.unshift(await start({ region, registryId: account }));
  }
  expect(start({ region: regions[0] ?? "", registryId: account })).rejects.toThrow(
    ReplicationBackfillInProgressException,
  );
  expect(start({ region: regions[10] ?? "", registryId: account })).rejects.toThrow(LimitExceededException);
  expect(start({ region: "us-west-2", registryId: account })).rejects.toThrow(
    "is not configured in the registry's replication configuration",
  );
  const list = (more: object) => berth.ecr().send(new ListReplicationBackfillsCommand(more));
  const first = await list({ maxResults: 4 });
  const second = await list({ maxResults: 50, nextToken: first.nextToken });
  const all = [...(first.backfills ?? []), ...(second.backfills ?? [])];
  expect(all.slice(0, 10).map(({ replicationBackfillId }) => replicationBackfillId)).toEqual(ids);
  expect(all.length).toBe(14);
  for (const id of ids) await stop(id);
});

test("what ended 90 days ago is not returned any more, and goes", async () => {
  await replicateTo(elsewhere);
  const [old = ""] = (await berth.ecr().send(new ListReplicationBackfillsCommand({}))).backfills?.map(
    ({ replicationBackfillId }) => replicationBackfillId,
  ) ?? [""];
  berth.now = new Date(berth.now.getTime() + 91 * 24 * 60 * 60_000);
  const fresh = berth.ecr({ systemClockOffset: berth.now.getTime() - Date.now() });
  expect((await fresh.send(new ListReplicationBackfillsCommand({}))).backfills).toEqual([]);
  expect(
    fresh.send(new DescribeReplicationBackfillResultsCommand({ replicationBackfillId: old ?? "" })),
  ).rejects.toThrow(ReplicationBackfillNotFoundException);
  await fresh.send(new StartReplicationBackfillCommand({ destination }));
  await runner.runDue();
  const left = await berth.stores.metadata.read.backfills.list(
    { account: account, region: "us-east-1" as never },
    new Date(0),
    { limit: 50 },
  );
  expect(left.map(({ status }) => status)).toEqual(["COMPLETE"]);
});
