import { afterAll, beforeAll, expect, setDefaultTimeout, test } from "bun:test";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { CreateKeyCommand, DecryptCommand, EncryptCommand, KMSClient } from "@aws-sdk/client-kms";
import { type KmsService, startKms } from "../../test/support/kms-service.ts";
import { startTransit, type TransitService } from "../../test/support/transit-service.ts";
import { programIn } from "./testing.ts";

/** Processes whose master key somebody else keeps, and how one keeper is left for another. */

setDefaultTimeout(60_000);

const credentials = { accessKeyId: "root", secretAccessKey: "root-secret" };
const program = programIn("keepers", {
  BERTH_ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
  BERTH_ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
});

let kms: KmsService;
let vault: TransitService;
let aws: Record<string, string>;
let transit: Record<string, string>;
beforeAll(() => {
  kms = startKms();
  vault = startTransit();
  aws = {
    BERTH_KMS_AWS_KEY: kms.newKey(),
    BERTH_KMS_AWS_URL: kms.url,
    AWS_ACCESS_KEY_ID: "AKIDOFTEST",
    AWS_SECRET_ACCESS_KEY: "secret-of-test",
  };
  transit = { BERTH_KMS_VAULT_URL: vault.url, BERTH_KMS_VAULT_KEY: "transit/berth", VAULT_TOKEN: "token-of-test" };
});
afterAll(async () => {
  await Promise.all([kms.stop(), vault.stop()]);
});

const clientOf = (url: URL) =>
  new KMSClient({ endpoint: url.origin, region: "us-east-1", credentials, maxAttempts: 1 });
const Plaintext = new TextEncoder().encode("kept");

/** A new key, and something that it has encrypted. */
async function encrypt(client: KMSClient): Promise<Uint8Array | undefined> {
  const { KeyMetadata } = await client.send(new CreateKeyCommand({}));
  return (await client.send(new EncryptCommand({ KeyId: KeyMetadata?.KeyId, Plaintext }))).CiphertextBlob;
}

async function opens(client: KMSClient, CiphertextBlob: Uint8Array | undefined): Promise<void> {
  expect((await client.send(new DecryptCommand({ CiphertextBlob }))).Plaintext).toEqual(Plaintext);
}

const wrapped = (count: number) => ({
  code: 0,
  out: `${count} key materials are wrapped by the master key of today\n`,
});

test("from a local key to Vault, to KMS, and back: everything opens on the way, and nothing is left behind", async () => {
  const folder = program.folder();
  const masterKey = join(folder, "data", "keys", "master-key");
  const ciphertexts: (Uint8Array | undefined)[] = [];
  /** One more key is made, and those of before open. */
  const served = async (env: Record<string, string>) => {
    const { url, end } = await program.serve(folder, env);
    ciphertexts.push(await encrypt(clientOf(url)));
    for (const ciphertext of ciphertexts) await opens(clientOf(url), ciphertext);
    await end();
  };
  const rotated = (env: Record<string, string>) => program.run(["kms", "rotate-master"], folder, env);

  await served({});
  expect(existsSync(masterKey)).toBe(true);
  const toVault = { ...transit, BERTH_KMS_KEEPER: "vault" };
  await served(toVault);
  expect(await rotated(toVault)).toMatchObject(wrapped(1));
  await rm(masterKey);
  await served(toVault);
  expect(existsSync(masterKey)).toBe(false);

  const toKms = { ...aws, ...transit, BERTH_KMS_KEEPER: "aws" };
  await served(toKms);
  expect(await rotated(toKms)).toMatchObject(wrapped(3));
  await served({ ...aws, BERTH_KMS_KEEPER: "aws" });

  const toLocal = { ...aws, BERTH_KMS_KEEPER: "local" };
  await served(toLocal);
  // Those of KMS, and then all with one more local key: that is what the command is for.
  expect(await rotated(toLocal)).toMatchObject(wrapped(6));
  await served({});
});

test("a rotation at Vault is followed by the command, beside a server that runs", async () => {
  const folder = program.folder();
  const env = { ...transit, BERTH_KMS_KEEPER: "vault", BERTH_WORKERS: "2" };
  const { url, end } = await program.serve(folder, env);
  const ciphertext = await encrypt(clientOf(url));
  const rotated = () => program.run(["kms", "rotate-master"], folder, env);
  expect(await rotated()).toMatchObject(wrapped(0));
  vault.rotate("transit/berth");
  expect(await rotated()).toMatchObject(wrapped(1));
  await opens(clientOf(url), ciphertext);
  await end();
});

test("a keeper that is away: what was opened stays open, nothing is made, nothing starts", async () => {
  const folder = program.folder();
  await using own = startTransit();
  const env = { ...transit, BERTH_KMS_VAULT_URL: own.url, BERTH_KMS_KEEPER: "vault" };
  const { url, end, lines } = await program.serve(folder, env);
  const ciphertext = await encrypt(clientOf(url));
  await own.stop();
  await opens(clientOf(url), ciphertext);
  const refused = await clientOf(url)
    .send(new CreateKeyCommand({}))
    .catch((error: Error) => error);
  expect(refused).toMatchObject({ name: "KMSInternalException" });
  expect(JSON.stringify(lines)).toContain(`Vault at ${own.url} does not answer encrypt with transit/berth`);
  expect(JSON.stringify(lines)).not.toContain("token-of-test");
  await end();
  const { code, err } = await program.run(["serve"], folder, env);
  expect([code === 0, err]).toEqual([
    false,
    expect.stringContaining(`Vault at ${own.url} does not answer encrypt with transit/berth: nobody listens there`),
  ]);
});

test("a keeper that refuses ends the start with one line that says who, what and why", async () => {
  const denied = await program.run(["serve"], program.folder(), {
    ...transit,
    BERTH_KMS_KEEPER: "vault",
    VAULT_TOKEN: "wrong-token",
  });
  expect(denied.code).not.toBe(0);
  expect(denied.err).toContain(
    `Vault at ${vault.url} refused encrypt with transit/berth: 2 errors occurred: * permission`,
  );
  expect(denied.err).not.toContain("wrong-token");
  const BERTH_KMS_AWS_KEY = "arn:aws:kms:eu-west-1:111122223333:key/none";
  const missing = await program.run(["serve"], program.folder(), {
    ...aws,
    BERTH_KMS_KEEPER: "aws",
    BERTH_KMS_AWS_KEY,
  });
  expect(missing.code).not.toBe(0);
  expect(missing.err).toContain(`AWS KMS at ${kms.url} refused Encrypt with ${BERTH_KMS_AWS_KEY}: NotFoundException`);
});

test("keys of a keeper that nobody configured any more are no reason to make a new master key", async () => {
  const folder = program.folder();
  const { url, end } = await program.serve(folder, { ...transit, BERTH_KMS_KEEPER: "vault" });
  await encrypt(clientOf(url));
  await end();
  const { code, err } = await program.run(["serve"], folder);
  expect([code === 0, err.includes("the database has keys that are wrapped by Vault")]).toEqual([false, true]);
});
