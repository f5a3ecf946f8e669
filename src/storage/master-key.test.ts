import { afterEach, beforeEach, expect, test } from "bun:test";
import { chmod, cp, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { rewrapMaterials } from "../domain/keys/upkeep.ts";
import { createKeyWrapper, MasterKeyMissing } from "../domain/keys/wrapping.ts";
import type { KeyId, Registry } from "../domain/names.ts";
import { keyArn } from "../domain/names.ts";
import { copySecrets } from "./backup/folder.ts";
import { KeyFileUnusable } from "./keys.ts";
import { addMasterKey, openMasterKeys, parseMasterKeys } from "./master-key.ts";
import { openSqlite } from "./metadata/sqlite.ts";

let folder: string;
let file: string;
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), "berth-master-"));
  file = join(folder, "keys", "master-key");
});
afterEach(() => rm(folder, { recursive: true }));

const open = async (path = file) => createKeyWrapper(await openMasterKeys({ file: path }));
const registry = { account: "111122223333", region: "eu-west-1" } as Registry;
const id = "00000000-0000-4000-8000-000000000000" as KeyId;
const name = keyArn(registry, id);
const material = new Uint8Array(32).fill(5);

test("the file is made once, for its owner alone", async () => {
  const [one, other] = await Promise.all([open(), open()]);
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const wrapped = await one.wrap(material, name, 1);
  expect(new Uint8Array(await other.unwrap(wrapped, name, 1))).toEqual(material);
  expect(Buffer.from(wrapped).includes(material.subarray(0, 8))).toBe(false);
});

test("what is wrapped is good under its own name and version only, and as it was made", async () => {
  const wrapper = await open();
  const wrapped = await wrapper.wrap(material, name, 1);
  const other = keyArn(registry, "00000000-0000-4000-8000-000000000001" as KeyId);
  for (const [arn, version] of [
    [other, 1],
    [name, 2],
  ] as const) {
    expect(wrapper.unwrap(wrapped, arn, version)).rejects.toThrow();
  }
  for (let at = 0; at < wrapped.length; at++) {
    const changed = wrapped.slice();
    changed[at] = (changed[at] ?? 0) ^ 1;
    expect(wrapper.unwrap(changed, name, 1)).rejects.toThrow();
  }
  expect(wrapper.unwrap(wrapped.slice(0, 20), name, 1)).rejects.toThrow(MasterKeyMissing);
});

test("a rotation wraps anew, while a process goes on that has seen nothing of it", async () => {
  const server = await open();
  const metadata = await openSqlite({ path: ":memory:" });
  const key = {
    id,
    registry,
    manager: "CUSTOMER",
    state: "Enabled",
    description: "",
    policy: "{}",
    policyBindings: new Map(),
    tags: new Map(),
    createdAt: new Date(),
    version: 1,
  } as const;
  const wrapped = await server.wrap(material, name, 1);
  await metadata.transact(({ keys }) => keys.create(key, { version: 1, wrapped, createdAt: new Date() }));
  await cp(file, join(folder, "stolen"));
  const rotate = async () => {
    await addMasterKey(file);
    return rewrapMaterials({ metadata, wrapper: await open() });
  };
  const kept = async () => (await metadata.read.keys.material(id, 1))?.wrapped as Uint8Array;
  expect(await rotate()).toBe(1);
  expect(await rewrapMaterials({ metadata, wrapper: await open() })).toBe(0);
  expect(new Uint8Array(await server.unwrap(await kept(), name, 1))).toEqual(material);
  expect(await server.isCurrent(await server.wrap(material, name, 2))).toBe(true);
  expect(await server.isCurrent(wrapped)).toBe(false);
  const thief = await open(join(folder, "stolen"));
  expect(thief.unwrap(await kept(), name, 1)).rejects.toThrow(MasterKeyMissing);
  // The one of before is there until the next time.
  expect(new Uint8Array(await server.unwrap(wrapped, name, 1))).toEqual(material);
  expect(await rotate()).toBe(1);
  expect((await open()).unwrap(wrapped, name, 1)).rejects.toThrow(MasterKeyMissing);
  expect(new Uint8Array(await server.unwrap(await kept(), name, 1))).toEqual(material);
  expect(await readdir(join(folder, "keys"))).toEqual(["master-key"]);
  await metadata.close();
});

test("a given key is used, and so is a file that somebody else keeps", async () => {
  const given = Buffer.alloc(32, 3).toString("base64");
  const credential = join(folder, "berth-master-key");
  await writeFile(credential, `${given}\n`, { mode: 0o400 });
  const one = createKeyWrapper(await openMasterKeys({ given, file }));
  const other = createKeyWrapper(await openMasterKeys({ credential, file }));
  const wrapped = await one.wrap(material, name, 1);
  expect(new Uint8Array(await other.unwrap(wrapped, name, 1))).toEqual(material);
  expect(await readdir(folder)).toEqual(["berth-master-key"]);
});

test("a file that others can read, or that has something else in it, is refused", async () => {
  await open();
  await chmod(file, 0o644);
  expect(open()).rejects.toThrow(KeyFileUnusable);
  await chmod(file, 0o600);
  await writeFile(file, "short\n");
  expect(open()).rejects.toThrow(KeyFileUnusable);
  expect(parseMasterKeys("")).toBeUndefined();
  expect(parseMasterKeys(`${Buffer.alloc(32).toString("base64")},x`)).toBeUndefined();
});

test("a backup has the sealing key, and no other: neither this one nor what somebody laid beside it", async () => {
  await open();
  for (const name of ["sealing.key", "master-key.old", "master-key~", "vault-token"]) {
    await writeFile(join(folder, "keys", name), name);
  }
  const backup = join(folder, "backup");
  await copySecrets(folder, backup);
  expect(await readdir(join(backup, "keys"))).toEqual(["sealing.key"]);
  expect(await readFile(join(backup, "keys", "sealing.key"), "utf8")).toBe("sealing.key");
});
