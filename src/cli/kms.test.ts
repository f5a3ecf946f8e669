import { afterAll, expect, setDefaultTimeout, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateKeyCommand, DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";

/** `berth kms rotate-master` and the master key as processes meet them. */

setDefaultTimeout(60_000);

const data = mkdtempSync(join(tmpdir(), "berth-kms-"));
const masterKey = join(data, "keys", "master-key");
const credentials = { accessKeyId: "kms", secretAccessKey: "kms-secret" };
afterAll(() => rmSync(data, { recursive: true }));

function spawn(args: string[], env: Record<string, string> = {}) {
  return Bun.spawn([process.execPath, join(import.meta.dir, "main.ts"), ...args], {
    cwd: data,
    env: {
      PATH: "/usr/bin:/bin",
      BERTH_DATA: data,
      BERTH_LISTEN: "127.0.0.1:0",
      BERTH_METRICS_LISTEN: "127.0.0.1:0",
      BERTH_ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
      BERTH_ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      ...env,
    },
    stdin: "ignore",
    stdout: "pipe",
    stderr: "pipe",
  });
}

async function run(args: string[], env?: Record<string, string>) {
  const child = spawn(args, env);
  const [out, err] = await Promise.all([new Response(child.stdout).text(), new Response(child.stderr).text()]);
  return { out, err, code: await child.exited };
}

/** A server and a client of it, for as long as `work` takes. */
async function served(work: (kms: KMSClient) => Promise<void>, env?: Record<string, string>): Promise<void> {
  const child = spawn(["serve"], env);
  try {
    let said = "";
    for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream(), { preventCancel: true })) {
      said += chunk;
      const [, endpoint] = /"url":"([^"]+)"/.exec(said) ?? [];
      if (!endpoint) continue;
      await work(new KMSClient({ endpoint, region: "us-east-1", credentials, maxAttempts: 1 }));
      return;
    }
    throw new Error(`it ended: ${said} ${await new Response(child.stderr).text()}`);
  } finally {
    child.kill("SIGKILL");
    await child.exited;
  }
}

const Plaintext = new TextEncoder().encode("kept");
let CiphertextBlob: Uint8Array | undefined;
const opens = async (kms: KMSClient) =>
  expect((await kms.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Plaintext);

test("a new master key takes the place of the old one under a server that runs", async () => {
  await served(async (kms) => {
    const { KeyMetadata } = await kms.send(new CreateKeyCommand({}));
    const KeyId = KeyMetadata?.KeyId;
    ({ CiphertextBlob } = await kms.send(new EncryptCommand({ KeyId, Plaintext })));
    const before = await readFile(masterKey, "utf8");
    const rotated = await run(["kms", "rotate-master"]);
    expect([rotated.code, rotated.out]).toEqual([0, "1 key materials are wrapped by the master key of today\n"]);
    const [first, second] = (await readFile(masterKey, "utf8")).split("\n");
    expect([first === second, `${second}\n`]).toEqual([false, before]);
    await opens(kms);
    const more = await kms.send(new CreateKeyCommand({}));
    await kms.send(new EncryptCommand({ KeyId: more.KeyMetadata?.KeyId, Plaintext }));
  });
  await served(opens);
});

test("without its master key nothing starts; with it in a variable, what was encrypted is there", async () => {
  const [BERTH_KMS_MASTER_KEY = "", before] = (await readFile(masterKey, "utf8")).split("\n");
  await rm(masterKey);
  const { code, err } = await run(["serve"]);
  expect([code === 0, err.includes(`there is no master key ${masterKey}`)]).toEqual([false, true]);
  await served(opens, { BERTH_KMS_MASTER_KEY });
  // In the place that systemd would give it.
  await writeFile(join(data, "berth-master-key"), `${BERTH_KMS_MASTER_KEY}\n`, { mode: 0o400 });
  await served(opens, { CREDENTIALS_DIRECTORY: data });
  const wrong = { BERTH_KMS_MASTER_KEY: before ?? "" };
  await served(async (kms) => {
    const refused = kms.send(new DecryptCommand({ CiphertextBlob }));
    expect(refused).rejects.toMatchObject({ name: "KMSInternalException" });
    await refused.catch(() => {});
  }, wrong);
});
