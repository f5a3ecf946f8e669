import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Region, Registry } from "../../domain/names.ts";
import type { PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { Secret } from "../../domain/secrets/ports.ts";
import type { AllMetadata } from "./metadata.ts";

type Opened = { readonly metadata: AllMetadata; dispose(): Promise<void> };

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let lastNumber = 0;
const newRegistry = (): Registry => ({
  account: String(++lastNumber).padStart(12, "5") as AccountId,
  region: "eu-west-1" as Region,
});
const secretOf = (registry: Registry, name: string): Omit<Secret, "id"> => {
  const tags = new Map([["team", "a"]]);
  return { registry, name, suffix: "AbCdEf", tags, createdAt: at(1), changedAt: at(2) };
};

/** What a keeper promises of secrets, and of the rules that name them. */
export function secretContract(name: string, open: () => Promise<Opened>): void {
  describe(`${name}: secrets and pull through cache rules`, () => {
    let opened: Opened;
    let metadata: Opened["metadata"];
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    test("a secret is there once under a name, and changes but for that", async () => {
      const [registry, other] = [newRegistry(), newRegistry()];
      const create = (of: Registry) => metadata.transact(({ secrets }) => secrets.create(secretOf(of, "a")));
      const secret = await create(registry);
      if (!secret) throw new Error("there was one already");
      expect(await create(registry)).toBeUndefined();
      expect(await create(other)).toBeDefined();
      const { secrets } = metadata.read;
      expect(await secrets.find(registry, "a")).toEqual({ ...secretOf(registry, "a"), id: secret.id });
      const changed = { ...secret, description: "d", tags: new Map(), changedAt: at(3), deletionAt: at(9) };
      await metadata.transact(async ({ secrets }) => {
        await secrets.update({ ...((await secrets.lock(registry, "a")) as Secret), ...changed });
      });
      expect(await secrets.list(registry)).toEqual([changed]);
      expect(await secrets.count(registry)).toBe(1);
      const due = async (seconds: number) => (await secrets.due(at(seconds), 10)).map(({ id }) => id);
      expect([await due(8), await due(9)]).toEqual([[], [secret.id]]);
    });

    test("its values come back as bytes, newest first, and go with it", async () => {
      const registry = newRegistry();
      const sealed = Uint8Array.of(0, 1, 255);
      const secret = (await metadata.transact(({ secrets }) => secrets.create(secretOf(registry, "v")))) as Secret;
      const version = { stages: ["AWSCURRENT"], kind: "binary", sealed } as const;
      await metadata.transact(async ({ secrets }) => {
        await secrets.addVersion(secret.id, { ...version, id: "one", createdAt: at(1) });
        await secrets.addVersion(secret.id, { ...version, id: "two", createdAt: at(2) });
        await secrets.setStages(secret.id, "one", []);
      });
      const { secrets } = metadata.read;
      expect(await secrets.version(secret.id, "two")).toEqual({ ...version, id: "two", createdAt: at(2) });
      const idsOf = async () =>
        (await secrets.versions([secret.id])).get(secret.id)?.map(({ id, stages }) => [id, stages]);
      expect(await idsOf()).toEqual([
        ["two", ["AWSCURRENT"]],
        ["one", []],
      ]);
      await metadata.transact(({ secrets }) => secrets.removeVersion(secret.id, "one"));
      expect(await idsOf()).toHaveLength(1);
      await metadata.transact(({ secrets }) => secrets.delete(secret.id));
      expect([await idsOf(), await secrets.find(registry, "v")]).toEqual([undefined, undefined]);
    });

    test("rules are a registry's own, by prefix", async () => {
      const [registry, other] = [newRegistry(), newRegistry()];
      const times = { createdAt: at(1), updatedAt: at(1) };
      const of = { registry, upstreamUrl: "quay.io", upstream: "quay", upstreamPrefix: "ROOT" } as const;
      const rule: PullThroughRule = { ...of, ...times, prefix: "b", namesUpstreamPrefix: false, options: {} };
      const create = (more: object = {}) =>
        metadata.transact(({ pullThroughRules }) => pullThroughRules.create({ ...rule, ...more }));
      expect([await create(), await create(), await create({ prefix: "a" })]).toEqual([true, false, true]);
      expect(await create({ registry: other, upstreamPrefix: "x", namesUpstreamPrefix: true })).toBe(true);
      const { pullThroughRules } = metadata.read;
      expect((await pullThroughRules.list(registry)).map(({ prefix }) => prefix)).toEqual(["a", "b"]);
      expect(await pullThroughRules.find(other, "b")).toMatchObject({ upstreamPrefix: "x", namesUpstreamPrefix: true });
      const changed = { ...rule, credentialArn: "arn:s", updatedAt: at(5), options: { freshMs: 0, denyTags: ["*"] } };
      await metadata.transact(async ({ pullThroughRules }) => {
        expect(await pullThroughRules.lock(registry, "b")).toEqual(rule);
        await pullThroughRules.update(changed);
        await pullThroughRules.delete(registry, "a");
      });
      expect(await pullThroughRules.list(registry)).toEqual([changed]);
    });
  });
}
