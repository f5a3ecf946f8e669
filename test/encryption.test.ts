import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  CreateRepositoryCommand,
  DeleteRepositoryCommand,
  type EncryptionType,
  GetDownloadUrlForLayerCommand,
} from "@aws-sdk/client-ecr";
import { CreateAccessKeyCommand, CreateUserCommand } from "@aws-sdk/client-iam";
import * as kms from "@aws-sdk/client-kms";
import { serverKeyId } from "../src/domain/keys/server-key.ts";
import type { Digest, RepositoryName } from "../src/domain/names.ts";
import { scopeOf, serverScope } from "../src/domain/registry/encryption.ts";
import { openFilesystemBlobs } from "../src/storage/blobs/filesystem.ts";
import { call } from "./matrix/calls.ts";
import { kmsRows } from "./matrix/kms-rows.ts";
import { account, digestOf, type InProcess, inProcess, keyPair, mediaTypes, region } from "./support/berth.ts";
import { allow } from "./support/people.ts";

/** Keys of repositories, as far as only the whole system can show what they promise. */

let berth: InProcess;
let names = 0;
beforeAll(async () => {
  berth = await inProcess();
});
afterAll(() => berth.close());

const client = () => berth.client(kms.KMSClient);
const newName = () => `repository-${names++}`;

async function newKey(): Promise<string> {
  const { KeyMetadata } = await client().send(new kms.CreateKeyCommand({}));
  return KeyMetadata?.Arn ?? "";
}

async function repository(encryptionType: EncryptionType, kmsKey?: string, repositoryName = newName()) {
  const encryptionConfiguration = { encryptionType, kmsKey };
  await berth.ecr().send(new CreateRepositoryCommand({ repositoryName, encryptionConfiguration }));
  return repositoryName;
}

/** Files of one content. */
function copiesOf(digest: string): string[] {
  const [algorithm = "", hex = ""] = digest.split(":");
  const files = readdirSync(join(berth.stores.root, algorithm, hex.slice(0, 2)));
  return files.filter((name) => name.startsWith(hex));
}

/** What a pull and a push come to over /v2/, by status, and what is said where they fail. */
async function overHttp(repositoryName: string, tag: string, content: string) {
  const digest = digestOf(content);
  const at = (rest: string) => `/v2/${repositoryName}/${rest}`;
  const { locate } = berth.stores.metadata.read.images;
  const manifest = await locate({ account, region }, repositoryName as never, { tag: tag as never });
  const pushed = digestOf(`${content} more`);
  const answers = {
    "GET manifest": await berth.oci("GET", at(`manifests/${tag}`)),
    "GET manifest by digest": await berth.oci("GET", at(`manifests/${manifest?.image?.digest}`)),
    "GET blob": await berth.oci("GET", at(`blobs/${digest}`)),
    "GET part of a blob": await berth.oci("GET", at(`blobs/${digest}`), { headers: { range: "bytes=1-2" } }),
    "HEAD manifest": await berth.oci("HEAD", at(`manifests/${tag}`)),
    "HEAD blob": await berth.oci("HEAD", at(`blobs/${digest}`)),
    "POST upload": await berth.oci("POST", at("blobs/uploads/")),
    "POST blob": await berth.oci("POST", at(`blobs/uploads/?digest=${pushed}`), { body: `${content} more` }),
    "POST mount": await berth.oci("POST", at(`blobs/uploads/?mount=${digest}`)),
    "PUT manifest": await berth.oci("PUT", at(`manifests/other`), {
      headers: { "content-type": mediaTypes.index },
      body: JSON.stringify({ schemaVersion: 2, mediaType: mediaTypes.index, manifests: [] }),
    }),
  };
  const statuses: Record<string, number> = {};
  const said = new Set<string>();
  for (const [name, answer] of Object.entries(answers)) {
    statuses[name] = answer.status;
    const text = await answer.text();
    if (answer.status === refused) said.add(text);
  }
  return { statuses, said: [...said] };
}
const refused = 403;

const works = {
  "GET manifest": 200,
  "GET manifest by digest": 200,
  "GET blob": 200,
  "GET part of a blob": 206,
  "HEAD manifest": 200,
  "HEAD blob": 200,
  "POST upload": 202,
  "POST blob": 201,
  "POST mount": 201,
  "PUT manifest": 201,
};
/** Who only looks learns nothing of the content. */
const stopped = Object.fromEntries(Object.keys(works).map((name) => [name, name.startsWith("HEAD") ? 200 : refused]));

