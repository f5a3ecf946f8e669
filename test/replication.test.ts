import { afterAll, beforeAll, describe, expect, setDefaultTimeout, test } from "bun:test";
import {
  BatchDeleteImageCommand,
  CreateRepositoryCommand,
  DescribeImageReplicationStatusCommand,
  DescribeImagesCommand,
  DescribeRegistryCommand,
  DescribeRepositoriesCommand,
  ImageNotFoundException,
  PutImageTagMutabilityCommand,
  PutRegistryPolicyCommand,
  PutReplicationConfigurationCommand,
  type ReplicationRule,
  SetRepositoryPolicyCommand,
  UpdateImageStorageClassCommand,
} from "@aws-sdk/client-ecr";
import { CreateKeyCommand, DisableKeyCommand, EnableKeyCommand, KMSClient } from "@aws-sdk/client-kms";
import { account, digestOf, type InProcess, inProcess, mediaTypes, region } from "./support/berth.ts";
import type { Person } from "./support/people.ts";
import { createReplicationRunner, type ReplicationRunner } from "./support/replication.ts";

/** Replication between regions and accounts of one server, by the official SDK. */

setDefaultTimeout(30_000);

const elsewhere = "eu-west-1";
const neighbour = "111122223333";
let berth: InProcess;
let runner: ReplicationRunner;
let other: Person;
let names = 0;

beforeAll(async () => {
  berth = await inProcess();
  runner = createReplicationRunner(berth);
  other = await berth.crowd.root(neighbour);
});
afterAll(() => berth.close());

const home = () => berth.ecr();
const away = () => berth.ecr({ region: elsewhere });
const theirs = (at = region) => berth.ecrAs(other, { region: at });

async function newRepository(ecr = home()): Promise<string> {
  const repositoryName = `replicated/r${names++}`;
  await ecr.send(new CreateRepositoryCommand({ repositoryName }));
  return repositoryName;
}

async function replicateTo(...rules: ReplicationRule[]): Promise<void> {
  await home().send(new PutReplicationConfigurationCommand({ replicationConfiguration: { rules } }));
}

const to = (at: string, registryId: string = account): ReplicationRule => ({
  destinations: [{ region: at, registryId }],
});

async function statusOf(repositoryName: string, imageDigest: string) {
  const { replicationStatuses } = await home().send(
    new DescribeImageReplicationStatusCommand({ repositoryName, imageId: { imageDigest } }),
  );
  return replicationStatuses?.map(({ region: at, registryId, status, failureCode }) =>
    [registryId, at, status, failureCode].filter(Boolean).join(" "),
  );
}

async function imagesIn(ecr: ReturnType<typeof home>, repositoryName: string) {
  const { imageDetails = [] } = await ecr.send(new DescribeImagesCommand({ repositoryName }));
  return Object.fromEntries(
    imageDetails.map(({ imageDigest = "", imageTags = [] }) => [imageDigest, imageTags.sort()]),
  );
}

async function putManifest(repository: string, reference: string, body: string, type: string = mediaTypes.manifest) {
  const pushed = await berth.oci("PUT", `/v2/${repository}/manifests/${reference}`, {
    headers: { "content-type": type },
    body,
  });
  expect(pushed.status).toBe(201);
  return digestOf(body);
}

/** An image without a tag. */
async function pushByDigest(repository: string, content: string, extra: object = {}) {
  const layer = { mediaType: mediaTypes.layer, ...(await berth.pushBlob(repository, content)) };
  const config = { mediaType: mediaTypes.config, ...(await berth.pushBlob(repository, "{}")) };
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: mediaTypes.manifest,
    config,
    layers: [layer],
    ...extra,
  });
  return { manifest, digest: await putManifest(repository, digestOf(manifest), manifest) };
}

/** A pull by whoever is at the destination. */
async function pulls(repository: string, reference: string, at = elsewhere, whose: string = account): Promise<number> {
  const headers = { host: `${whose}.dkr.ecr.${at}.registry.test` };
  const person = whose === account ? undefined : other;
  const get = (path: string) =>
    person ? berth.ociAs(person, "GET", path, { headers }) : berth.oci("GET", path, { headers });
  const manifest = await get(`/v2/${repository}/manifests/${reference}`);
  if (manifest.status !== 200) return manifest.status;
  const { layers = [], config } = (await manifest.json()) as {
    layers?: { digest: string }[];
    config?: { digest: string };
  };
  for (const { digest } of config ? [config, ...layers] : layers) {
    const blob = await get(`/v2/${repository}/blobs/${digest}`);
    if (blob.status !== 200) return blob.status;
    expect(digestOf(new Uint8Array(await blob.arrayBuffer()))).toBe(digest);
  }
  return 200;
}

