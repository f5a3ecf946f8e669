import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DescribeImagesCommand,
  DescribeRepositoriesCommand,
  GetLifecyclePolicyCommand,
  GetRepositoryPolicyCommand,
  ListTagsForResourceCommand,
  PutImageTagMutabilityCommand,
  PutLifecyclePolicyCommand,
  PutReplicationConfigurationCommand,
  SetRepositoryPolicyCommand,
  TagResourceCommand,
} from "@aws-sdk/client-ecr";
import type { Region } from "../src/domain/names.ts";
import { nameOf } from "../src/domain/replication/jobs.ts";
import { noOptions } from "../src/domain/replication/ports.ts";
import { account, digestOf, type InProcess, inProcess, region } from "./support/berth.ts";
import { askOwn } from "./support/own-api.ts";
import { createReplicationRunner, type ReplicationRunner } from "./support/replication.ts";

/** What replication does beyond ECR's, where somebody has chosen it. */

setDefaultTimeout(30_000);

const elsewhere = "eu-west-1";
let berth: InProcess;
let runner: ReplicationRunner;
let names = 0;

beforeAll(async () => {
  berth = await inProcess();
  runner = createReplicationRunner(berth);
});
afterAll(() => berth.close());

/** @throws with the message of a refusal */
async function call(operation: string, input: object) {
  const { status, ...answer } = await askOwn(berth, operation, input);
  if (status !== 200) throw new Error(answer.message ?? answer.Message);
  return answer;
}

const home = () => berth.ecr();
const away = () => berth.ecr({ region: elsewhere });

async function newRepository(): Promise<string> {
  const repositoryName = `chosen/r${names++}`;
  await home().send(new CreateRepositoryCommand({ repositoryName }));
  return repositoryName;
}

const replicate = (on: boolean) =>
  home().send(
    new PutReplicationConfigurationCommand({
      replicationConfiguration: { rules: on ? [{ destinations: [{ region: elsewhere, registryId: account }] }] : [] },
    }),
  );

async function imagesThere(repositoryName: string) {
  const { imageDetails = [] } = await away().send(new DescribeImagesCommand({ repositoryName }));
  return Object.fromEntries(
    imageDetails.map(({ imageDigest = "", imageTags = [] }) => [imageDigest, imageTags.sort()]),
  );
}

const nothing = { replicateDeletes: false, replicateUntags: false, tagFilters: [], settings: [] };

test("options are off until somebody sets them, one by one", async () => {
  expect(await call("GetReplicationOptions", {})).toEqual(nothing);
  expect(await call("PutReplicationOptions", { replicateUntags: true })).toEqual({ ...nothing, replicateUntags: true });
  await replicate(true);
  const tagFilters = ["v*"];
  expect(await call("PutReplicationOptions", { tagFilters })).toEqual({
    ...nothing,
    replicateUntags: true,
    tagFilters,
  });
  const off = await call("PutReplicationOptions", { replicateUntags: false, tagFilters: [] });
  expect(await call("GetReplicationOptions", {})).toEqual(off);
  expect(call("PutReplicationOptions", { settings: ["everything"] })).rejects.toThrow("settings");
});

test("deletes and untags go along when that is chosen, and stay at home when not", async () => {
  await replicate(true);
  const repository = await newRepository();
  const remove = (imageId: object) =>
    home().send(new BatchDeleteImageCommand({ repositoryName: repository, imageIds: [imageId] }));
  const kept = await berth.pushImage(repository, "kept", "kept");
  await runner.runDue();
  await remove({ imageDigest: kept.digest });
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [kept.digest]: ["kept"] });

  await call("PutReplicationOptions", { replicateDeletes: true, replicateUntags: true });
  const gone = await berth.pushImage(repository, "gone", "gone");
  const untagged = await berth.pushImage(repository, "one", "untagged");
  await berth.oci("PUT", `/v2/${repository}/manifests/two`, {
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: untagged.manifest,
  });
  await runner.runDue();
  await remove({ imageDigest: gone.digest });
  await remove({ imageTag: "two" });
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [kept.digest]: ["kept"], [untagged.digest]: ["one"] });

  // Pushed again before the removal got there.
  await remove({ imageDigest: untagged.digest });
  await berth.pushImage(repository, "one", "untagged");
  await runner.runDue();
  expect((await imagesThere(repository))[untagged.digest]).toEqual(["one"]);
  await call("PutReplicationOptions", { replicateDeletes: false, replicateUntags: false });
});

