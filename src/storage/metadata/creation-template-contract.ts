import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Arn, Region, Registry } from "../../domain/names.ts";
import type { CreationTemplate } from "../../domain/registry/creation-template-ports.ts";
import type { Metadata } from "../../domain/registry/ports.ts";
import type { OpenedMetadata } from "./contract.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let lastNumber = 0;
const newRegistry = (): Registry => ({
  account: String(++lastNumber).padStart(12, "4") as AccountId,
  region: "eu-west-1" as Region,
});

const bare: CreationTemplate = {
  prefix: "app",
  encryption: { type: "AES256" },
  tags: new Map(),
  tagMutability: "MUTABLE",
  exclusionFilters: [],
  appliedFor: ["REPLICATION"],
  createdAt: at(0),
  updatedAt: at(0),
};

const whole: CreationTemplate = {
  ...bare,
  prefix: "app/",
  description: "'quoted' \u{1f433}",
  encryption: { type: "KMS", key: "arn:aws:kms:eu-west-1:123456789012:key/k" },
  tags: new Map([
    ["team", "core"],
    ["cost center", ""],
  ]),
  tagMutability: "IMMUTABLE_WITH_EXCLUSION",
  exclusionFilters: ["dev-*", "latest"],
  policy: { policy: '{"a":1}', bindings: new Map([["arn:aws:iam::123456789012:user/u", "AIDA1"]]) },
  lifecyclePolicy: '{"rules":[]}',
  appliedFor: ["CREATE_ON_PUSH", "PULL_THROUGH_CACHE"],
  customRole: "arn:aws:iam::123456789012:role/r" as Arn,
  updatedAt: at(7),
};

/** What a keeper of `Metadata` promises of creation templates. */
export function creationTemplateContract(name: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${name}: creation templates`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    const create = (registry: Registry, namespace: string, template = bare) =>
      metadata.transact(({ creationTemplates }) => creationTemplates.create(registry, namespace, template));

    test("come back as they were written, and the first of a namespace stays", async () => {
      const registry = newRegistry();
      expect(await create(registry, "app", whole)).toBe(true);
      expect(await create(registry, "app")).toBe(false);
      expect(await create(registry, "bare")).toBe(true);
      const { creationTemplates } = metadata.read;
      expect(await creationTemplates.findMany(registry, ["app"])).toEqual([whole]);
      expect(await creationTemplates.findMany(registry, ["bare"])).toEqual([bare]);
      expect(await creationTemplates.findMany(registry, ["none"])).toEqual([]);
      expect(await creationTemplates.findMany(registry, [])).toEqual([]);
    });

    test("are a registry's own, and listed by namespace as bytes", async () => {
      const [registry, other] = [newRegistry(), newRegistry()];
      const namespaces = ["ROOT", "a", "a-b", "a/b", "ab", "a_b"];
      for (const namespace of [...namespaces].reverse())
        await create(registry, namespace, { ...bare, prefix: namespace });
      await create(other, "a");
      const { creationTemplates } = metadata.read;
      const sorted = [...namespaces].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      const prefixes = (templates: readonly CreationTemplate[]) => templates.map(({ prefix }) => prefix);
      expect(prefixes(await creationTemplates.list(registry, { limit: 10 }))).toEqual(sorted);
      expect(prefixes(await creationTemplates.list(registry, { after: "a", limit: 2 }))).toEqual(["a-b", "a/b"]);
      expect(await creationTemplates.count(registry)).toBe(6);
      expect(await creationTemplates.count(other)).toBe(1);
      expect(await creationTemplates.count(newRegistry())).toBe(0);
      const found = await creationTemplates.findMany(registry, ["a", "a/b", "a/b/c", "ROOT"]);
      expect(prefixes(found).sort()).toEqual(["ROOT", "a", "a/b"]);
      expect(await creationTemplates.findMany({ ...registry, region: "us-east-1" as Region }, ["a"])).toEqual([]);
    });

    test("are made by one of many who would at once", async () => {
      const registry = newRegistry();
      const descriptions = Array.from({ length: 8 }, (_, index) => `by ${index}`);
      const made = await Promise.all(
        descriptions.map((description) => create(registry, "app", { ...bare, description })),
      );
      expect(made.filter(Boolean)).toEqual([true]);
      const [found] = await metadata.read.creationTemplates.findMany(registry, ["app"]);
      expect(found?.description).toBe(descriptions[made.indexOf(true)] as string);
    });

    test("are replaced but for their prefix and when they were made, and deleted", async () => {
      const [registry, other] = [newRegistry(), newRegistry()];
      for (const each of [registry, other]) await create(each, "app");
      const changed = { ...whole, prefix: "other", createdAt: at(99) };
      const locked = await metadata.transact(async ({ creationTemplates }) => {
        const before = await creationTemplates.lock(registry, "app");
        await creationTemplates.update(registry, "app", changed);
        return [before, await creationTemplates.lock(registry, "none")];
      });
      expect(locked).toEqual([bare, undefined]);
      const expected = { ...whole, prefix: bare.prefix, createdAt: bare.createdAt };
      expect(await metadata.read.creationTemplates.findMany(registry, ["app"])).toEqual([expected]);
      const remove = () => metadata.transact(({ creationTemplates }) => creationTemplates.delete(registry, "app"));
      expect(await remove()).toEqual(expected);
      expect(await remove()).toBeUndefined();
      expect(await metadata.read.creationTemplates.findMany(other, ["app"])).toEqual([bare]);
    });
  });
}
