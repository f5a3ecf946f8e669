import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateRepositoryCommand,
  ECRClient,
  PutImageCommand,
  PutReplicationConfigurationCommand,
} from "@aws-sdk/client-ecr";
import { mediaTypes } from "./support/berth.ts";
import { runProgram, startServing } from "./support/program.ts";

/** `berth replicate` against a real server, which does its jobs itself. */

setDefaultTimeout(60_000);

const cwd = mkdtempSync(join(tmpdir(), "berth-replicate-"));
const to = "000000000000/eu-west-1";
let berth: Awaited<ReturnType<typeof startServing>>;
let ecr: ECRClient;
beforeAll(async () => {
  berth = await startServing(cwd);
  const text = readFileSync(join(cwd, "data", "credentials"), "utf8");
  const [, accessKeyId = "", secretAccessKey = ""] = /= (\S+)\n.*= (\S+)/.exec(text) ?? [];
  ecr = new ECRClient({ region: "us-east-1", endpoint: berth.url, credentials: { accessKeyId, secretAccessKey } });
});
afterAll(async () => {
  await berth.stop();
  rmSync(cwd, { recursive: true });
});

const run = (...args: string[]) =>
  runProgram("berth", ["replicate", ...args], { cwd, env: { HOME: cwd, BERTH_ENDPOINT: berth.url } });

test("sends images, says how far they are, and fills in what was there before", async () => {
  await ecr.send(new CreateRepositoryCommand({ repositoryName: "app" }));
  // Indexes of nothing: images as good as any here.
  for (const imageTag of ["v1", "v2"]) {
    const manifest = { schemaVersion: 2, mediaType: mediaTypes.index, manifests: [], annotations: { imageTag } };
    await ecr.send(new PutImageCommand({ repositoryName: "app", imageManifest: JSON.stringify(manifest), imageTag }));
  }
  expect(await run("status", "app:v1")).toMatchObject({ code: 0, out: "no rule sends it anywhere\n" });
  expect(await run("images", "app:v1", "--to", to)).toMatchObject({ code: 0, out: "1 replica is on the way\n" });
  let status = "";
  while (!status.includes("COMPLETE")) status = (await run("status", "app:v1")).out;
  expect(status).toMatch(/^DESTINATION +STATUS +WHY\n000000000000\/eu-west-1 +COMPLETE\n$/);
  expect((await run("images", "app")).err).toContain("No replication rule names a destination");

  const rules = [{ destinations: [{ region: "eu-west-1", registryId: "000000000000" }] }];
  await ecr.send(new PutReplicationConfigurationCommand({ replicationConfiguration: { rules } }));
  expect(await run("backfill", to)).toMatchObject({ code: 0, out: "COMPLETE: 2 of 2 replicas, 0 failed\n" });
  expect((await run("backfill", to, "--stop")).err).toContain(`no backfill to ${to} is under way`);
  expect((await run("backfill", "eu-west-1")).err).toContain("ACCOUNT/REGION");
});

test("shows and changes what goes along", async () => {
  const off = "deletes   off\nuntags    off\ntags      all\nsettings  none\n";
  expect(await run("options")).toMatchObject({ code: 0, out: off });
  const changed = "deletes   on\nuntags    off\ntags      v*, release-*\nsettings  tagMutability\n";
  const change = ["--deletes", "on", "--tags", "v*,release-*", "--settings", "tagMutability"];
  expect(await run("options", ...change)).toMatchObject({ code: 0, out: changed });
  expect((await run("options", "--deletes", "off", "--tags", "", "--settings", "")).out).toBe(off);
  expect((await run("options", "--deletes", "maybe")).err).toContain("allowed: on, off");
});