test("a delete that was brought is not brought back: what was pushed again meanwhile stays", async () => {
  await replicate(true);
  await call("PutReplicationOptions", { replicateDeletes: true, replicateUntags: true });
  const back = { account, region: elsewhere as Region };
  const rules = [{ destinations: [{ account, region: region as Region }], prefixes: [] }];
  const set = (some: typeof rules, on: boolean) =>
    berth.stores.metadata.transact(async ({ replication }) => {
      await replication.setRules(back, some);
      await replication.setOptions(back, { ...noOptions, deletes: on, untags: on });
    });
  await set(rules, true);
  const repository = await newRepository();
  const { digest } = await berth.pushImage(repository, "v1", "there and back");
  await runner.runDue();
  const remove = { repositoryName: repository, imageIds: [{ imageDigest: digest }] };
  await home().send(new BatchDeleteImageCommand(remove));
  const asked: string[] = [];
  const openTarget: typeof berth.openTarget = (source, to, how) => {
    asked.push(nameOf(to));
    return berth.openTarget(source, to, how);
  };
  await createReplicationRunner({ ...berth, now: berth.now, openTarget }).runDue();
  expect(await imagesThere(repository)).toEqual({});
  expect(asked).toEqual([`${account}/${elsewhere}`]);
  await berth.pushImage(repository, "v1", "there and back");
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [digest]: ["v1"] });
  await set([], false);
  await call("PutReplicationOptions", { replicateDeletes: false, replicateUntags: false });
});

test("what the destination needs stays there, and nobody asks again and again", async () => {
  await replicate(true);
  const repository = await newRepository();
  const part = await berth.pushImage(repository, "part", "needed");
  const index = JSON.stringify({
    schemaVersion: 2,
    mediaType: "application/vnd.oci.image.index.v1+json",
    manifests: [{ mediaType: "application/vnd.oci.image.manifest.v1+json", digest: part.digest, size: 1 }],
  });
  await berth.oci("PUT", `/v2/${repository}/manifests/multi`, {
    headers: { "content-type": "application/vnd.oci.image.index.v1+json" },
    body: index,
  });
  await runner.runDue();
  const remove = (imageId: object) =>
    home().send(new BatchDeleteImageCommand({ repositoryName: repository, imageIds: [imageId] }));
  await remove({ imageDigest: digestOf(index) });
  await call("PutReplicationOptions", { replicateDeletes: true });
  await remove({ imageDigest: part.digest });
  expect(await runner.runDue()).toEqual([]);
  expect(Object.keys(await imagesThere(repository)).sort()).toEqual([part.digest, digestOf(index)].sort());
  expect(await berth.stores.metadata.read.jobs.counts()).toEqual([]);
  await call("PutReplicationOptions", { replicateDeletes: false });
});

test("a delete while the image is on its way, and a push while its delete is, end as at the source", async () => {
  await replicate(true);
  await call("PutReplicationOptions", { replicateDeletes: true, replicateUntags: true });
  const repository = await newRepository();
  const remove = (imageDigest: string) =>
    home().send(new BatchDeleteImageCommand({ repositoryName: repository, imageIds: [{ imageDigest }] }));
  /** Does everything, and something between a question at the destination and what is done there. */
  async function runWith(meanwhile: (image: { digest: string }) => Promise<unknown>, method: "put" | "remove") {
    let isDone = false;
    const once = async (digest: string) => {
      if (isDone) return;
      isDone = true;
      await meanwhile({ digest });
      await runner.runDue();
    };
    const openTarget: typeof berth.openTarget = (...args) => {
      const target = berth.openTarget(...args);
      return {
        ...target,
        async put(image) {
          if (method === "put") await once(image.digest);
          return target.put(image);
        },
        async remove(digest) {
          if (method === "remove") await once(digest);
          return target.remove(digest);
        },
      };
    };
    expect(await createReplicationRunner({ ...berth, now: berth.now, openTarget }).runDue()).toEqual([]);
  }

  const { digest } = await berth.pushImage(repository, "v0", "here and gone");
  await runWith(() => remove(digest), "put");
  expect(await imagesThere(repository)).toEqual({});

  const kept = await berth.pushImage(repository, "v1", "gone and here");
  await runner.runDue();
  await remove(kept.digest);
  await runWith(() => berth.pushImage(repository, "v1", "gone and here"), "remove");
  expect(await imagesThere(repository)).toEqual({ [kept.digest]: ["v1"] });
  await call("PutReplicationOptions", { replicateDeletes: false, replicateUntags: false });
});

