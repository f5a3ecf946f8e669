import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes, randomUUID } from "node:crypto";
import type { Grant, Key, KeyMaterial } from "../../domain/keys/ports.ts";
import type { AccountId, KeyAlias, KeyId, Region, Registry } from "../../domain/names.ts";
import type { AllMetadata } from "./metadata.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let lastAccount = 700_000_000_000;
/** Never the same twice, so that tests can share a database. */
const newRegistry = (): Registry => ({
  account: String(++lastAccount) as AccountId,
  region: "eu-west-1" as Region,
});

function newKey(registry: Registry, facts: Partial<Key> = {}): Key {
  return {
    id: randomUUID() as KeyId,
    registry,
    manager: "CUSTOMER",
    state: "Enabled",
    description: "",
    policy: "{}",
    policyBindings: new Map([["arn", "AIDA"]]),
    tags: new Map([["a", "b"]]),
    createdAt: at(0),
    version: 1,
    rotation: undefined,
    deletionAt: undefined,
    deletionWindowDays: undefined,
    ...facts,
  };
}

const newMaterial = (version = 1, facts: Partial<KeyMaterial> = {}): KeyMaterial => ({
  version,
  wrapped: new Uint8Array(randomBytes(60)),
  createdAt: at(version),
  rotation: undefined,
  ...facts,
});

function newGrant(keyId: KeyId, facts: Partial<Grant> = {}): Grant {
  return {
    id: randomBytes(8).toString("hex"),
    keyId,
    grantee: { name: "arn:aws:iam::111122223333:user/a", id: "AIDA1" },
    retiring: undefined,
    operations: ["Decrypt"],
    constraint: undefined,
    name: undefined,
    issuer: "111122223333" as AccountId,
    createdAt: at(0),
    ...facts,
  };
}

