import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Metadata, NewImage } from "../../domain/registry/ports.ts";
import type { OpenedMetadata } from "./contract.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const encryption = { type: "AES256" } as const;

let lastNumber = 0;
const next = () => ++lastNumber;
const newDigest = () => `sha256:${next().toString(16).padStart(64, "c")}` as Digest;
const newRegistry = (): Registry => ({
  account: String(next()).padStart(12, "6") as AccountId,
  region: "eu-west-1" as Region,
});

async function newRepository(metadata: Metadata): Promise<number> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const name = "app" as RepositoryName;
  const repository = { registry: newRegistry(), name, createdAt: at(0), encryption, ...settings };
  const created = await metadata.transact((nouns) => nouns.repositories.create(repository, new Map()));
  if (!created) throw new Error("the name is taken");
  return created.id;
}

async function push(metadata: Metadata, repositoryId: number, facts: Partial<NewImage> = {}, ...tags: string[]) {
  const image: NewImage = {
    repositoryId,
    digest: newDigest(),
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    manifestBytes: 1,
    imageBytes: 7,
    manifest: Uint8Array.of(1),
    layers: [],
    children: [],
    pushedAt: at(0),
    ...facts,
  };
  return metadata.transact(async ({ images, tags: tagged }) => {
    const { id } = await images.put(image);
    const pushed = { id, digest: image.digest };
    for (const [index, tag] of tags.entries()) await tagged.set(repositoryId, tag as Tag, pushed, at(100 + index));
    return pushed;
  });
}

