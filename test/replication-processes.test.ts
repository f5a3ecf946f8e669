import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import {
  DescribeImageReplicationStatusCommand,
  ECRClient,
  PutReplicationConfigurationCommand,
} from "@aws-sdk/client-ecr";
import { pushImage, sampleImage } from "./clients/images.ts";
import { copyWorld, keys } from "./support/copies.ts";

/** Replication between two servers as their operators run them: processes with a configuration. */

setDefaultTimeout(120_000);

const account = "000000000000";
const elsewhere = "eu-west-1";
const world = await copyWorld("processes");
afterAll(() => world.close());

test("a peer of the configuration gets what is pushed, and its key stands in no log", async () => {
  const there = await world.server({ BERTH_REGION: elsewhere });
  const folder = join(world.root, "configured");
  mkdirSync(folder);
  const peerCredentials = join(folder, "peers");
  writeFileSync(
    peerCredentials,
    `[${elsewhere}]\naws_access_key_id = ${keys.AWS_ACCESS_KEY_ID}\naws_secret_access_key = ${keys.AWS_SECRET_ACCESS_KEY}\n`,
    { mode: 0o600 },
  );
  const here = await world.server({
    BERTH_REPLICATION_PEERS: `${elsewhere}=${there.url}`,
    BERTH_REPLICATION_PEER_CREDENTIALS: peerCredentials,
  });
  const credentials = { accessKeyId: keys.AWS_ACCESS_KEY_ID, secretAccessKey: keys.AWS_SECRET_ACCESS_KEY };
  const ecr = new ECRClient({ region: "us-east-1", endpoint: here.url, credentials });
  await ecr.send(
    new PutReplicationConfigurationCommand({
      replicationConfiguration: { rules: [{ destinations: [{ region: elsewhere, registryId: account }] }] },
    }),
  );
  const image = sampleImage("between processes");
  await pushImage(here.registry, "team/app", "v1", image);
  const status = new DescribeImageReplicationStatusCommand({
    repositoryName: "team/app",
    imageId: { imageTag: "v1" },
  });
  let one: { status?: string; failureCode?: string } | undefined;
  do {
    await Bun.sleep(50);
    [one] = (await ecr.send(status)).replicationStatuses ?? [];
  } while (one?.status === "IN_PROGRESS");
  expect(one).toMatchObject({ status: "COMPLETE", region: elsewhere });
  expect((await there.registry.manifest("team/app", "v1")).digest).toBe(image.digest);
  for (const digest of image.blobs.keys()) {
    expect((await there.registry.blob("team/app", digest)).length).toBeGreaterThan(0);
  }
  expect(JSON.stringify([here.lines, there.lines])).not.toContain(keys.AWS_SECRET_ACCESS_KEY);
});