describe("S21: encryption fails closed", () => {
  for (const type of ["KMS", "KMS_DSSE"] as const) {
    test(`${type}: what a disabled key seals is neither pulled nor pushed, and is there again with the key`, async () => {
      const KeyId = await newKey();
      const name = await repository(type, KeyId);
      const content = `layer of ${name}`;
      await berth.pushImage(name, "v1", content);
      expect(await overHttp(name, "v1", content)).toEqual({ statuses: works, said: [] });
      await client().send(new kms.DisableKeyCommand({ KeyId }));
      const { statuses, said } = await overHttp(name, "v1", content);
      expect(statuses).toEqual(stopped);
      expect(said.map((text) => JSON.parse(text))).toEqual([
        { errors: [{ code: "DENIED", message: `${KeyId} is disabled.` }] },
      ]);
      const { downloadUrl = "" } = await berth
        .ecr()
        .send(new GetDownloadUrlForLayerCommand({ repositoryName: name, layerDigest: digestOf(content) }));
      const { pathname, search } = new URL(downloadUrl);
      expect((await berth.send("GET", pathname + search)).status).toBe(refused);
      await client().send(new kms.EnableKeyCommand({ KeyId }));
      expect((await overHttp(name, "v1", content)).statuses).toEqual(works);
    });
  }

  test("an upload that began before its key was disabled goes on when the key is back", async () => {
    const KeyId = await newKey();
    const name = await repository("KMS", KeyId);
    const begun = await berth.oci("POST", `/v2/${name}/blobs/uploads/`);
    const location = begun.headers.get("location") ?? "";
    const first = await berth.oci("PATCH", location, { body: "first" });
    expect(first.status).toBe(202);
    await client().send(new kms.DisableKeyCommand({ KeyId }));
    expect((await berth.oci("PATCH", location, { body: "second" })).status).toBe(refused);
    const digest = digestOf("firstsecond");
    expect((await berth.oci("PUT", `${location}?digest=${digest}`, { body: "second" })).status).toBe(refused);
    await client().send(new kms.EnableKeyCommand({ KeyId }));
    expect((await berth.oci("PUT", `${location}?digest=${digest}`, { body: "second" })).status).toBe(201);
    expect(await (await berth.oci("GET", `/v2/${name}/blobs/${digest}`)).text()).toBe("firstsecond");
  });

  test("a plain copy is not given out where a key is to seal, whatever the database names", async () => {
    const name = await repository("KMS", await newKey());
    const content = `layer of ${name}`;
    const digest = (await berth.pushBlob(name, content)).digest as Digest;
    const { metadata, root } = berth.stores;
    const plain = await openFilesystemBlobs({ root });
    const bytes = async function* () {
      yield Buffer.from(content);
    };
    const { blob } = await plain.store(await plain.begin(serverScope), digest, bytes(), serverScope);
    const found = await metadata.read.repositories.find({ account, region }, name as RepositoryName);
    const scope = scopeOf(found?.encryption ?? { type: "AES256" });
    const record = await metadata.read.blobs.find({ digest, scope });
    if (!record || !blob) throw new Error("there is nothing to exchange");
    await metadata.transact(({ blobs }) => blobs.replace(record, { ...blob, scope }, new Date()));
    const answer = await berth.oci("GET", `/v2/${name}/blobs/${digest}`);
    expect([answer.status, (await answer.text()).includes(content)]).toEqual([500, false]);
  });

  test("what a key sealed is gone with it, for good", async () => {
    const KeyId = await newKey();
    const name = await repository("KMS", KeyId);
    const content = `layer of ${name}`;
    await berth.pushImage(name, "v1", content);
    await berth.stores.metadata.transact(({ keys }) => keys.destroy(KeyId.split("/")[1] as never));
    await Bun.sleep(600);
    const { statuses, said } = await overHttp(name, "v1", content);
    expect(statuses).toEqual(stopped);
    expect(said).toEqual([expect.stringContaining(`Key '${KeyId}' does not exist`)]);
    await berth.ecr().send(new DeleteRepositoryCommand({ repositoryName: name, force: true }));
  });
});

