import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DescribeImageReplicationStatusCommand,
  DescribeImagesCommand,
  PutImageTagMutabilityCommand,
  PutReplicationConfigurationCommand,
  SetRepositoryPolicyCommand,
} from "@aws-sdk/client-ecr";
import type { AccountId, Region } from "../src/domain/names.ts";
import { noOptions } from "../src/domain/replication/ports.ts";
import { openPeers } from "../src/remotes/peers.ts";
import { createRemotes } from "../src/remotes/registry/index.ts";
import { type RunningServer, startServer } from "../src/server/listener.ts";
import { createLog } from "../src/server/log.ts";
import { replicateWhileKilled } from "./replication/killed.ts";
import { account, basic, digestOf, type InProcess, inProcess, keyPair, mediaTypes } from "./support/berth.ts";
import { type BlobCountingProxy, startBlobCountingProxy } from "./support/blob-counting-proxy.ts";
import { allow } from "./support/people.ts";
import { createReplicationRunner, type ReplicationRunner } from "./support/replication.ts";

/** Replication to a region that another Berth keeps. */

setDefaultTimeout(60_000);

const elsewhere = "eu-west-1";
const folder = mkdtempSync(join(tmpdir(), "berth-peers-"));
const credentials = join(folder, "peers");
const remotes = createRemotes({ pauseMs: 10 });
let peer: InProcess;
let server: RunningServer;
let proxy: BlobCountingProxy;
let berth: InProcess;
let runner: ReplicationRunner;
let names = 0;

const log = createLog({ level: "fatal", format: "json", write: () => {} });
const serve = (surfaces: InProcess["surfaces"]) => {
  const started = startServer({ listen: { host: "127.0.0.1", port: 0 }, ready: async () => {}, log });
  started.serve(surfaces);
  return started;
};

function signInWith(accessKeyId: string, secret: string): void {
  writeFileSync(
    credentials,
    `[${elsewhere}]\naws_access_key_id = ${accessKeyId}\naws_secret_access_key = ${secret}\n`,
    { mode: 0o600 },
  );
}

beforeAll(async () => {
  signInWith(keyPair.accessKeyId, keyPair.secretAccessKey);
  peer = await inProcess({ region: elsewhere });
  server = serve(peer.surfaces);
  proxy = await startBlobCountingProxy(server.url);
  const configured = { peers: [{ region: elsewhere as Region, origin: proxy.url }], peerCredentials: credentials };
  berth = await inProcess({ peers: openPeers(configured, remotes.open) });
  runner = createReplicationRunner(berth);
  await berth.ecr().send(
    new PutReplicationConfigurationCommand({
      replicationConfiguration: { rules: [{ destinations: [{ region: elsewhere, registryId: account }] }] },
    }),
  );
});
afterAll(async () => {
  await proxy.close();
  remotes.close();
  await server.stop(0);
  await berth.close();
  await peer.close();
  rmSync(folder, { recursive: true });
});

const there = () => peer.ecr({ region: elsewhere });

async function newRepository(): Promise<string> {
  const repositoryName = `sent/r${names++}`;
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName }));
  return repositoryName;
}

async function statusOf(repositoryName: string, imageDigest: string) {
  const { replicationStatuses: [one] = [] } = await berth
    .ecr()
    .send(new DescribeImageReplicationStatusCommand({ repositoryName, imageId: { imageDigest } }));
  return [one?.status, one?.failureCode].filter(Boolean).join(" ");
}

async function imagesThere(repositoryName: string) {
  const { imageDetails = [] } = await there().send(new DescribeImagesCommand({ repositoryName }));
  return Object.fromEntries(
    imageDetails.map(({ imageDigest = "", imageTags = [] }) => [imageDigest, imageTags.sort()]),
  );
}

/** Due again, whatever the queue waits for. */
function later(): void {
  berth.now = new Date(berth.now.getTime() + 10 * 60_000);
}