test("only images with tags that are wanted go, under such tags, and what refers to them", async () => {
  await replicate(true);
  await call("PutReplicationOptions", { tagFilters: ["v*"] });
  const repository = await newRepository();
  await berth.pushImage(repository, "branch", "branch");
  const release = await berth.pushImage(repository, "v1", "release");
  await berth.oci("PUT", `/v2/${repository}/manifests/latest`, {
    headers: { "content-type": "application/vnd.oci.image.manifest.v1+json" },
    body: release.manifest,
  });
  const subject = { mediaType: "application/vnd.oci.image.manifest.v1+json", digest: release.digest, size: 1 };
  const signature = await berth.pushImage(repository, "signature", "signature", { subject });
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [release.digest]: ["v1"], [signature.digest]: [] });
  await call("PutReplicationOptions", { tagFilters: [] });
});

test("settings that are chosen come along", async () => {
  await replicate(true);
  const repository = await newRepository();
  const policyText = JSON.stringify({
    Version: "2012-10-17",
    Statement: [{ Sid: "Read", Effect: "Allow", Principal: "*", Action: "ecr:BatchGetImage" }],
  });
  const selection = { tagStatus: "any", countType: "imageCountMoreThan", countNumber: 5 };
  const lifecyclePolicyText = JSON.stringify({ rules: [{ rulePriority: 1, selection, action: { type: "expire" } }] });
  await home().send(new SetRepositoryPolicyCommand({ repositoryName: repository, policyText }));
  await home().send(new PutLifecyclePolicyCommand({ repositoryName: repository, lifecyclePolicyText }));
  const mutability = { repositoryName: repository, imageTagMutability: "IMMUTABLE" } as const;
  await home().send(new PutImageTagMutabilityCommand(mutability));
  const arnIn = (at: string) => `arn:aws:ecr:${at}:${account}:repository/${repository}`;
  const tags = [{ Key: "team", Value: "core" }];
  await home().send(new TagResourceCommand({ resourceArn: arnIn(region), tags }));

  await berth.pushImage(repository, "v1", "without settings");
  await runner.runDue();
  const settingsThere = async () => {
    const { repositories } = await away().send(new DescribeRepositoriesCommand({ repositoryNames: [repository] }));
    const of = { repositoryName: repository };
    const policy = await away()
      .send(new GetRepositoryPolicyCommand(of))
      .then(
        ({ policyText: text }) => text,
        () => "",
      );
    const lifecycle = await away()
      .send(new GetLifecyclePolicyCommand(of))
      .then(
        ({ lifecyclePolicyText: text }) => text,
        () => "",
      );
    const listed = await away().send(new ListTagsForResourceCommand({ resourceArn: arnIn(elsewhere) }));
    return [repositories?.[0]?.imageTagMutability, policy, lifecycle, listed.tags];
  };
  expect(await settingsThere()).toEqual(["MUTABLE", "", "", []]);
  const settings = ["tagMutability", "repositoryPolicy", "lifecyclePolicy", "resourceTags"];
  await call("PutReplicationOptions", { settings });
  await berth.pushImage(repository, "v2", "with settings");
  expect(await runner.runDue()).toEqual([]);
  expect(await settingsThere()).toEqual(["IMMUTABLE", policyText, lifecyclePolicyText, tags]);
  await call("PutReplicationOptions", { settings: [] });
});

test("images go when somebody says so: some, or all of a repository, also where no rule names", async () => {
  await replicate(false);
  const repository = await newRepository();
  const [first, second] = [
    await berth.pushImage(repository, "v1", "on demand 1"),
    await berth.pushImage(repository, "v2", "on demand 2"),
  ];
  const destination = { region: elsewhere, registryId: account };
  const ask = (more: object) => call("ReplicateImages", { repositoryName: repository, ...more });
  expect(ask({})).rejects.toThrow("No replication rule names a destination");
  expect(ask({ destination: { region, registryId: account } })).rejects.toThrow("cannot be the same");
  expect(ask({ destination, imageIds: [{ imageTag: "none" }] })).rejects.toThrow("does not exist");
  expect(await ask({ destination, imageIds: [{ imageTag: "v1" }] })).toEqual({ replicationCount: 1 });
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [first.digest]: ["v1"] });
  await replicate(true);
  expect(await ask({})).toEqual({ replicationCount: 2 });
  await runner.runDue();
  expect(await imagesThere(repository)).toEqual({ [first.digest]: ["v1"], [second.digest]: ["v2"] });
});