describe("the server's own key", () => {
  test("is out of reach of every operation of KMS, for everybody", async () => {
    await berth.pushImage(await repository("AES256"), "v1", "anything");
    expect(await berth.stores.metadata.read.keys.find(serverKeyId)).toMatchObject({ manager: "BERTH" });
    const administrator = await berth.crowd.user(account, "key-administrator", allow("kms:*"));
    const people = [
      { accessKeyId: keyPair.accessKeyId, secret: keyPair.secretAccessKey },
      { accessKeyId: administrator.accessKeyId, secret: administrator.secretAccessKey },
    ];
    const ghost = "99999999-9999-4999-8999-999999999999";
    const id = "00000000-0000-4000-8000-000000000000";
    const spellings = [
      (some: string) => `arn:aws:kms:us-east-1:${account}:key/${some}`,
      (some: string) => some,
      (some: string) => `arn:aws:kms:::key/${some}`,
      (some: string) => `arn:aws:kms:us-east-1::key/${some}`,
      (some: string) => `arn:aws:kms::${account}:key/${some}`,
    ];
    let asked = 0;
    for (const row of kmsRows) {
      for (const person of people) {
        for (const spell of spellings) {
          const answerFor = async (some: string) => {
            const text = JSON.stringify(row.request).replaceAll(
              `arn:aws:kms:us-east-1:{account}:key/${id}`,
              spell(some),
            );
            const request = JSON.parse(text.replaceAll(`"${id}"`, `"${spell(some)}"`));
            const { kind, text: said } = await call(berth, { ...row, request }, account, person);
            return `${kind} ${said}`.replaceAll(some, "ID").replace(/[0-9a-f]{8}-[0-9a-f-]{27}/g, "UUID");
          };
          const text = JSON.stringify(row.request);
          if (!text.includes(id)) continue;
          asked++;
          expect(await answerFor(serverKeyId)).toBe(await answerFor(ghost));
        }
      }
    }
    expect(asked).toBeGreaterThan(200);
    for (const region of ["us-east-1", "eu-west-1"]) {
      const { Keys = [] } = await berth.client(kms.KMSClient, { region }).send(new kms.ListKeysCommand({}));
      expect(Keys.map(({ KeyId }) => KeyId)).not.toContain(serverKeyId);
    }
  });
});

describe("what keys cost", () => {
  test("a repository that needs none asks the database nothing more, and one that does, nothing while it is warm", async () => {
    const KeyId = await newKey();
    const content = `counted ${crypto.randomUUID()}`;
    const questions = async (name: string) => {
      const before = berth.queries;
      for (const path of [`manifests/v1`, `blobs/${digestOf(content)}`]) {
        expect((await berth.oci("GET", `/v2/${name}/${path}`)).status).toBe(200);
      }
      return berth.queries - before;
    };
    const counts: number[] = [];
    for (const name of [
      await repository("AES256"),
      await repository("KMS", KeyId),
      await repository("KMS_DSSE", KeyId),
    ]) {
      await berth.pushImage(name, "v1", content);
      // Others of half a second may run out meanwhile.
      await questions(name);
      const warm: number[] = [];
      for (let round = 0; round < 5; round++) warm.push(await questions(name));
      counts.push(Math.min(...warm));
    }
    expect(new Set(counts).size).toBe(1);
  });
});

