import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import {
  CancelKeyDeletionCommand,
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  ScheduleKeyDeletionCommand,
} from "@aws-sdk/client-kms";
import type { World } from "./client.ts";
import { buildBusybox, type Docker, findDocker, imageId, push, removeAllImages, startDaemon } from "./dockerd.ts";
import { contains, equal } from "./expect.ts";
import { sampleImage, writeImageLayout } from "./images.ts";

/** Repositories with keys, as Docker, skopeo and crane see them: they pull and push, and say why where they cannot. */
export const name = "encryption";
export const installedByCi = true;
// dockerd mounts and makes namespaces.
export const needsRoot = true;
export const timeoutMs = 300_000;
export const find = findDocker;

/** What one process knows of a key, and another has changed, it knows for half a second. */
const noticedMs = 1_000;

interface Story {
  readonly world: World;
  readonly kms: KMSClient;
  readonly KeyId: string;
  readonly type: "KMS" | "KMS_DSSE";
}

export async function run(world: World): Promise<void> {
  const { url: endpoint, region, accessKeyId, secretAccessKey } = world;
  const kms = new KMSClient({ endpoint, region, credentials: { accessKeyId, secretAccessKey } });
  const docker = await startDaemon(world);
  const login = ["login", "--username", accessKeyId, "--password-stdin", world.host];
  await docker(login, { input: secretAccessKey });
  for (const type of ["KMS", "KMS_DSSE"] as const) {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const story = { world, kms, KeyId: KeyMetadata?.Arn ?? "", type };
    await withDocker(story, docker);
    await withSkopeo(story);
    await withCrane(story);
  }
}

const repositoryFor = ({ world, type, KeyId }: Story, client: string) =>
  world.repository(`encryption/${client}-${type.toLowerCase().replace("_", "-")}`, {
    encryptionConfiguration: { encryptionType: type, kmsKey: KeyId },
  });

/** Runs `work` while the key cannot be used, in each of the ways in which that can be. */
async function whileUnusable({ kms, KeyId }: Story, work: (reason: string) => Promise<void>): Promise<void> {
  await kms.send(new DisableKeyCommand({ KeyId }));
  await Bun.sleep(noticedMs);
  await work(`${KeyId} is disabled.`);
  await kms.send(new ScheduleKeyDeletionCommand({ KeyId, PendingWindowInDays: 7 }));
  await Bun.sleep(noticedMs);
  await work(`${KeyId} is pending deletion.`);
  await kms.send(new CancelKeyDeletionCommand({ KeyId }));
  await kms.send(new EnableKeyCommand({ KeyId }));
  await Bun.sleep(noticedMs);
}

async function withDocker(story: Story, docker: Docker): Promise<void> {
  const { world, type } = story;
  const repository = await repositoryFor(story, "docker");
  const built = await buildBusybox(world, docker, `sealed-${type.toLowerCase()}`);
  const id = await imageId(docker, built);
  await world.check(`${type}: docker push and pull`, async () => {
    await push(docker, built, `${repository}:v1`);
    await docker(["rmi", "--force", `${repository}:v1`]);
    await docker(["pull", `${repository}:v1`]);
    equal(await imageId(docker, `${repository}:v1`), id, "image id");
  });
  const other = await buildBusybox(world, docker, `more-${type.toLowerCase()}`);
  await world.check(`${type}: docker says why it cannot, and can when the key is back`, async () => {
    await docker(["tag", other, `${repository}:v2`]);
    await docker(["rmi", "--force", `${repository}:v1`, built]);
    await whileUnusable(story, async (reason) => {
      contains(await docker(["pull", `${repository}:v1`], { fails: true }), reason, "pull");
      contains(await docker(["push", `${repository}:v2`], { fails: true }), reason, "push");
    });
    await push(docker, other, `${repository}:v2`);
    await removeAllImages(docker);
    await docker(["pull", `${repository}:v1`]);
    equal(await imageId(docker, `${repository}:v1`), id, "image id");
  });
}

async function withSkopeo(story: Story): Promise<void> {
  const { world, type } = story;
  if (Bun.which("skopeo") === null) return world.skip(`${type}: skopeo`, "not found");
  const repository = await repositoryFor(story, "skopeo");
  const image = sampleImage(`skopeo ${type}`);
  const layout = join(world.folder, `skopeo-${type}`);
  await writeImageLayout(layout, image, "v1");
  const credentials = `${world.accessKeyId}:${world.secretAccessKey}`;
  const policy = "--insecure-policy";
  const copyIn = (tag: string) => [
    "skopeo",
    policy,
    "copy",
    "--dest-tls-verify=false",
    "--dest-creds",
    credentials,
    `oci:${layout}:v1`,
    `docker://${repository}:${tag}`,
  ];
  const copyOut = (to: string) => [
    "skopeo",
    policy,
    "copy",
    "--src-tls-verify=false",
    "--src-creds",
    credentials,
    `docker://${repository}:v1`,
    `dir:${to}`,
  ];
  await world.check(`${type}: skopeo copies in and out, says why it cannot, and can when the key is back`, async () => {
    await world.run(copyIn("v1"));
    await world.run(copyOut(join(world.folder, `out-${type}`)));
    await whileUnusable(story, async (reason) => {
      contains((await world.run(copyOut(join(world.folder, "none")), { fails: true })).output, reason, "copy out");
      contains((await world.run(copyIn("v2"), { fails: true })).output, reason, "copy in");
    });
    await world.run(copyIn("v2"));
    await world.run(copyOut(join(world.folder, `again-${type}`)));
  });
}

async function withCrane(story: Story): Promise<void> {
  const { world, type } = story;
  if (Bun.which("crane") === null) return world.skip(`${type}: crane`, "not found");
  const repository = await repositoryFor(story, "crane");
  const layout = join(world.folder, `crane-${type}`);
  await mkdir(layout, { recursive: true });
  await writeImageLayout(layout, sampleImage(`crane ${type}`), "v1");
  const login = ["crane", "auth", "login", world.host, "--username", world.accessKeyId, "--password-stdin"];
  await world.run(login, { input: world.secretAccessKey });
  await world.check(`${type}: crane pushes and pulls, says why it cannot, and can when the key is back`, async () => {
    const pull = ["crane", "pull", `${repository}:v1`, join(world.folder, `crane-${type}.tar`)];
    await world.run(["crane", "push", layout, `${repository}:v1`]);
    await world.run(pull);
    await whileUnusable(story, async (reason) => {
      contains((await world.run(pull, { fails: true })).output, reason, "pull");
      contains(
        (await world.run(["crane", "push", layout, `${repository}:v2`], { fails: true })).output,
        reason,
        "push",
      );
    });
    await world.run(pull);
  });
}