/** What every database keeps of keys. */
export function keyContract(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`keys in ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let metadata: AllMetadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    async function add(key: Key, material = newMaterial()): Promise<Key> {
      await metadata.transact(({ keys }) => keys.create(key, material));
      return key;
    }
    const aliasOf = ({ registry, id: keyId }: Key, alias: string) => ({
      registry,
      name: alias as KeyAlias,
      keyId,
      createdAt: at(1),
      updatedAt: at(1),
    });

    test("a key comes back as it was, and as it was changed", async () => {
      const { keys } = metadata.read;
      const key = await add(newKey(newRegistry()));
      expect(await keys.find(key.id)).toEqual(key);
      const changed: Key = {
        ...key,
        state: "PendingDeletion",
        description: "other",
        policy: "[]",
        policyBindings: new Map(),
        tags: new Map(),
        version: 2,
        rotation: { periodDays: 90, nextAt: at(90) },
        deletionAt: at(7),
        deletionWindowDays: 7,
      };
      await metadata.transact(async (nouns) => {
        expect(await nouns.keys.lock(key.id)).toEqual(key);
        await nouns.keys.update(changed);
      });
      expect(await keys.find(key.id)).toEqual(changed);
      expect(await keys.find(randomUUID() as KeyId)).toBeUndefined();
    });

    test("keys are listed and counted by account and region, page by page", async () => {
      const registry = newRegistry();
      const added = await Promise.all([1, 2, 3].map(() => add(newKey(registry))));
      await add(newKey({ ...registry, region: "us-east-1" as Region }));
      const ids = added.map(({ id }) => id).sort();
      const { keys } = metadata.read;
      const first = await keys.list(registry, { limit: 2 });
      expect(first.map(({ id }) => id)).toEqual(ids.slice(0, 2));
      expect((await keys.list(registry, { after: ids[1], limit: 2 })).map(({ id }) => id)).toEqual(ids.slice(2));
      expect(await keys.count(registry)).toBe(3);
    });

    test("materials are kept by version, and exchanged only where they are what they were", async () => {
      const first = newMaterial();
      const { id } = await add(newKey(newRegistry()), first);
      const second = newMaterial(2, { rotation: "ON_DEMAND" });
      await metadata.transact(({ keys }) => keys.addMaterial(id, second));
      const { keys } = metadata.read;
      expect(await keys.materials(id)).toEqual([first, second]);
      expect(await keys.material(id, 2)).toEqual(second);
      expect(await keys.material(id, 3)).toBeUndefined();
      const anew = new Uint8Array([1, 2, 3]);
      await metadata.transact((nouns) => nouns.keys.rewrap({ id, version: 1 }, second.wrapped, anew));
      expect((await keys.material(id, 1))?.wrapped).toEqual(first.wrapped);
      await metadata.transact((nouns) => nouns.keys.rewrap({ id, version: 1 }, first.wrapped, anew));
      expect((await keys.material(id, 1))?.wrapped).toEqual(anew);
      const seen: string[] = [];
      for (let after: { id: KeyId; version: number } | undefined; ; ) {
        const page = await keys.allMaterials({ after, limit: 2 });
        seen.push(...page.map((material) => `${material.id} ${material.version}`));
        const last = page.at(-1);
        if (!last) break;
        after = { id: last.id, version: last.version };
      }
      expect(new Set(seen).size).toBe(seen.length);
      expect(seen.filter((text) => text.startsWith(id))).toEqual([`${id} 1`, `${id} 2`]);
    });

    test("those are due whose time has come", async () => {
      const registry = newRegistry();
      const rotation = { periodDays: 90, nextAt: at(-1000) };
      const doomed = await add(newKey(registry, { state: "PendingDeletion", deletionAt: at(-1001), rotation }));
      const turning = await add(newKey(registry, { rotation }));
      await add(newKey(registry, { state: "Disabled", rotation }));
      await add(newKey(registry, { rotation: { periodDays: 90, nextAt: at(1) } }));
      const due = await metadata.read.keys.due(at(-999), 10);
      const ids = due.filter((key) => key.registry.account === registry.account).map(({ id }) => id);
      expect(ids).toEqual([doomed.id, turning.id]);
      expect((await metadata.read.keys.due(at(-1002), 10)).length).toBe(0);
    });

    test("an alias is one key's at a time", async () => {
      const registry = newRegistry();
      const [one, other] = [await add(newKey(registry)), await add(newKey(registry))];
      const { keyAliases } = metadata.read;
      await metadata.transact(async (nouns) => {
        expect(await nouns.keyAliases.create(aliasOf(one, "alias/b"))).toBe(true);
        expect(await nouns.keyAliases.create(aliasOf(other, "alias/b"))).toBe(false);
        expect(await nouns.keyAliases.create(aliasOf(other, "alias/a"))).toBe(true);
      });
      const b = "alias/b" as KeyAlias;
      expect(await keyAliases.find(registry, b)).toEqual(aliasOf(one, "alias/b"));
      expect((await keyAliases.list(registry, { limit: 1 })).map(({ name }) => name as string)).toEqual(["alias/a"]);
      expect((await keyAliases.list(registry, { limit: 9 }, one.id)).map(({ name }) => name)).toEqual([b]);
      await metadata.transact(async (nouns) => {
        expect(await nouns.keyAliases.update(registry, b, other.id, at(5))).toBe(true);
        expect(await nouns.keyAliases.update(registry, "alias/c" as KeyAlias, other.id, at(5))).toBe(false);
      });
      expect(await keyAliases.find(registry, b)).toEqual({ ...aliasOf(other, "alias/b"), updatedAt: at(5) });
      await metadata.transact(async (nouns) => {
        expect(await nouns.keyAliases.delete(registry, b)).toBe(true);
        expect(await nouns.keyAliases.delete(registry, b)).toBe(false);
      });
      expect(await keyAliases.find(registry, b)).toBeUndefined();
    });

    test("grants are found by key, by whom they mean, and by who may retire them", async () => {
      const key = await add(newKey(newRegistry()));
      const retiring = { name: "arn:aws:iam::111122223333:user/r", id: `AIDA${randomUUID()}` };
      const constraint = { kind: "subset", context: new Map([["a", "b"]]) } as const;
      const one = newGrant(key.id, { id: "1", retiring, constraint, name: "one" });
      const two = newGrant(key.id, { id: "2", grantee: { name: "other", id: "AIDA2" } });
      const elsewhere = newGrant((await add(newKey(newRegistry()))).id, { id: randomUUID() });
      await metadata.transact(async ({ keyGrants }) => {
        for (const grant of [one, two, elsewhere]) await keyGrants.create(grant);
      });
      const { keyGrants } = metadata.read;
      expect(await keyGrants.find(key.id, "1")).toEqual(one);
      expect(await keyGrants.find(elsewhere.keyId, "1")).toBeUndefined();
      expect(await keyGrants.list(key.id, { limit: 9 })).toEqual([one, two]);
      expect(await keyGrants.list(key.id, { after: "1", limit: 9 })).toEqual([two]);
      expect(await keyGrants.list(key.id, { limit: 9 }, { id: "2" })).toEqual([two]);
      expect(await keyGrants.list(key.id, { limit: 9 }, { grantee: "other" })).toEqual([two]);
      expect(await keyGrants.of(key.id, ["AIDA1", "nobody"])).toEqual([one]);
      expect(await keyGrants.of(key.id, [retiring.id])).toEqual([one]);
      expect(await keyGrants.retirableBy([retiring.id], { limit: 9 })).toEqual([one]);
      expect(await keyGrants.count(key.id)).toBe(2);
      await metadata.transact(async (nouns) => {
        expect(await nouns.keyGrants.delete(elsewhere.keyId, "1")).toBe(false);
        expect(await nouns.keyGrants.delete(key.id, "1")).toBe(true);
        expect(await nouns.keyGrants.delete(key.id, "1")).toBe(false);
      });
      expect(await keyGrants.list(key.id, { limit: 9 })).toEqual([two]);
    });

    test("grants for one thing are found by their context, or by having none", async () => {
      const key = await add(newKey(newRegistry()));
      const grantee = { name: "ecr.eu-west-1.amazonaws.com", id: "ecr.eu-west-1.amazonaws.com" };
      const of = (context: Record<string, string> | undefined, facts: Partial<Grant> = {}) => {
        const constraint = context && ({ kind: "subset", context: new Map(Object.entries(context)) } as const);
        return newGrant(key.id, { id: randomUUID(), grantee, constraint, ...facts });
      };
      const [mine, again, any] = [of({ a: "1" }), of({ a: "1" }), of(undefined)];
      const others = [of({ a: "2" }), of({ a: "1", b: "2" }), of({ a: "1" }, { grantee: { name: "x", id: "x" } })];
      await metadata.transact(async ({ keyGrants }) => {
        for (const grant of [mine, again, any, ...others]) await keyGrants.create(grant);
      });
      const { within } = metadata.read.keyGrants;
      const idsOf = async (limit: number) =>
        (await within(key.id, grantee.id, new Map([["a", "1"]]), limit)).map(({ id }) => id).sort();
      expect(await idsOf(9)).toEqual([mine.id, again.id, any.id].sort());
      expect(await idsOf(1)).toHaveLength(2);
      expect(await within(newKey(key.registry).id, grantee.id, new Map([["a", "1"]]), 9)).toEqual([]);
    });

    test("a key that is there stays as it is", async () => {
      const key = await add(newKey(newRegistry()));
      const other = { ...key, description: "another" };
      expect(await metadata.transact(({ keys }) => keys.create(other, newMaterial()))).toBe(false);
      expect(await metadata.read.keys.find(key.id)).toEqual(key);
      expect(await metadata.read.keys.materials(key.id)).toHaveLength(1);
    });

    test("nothing of a destroyed key is left", async () => {
      const key = await add(newKey(newRegistry()));
      const grant = newGrant(key.id, { id: randomUUID() });
      await metadata.transact(async ({ keyAliases, keyGrants }) => {
        await keyAliases.create(aliasOf(key, "alias/a"));
        await keyGrants.create(grant);
      });
      await metadata.transact(({ keys }) => keys.destroy(key.id));
      const { keys, keyAliases, keyGrants } = metadata.read;
      expect(await keys.find(key.id)).toBeUndefined();
      expect(await keys.materials(key.id)).toEqual([]);
      expect(await keyAliases.list(key.registry, { limit: 9 })).toEqual([]);
      expect(await keyGrants.find(key.id, grant.id)).toBeUndefined();
    });
  });
}
