import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { randomBytes } from "node:crypto";
import type { AccountId, Region, Registry } from "../../domain/names.ts";
import type { SealedVersion, Secret } from "../../domain/secrets/ports.ts";
import type { AllMetadata } from "./metadata.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let last = 300_000_000_000;
/** Never the same twice, so that tests can share a database. */
const newRegistry = (): Registry => ({ account: String(++last) as AccountId, region: "eu-west-1" as Region });

const newSecret = (registry: Registry, facts: Partial<Secret> = {}): Omit<Secret, "id"> => ({
  registry,
  name: "ecr-pullthroughcache/hub",
  suffix: "AbCdEf",
  description: undefined,
  tags: new Map(),
  createdAt: at(0),
  changedAt: at(0),
  deletionAt: undefined,
  ...facts,
});

const newVersion = (id: string, facts: Partial<SealedVersion> = {}): SealedVersion => ({
  id,
  kind: "string",
  sealed: new Uint8Array(randomBytes(40)),
  stages: ["AWSCURRENT"],
  createdAt: at(0),
  ...facts,
});

/** What every database keeps of secrets. */
export function secretContract(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`secrets in ${name}`, () => {
    let metadata: AllMetadata;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ metadata, dispose } = await open());
    });
    afterAll(() => dispose());

    const create = (secret: Omit<Secret, "id">) => metadata.transact(({ secrets }) => secrets.create(secret));

    async function add(secret: Omit<Secret, "id">): Promise<Secret> {
      const created = await create(secret);
      if (!created) throw new Error("the secret was there");
      return created;
    }

    test("a secret comes back as it was, and as it was changed; the first of a name stays", async () => {
      const { secrets } = metadata.read;
      const registry = newRegistry();
      const tags = new Map([["snow ☃", ""]]);
      const whole = await add(newSecret(registry, { description: "'quoted' ☃", tags, deletionAt: at(9) }));
      expect(await secrets.find(registry, whole.name)).toEqual(whole);
      expect(await create(newSecret(registry, { suffix: "other1" }))).toBeUndefined();
      expect(await secrets.find(registry, whole.name)).toEqual(whole);
      const changed = { ...whole, description: undefined, tags: new Map(), changedAt: at(5), deletionAt: undefined };
      const locked = await metadata.transact(async (nouns) => {
        const before = await nouns.secrets.lock(registry, whole.name);
        // What a secret is called never changes.
        await nouns.secrets.update({ ...changed, name: "other", suffix: "other2", createdAt: at(99) });
        return [before, await nouns.secrets.lock(registry, "other")];
      });
      expect(locked).toEqual([whole, undefined]);
      expect(await secrets.find(registry, whole.name)).toEqual(changed);
    });

    test("a registry's secrets are its own, by name as bytes", async () => {
      const { secrets } = metadata.read;
      const [registry, other] = [newRegistry(), newRegistry()];
      const names = ["a", "Z", "a/b", "a-b", "ab", "☃"];
      for (const name of names) await add(newSecret(registry, { name }));
      await add(newSecret(other, { name: "a" }));
      const sorted = [...names].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect((await secrets.list(registry)).map(({ name }) => name)).toEqual(sorted);
      expect(await secrets.count(registry)).toBe(names.length);
      expect(await secrets.count(other)).toBe(1);
      const elsewhere = { ...registry, region: "us-east-1" as Region };
      expect([await secrets.list(elsewhere), await secrets.count(elsewhere)]).toEqual([[], 0]);
      expect(await secrets.find(elsewhere, "a")).toBeUndefined();
    });

    test("versions come back byte by byte, newest first, and go with their secret", async () => {
      const { secrets } = metadata.read;
      const registry = newRegistry();
      const [one, two] = [await add(newSecret(registry)), await add(newSecret(registry, { name: "two" }))];
      const first = newVersion("v1", { kind: "binary", sealed: Uint8Array.of(0, 255, 128), stages: ["AWSPREVIOUS"] });
      const second = newVersion("v2", { createdAt: at(1) });
      const same = newVersion("v0", { createdAt: at(1), stages: [] });
      const others = newVersion("v1");
      await metadata.transact(async (nouns) => {
        for (const version of [first, second, same]) await nouns.secrets.addVersion(one.id, version);
        await nouns.secrets.addVersion(two.id, others);
      });
      const toPlain = ({ id, stages, createdAt }: SealedVersion) => ({ id, stages, createdAt });
      expect(await secrets.versions([one.id, two.id])).toEqual(
        new Map([
          [one.id, [same, second, first].map(toPlain)],
          [two.id, [toPlain(others)]],
        ]),
      );
      expect(await secrets.versions([])).toEqual(new Map());
      expect(await secrets.version(one.id, "v1")).toEqual(first);
      expect(await secrets.version(two.id, "v1")).toEqual(others);
      expect(await secrets.version(two.id, "v2")).toBeUndefined();

      await metadata.transact(async (nouns) => {
        await nouns.secrets.setStages(one.id, "v1", ["AWSCURRENT", "mine"]);
        await nouns.secrets.removeVersion(one.id, "v0");
      });
      expect(await secrets.version(one.id, "v1")).toEqual({ ...first, stages: ["AWSCURRENT", "mine"] });
      expect(await secrets.version(two.id, "v1")).toEqual(others);
      expect(await secrets.version(one.id, "v0")).toBeUndefined();
      // A version is never written over.
      await expect(metadata.transact((nouns) => nouns.secrets.addVersion(one.id, first))).rejects.toThrow();

      await metadata.transact((nouns) => nouns.secrets.delete(one.id));
      expect(await secrets.find(registry, one.name)).toBeUndefined();
      expect(await secrets.versions([one.id, two.id])).toEqual(new Map([[two.id, [toPlain(others)]]]));
      const again = await add(newSecret(registry));
      expect(again.id).not.toBe(one.id);
      expect(await secrets.version(again.id, "v1")).toBeUndefined();
    });

    test("those whose time has come are due, and no others, the oldest first", async () => {
      const registry = newRegistry();
      const long = Date.UTC(1990, 0, 1);
      const until = (ms: number) => ({ name: String(ms), deletionAt: new Date(long + ms) });
      for (const ms of [3, 1, 2, 9]) await add(newSecret(registry, until(ms)));
      await add(newSecret(registry));
      const due = async (ms: number, limit: number) =>
        (await metadata.read.secrets.due(new Date(long + ms), limit)).map(({ name }) => name);
      expect(await due(3, 9)).toEqual(["1", "2", "3"]);
      expect(await due(3, 2)).toEqual(["1", "2"]);
      expect(await due(0, 9)).toEqual([]);
    });

    test("of many who make one at once, one does; of many who change it, each sees what the one before did", async () => {
      const registry = newRegistry();
      const suffixes = Array.from({ length: 8 }, (_, index) => `other${index}`);
      const made = await Promise.all(suffixes.map((suffix) => create(newSecret(registry, { suffix }))));
      const [winner, ...losers] = made.filter((secret) => secret !== undefined);
      expect(losers).toEqual([]);
      expect(await metadata.read.secrets.find(registry, "ecr-pullthroughcache/hub")).toEqual(winner as Secret);
      const append = (letter: string) =>
        metadata.transact(async ({ secrets }) => {
          const secret = await secrets.lock(registry, "ecr-pullthroughcache/hub");
          if (secret) await secrets.update({ ...secret, description: `${secret.description ?? ""}${letter}` });
        });
      await Promise.all([..."abcdefgh"].map(append));
      const { description = "" } = (await metadata.read.secrets.find(registry, "ecr-pullthroughcache/hub")) ?? {};
      expect([...description].sort().join("")).toBe("abcdefgh");
    });
  });
}