const sdkNow = () => ({ systemClockOffset: berth.now.getTime() - Date.now() });

describe("to another Berth", () => {
  test("an image goes with its tags, by way of an index, with what refers to it", async () => {
    const repository = await newRepository();
    const part = await berth.pushImage(repository, "part", "part");
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [{ mediaType: mediaTypes.manifest, digest: part.digest, size: part.manifest.length }],
    });
    await berth.oci("PUT", `/v2/${repository}/manifests/multi`, {
      headers: { "content-type": mediaTypes.index },
      body: index,
    });
    const subject = { mediaType: mediaTypes.index, digest: digestOf(index), size: index.length };
    const signature = await berth.pushImage(repository, "signed", "signature", { subject });
    expect(await runner.runDue()).toEqual([]);
    expect(await statusOf(repository, signature.digest)).toBe("COMPLETE");
    expect(await imagesThere(repository)).toEqual({
      [part.digest]: ["part"],
      [digestOf(index)]: ["multi"],
      [signature.digest]: ["signed"],
    });
    const replicated = (await peer.records()).filter(({ eventName }) => eventName === "ReplicateImage");
    expect(replicated.map(({ requestParameters }) => requestParameters.repositoryName)).toContain(repository);
    expect(replicated[0]?.requestParameters).toMatchObject({ sourceAccount: account, sourceRegion: "us-east-1" });
  });

  test("only what is missing travels, whichever repository has it", async () => {
    const [one, other] = [await newRepository(), await newRepository()];
    await berth.pushImage(one, "v1", "a layer that is shared");
    await runner.runDue();
    const before = proxy.blobBytes;
    const { digest } = await berth.pushImage(other, "v1", "a layer that is shared");
    await runner.runDue();
    expect(await statusOf(other, digest)).toBe("COMPLETE");
    expect(await imagesThere(other)).toEqual({ [digest]: ["v1"] });
    expect(proxy.blobBytes - before).toBe(0);
    expect(proxy.again).toEqual([]);
  });

  test("a blob goes on where its connection broke", async () => {
    const repository = await newRepository();
    const content = "0123456789abcdef".repeat(400_000);
    const before = proxy.blobBytes;
    proxy.cutAfter(3_000_000);
    const { digest } = await berth.pushImage(repository, "large", content);
    await runner.runDue();
    expect(await statusOf(repository, digest)).toBe("COMPLETE");
    const [first = 0] = (proxy.ranges.at(-1) ?? "").split("-").map(Number);
    expect(first).toBeGreaterThan(0);
    // Nothing before the break went twice, but for what was in the pipe.
    expect(proxy.blobBytes - before).toBeLessThan(content.length * 1.5);
  });

  test("an immutable tag that is taken stays, and a replica is not replicated on", async () => {
    const repository = await newRepository();
    await there().send(new CreateRepositoryCommand({ repositoryName: repository }));
    const mutability = { repositoryName: repository, imageTagMutability: "IMMUTABLE" } as const;
    await there().send(new PutImageTagMutabilityCommand(mutability));
    await there().send(
      new PutReplicationConfigurationCommand({
        replicationConfiguration: { rules: [{ destinations: [{ region: "ap-south-1", registryId: account }] }] },
      }),
    );
    const first = await berth.pushImage(repository, "v1", "first");
    await runner.runDue();
    const second = await berth.pushImage(repository, "v1", "second");
    await runner.runDue();
    expect(await statusOf(repository, second.digest)).toBe("COMPLETE");
    expect(await imagesThere(repository)).toEqual({ [first.digest]: ["v1"], [second.digest]: [] });
    const { replicationStatuses } = await there().send(
      new DescribeImageReplicationStatusCommand({
        repositoryName: repository,
        imageId: { imageDigest: first.digest },
      }),
    );
    expect(replicationStatuses).toEqual([]);
  });

  test("deletes and untags go along when that is chosen, and what the peer needs stays", async () => {
    const repository = await newRepository();
    const chosen = (on: boolean) =>
      berth.stores.metadata.transact(({ replication }) =>
        replication.setOptions(
          { account: account as AccountId, region: "us-east-1" as Region },
          { ...noOptions, deletes: on, untags: on },
        ),
      );
    const remove = (imageId: object) =>
      berth.ecr().send(new BatchDeleteImageCommand({ repositoryName: repository, imageIds: [imageId] }));
    await chosen(true);
    const [gone, moved, listed] = [
      await berth.pushImage(repository, "gone", "gone"),
      await berth.pushImage(repository, "one", "two tags"),
      await berth.pushImage(repository, "part", "listed there"),
    ];
    await berth.oci("PUT", `/v2/${repository}/manifests/two`, {
      headers: { "content-type": mediaTypes.manifest },
      body: moved.manifest,
    });
    await runner.runDue();
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [{ mediaType: mediaTypes.manifest, digest: listed.digest, size: listed.manifest.length }],
    });
    await peer.oci("PUT", `/v2/${repository}/manifests/multi`, {
      headers: { "content-type": mediaTypes.index },
      body: index,
    });
    await remove({ imageDigest: gone.digest });
    await remove({ imageTag: "two" });
    await remove({ imageDigest: listed.digest });
    expect(await runner.runDue()).toEqual([]);
    expect(await imagesThere(repository)).toEqual({
      [moved.digest]: ["one"],
      [listed.digest]: ["part"],
      [digestOf(index)]: ["multi"],
    });
    // Another one of that name is nobody's replica.
    const own = await peer.pushImage(repository, "one", "pushed there");
    await remove({ imageDigest: moved.digest });
    expect(await runner.runDue()).toEqual([]);
    expect((await imagesThere(repository))[own.digest]).toEqual(["one"]);
    expect(await berth.stores.metadata.read.jobs.counts()).toEqual([]);
    const deletes = (await peer.records()).filter(({ eventName }) => /Delete/.test(eventName));
    expect(deletes[0]?.requestParameters).toMatchObject({ sourceAccount: account, sourceRegion: "us-east-1" });
    await chosen(false);
  });

  test("a policy of the peer that denies it fails the image, and a changed one lets it in when it is pushed again", async () => {
    const repository = await newRepository();
    await there().send(new CreateRepositoryCommand({ repositoryName: repository }));
    const policy = (effect: string) =>
      there().send(
        new SetRepositoryPolicyCommand({
          repositoryName: repository,
          policyText: JSON.stringify({
            Version: "2012-10-17",
            Statement: [{ Sid: "S", Effect: effect, Principal: "*", Action: "ecr:ReplicateImage" }],
          }),
        }),
      );
    await policy("Deny");
    const { digest } = await berth.pushImage(repository, "v1", "denied");
    await runner.runDue();
    expect(await statusOf(repository, digest)).toBe("FAILED AccessDenied");
    await policy("Allow");
    await Bun.sleep(600);
    await berth.pushImage(repository, "v1", "denied");
    await runner.runDue();
    expect(await statusOf(repository, digest)).toBe("COMPLETE");
  });
});