describe("copies", () => {
  test("are shared by repositories of one key, and by no others", async () => {
    const [one, other] = [await newKey(), await newKey()];
    const content = `shared ${crypto.randomUUID()}`;
    const push = async (name: string) => void (await berth.pushBlob(name, content));
    await push(await repository("KMS", one));
    await push(await repository("KMS", one));
    expect(copiesOf(digestOf(content))).toHaveLength(1);
    await push(await repository("KMS", other));
    expect(copiesOf(digestOf(content))).toHaveLength(2);
    await push(await repository("KMS_DSSE", one));
    await push(await repository("AES256"));
    await push(await repository("AES256"));
    expect(copiesOf(digestOf(content))).toHaveLength(4);
  });

  test("are mounted under the key that sealed them, and else the mount is an upload that begins", async () => {
    const [one, other] = [await newKey(), await newKey()];
    const from = await repository("KMS", one);
    const digest = digestOf(`mounted ${from}`);
    await berth.pushImage(from, "v1", `mounted ${from}`);
    const targets = [
      [await repository("KMS", one), 201],
      [await repository("KMS", other), 202],
      [await repository("KMS_DSSE", one), 202],
      [await repository("AES256"), 202],
    ] as const;
    for (const [target, status] of targets) {
      const mounted = await berth.oci("POST", `/v2/${target}/blobs/uploads/?mount=${digest}&from=${from}`);
      expect([target, mounted.status]).toEqual([target, status]);
      const unnamed = await berth.oci("POST", `/v2/${target}/blobs/uploads/?mount=${digest}`);
      expect([target, unnamed.status]).toEqual([target, status]);
      expect(unnamed.headers.get("location")).toMatch(status === 201 ? /\/blobs\/sha256:/ : /\/blobs\/uploads\//);
      expect((await berth.oci("HEAD", `/v2/${target}/blobs/${digest}`)).status).toBe(status === 201 ? 200 : 404);
    }
  });

  test("are not mounted from a repository whose grants were taken back: what its key keeps in stays in", async () => {
    const KeyId = await newKey();
    const [from, target] = [await repository("KMS", KeyId), await repository("KMS", KeyId)];
    const digest = digestOf(`kept in ${from}`);
    await berth.pushImage(from, "v1", `kept in ${from}`);
    const { Grants = [] } = await client().send(new kms.ListGrantsCommand({ KeyId }));
    const arn = `arn:aws:ecr:${region}:${account}:repository/${from}`;
    for (const { GrantId, Constraints } of Grants) {
      if (Constraints?.EncryptionContextSubset?.["aws:ecr:arn"] !== arn) continue;
      await client().send(new kms.RevokeGrantCommand({ KeyId, GrantId }));
    }
    expect((await berth.oci("GET", `/v2/${from}/blobs/${digest}`)).status).toBe(refused);
    for (const source of [`&from=${from}`, ""]) {
      const mounted = await berth.oci("POST", `/v2/${target}/blobs/uploads/?mount=${digest}${source}`);
      expect([source, mounted.status]).toEqual([source, 202]);
    }
    expect((await berth.oci("GET", `/v2/${target}/blobs/${digest}`)).status).toBe(404);
  });
});

describe("at rest", () => {
  test("nothing of a pushed layer, nor of a stored secret, is to be found in the data directory", async () => {
    const data = mkdtempSync(join(tmpdir(), "berth-at-rest-"));
    try {
      const here = await inProcess({ data });
      const needle = "the words that nobody finds";
      const contents = ["AES256", "KMS", "KMS_DSSE"].map((type) => `${type} ${needle} `.repeat(20_000));
      const { KeyMetadata } = await here.client(kms.KMSClient).send(new kms.CreateKeyCommand({}));
      for (const [index, encryptionType] of (["AES256", "KMS", "KMS_DSSE"] as const).entries()) {
        const repositoryName = `app-${index}`;
        const kmsKey = encryptionType === "AES256" ? undefined : KeyMetadata?.Arn;
        const encryptionConfiguration = { encryptionType, kmsKey };
        await here.ecr().send(new CreateRepositoryCommand({ repositoryName, encryptionConfiguration }));
        await here.pushImage(repositoryName, "v1", contents[index] ?? "");
        const begun = await here.oci("POST", `/v2/${repositoryName}/blobs/uploads/`);
        // An upload that is never finished.
        await here.oci("PATCH", begun.headers.get("location") ?? "", { body: contents[index] });
      }
      await here.iam().send(new CreateUserCommand({ UserName: "keeper" }));
      const { AccessKey } = await here.iam().send(new CreateAccessKeyCommand({ UserName: "keeper" }));
      const secrets = [needle, AccessKey?.SecretAccessKey ?? needle];
      expect(filesWith(data, secrets)).toEqual([]);
      await here.close();
      expect(filesWith(data, secrets)).toEqual([]);
      // What is searched for can be found.
      expect(filesWith(data, ["repository"]).length).toBeGreaterThan(0);

      const plain = await inProcess({ data, atRest: "volume" });
      await plain.pushBlob("app-0", `${needle} of a volume`);
      await plain.pushBlob("app-1", `${needle} of a key`);
      expect(filesWith(data, [`${needle} of a volume`, `${needle} of a key`])).toHaveLength(1);
      // What was sealed before stays so, and is read.
      const digest = digestOf(contents[0] ?? "");
      expect(await (await plain.oci("GET", `/v2/app-0/blobs/${digest}`)).text()).toBe(contents[0] ?? "");
      await plain.close();
    } finally {
      rmSync(data, { recursive: true });
    }
  });
});

/** Files below a folder that have one of the texts in them. */
function filesWith(folder: string, texts: readonly string[]): string[] {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  return files
    .map(({ parentPath, name }) => join(parentPath, name))
    .filter((path) => {
      const bytes = readFileSync(path);
      return texts.some((text) => bytes.includes(text));
    });
}
