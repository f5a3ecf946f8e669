import { expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { createPolicyCompiler } from "../policy/compiler.ts";
import { openSqlite } from "../storage/metadata/sqlite.ts";
import { createBlobKeys } from "./blob-keys.ts";
import { defaultKeyPolicy } from "./keys/default-policies.ts";
import { createKeyring } from "./keys/keyring.ts";
import type { Key } from "./keys/ports.ts";
import { addMaterial } from "./keys/rotation.ts";
import { serverKeyId } from "./keys/server-key.ts";
import { rewrapMaterials } from "./keys/upkeep.ts";
import { createKeyWrapper } from "./keys/wrapping.ts";
import { type AccountId, type Arn, type KeyId, keyArn, type Region } from "./names.ts";
import { BlobDamaged, scopeOf, serverScope } from "./registry/encryption.ts";
import { maxWrappedBytes, type StagingId } from "./registry/ports.ts";

const registry = { account: "111122223333" as AccountId, region: "us-gov-east-1" as Region };
const staging = crypto.randomUUID() as string as StagingId;

async function world(atRest: "sealed" | "volume" = "sealed") {
  const metadata = await openSqlite({ path: ":memory:" });
  const masterKeys = [new Uint8Array(32).fill(1)];
  const wrapper = createKeyWrapper({ known: async () => masterKeys, refreshed: async () => masterKeys });
  const { compile } = createPolicyCompiler(100);
  const clock = () => new Date();
  /** Each is what another process would be. */
  const process = () => {
    const keyring = createKeyring({ metadata, wrapper, compile });
    return { keyring, keys: createBlobKeys({ metadata, wrapper, keyring, clock, atRest }) };
  };
  async function makeKey(): Promise<{ id: KeyId; arn: Arn }> {
    const id = crypto.randomUUID() as string as KeyId;
    const arn = keyArn(registry, id);
    const key: Key = {
      id,
      registry,
      manager: "CUSTOMER",
      state: "Enabled",
      description: "",
      policy: defaultKeyPolicy(registry.account),
      policyBindings: new Map(),
      tags: new Map(),
      createdAt: clock(),
      version: 1,
    };
    const wrapped = await wrapper.wrap(new Uint8Array(32).fill(5), arn, 1);
    await metadata.transact(({ keys }) => keys.create(key, { version: 1, wrapped, createdAt: clock() }));
    return { id, arn };
  }
  const setState = (id: KeyId, state: Key["state"]) =>
    metadata.transact(async ({ keys }) => keys.update({ ...((await keys.lock(id)) as Key), state }));
  const rotate = async (id: KeyId) =>
    expect(
      await addMaterial({ metadata, wrapper, clock }, (await metadata.read.keys.find(id)) as Key, "ON_DEMAND"),
    ).toBe(true);
  return { metadata, masterKeys, wrapper, process, makeKey, setState, rotate, ...process() };
}

const contextOf = (type: string) =>
  new Map([
    ["berth:blob", staging as string],
    ["berth:layer", `${type} 0`],
  ]);

const sealings = [
  ["AES256", 1],
  ["KMS", 1],
  ["KMS_DSSE", 2],
] as const;

for (const [type, layers] of sealings) {
  test(`${type}: ${layers} keys that only the copy that they were made for has again, in any process`, async () => {
    const { keys, process, makeKey } = await world();
    const { arn } = await makeKey();
    const scope = scopeOf(type === "AES256" ? { type } : { type, key: arn, grants: [] });
    const { keys: made, wrapped } = await keys.make(scope, staging);
    expect(made.map(({ length }) => length)).toEqual(Array.from({ length: layers }, () => 32));
    expect(new Set(made.map((key) => Buffer.from(key).toString("hex"))).size).toBe(layers);
    expect(wrapped.length).toBeLessThanOrEqual(maxWrappedBytes);
    expect((await process().keys.open(wrapped, staging)).map((key) => [...key])).toEqual(made.map((key) => [...key]));
    for (const key of made) expect(Buffer.from(wrapped).includes(key)).toBe(false);
    const other = crypto.randomUUID() as string as StagingId;
    expect(keys.open(wrapped, other)).rejects.toThrow(BlobDamaged);
    for (let at = 0; at < wrapped.length; at++) {
      const changed = Buffer.from(wrapped);
      changed[at] = (changed[at] ?? 0) ^ 1;
      await expect(keys.open(changed, staging)).rejects.toThrow(BlobDamaged);
      await expect(keys.open(wrapped.subarray(0, at), staging)).rejects.toThrow(BlobDamaged);
    }
  });
}

test("no rotation, of any key, keeps older copies from being opened", async () => {
  const { keys, process, makeKey, rotate, masterKeys, metadata, wrapper } = await world();
  const { id, arn } = await makeKey();
  const scopes = [serverScope, scopeOf({ type: "KMS_DSSE", key: arn, grants: [] })];
  const made: { wrapped: Uint8Array; keys: readonly Uint8Array[] }[] = [];
  const more = async () => {
    for (const scope of scopes) made.push(await process().keys.make(scope, staging));
  };
  await more();
  await rotate(serverKeyId);
  await more();
  await rotate(id);
  await more();
  masterKeys.unshift(new Uint8Array(32).fill(2));
  expect(await rewrapMaterials({ metadata, wrapper })).toBe(4);
  masterKeys.length = 1;
  await more();
  for (const one of made) expect(await process().keys.open(one.wrapped, staging)).toEqual([...one.keys]);
  // Newer ones are of no use to who has the older materials only.
  expect(new Set(made.map(({ wrapped }) => Buffer.from(wrapped.subarray(0, 40)).toString("hex"))).size).toBe(5);
  expect(await keys.open(made[0]?.wrapped ?? new Uint8Array(), staging)).toEqual([...(made[0]?.keys ?? [])]);
});

test("a key that cannot be used says why, and opens again when it can be", async () => {
  const { process, makeKey, setState, metadata } = await world();
  const { id, arn } = await makeKey();
  const scope = scopeOf({ type: "KMS", key: arn, grants: [] });
  const { wrapped } = await process().keys.make(scope, staging);
  async function refused(kmsError: string, reason: string) {
    const { keys } = process();
    const facts = { code: "KeyUnusable", facts: { kmsError, reason } };
    expect(keys.open(wrapped, staging)).rejects.toMatchObject(facts);
    await expect(keys.make(scope, staging)).rejects.toMatchObject(facts);
  }
  await setState(id, "Disabled");
  await refused("DisabledException", `${arn} is disabled.`);
  await setState(id, "PendingDeletion");
  await refused("KMSInvalidStateException", `${arn} is pending deletion.`);
  await setState(id, "Enabled");
  await process().keys.open(wrapped, staging);
  await metadata.transact(({ keys }) => keys.destroy(id));
  await refused("NotFoundException", `Key '${arn}' does not exist`);
});

test("processes that make the server's own key at once make one", async () => {
  const { process, metadata } = await world();
  const processes = Array.from({ length: 8 }, process);
  const made = await Promise.all(processes.map(({ keys }) => keys.make(serverScope, staging)));
  for (const { wrapped, keys } of made) expect(await process().keys.open(wrapped, staging)).toEqual([...keys]);
  expect((await metadata.read.keys.materials(serverKeyId)).length).toBe(1);
  expect(await metadata.read.keys.find(serverKeyId)).toMatchObject({ manager: "BERTH", rotation: { periodDays: 365 } });
});

test("what another process made a moment ago is known at once", async () => {
  const { process, rotate } = await world();
  const [one, other] = [process(), process()];
  const absent = expect(other.keyring.find(serverKeyId)).resolves.toBeUndefined();
  const { wrapped } = await one.keys.make(serverScope, staging);
  await absent;
  expect(await other.keys.open(wrapped, staging)).toHaveLength(1);
  await rotate(serverKeyId);
  const rotated = await process().keys.make(serverScope, staging);
  expect(await other.keys.open(rotated.wrapped, staging)).toHaveLength(1);
});

test("who asks for what the keeper does not unwrap now takes nothing from those whose keys are known", async () => {
  const { metadata, wrapper, makeKey } = await world();
  let isAway = false;
  const away = {
    ...wrapper,
    unwrap: (...of: Parameters<typeof wrapper.unwrap>) => (isAway ? fail() : wrapper.unwrap(...of)),
  };
  const fail = () => Promise.reject(new Error("the keeper does not answer"));
  const { compile } = createPolicyCompiler(10_000);
  const keyring = createKeyring({ metadata, wrapper: away, compile });
  const ids: KeyId[] = [];
  while (ids.length < 1001) ids.push((await makeKey()).id);
  const use = (id: KeyId) => keyring.encrypt(registry, id, new Uint8Array(1), new Map());
  const [last, ...known] = ids.toReversed();
  for (const id of known) await use(id);
  isAway = true;
  for (let count = 0; count < 3; count++) await expect(use(last as KeyId)).rejects.toThrow("does not answer");
  for (const id of known) await use(id);
});

test("the keys of copies are no ciphertexts to KMS, whoever's key has encrypted them", async () => {
  const { keys, keyring, makeKey } = await world();
  const { arn } = await makeKey();
  for (const scope of [serverScope, scopeOf({ type: "KMS", key: arn, grants: [] })]) {
    const { wrapped } = await keys.make(scope, staging);
    const text = wrapped.subarray(4, wrapped.length - 8);
    const context = contextOf(scope === serverScope ? "AES256" : "KMS");
    expect((await keyring.decryptOwn(text, context)).plaintext.length).toBe(32);
    await expect(keyring.decrypt(text, context)).rejects.toMatchObject({ code: "InvalidCiphertext" });
  }
});

test("what somebody has encrypted by KMS is no key of a copy, so nobody's own bytes open in the place of it", async () => {
  const { keys, keyring, makeKey } = await world();
  const { id, arn } = await makeKey();
  const { wrapped } = await keys.make(scopeOf({ type: "KMS", key: arn, grants: [] }), staging);
  const chosen = await keyring.encrypt(registry, id, new Uint8Array(32).fill(7), contextOf("KMS"));
  const text = Buffer.from(chosen.ciphertext);
  const body = Buffer.concat([wrapped.subarray(0, 2), Uint8Array.of(text.length >> 8, text.length & 0xff), text]);
  const checksum = createHash("sha256").update(body).update(staging).digest().subarray(0, 8);
  await expect(keys.open(Buffer.concat([body, checksum]), staging)).rejects.toThrow(BlobDamaged);
});

test("a volume seals what no user's key does", async () => {
  const { keys } = await world("volume");
  const { arn } = await (await world()).makeKey();
  const scopes = [serverScope, scopeOf({ type: "KMS", key: arn, grants: [] })];
  expect(scopes.map(keys.seals)).toEqual([false, true]);
  expect(scopes.map((await world()).keys.seals)).toEqual([true, true]);
});
