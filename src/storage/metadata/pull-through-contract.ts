import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Region, Registry } from "../../domain/names.ts";
import { root } from "../../domain/pull-through/rule-matching.ts";
import type { PullThroughRule } from "../../domain/pull-through/rules.ts";
import type { AllMetadata } from "./metadata.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let last = 200_000_000_000;
/** Never the same twice, so that tests can share a database. */
const newRegistry = (): Registry => ({ account: String(++last) as AccountId, region: "eu-west-1" as Region });

const newRule = (registry: Registry, facts: Partial<PullThroughRule> = {}): PullThroughRule => ({
  registry,
  prefix: "quay",
  upstreamUrl: "quay.io",
  upstream: "quay",
  upstreamPrefix: root,
  namesUpstreamPrefix: false,
  credentialArn: undefined,
  customRoleArn: undefined,
  options: {},
  createdAt: at(0),
  updatedAt: at(0),
  ...facts,
});

const whole: Partial<PullThroughRule> = {
  prefix: "team/hub",
  upstreamUrl: "registry-1.docker.io",
  upstream: "docker-hub",
  upstreamPrefix: "library",
  namesUpstreamPrefix: true,
  credentialArn: "arn:aws:secretsmanager:eu-west-1:200000000001:secret:ecr-pullthroughcache/hub-AbCdEf",
  customRoleArn: "arn:aws:iam::200000000001:role/☃",
  options: { freshMs: 0, allowTags: ["v*"], denyTags: [], allowRepositories: ["*"], denyRepositories: ["a/*"] },
  updatedAt: at(7),
};

/** What every database keeps of the rules of pull-through caches. */
export function pullThroughContract(
  name: string,
  open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>,
) {
  describe(`pull-through cache rules in ${name}`, () => {
    let metadata: AllMetadata;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ metadata, dispose } = await open());
    });
    afterAll(() => dispose());

    const create = (rule: PullThroughRule) => metadata.transact((nouns) => nouns.pullThroughRules.create(rule));

    test("a rule comes back as it was, and the first of a prefix stays", async () => {
      const { pullThroughRules } = metadata.read;
      const registry = newRegistry();
      // That a prefix was said is kept, be it the one that counts where none was.
      const said = newRule(registry, { prefix: "said", namesUpstreamPrefix: true });
      const rules = [newRule(registry), said, newRule(registry, whole)];
      for (const rule of rules) {
        expect(await create(rule)).toBe(true);
        expect(await pullThroughRules.find(registry, rule.prefix)).toEqual(rule);
      }
      expect(await create(newRule(registry, { upstreamUrl: "other", createdAt: at(3) }))).toBe(false);
      expect(await pullThroughRules.find(registry, "quay")).toEqual(newRule(registry));
    });

    test("a registry's rules are its own, by prefix as bytes", async () => {
      const { pullThroughRules } = metadata.read;
      const [registry, other] = [newRegistry(), newRegistry()];
      const prefixes = ["a", root, "a/b", "a-b", "ab", "a_b"];
      for (const prefix of prefixes) await create(newRule(registry, { prefix }));
      await create(newRule(other, { prefix: "a" }));
      const sorted = [...prefixes].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
      expect((await pullThroughRules.list(registry)).map(({ prefix }) => prefix)).toEqual(sorted);
      const elsewhere = { ...registry, region: "us-east-1" as Region };
      expect(await pullThroughRules.list(elsewhere)).toEqual([]);
      expect(await pullThroughRules.find(elsewhere, "a")).toBeUndefined();
      await metadata.transact((nouns) => nouns.pullThroughRules.delete(registry, "a"));
      expect(await pullThroughRules.find(registry, "a")).toBeUndefined();
      expect(await pullThroughRules.find(registry, "a/b")).toBeDefined();
      expect(await pullThroughRules.find(other, "a")).toBeDefined();
    });

    test("credentials, role, options and time change, and nothing else of a rule", async () => {
      const registry = newRegistry();
      await create(newRule(registry, { ...whole, prefix: "app" }));
      const none = { credentialArn: undefined, customRoleArn: undefined, options: {}, updatedAt: at(9) };
      const other = { upstreamUrl: "other", upstream: "oci", upstreamPrefix: "other", createdAt: at(9) } as const;
      const locked = await metadata.transact(async ({ pullThroughRules }) => {
        const before = await pullThroughRules.lock(registry, "app");
        await pullThroughRules.update(newRule(registry, { prefix: "app", ...other, ...none }));
        return [before, await pullThroughRules.lock(registry, "none")];
      });
      expect(locked).toEqual([newRule(registry, { ...whole, prefix: "app" }), undefined]);
      const expected = newRule(registry, { ...whole, prefix: "app", ...none });
      expect(await metadata.read.pullThroughRules.find(registry, "app")).toEqual(expected);
    });

    test("of many who make one at once, one does; of many who change it, each sees what the one before did", async () => {
      const registry = newRegistry();
      const urls = Array.from({ length: 8 }, (_, index) => `registry-${index}.example.com`);
      const made = await Promise.all(urls.map((upstreamUrl) => create(newRule(registry, { upstreamUrl }))));
      expect(made.filter(Boolean)).toEqual([true]);
      const append = (tag: string) =>
        metadata.transact(async ({ pullThroughRules }) => {
          const rule = await pullThroughRules.lock(registry, "quay");
          const before = rule?.options.denyTags ?? [];
          if (rule) await pullThroughRules.update({ ...rule, options: { denyTags: [...before, tag] } });
        });
      await Promise.all([..."abcdefgh"].map(append));
      const rule = await metadata.read.pullThroughRules.find(registry, "quay");
      expect(rule?.upstreamUrl).toBe(urls[made.indexOf(true)] as string);
      expect(rule?.options.denyTags?.toSorted()).toEqual([..."abcdefgh"]);
    });
  });
}