describe("a pushed image", () => {
  test("comes to another region with its tags, and its status is right at each moment", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "first");
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} IN_PROGRESS`]);
    expect(await pulls(repository, "v1")).toBe(404);

    expect(await runner.runDue()).toEqual([]);
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} COMPLETE`]);
    expect(await imagesIn(away(), repository)).toEqual({ [digest]: ["v1"] });
    expect(await pulls(repository, "v1")).toBe(200);
    const [record] = (await berth.records()).filter(({ eventName }) => eventName === "ReplicateImage");
    expect(record).toMatchObject({
      awsRegion: elsewhere,
      requestParameters: { repositoryName: repository, sourceAccount: account, sourceRegion: region },
    });
  });

  test("comes to another account when its registry policy says so, and fails when it does not", async () => {
    await replicateTo(to(region, neighbour), to(elsewhere));
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "across");
    await runner.runDue();
    expect(await statusOf(repository, digest)).toEqual([
      `${account} ${elsewhere} COMPLETE`,
      `${neighbour} ${region} FAILED AccessDenied`,
    ]);
    expect(theirs().send(new DescribeRepositoriesCommand({ repositoryNames: [repository] }))).rejects.toThrow();

    const allow = (...actions: string[]) =>
      theirs().send(
        new PutRegistryPolicyCommand({
          policyText: JSON.stringify({
            Version: "2012-10-17",
            Statement: [
              {
                Sid: "Replication",
                Effect: "Allow",
                Principal: { AWS: `arn:aws:iam::${account}:root` },
                Action: actions,
                Resource: `arn:aws:ecr:${region}:${neighbour}:repository/*`,
              },
            ],
          }),
        }),
      );
    await allow("ecr:ReplicateImage");
    await berth.pushImage(repository, "v2", "across");
    await runner.runDue();
    // There is no repository, and none may be made.
    expect((await statusOf(repository, digest))?.at(-1)).toBe(`${neighbour} ${region} FAILED AccessDenied`);

    await allow("ecr:ReplicateImage", "ecr:CreateRepository");
    await berth.pushImage(repository, "v3", "across");
    await runner.runDue();
    expect((await statusOf(repository, digest))?.at(-1)).toBe(`${neighbour} ${region} COMPLETE`);
    expect(await imagesIn(theirs(), repository)).toEqual({ [digest]: ["v1", "v2", "v3"] });
    expect(await pulls(repository, "v2", region, neighbour)).toBe(200);
  });

  test("brings an index after its parts, and what refers to it as it is pushed", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const amd64 = await pushByDigest(repository, "amd64");
    const arm64 = await pushByDigest(repository, "arm64");
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: mediaTypes.index,
      manifests: [amd64, arm64].map(({ digest, manifest }) => ({
        mediaType: mediaTypes.manifest,
        digest,
        size: manifest.length,
      })),
    });
    const digest = await putManifest(repository, "multi", index, mediaTypes.index);
    const subject = { mediaType: mediaTypes.index, digest, size: index.length };
    const signature = await pushByDigest(repository, "signature", { subject, artifactType: "application/x-signature" });
    expect(await runner.runDue()).toEqual([]);
    const there = await imagesIn(away(), repository);
    expect(there[digest]).toEqual(["multi"]);
    expect(Object.keys(there).sort()).toEqual([amd64.digest, arm64.digest, digest, signature.digest].sort());
    expect(await pulls(repository, amd64.digest)).toBe(200);
    const referrers = await berth.oci("GET", `/v2/${repository}/referrers/${digest}`, {
      headers: { host: `${account}.dkr.ecr.${elsewhere}.registry.test` },
    });
    expect(((await referrers.json()) as { manifests: { digest: string }[] }).manifests).toMatchObject([
      { digest: signature.digest },
    ]);
  });
});