describe("who may send", () => {
  const header = `from=${account}/us-east-1; to=${account}/${elsewhere}`;
  const head = (authorization: string, replicate: string, path = "/v2/sent/r0/manifests/part", method = "HEAD") =>
    peer.send(method, path, { headers: { authorization, "berth-replicate": replicate } });

  test("is whom a policy of the home account lets act so", async () => {
    const plain = await peer.crowd.user(account, "plain", allow("ecr:*"));
    const sender = await peer.crowd.user(account, "sender", allow("berth:ActAsReplicator"));
    const bound = await peer.crowd.user(
      account,
      "bound",
      allow("berth:ActAsReplicator", "*", { StringEquals: { "berth:SourceAccount": "999999999999" } }),
    );
    const stranger = await peer.crowd.root("444455556666");
    const statuses = [];
    for (const { accessKeyId, secretAccessKey } of [plain, sender, bound, stranger]) {
      statuses.push((await head(basic(accessKeyId, secretAccessKey), header)).status);
    }
    expect(statuses).toEqual([403, 200, 403, 403]);
    // What it may do in its own name is little.
    const inOwnName = await peer.ociAs(sender, "HEAD", "/v2/sent/r0/manifests/part");
    expect(inOwnName.status).toBe(403);
    const root = basic(keyPair.accessKeyId, keyPair.secretAccessKey);
    expect((await head(root, "from=nobody")).status).toBe(400);
    // Nothing can be read that way, and nobody sends for an account that is not there.
    expect((await head(root, header, "/v2/sent/r0/manifests/part", "GET")).status).toBe(405);
    expect((await head(root, header, "/v2/sent/r0/tags/list", "GET")).status).toBe(405);
    const unknown = `from=777788889999/us-east-1; to=${account}/${elsewhere}`;
    expect((await head(root, unknown)).status).toBe(403);
  });

  test("a key that is changed in its file is used from then on", async () => {
    const repository = await newRepository();
    signInWith(keyPair.accessKeyId, "wrong");
    const fresh = createRemotes({ pauseMs: 10 });
    const configured = { peers: [{ region: elsewhere as Region, origin: proxy.url }], peerCredentials: credentials };
    const opened = openPeers(configured, fresh.open);
    // As each job does.
    const remote = () => opened?.open(elsewhere as Region, { "berth-replicate": header });
    const signal = AbortSignal.timeout(10_000);
    expect(remote()?.statManifest(repository, { tag: "v1" as never }, { signal })).rejects.toMatchObject({
      problem: "denied",
    });
    signInWith(keyPair.accessKeyId, keyPair.secretAccessKey);
    expect(await remote()?.statManifest(repository, { tag: "v1" as never }, { signal })).toBeUndefined();
    fresh.close();
  });
});

