import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Generation, Image, Metadata, NewImage } from "../../domain/registry/ports.ts";
import type {
  DeletedImage,
  HoldTarget,
  RepositoryRetention,
  StoredHold,
} from "../../domain/registry/retention-ports.ts";
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

let lastDigest = 0;
const newDigest = () => `sha256:${(++lastDigest).toString(16).padStart(64, "b")}` as Digest;
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

    test("retention is changed member by member", async () => {
      const id = await newRepository(metadata);
      const update = (retention: Partial<RepositoryRetention>) =>
        metadata.transact((nouns) => nouns.retentions.update(id, retention));
      const nothing = { document: undefined, reportOnly: false, isProtected: false };
      expect(await metadata.read.retentions.find(id)).toEqual(nothing);
      await update({ isProtected: true });
      await update({ document: "{}" });
      await update({ reportOnly: true });
      await update({});
      expect(await metadata.read.retentions.find(id)).toEqual({ document: "{}", reportOnly: true, isProtected: true });
      await update({ document: undefined, isProtected: false });
      expect(await metadata.read.retentions.find(id)).toEqual({ ...nothing, reportOnly: true });
    });

    /** An image of one layer, with what refers to it. */
    async function push(repositoryId: number, facts: Partial<NewImage> = {}) {
      const layer = newDigest();
      const image: NewImage = {
        repositoryId,
        digest: newDigest(),
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        artifactType: "application/example",
        manifestBytes: 3,
        imageBytes: 10,
        annotations: { a: "b" },
        manifest: Uint8Array.of(1, 2, 3),
        layers: [{ digest: layer, mediaType: "layer" }],
        children: [],
        pushedAt: at(1),
        ...facts,
      };
      const blob = { digest: layer, generation: "first" as Generation, sizeBytes: 10 };
      return metadata.transact(async (nouns) => {
        await nouns.layers.link({ id: repositoryId, encryption }, blob, at(0));
        const { id } = await nouns.images.put(image);
        return { ...image, id, layer };
      });
    }

    const remove = (image: Pick<Image, "id" | "repositoryId" | "digest">, seconds: number, until: number) =>
      metadata.transact(async (nouns) => {
        const deletion = { at: at(seconds), by: "arn", until: at(until) };
        await nouns.deletedImages.keep(image, [tag, "v2" as Tag], deletion);
        await nouns.images.delete(image, at(seconds));
      });
    const lock = (repositoryId: number, digest: Digest, seconds: number) =>
      metadata.transact((nouns) => nouns.deletedImages.lock(repositoryId, digest, at(seconds)));
    const collectLink = (repositoryId: number, layer: Digest) =>
      metadata.transact(async (nouns) => {
        const links = await nouns.garbage.links(at(1000), 1000);
        const due = links.find((link) => link.repositoryId === repositoryId && link.digest === layer);
        return due && nouns.garbage.unlink(due, at(1000));
      });

    test("a deleted image is as it was, until its time is over", async () => {
      const id = await newRepository(metadata);
      const child = await push(id);
      const image = await push(id, { children: [child.digest], subject: digest });
      await metadata.transact(({ images }) => images.pulled(new Map([[image.id, at(2)]])));
      const scan = { status: "FAILED", description: "no scanner", requestedAt: at(3) } as const;
      const signing = { profile: "arn" as Arn, status: "FAILED", failureCode: "c", failureReason: "r" } as const;
      await metadata.transact(async ({ imageScans, imageSignings }) => {
        await imageScans.put(image.id, scan);
        await imageSignings.put(image.id, [signing]);
      });
      const before = await metadata.read.images.find(id, image.digest);
      await remove(image, 5, 10);
      expect(await metadata.read.images.find(id, image.digest)).toBeUndefined();
      const deleted = await lock(id, image.digest, 9);
      expect(deleted).toEqual({
        ...(before as Image),
        id: expect.any(Number),
        tags: [tag, "v2" as Tag],
        children: [child.digest],
        scan,
        signings: [signing],
        deletion: { at: at(5), by: "arn", until: at(10) },
      });
      const { deletedImages } = metadata.read;
      expect(await deletedImages.content(deleted?.id ?? 0)).toEqual({
        manifest: Uint8Array.of(1, 2, 3),
        layers: image.layers as never,
      });
      expect(await deletedImages.list(id, { limit: 9 }, at(9))).toEqual([deleted as DeletedImage]);
      expect(await deletedImages.list(id, { after: deleted?.id, limit: 9 }, at(9))).toEqual([]);
      expect(await deletedImages.referrersOf(id, [digest], 9, at(9))).toEqual([deleted as DeletedImage]);
      expect(await deletedImages.referrersOf(id, [], 9, at(9))).toEqual([]);
      expect(await lock(id, image.digest, 10)).toBeUndefined();
      expect(await deletedImages.list(id, { limit: 9 }, at(10))).toEqual([]);
      expect(await deletedImages.referrersOf(id, [digest], 9, at(10))).toEqual([]);
    });

    test("the layers of a deleted image stay until it is forgotten", async () => {
      const id = await newRepository(metadata);
      const image = await push(id);
      await remove(image, 5, 10);
      const { deletedImages, layers } = metadata.read;
      expect(await deletedImages.needs(id, image.layer)).toBe(true);
      expect(await collectLink(id, image.layer)).toBe(false);
      expect(await layers.find(id, image.layer)).toBeDefined();
      expect(await collectLink(id, image.layer)).toBeUndefined();

      const forget = (seconds: number) => metadata.transact((nouns) => nouns.deletedImages.forget(at(seconds), 1000));
      await forget(9);
      expect(await lock(id, image.digest, 9)).toBeDefined();
      expect(await forget(10)).toBeGreaterThan(0);
      expect(await deletedImages.needs(id, image.layer)).toBe(false);
      expect(await collectLink(id, image.layer)).toBe(true);
    });

    test("deleted once more, an image is kept as it was last", async () => {
      const id = await newRepository(metadata);
      const image = await push(id);
      await remove(image, 5, 10);
      const put = await metadata.transact(({ images }) => images.put({ ...image, pushedAt: at(6) }));
      expect(put.created).toBe(true);
      await remove({ ...image, id: put.id }, 7, 12);
      expect(await lock(id, image.digest, 11)).toMatchObject({ pushedAt: at(6), deletion: { until: at(12) } });
      expect((await metadata.read.deletedImages.list(id, { limit: 9 }, at(9))).length).toBe(1);
    });

    test("what is taken back leaves its layers to others, and an image gets its times", async () => {
      const id = await newRepository(metadata);
      const image = await push(id);
      await remove(image, 5, 10);
      const deleted = (await lock(id, image.digest, 6)) as DeletedImage;
      const times = { lastPulledAt: at(2), lastArchivedAt: at(3), lastActivatedAt: at(4) };
      await metadata.transact(async (nouns) => {
        await nouns.deletedImages.remove(deleted, at(6));
        const put = await nouns.images.put(image);
        await nouns.deletedImages.setTimes(put.id, times);
      });
      expect(await metadata.read.images.find(id, image.digest)).toMatchObject({ ...times, pushedAt: at(1) });
      expect(await collectLink(id, image.layer)).toBeUndefined();
    });

    test("a repository that was put aside has no name, and comes back with all it has", async () => {
      const registry = newRegistry();
      const id = await newRepository(metadata, registry);
      const image = await push(id);
      const repository = await metadata.read.repositories.find(registry, name);
      const deletion = { at: at(5), by: "arn", until: at(10) };
      await metadata.transact((nouns) => nouns.repositories.putAside({ id, registry, name }, deletion));
      const { repositories, deletedRepositories, garbage } = metadata.read;
      expect(await repositories.find(registry, name)).toBeUndefined();
      expect(await repositories.list(registry, { limit: 9 })).toEqual([]);
      expect(await garbage.deleted(1000)).not.toContain(id);
      const lockAside = (seconds: number) =>
        metadata.transact((nouns) => nouns.deletedRepositories.lock(registry, name, at(seconds)));
      const aside = { id, registry, name, encryption, deletion };
      expect(await lockAside(9)).toEqual(aside);
      expect(await lockAside(10)).toBeUndefined();
      expect(await deletedRepositories.list(registry, { limit: 9 }, at(9))).toEqual([aside]);
      expect(await deletedRepositories.list(registry, { after: id, limit: 9 }, at(9))).toEqual([]);
      expect(await deletedRepositories.list(registry, { limit: 9 }, at(10))).toEqual([]);

      const again = await newRepository(metadata, registry);
      await metadata.transact(({ repositories }) => repositories.putAside({ id: again, registry, name }, deletion));
      // The one that was deleted last; of two at one time, the younger one.
      expect((await lockAside(9))?.id).toBe(again);
      await metadata.transact((nouns) => nouns.deletedRepositories.restore(aside));
      expect(await repositories.find(registry, name)).toEqual(repository);
      expect(await metadata.read.images.find(id, image.digest)).toBeDefined();
      expect((await lockAside(9))?.id).toBe(again);
    });

    test("a repository whose time is over is collected with all that is kept in it", async () => {
      const registry = newRegistry();
      const id = await newRepository(metadata, registry);
      await push(id);
      await remove(await push(id), 4, 10_000);
      await put(holdOn(id, tag));
      await metadata.transact((nouns) => nouns.retentions.update(id, { reportOnly: true }));
      const deletion = { at: at(5), by: "arn", until: at(10) };
      await metadata.transact((nouns) => nouns.repositories.putAside({ id, registry, name }, deletion));
      const { garbage } = metadata.read;
      await metadata.transact((nouns) => nouns.deletedRepositories.forget(at(9), 1000));
      expect(await garbage.deleted(1000)).not.toContain(id);
      await metadata.transact((nouns) => nouns.deletedRepositories.forget(at(10), 1000));
      expect(await garbage.deleted(1000)).toContain(id);
      let isGone = false;
      for (let steps = 0; steps < 20 && !isGone; steps++) {
        isGone = await metadata.transact((nouns) => nouns.garbage.purge(id, 100, at(11)));
      }
      expect(isGone).toBe(true);
      expect(await garbage.deleted(1000)).not.toContain(id);
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