describe("at the destination", () => {
  test("an immutable tag that is taken stays, and the image arrives without it", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository(away());
    await home().send(new CreateRepositoryCommand({ repositoryName: repository }));
    await away().send(
      new PutImageTagMutabilityCommand({ repositoryName: repository, imageTagMutability: "IMMUTABLE" }),
    );
    const first = await berth.pushImage(repository, "v1", "first");
    await runner.runDue();
    const second = await berth.pushImage(repository, "v1", "second");
    await runner.runDue();
    expect(await imagesIn(away(), repository)).toEqual({ [first.digest]: ["v1"], [second.digest]: [] });
    expect(await statusOf(repository, second.digest)).toEqual([`${account} ${elsewhere} COMPLETE`]);
  });

  test("an archived copy is restored, and a restored image goes as if pushed", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "archived");
    await runner.runDue();
    const move = (ecr: typeof home, targetStorageClass: "ARCHIVE" | "STANDARD") =>
      ecr().send(
        new UpdateImageStorageClassCommand({
          repositoryName: repository,
          imageId: { imageDigest: digest },
          targetStorageClass,
        }),
      );
    await move(away, "ARCHIVE");
    expect(await pulls(repository, digest)).toBe(404);
    await move(home, "ARCHIVE");
    await runner.runDue();
    expect(await pulls(repository, digest)).toBe(404);
    await move(home, "STANDARD");
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} IN_PROGRESS`]);
    await runner.runDue();
    expect(await pulls(repository, "v1")).toBe(200);
  });

  test("a replica is not replicated on", async () => {
    await replicateTo(to(elsewhere));
    const rules = [to("ap-south-1")];
    await away().send(new PutReplicationConfigurationCommand({ replicationConfiguration: { rules } }));
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "once");
    await runner.runDue();
    expect(await pulls(repository, digest)).toBe(200);
    expect(await pulls(repository, digest, "ap-south-1")).toBe(404);
    const { replicationStatuses } = await away().send(
      new DescribeImageReplicationStatusCommand({ repositoryName: repository, imageId: { imageDigest: digest } }),
    );
    expect(replicationStatuses).toEqual([]);
  });

  test("a policy that denies it wins, in the same account too", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository(away());
    await home().send(new CreateRepositoryCommand({ repositoryName: repository }));
    const deny = { Sid: "No", Effect: "Deny", Principal: "*", Action: "ecr:ReplicateImage" };
    await away().send(
      new SetRepositoryPolicyCommand({
        repositoryName: repository,
        policyText: JSON.stringify({ Version: "2012-10-17", Statement: [deny] }),
      }),
    );
    const { digest } = await berth.pushImage(repository, "v1", "denied");
    await runner.runDue();
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} FAILED AccessDenied`]);
  });

  test("bytes are sealed by the key that is there, and a key that is disabled fails the image", async () => {
    await replicateTo(to(elsewhere));
    const kms = berth.client(KMSClient, { region: elsewhere });
    const { KeyMetadata: { KeyId = "" } = {} } = await kms.send(new CreateKeyCommand({}));
    const encryptionConfiguration = { encryptionType: "KMS", kmsKey: KeyId } as const;
    const repository = await newRepository();
    await away().send(new CreateRepositoryCommand({ repositoryName: repository, encryptionConfiguration }));
    const sealed = await berth.pushImage(repository, "v1", "sealed anew");
    await runner.runDue();
    expect(await pulls(repository, "v1")).toBe(200);
    await kms.send(new DisableKeyCommand({ KeyId }));
    const { digest } = await berth.pushImage(repository, "v2", "never sealed");
    await runner.runDue();
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} FAILED KmsError`]);
    await kms.send(new EnableKeyCommand({ KeyId }));
    // Pushed again, it is tried again.
    await berth.pushImage(repository, "v2", "never sealed");
    await runner.runDue();
    expect(await imagesIn(away(), repository)).toEqual({ [sealed.digest]: ["v1"], [digest]: ["v2"] });
  });
});

describe("tags", () => {
  test("a late replica never puts a tag back", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const first = await berth.pushImage(repository, "latest", "old");
    const second = await berth.pushImage(repository, "latest", "new");
    await runner.runDue();
    expect(await imagesIn(away(), repository)).toEqual({ [first.digest]: [], [second.digest]: ["latest"] });
  });

  test("a tag that moves while its image is brought means at last what it means at the source", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const first = await berth.pushImage(repository, "latest", "moving");
    let second = { digest: "" };
    const openTarget: typeof berth.openTarget = (...args) => {
      const target = berth.openTarget(...args);
      return {
        ...target,
        async tag(image, tag) {
          const taken = await target.tag(image, tag);
          // Whoever moves it now is seen by nobody who asked before.
          if (second.digest === "") second = await berth.pushImage(repository, "latest", "moved");
          return taken;
        },
      };
    };
    await createReplicationRunner({ ...berth, now: new Date(), openTarget }).runDue();
    expect(await imagesIn(away(), repository)).toEqual({ [first.digest]: [], [second.digest]: ["latest"] });
  });

  test("a second tag goes to the image that is there", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const { digest, manifest } = await berth.pushImage(repository, "v1", "two tags");
    await runner.runDue();
    await putManifest(repository, "v2", manifest);
    expect(await statusOf(repository, digest)).toEqual([`${account} ${elsewhere} IN_PROGRESS`]);
    await runner.runDue();
    expect(await imagesIn(away(), repository)).toEqual({ [digest]: ["v1", "v2"] });
  });
});

describe("the configuration", () => {
  const put = (rules: unknown) =>
    home().send(new PutReplicationConfigurationCommand({ replicationConfiguration: { rules: rules as never } }));
  const refusal = (rules: unknown) =>
    put(rules).then(
      () => "taken",
      (error) => `${error.name}: ${error.message}`,
    );

  test("is answered as it was put, and empty rules end it", async () => {
    const rules: ReplicationRule[] = [
      {
        destinations: [
          { region: elsewhere, registryId: account },
          { region, registryId: neighbour },
        ],
        repositoryFilters: [{ filter: "prod/", filterType: "PREFIX_MATCH" }],
      },
      { destinations: [{ region: "ap-south-1", registryId: account }] },
    ];
    expect((await put(rules)).replicationConfiguration?.rules).toEqual(rules);
    const described = await home().send(new DescribeRegistryCommand({}));
    expect(described).toMatchObject({ registryId: account, replicationConfiguration: { rules } });
    await put([]);
    expect((await home().send(new DescribeRegistryCommand({}))).replicationConfiguration?.rules).toEqual([]);
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "not replicated");
    expect(await statusOf(repository, digest)).toEqual([]);
  });

  test("is refused in ECR's words", async () => {
    const destination = { region: elsewhere, registryId: account };
    expect(await refusal([{ destinations: [{ region, registryId: account }] }])).toBe(
      "InvalidParameterException: Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: 'Replication destination cannot be the same as the source registry'",
    );
    const many = Array.from({ length: 26 }, (_, index) => ({
      region: elsewhere,
      registryId: String(index).padStart(12, "5"),
    }));
    expect(await refusal([{ destinations: many.slice(0, 20) }, { destinations: many.slice(19) }])).toBe(
      "ValidationException: A replication configuration can have at most 25 unique destinations across all rules",
    );
    expect(await refusal([{ destinations: many.slice(0, 25) }, { destinations: many.slice(0, 25) }])).toBe("taken");
    expect(await refusal(Array.from({ length: 11 }, () => ({ destinations: [destination] })))).toStartWith(
      "InvalidParameterException: Invalid parameter at 'replicationConfiguration.rules' failed to satisfy constraint: 'Member must have length less than or equal to 10'",
    );
    const filters = (count: number, filter = "prod") =>
      Array.from({ length: count }, () => ({ filter, filterType: "PREFIX_MATCH" }));
    for (const repositoryFilters of [
      filters(101),
      filters(0),
      filters(1, "a"),
      filters(1, "Upper"),
      [{ filter: "prod", filterType: "WILDCARD" }],
    ]) {
      expect(await refusal([{ destinations: [destination], repositoryFilters }])).toStartWith(
        "InvalidParameterException",
      );
    }
    expect(await refusal([{ destinations: [{ region: "nowhere", registryId: account }] }])).toBe(
      "InvalidParameterException: Invalid parameter at 'replicationConfiguration' failed to satisfy constraint: 'Replication destination region 'nowhere' is not supported'",
    );
    expect(await refusal([{ destinations: [{ region: elsewhere, registryId: "12" }] }])).toStartWith(
      "InvalidParameterException",
    );
    await put([]);
  });

  test("only repositories whose names begin with a filter are replicated", async () => {
    const repositoryFilters = [{ filter: "pre", filterType: "PREFIX_MATCH" as const }];
    await replicateTo({ ...to(elsewhere), repositoryFilters });
    for (const repositoryName of ["prefixed/app", "unprefixed/app"]) {
      await home().send(new CreateRepositoryCommand({ repositoryName }));
      await berth.pushImage(repositoryName, "v1", "filtered");
    }
    await runner.runDue();
    expect(await pulls("prefixed/app", "v1")).toBe(200);
    expect(await pulls("unprefixed/app", "v1")).toBe(404);
  });
});

describe("the status of an image", () => {
  test("is refused for what is not there, and gone with the image", async () => {
    await replicateTo(to(elsewhere));
    const repository = await newRepository();
    const { digest } = await berth.pushImage(repository, "v1", "deleted");
    const imageIds = [{ imageDigest: digest }];
    await home().send(new BatchDeleteImageCommand({ repositoryName: repository, imageIds }));
    expect(statusOf(repository, digest)).rejects.toThrow(ImageNotFoundException);
    expect(await runner.runDue()).toEqual([]);
    expect(await pulls(repository, digest)).toBe(404);
    expect(statusOf("replicated/none", digest)).rejects.toThrow("does not exist in the registry");
  });
});