/** What a keeper of `Metadata` promises of lifecycle policies and of what they are evaluated over. */
export function lifecycleContract(name: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${name}: lifecycle policies`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    test("images come as planners take them, in order of id, whatever their status", async () => {
      const repositoryId = await newRepository(metadata);
      await push(metadata, await newRepository(metadata));
      const first = await push(metadata, repositoryId, {}, "b", "a");
      const referrer = await push(metadata, repositoryId, { subject: first.digest, pushedAt: at(5) });
      const index = await push(metadata, repositoryId, { children: [first.digest, referrer.digest] }, "c");
      await metadata.transact(async ({ images }) => {
        await images.setStatus([first.id], "ARCHIVED", at(10));
        await images.setStatus([referrer.id], "ARCHIVED", at(11));
        await images.setStatus([referrer.id], "ACTIVATING", at(12));
        await images.pulled(new Map([[index.id, at(20)]]));
      });
      const none = { tags: [], children: [], bytes: 7 };
      const expected = [
        {
          ...none,
          ...first,
          pushedAt: at(0).getTime(),
          status: "ARCHIVED",
          archivedAt: at(10).getTime(),
          tags: ["a", "b"],
          taggedAt: at(101).getTime(),
        },
        {
          ...none,
          ...referrer,
          pushedAt: at(5).getTime(),
          status: "ACTIVATING",
          archivedAt: at(11).getTime(),
          subject: first.digest,
        },
        {
          ...none,
          ...index,
          pushedAt: at(0).getTime(),
          status: "ACTIVE",
          lastPulledAt: at(20).getTime(),
          tags: ["c"],
          taggedAt: at(100).getTime(),
        },
      ];
      const { page } = metadata.read.lifecycleImages;
      const pages = [
        await page(repositoryId, { limit: 2 }),
        await page(repositoryId, { after: referrer.id, limit: 2 }),
        await page(repositoryId, { after: index.id, limit: 2 }),
      ];
      expect(pages.map((images) => images.length)).toEqual([2, 1, 0]);
      const known = pages.flat().map((image) => ({ ...image, children: [] }));
      expect(JSON.parse(JSON.stringify(known))).toEqual(JSON.parse(JSON.stringify(expected)));
      expect([...(pages[1]?.[0]?.children ?? [])].sort()).toEqual([first.digest, referrer.digest].sort());

      const locked = await metadata.transact(({ lifecycleImages }) => lifecycleImages.lock(repositoryId, first.digest));
      expect(locked).toEqual(pages[0]?.[0]);
      const missing = await metadata.transact(({ lifecycleImages }) => lifecycleImages.lock(repositoryId, newDigest()));
      expect(missing).toBeUndefined();
    });

    test("a policy counts its texts, and one that is set again after its end is another one", async () => {
      const repositoryId = await newRepository(metadata);
      const { find } = metadata.read.lifecyclePolicies;
      const put = (id: string, text: string, seconds: number) =>
        metadata.transact(({ lifecyclePolicies }) =>
          lifecyclePolicies.put(repositoryId, { id, text, setAt: at(seconds), setBy: "arn" }),
        );
      expect(await find(repositoryId)).toBeUndefined();
      await put("one", "first", 1);
      const first = { id: "one", version: 1, text: "first", setAt: at(1), setBy: "arn", lastEvaluatedAt: undefined };
      expect(await find(repositoryId)).toEqual(first);
      const evaluated = (id: string, version: number, seconds: number) =>
        metadata.transact(({ lifecyclePolicies }) =>
          lifecyclePolicies.evaluated(repositoryId, { id, version }, at(seconds)),
        );
      expect(await evaluated("one", 1, 2)).toBe(true);
      await put("two", "second", 3);
      const second = { ...first, version: 2, text: "second", setAt: at(3), lastEvaluatedAt: at(2) };
      expect(await find(repositoryId)).toEqual(second);
      expect(await evaluated("one", 1, 4)).toBe(false);
      expect(await metadata.transact(({ lifecyclePolicies }) => lifecyclePolicies.keep(repositoryId))).toEqual(second);
      const remove = () => metadata.transact(({ lifecyclePolicies }) => lifecyclePolicies.delete(repositoryId));
      expect(await remove()).toEqual(second);
      expect(await remove()).toBeUndefined();
      await put("three", "third", 5);
      expect(await find(repositoryId)).toMatchObject({ id: "three", version: 1, lastEvaluatedAt: undefined });
      expect(await evaluated("one", 1, 6)).toBe(false);
    });

    test("a repository has one preview, whose pages come in order until it is cleared", async () => {
      const repositoryId = await newRepository(metadata);
      const { find, pages } = metadata.read.lifecyclePreviews;
      const transact = metadata.transact.bind(metadata);
      const start = (text: string) =>
        transact(({ lifecyclePreviews }) => lifecyclePreviews.start(repositoryId, { text, startedAt: at(1) }));
      const entry = (tag: string) => ({
        imageTags: [tag],
        imageDigest: newDigest(),
        imagePushedAt: 1,
        action: { type: "EXPIRE" } as const,
        appliedRulePriority: 1,
        storageClass: "STANDARD" as const,
      });
      const entries = [[entry("a"), entry("b")], [entry("c")], []];
      expect(await find(repositoryId)).toBeUndefined();
      const id = await start("text");
      const begun = {
        id,
        repositoryId,
        text: "text",
        status: "IN_PROGRESS",
        startedAt: at(1),
        endedAt: undefined,
        expiring: 0,
        transitioning: 0,
      } as const;
      expect(await find(repositoryId)).toEqual(begun);
      await transact(async ({ lifecyclePreviews }) => {
        for (const [number, page] of [...entries.entries()].reverse()) {
          await lifecyclePreviews.addPage(id, number, page);
        }
      });
      expect(await pages(id, { from: 0, limit: 2 })).toEqual([
        { number: 0, entries: entries[0] ?? [] },
        { number: 1, entries: entries[1] ?? [] },
      ]);
      expect(await pages(id, { from: 2, limit: 2 })).toEqual([{ number: 2, entries: [] }]);
      const end = () =>
        transact(({ lifecyclePreviews }) =>
          lifecyclePreviews.end(id, { status: "COMPLETE", at: at(2), expiring: 2, transitioning: 1 }),
        );
      expect(await end()).toBe(true);
      expect(await end()).toBe(false);
      const ended = { ...begun, status: "COMPLETE", endedAt: at(2), expiring: 2, transitioning: 1 } as const;
      expect(await transact(({ lifecyclePreviews }) => lifecyclePreviews.lock(repositoryId))).toEqual(ended);
      await transact(({ lifecyclePreviews }) => lifecyclePreviews.clear(id));
      expect(await pages(id, { from: 0, limit: 2 })).toEqual([]);

      await transact(({ lifecyclePreviews }) => lifecyclePreviews.addPage(id, 0, []));
      const another = await start("another");
      expect(another).toBeGreaterThan(id);
      expect(await find(repositoryId)).toMatchObject({ id: another, text: "another", status: "IN_PROGRESS" });
      expect(await pages(id, { from: 0, limit: 2 })).toEqual([]);
    });

    test("a deleted repository is purged of policy and preview, some pages at a time", async () => {
      const repositoryId = await newRepository(metadata);
      const preview = await metadata.transact(async ({ lifecyclePolicies, lifecyclePreviews }) => {
        await lifecyclePolicies.put(repositoryId, { id: "one", text: "t", setAt: at(0), setBy: "arn" });
        const id = await lifecyclePreviews.start(repositoryId, { text: "t", startedAt: at(0) });
        for (let number = 0; number < 5; number++) await lifecyclePreviews.addPage(id, number, []);
        return id;
      });
      await metadata.transact(({ repositories }) => repositories.delete(repositoryId));
      const purge = () => metadata.transact(({ garbage }) => garbage.purge(repositoryId, 2, at(1)));
      expect(await purge()).toBe(false);
      expect(await metadata.read.lifecyclePreviews.pages(preview, { from: 0, limit: 9 })).toHaveLength(3);
      let rounds = 1;
      while (!(await purge())) rounds++;
      expect(rounds).toBe(3);
      expect(await metadata.read.lifecyclePolicies.find(repositoryId)).toBeUndefined();
      expect(await metadata.read.lifecyclePreviews.find(repositoryId)).toBeUndefined();
    });
  });
}
