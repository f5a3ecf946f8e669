import { expect, setDefaultTimeout, test } from "bun:test";
import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { CreateRepositoryCommand, ECRClient } from "@aws-sdk/client-ecr";
import {
  CreateKeyCommand,
  DisableKeyCommand,
  EnableKeyCommand,
  KMSClient,
  RotateKeyOnDemandCommand,
} from "@aws-sdk/client-kms";
import { programIn } from "./testing.ts";

/** Keys of layers, as processes see them: workers, commands beside a server, and starts with the wrong master key. */

setDefaultTimeout(60_000);

const credentials = { accessKeyId: "encryption", secretAccessKey: "encryption-secret" };
const authorization = `Basic ${btoa(`${credentials.accessKeyId}:${credentials.secretAccessKey}`)}`;
const { folder, run, serve } = programIn("encryption", {
  BERTH_DATA: ".",
  BERTH_ROOT_ACCESS_KEY_ID: credentials.accessKeyId,
  BERTH_ROOT_SECRET_ACCESS_KEY: credentials.secretAccessKey,
});
const digestOf = (content: string) => `sha256:${createHash("sha256").update(content).digest("hex")}`;
const masterKeyOf = (data: string) => join(data, "keys", "master-key");

const client = <Client>(type: new (config: object) => Client, url: URL) =>
  new type({ endpoint: url.origin, region: "us-east-1", credentials, maxAttempts: 1 });

async function newKey(url: URL): Promise<string> {
  const { KeyMetadata } = await client(KMSClient, url).send(new CreateKeyCommand({}));
  return KeyMetadata?.Arn ?? "";
}

async function repository(url: URL, repositoryName: string, kmsKey?: string): Promise<void> {
  const encryptionConfiguration = kmsKey ? ({ encryptionType: "KMS", kmsKey } as const) : undefined;
  await client(ECRClient, url).send(new CreateRepositoryCommand({ repositoryName, encryptionConfiguration }));
}

/** By a connection of its own, so that any worker may answer. */
async function ask(url: URL, method: string, path: string, body?: string) {
  const answer = await fetch(new URL(path, url), {
    method,
    headers: { authorization, connection: "close" },
    body,
    keepalive: false,
  });
  return { status: answer.status, text: await answer.text() };
}

const push = (url: URL, name: string, content: string) =>
  ask(url, "POST", `/v2/${name}/blobs/uploads/?digest=${digestOf(content)}`, content);
const pull = (url: URL, name: string, content: string) => ask(url, "GET", `/v2/${name}/blobs/${digestOf(content)}`);

/** Every file of the blob store with all that is in it. */
function blobsIn(data: string): Map<string, string> {
  const files = readdirSync(join(data, "blobs"), { recursive: true, withFileTypes: true });
  const paths = files.filter((file) => file.isFile()).map(({ parentPath, name }) => join(parentPath, name));
  return new Map(paths.map((path) => [path, createHash("sha256").update(readFileSync(path)).digest("hex")]));
}

test("a key that is disabled stops every worker within a second, and is back in every one within another", async () => {
  const { url } = await serve(folder(), { BERTH_WORKERS: "3" });
  const KeyId = await newKey(url);
  await repository(url, "sealed", KeyId);
  await repository(url, "plain");
  for (const name of ["sealed", "plain"]) expect((await push(url, name, "content")).status).toBe(201);
  /** What 24 pulls and pushes come to, in whichever workers. */
  const statuses = async (name: string) => {
    const asked = Array.from({ length: 12 }, (_, at) => [
      pull(url, name, "content"),
      push(url, name, `${name} ${at} ${crypto.randomUUID()}`),
    ]);
    return [...new Set((await Promise.all(asked.flat())).map(({ status }) => status))].sort();
  };
  expect(await statuses("sealed")).toEqual([200, 201]);
  await client(KMSClient, url).send(new DisableKeyCommand({ KeyId }));
  await Bun.sleep(1_000);
  expect([await statuses("sealed"), await statuses("plain")]).toEqual([[403], [200, 201]]);
  expect((await pull(url, "sealed", "content")).text).toContain(`${KeyId} is disabled.`);
  await client(KMSClient, url).send(new EnableKeyCommand({ KeyId }));
  await Bun.sleep(1_000);
  expect(await statuses("sealed")).toEqual([200, 201]);
});

test("no rotation rewrites a blob, and each copy is read after any of them", async () => {
  const data = folder();
  const { url } = await serve(data);
  const KeyId = await newKey(url);
  await repository(url, "sealed", KeyId);
  await repository(url, "plain");
  const contents: string[] = [];
  async function more(): Promise<void> {
    const content = `content ${contents.length}`;
    for (const name of ["sealed", "plain"]) expect((await push(url, name, content)).status).toBe(201);
    contents.push(content);
  }
  async function unchanged(work: () => Promise<unknown>): Promise<void> {
    await more();
    const before = blobsIn(data);
    await work();
    expect(blobsIn(data)).toEqual(before);
    await more();
    for (const content of contents) {
      for (const name of ["sealed", "plain"]) expect((await pull(url, name, content)).text).toBe(content);
    }
  }
  await unchanged(async () => {
    const rotated = await run(["kms", "rotate-server-key"], data);
    expect([rotated.code, rotated.out]).toEqual([0, "new layers are sealed by version 2 of the server's own key\n"]);
    await Bun.sleep(600);
  });
  await unchanged(() => client(KMSClient, url).send(new RotateKeyOnDemandCommand({ KeyId })));
  await unchanged(async () => {
    const rotated = await run(["kms", "rotate-master"], data);
    expect([rotated.code, rotated.out]).toEqual([0, "4 key materials are wrapped by the master key of today\n"]);
  });
  expect(await run(["check", "--rehash", "--rate", "0"], data)).toMatchObject({ code: 0 });
});

test("with another master key, or none, a registry does not start, and a new server key lets it go on without its layers", async () => {
  const data = folder();
  const first = await serve(data);
  await repository(first.url, "plain");
  expect((await push(first.url, "plain", "lost")).status).toBe(201);
  await first.end();
  const kept = await readFile(masterKeyOf(data), "utf8");

  await rm(masterKeyOf(data));
  const none = await run(["serve"], data);
  expect([none.code, none.err]).toEqual([1, expect.stringContaining(`there is no master key ${masterKeyOf(data)}`)]);
  const other = Buffer.alloc(32, 7).toString("base64");
  await writeFile(masterKeyOf(data), `${other}\n`, { mode: 0o600 });
  const wrong = await run(["serve"], data);
  expect([wrong.code, wrong.err]).toEqual([
    1,
    expect.stringContaining("the master key is not the one that wraps the key of this registry's layers"),
  ]);
  const several = await run(["serve"], data, { BERTH_WORKERS: "2" });
  expect([several.code, several.err]).toEqual([1, wrong.err]);

  // The right one is back.
  await writeFile(masterKeyOf(data), kept, { mode: 0o600 });
  const again = await serve(data);
  expect((await pull(again.url, "plain", "lost")).text).toBe("lost");
  await again.end();

  // It is not, and never will be.
  await writeFile(masterKeyOf(data), `${other}\n`, { mode: 0o600 });
  expect((await run(["kms", "rotate-server-key"], data)).code).toBe(0);
  const { url } = await serve(data);
  expect((await pull(url, "plain", "lost")).status).toBe(500);
  expect((await push(url, "plain", "new")).status).toBe(201);
  expect((await pull(url, "plain", "new")).text).toBe("new");
});