test("while the peer is away images wait, and go when it is back; after a day they have failed, and can go again", async () => {
  const repository = await newRepository();
  const { target } = proxy;
  proxy.target = "http://127.0.0.1:1";
  const { digest } = await berth.pushImage(repository, "v1", "patient");
  const failures = await runner.runDue();
  expect(failures.map(({ name }) => name)).toEqual(["TryLater"]);
  expect(await statusOf(repository, digest)).toBe("IN_PROGRESS");
  proxy.target = target;
  await Bun.sleep(1_100);
  later();
  expect(await runner.runDue()).toEqual([]);
  const status = new DescribeImageReplicationStatusCommand({
    repositoryName: repository,
    imageId: { imageDigest: digest },
  });
  const statusNow = async () => (await berth.ecr(sdkNow()).send(status)).replicationStatuses?.[0];
  expect(await statusNow()).toMatchObject({ status: "COMPLETE" });

  proxy.target = "http://127.0.0.1:1";
  const { digest: another } = await berth.pushImage(repository, "v2", "impatient");
  await runner.runDue();
  berth.now = new Date(berth.now.getTime() + 25 * 60 * 60_000);
  await runner.runDue();
  status.input.imageId = { imageDigest: another };
  expect(await statusNow()).toMatchObject({ status: "FAILED", failureCode: "DestinationUnavailable" });
  proxy.target = target;
  await Bun.sleep(2_100);
  await berth.pushImage(repository, "v2", "impatient");
  expect(await runner.runDue()).toEqual([]);
  expect(await statusNow()).toMatchObject({ status: "COMPLETE" });
  expect((await imagesThere(repository))[another]).toEqual(["v2"]);
});

test("both sides may be killed on the way: nothing that arrived is sent again, and no status says what is not so", async () => {
  const figures = await replicateWhileKilled({ images: 40, kills: 4, seed: 1 });
  expect(figures).toMatchObject({ kills: 4, sentAgain: [], wrongStatuses: [], different: [] });
}, 180_000);
