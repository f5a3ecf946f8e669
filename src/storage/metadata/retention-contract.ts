import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Metadata } from "../../domain/registry/ports.ts";
import type { HoldTarget, StoredHold } from "../../domain/registry/retention-ports.ts";
import type { OpenedMetadata } from "./contract.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const encryption = { type: "AES256" } as const;
const name = "app" as RepositoryName;

let lastNumber = 0;
const newRegistry = (): Registry => ({
  account: String(++lastNumber).padStart(12, "6") as AccountId,
  region: "eu-west-1" as Region,
});

async function newRepository(metadata: Metadata, registry = newRegistry()): Promise<number> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const repository = { registry, name, createdAt: at(0), encryption, ...settings };
  const created = await metadata.transact((nouns) => nouns.repositories.create(repository, new Map()));
  if (!created) throw new Error("the name is taken");
  return created.id;
}

const digest = `sha256:${"a".repeat(64)}` as Digest;
const tag = "v1" as Tag;

function holdOn(repositoryId: number, target: HoldTarget, more: Partial<StoredHold> = {}): StoredHold {
  return { repositoryId, target, reason: "audit", placedAt: at(0), placedBy: "arn", until: undefined, ...more };
}

/** What a keeper of `Metadata` promises of holds, protection, and what can be brought back. */
export function retentionContract(driver: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${driver}: retention`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    const put = (...holds: StoredHold[]) =>
      metadata.transact(async (nouns) => {
        for (const hold of holds) await nouns.holds.put(hold);
      });

    test("a hold is found by its target, in its repository, until it is over", async () => {
      const [id, other] = [await newRepository(metadata), await newRepository(metadata)];
      const [byTag, byDigest] = [holdOn(id, tag), holdOn(id, digest, { until: at(10) })];
      await put(byTag, byDigest, holdOn(other, "v2" as Tag));
      const { holds } = metadata.read;
      expect(await holds.on(id, [tag, "v2" as Tag], at(0))).toEqual([byTag]);
      expect(await holds.on(id, [digest], at(9))).toEqual([byDigest]);
      expect(await holds.on(id, [digest], at(10))).toEqual([]);
      expect(await holds.on(id, [], at(0))).toEqual([]);
      expect(await holds.on(other, [tag, digest], at(0))).toEqual([]);
    });

    test("holds are listed by target and counted", async () => {
      const id = await newRepository(metadata);
      const all = ["B", "a", "b"].map((target) => holdOn(id, target as Tag));
      await put(...all, holdOn(id, "c" as Tag, { until: at(5) }));
      const { holds } = metadata.read;
      expect(await holds.list(id, { limit: 2 }, at(0))).toEqual(all.slice(0, 2));
      expect(await holds.list(id, { after: "a", limit: 9 }, at(5))).toEqual(all.slice(2));
      expect(await holds.count(id)).toBe(4);
    });

    test("a second hold on a target takes the place of the first", async () => {
      const id = await newRepository(metadata);
      await put(holdOn(id, tag, { until: at(1) }));
      const later = holdOn(id, tag, { reason: "court", placedBy: "arn2", placedAt: at(2) });
      await put(later);
      expect(await metadata.read.holds.on(id, [tag], at(3))).toEqual([later]);
      expect(await metadata.read.holds.count(id)).toBe(1);
    });

    test("holds are removed, and forgotten once they are over", async () => {
      const id = await newRepository(metadata);
      await put(holdOn(id, tag), holdOn(id, digest, { until: at(1) }));
      await put(holdOn(id, "x" as Tag, { until: at(3) }));
      const { holds } = metadata.read;
      expect(await metadata.transact((nouns) => nouns.holds.forget(at(2), 100))).toBe(1);
      expect((await holds.list(id, { limit: 9 }, at(0))).map(({ target }) => target as string)).toEqual(["v1", "x"]);
      expect(await metadata.transact((nouns) => nouns.holds.remove(id, tag))).toBe(true);
      expect(await metadata.transact((nouns) => nouns.holds.remove(id, tag))).toBe(false);
      expect(await holds.count(id)).toBe(1);
    });

    test("a repository that is kept is not deleted meanwhile", async () => {
      const registry = newRegistry();
      const id = await newRepository(metadata, registry);
      const order: string[] = [];
      const { promise: kept, resolve } = Promise.withResolvers<void>();
      const keeping = metadata.transact(async (nouns) => {
        expect((await nouns.repositories.keep(registry, name))?.id).toBe(id);
        resolve();
        await Bun.sleep(30);
        order.push("kept");
      });
      await kept;
      const deleting = metadata.transact(async (nouns) => {
        await nouns.repositories.delete(id);
        order.push("deleted");
      });
      await Promise.all([keeping, deleting]);
      expect(order).toEqual(["kept", "deleted"]);
      expect(await metadata.transact((nouns) => nouns.repositories.keep(registry, name))).toBeUndefined();
    });
  });
}
