import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import { serverScope } from "../../domain/registry/encryption.ts";
import type {
  Generation,
  ImageStatus,
  ImageStatusFilter,
  Metadata,
  NewImage,
  TagStatus,
} from "../../domain/registry/ports.ts";
import { activateForPush, archiveImage } from "../../domain/registry/storage-class.ts";
import type { OpenedMetadata } from "./contract.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const tag = (name: string) => name as Tag;
const encryption = { type: "AES256" } as const;

let lastNumber = 0;
const next = () => ++lastNumber;
const newDigest = () => `sha256:${next().toString(16).padStart(64, "a")}` as Digest;
const newRegistry = (): Registry => ({
  account: String(next()).padStart(12, "7") as AccountId,
  region: "eu-west-1" as Region,
});

async function newRepository(metadata: Metadata, registry = newRegistry()): Promise<number> {
  const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
  const repository = { registry, name: "app" as RepositoryName, createdAt: at(0), encryption, ...settings };
  const created = await metadata.transact((nouns) => nouns.repositories.create(repository, new Map()));
  if (!created) throw new Error("the name is taken");
  return created.id;
}

function newImage(repositoryId: number, facts: Partial<NewImage> = {}): NewImage {
  return {
    repositoryId,
    digest: newDigest(),
    mediaType: "application/vnd.oci.image.manifest.v1+json",
    manifestBytes: 1,
    imageBytes: 1,
    manifest: Uint8Array.of(1),
    layers: [],
    children: [],
    pushedAt: at(0),
    ...facts,
  };
}

interface Pushed {
  readonly id: number;
  readonly digest: Digest;
}

async function push(metadata: Metadata, repositoryId: number, facts: Partial<NewImage> = {}, ...tags: string[]) {
  const image = newImage(repositoryId, facts);
  return metadata.transact(async (nouns): Promise<Pushed> => {
    const { id } = await nouns.images.put(image);
    const pushed = { id, digest: image.digest };
    for (const name of tags) await nouns.tags.set(repositoryId, tag(name), pushed, at(0));
    return pushed;
  });
}

const setStatus = (metadata: Metadata, { id }: Pushed, status: ImageStatus, seconds = 0) =>
  metadata.transact(({ images }) => images.setStatus([id], status, at(seconds)));

async function linkLayer(metadata: Metadata, repositoryId: number): Promise<Digest> {
  const digest = newDigest();
  const copy = { digest, generation: "first" as Generation, sizeBytes: 10 };
  await metadata.transact(({ layers }) => layers.link({ id: repositoryId, encryption }, copy, at(0)));
  return digest;
}

/** What a keeper of `Metadata` promises of images that are in the archive, and of pulls that leave no trace. */
export function storageClassContract(name: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${name}: the archive`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    test("an image keeps when it came into the archive and out of it", async () => {
      const id = await newRepository(metadata);
      const image = await push(metadata, id);
      const found = () => metadata.read.images.find(id, image.digest);
      expect(await found()).toMatchObject({ status: "ACTIVE", lastArchivedAt: undefined, lastActivatedAt: undefined });
      await setStatus(metadata, image, "ARCHIVED", 1);
      expect(await found()).toMatchObject({ status: "ARCHIVED", lastArchivedAt: at(1), lastActivatedAt: undefined });
      await setStatus(metadata, image, "ACTIVATING", 2);
      expect(await found()).toMatchObject({ status: "ACTIVATING", lastArchivedAt: at(1), lastActivatedAt: undefined });
      await setStatus(metadata, image, "ACTIVE", 3);
      expect(await found()).toMatchObject({ status: "ACTIVE", lastArchivedAt: at(1), lastActivatedAt: at(3) });
    });

    test("only active images are located, and only their tags are listed", async () => {
      const registry = newRegistry();
      const id = await newRepository(metadata, registry);
      const image = await push(metadata, id, {}, "b", "a");
      await push(metadata, id, {}, "c");
      const { images, tags } = metadata.read;
      const located = async () => {
        const byDigest = await images.locate(registry, "app" as RepositoryName, { digest: image.digest });
        const byTag = await images.locate(registry, "app" as RepositoryName, { tag: tag("a") });
        expect(byTag).toEqual(byDigest);
        return byDigest?.image?.imageId;
      };
      for (const status of ["ARCHIVED", "ACTIVATING"] as const) {
        await setStatus(metadata, image, status);
        expect(await located()).toBeUndefined();
        expect(await tags.list(id, { limit: 9 })).toEqual([tag("c")]);
        expect(await tags.find(id, tag("a"))).toMatchObject({ imageId: image.id });
      }
      await setStatus(metadata, image, "ACTIVE");
      expect(await located()).toBe(image.id);
      expect(await tags.list(id, { limit: 9 })).toEqual(["a", "b", "c"].map(tag));
      expect(await tags.list(id, { after: "a", limit: 1 })).toEqual([tag("b")]);
    });

    test("tags and layers have the status of their image, also after they are given it anew", async () => {
      const id = await newRepository(metadata);
      const layers = [{ digest: await linkLayer(metadata, id), mediaType: "layer" }];
      const image = await push(metadata, id, { layers }, "v1");
      const inspected = async () => {
        const [found] = await metadata.read.inspection.images({ after: image.id - 1, limit: 1 });
        return found?.strayStatuses;
      };
      for (const status of ["ARCHIVED", "ACTIVATING", "ACTIVE"] as const) {
        await setStatus(metadata, image, status);
        expect(await inspected()).toBe(0);
        await metadata.transact(({ inspection }) => inspection.restate(image.id));
        expect(await inspected()).toBe(0);
        expect(await metadata.read.tags.list(id, { limit: 9 })).toEqual(status === "ACTIVE" ? [tag("v1")] : []);
      }
    });

    test("a tag that leaves an archived image is listed again", async () => {
      const id = await newRepository(metadata);
      const archived = await push(metadata, id, {}, "v1");
      await setStatus(metadata, archived, "ARCHIVED");
      const image = await push(metadata, id, {}, "v1");
      expect(await metadata.read.tags.list(id, { limit: 9 })).toEqual([tag("v1")]);
      expect(await metadata.read.tags.find(id, tag("v1"))).toMatchObject({ imageId: image.id });
      const untagged = await metadata.read.images.list(id, "UNTAGGED", { limit: 9 }, "ARCHIVED");
      expect(untagged.map((one) => one.id)).toEqual([archived.id]);
    });

    test("lists have the images of one status or of any, in order of the first push, page by page", async () => {
      const id = await newRepository(metadata);
      const subject = newDigest();
      const statuses = ["ACTIVE", "ARCHIVED", "ACTIVATING", "ARCHIVED", "ACTIVE", "ARCHIVED", "ACTIVATING"] as const;
      const pushed: (Pushed & { status: ImageStatus; tags: string[] })[] = [];
      for (const [index, status] of statuses.entries()) {
        const tags = index % 3 === 0 ? [] : [`v${index}`, `w${index}`];
        const image = await push(metadata, id, { subject, artifactType: "sbom" }, ...tags);
        if (status !== "ACTIVE") await setStatus(metadata, image, status);
        pushed.push({ ...image, status, tags });
      }
      const { images } = metadata.read;
      const filters: ImageStatusFilter[] = ["ACTIVE", "ARCHIVED", "ACTIVATING", "ANY"];
      for (const status of filters) {
        for (const tagStatus of ["ANY", "TAGGED", "UNTAGGED"] satisfies TagStatus[]) {
          const expected = pushed.filter(({ tags, ...image }) => {
            const hasTags = tagStatus === "ANY" || (tagStatus === "TAGGED") === tags.length > 0;
            return hasTags && (status === "ANY" || image.status === status);
          });
          for (const limit of [1, 2, 50]) {
            const listed: number[] = [];
            for (let after: number | undefined; ; ) {
              const page = await images.list(id, tagStatus, { after, limit }, status);
              listed.push(...page.map((image) => image.id));
              after = page.at(-1)?.id;
              if (page.length < limit) break;
            }
            expect(listed).toEqual(expected.map((image) => image.id));
            const entries: string[] = [];
            for (let after: { imageId: number; tag?: Tag } | undefined; ; ) {
              const page = await images.listIds(id, tagStatus, { after, limit }, status);
              entries.push(...page.map((entry) => `${entry.imageId} ${entry.tag ?? ""}`));
              after = page.at(-1);
              if (page.length < limit) break;
            }
            const of = (image: Pushed & { tags: string[] }) => (image.tags.length > 0 ? image.tags : [""]);
            expect(entries).toEqual(expected.flatMap((image) => of(image).map((name) => `${image.id} ${name}`)));
          }
        }
        const expected = pushed.filter((image) => status === "ANY" || image.status === status);
        for (const types of [undefined, ["sbom"]]) {
          const referrers = await images.referrers(id, subject, types, { limit: 50 }, status);
          expect(referrers.map((image) => image.id)).toEqual(expected.map((image) => image.id));
        }
        expect(await images.referrers(id, subject, ["other"], { limit: 50 }, status)).toEqual([]);
      }
    });

    test("what goes with an image is found by its status", async () => {
      const id = await newRepository(metadata);
      const child = await push(metadata, id);
      const other = await push(metadata, id);
      const index = await push(metadata, id, { children: [child.digest, other.digest] });
      const signature = await push(metadata, id, { subject: index.digest });
      const sbom = await push(metadata, id, { subject: child.digest });
      const { images } = metadata.read;
      const ids = (found: readonly { id: number }[]) => found.map((image) => image.id).sort((a, b) => a - b);
      expect(ids(await images.referrersOf(id, [index.digest, child.digest], "ACTIVE", 9))).toEqual([
        signature.id,
        sbom.id,
      ]);
      expect(await images.referrersOf(id, [index.digest, child.digest], "ACTIVE", 1)).toHaveLength(1);
      expect(await images.referrersOf(id, [index.digest], "ARCHIVED", 9)).toEqual([]);
      expect(ids(await images.childrenOf([index.id], "ACTIVE", 9))).toEqual([child.id, other.id]);
      expect(await images.openParents(id, child.digest, 9)).toEqual([index.digest]);
      await setStatus(metadata, index, "ARCHIVED");
      await setStatus(metadata, child, "ARCHIVED");
      expect(await images.openParents(id, child.digest, 9)).toEqual([]);
      expect(await images.childrenOf([index.id], "ARCHIVED", 9)).toMatchObject([
        { id: child.id, repositoryId: id, digest: child.digest, status: "ARCHIVED" },
      ]);
      await setStatus(metadata, index, "ACTIVATING");
      expect(await images.openParents(id, child.digest, 9)).toEqual([index.digest]);
    });

    test("a layer is archived when images have it and none of them is active", async () => {
      const id = await newRepository(metadata);
      const layer = await linkLayer(metadata, id);
      const found = () => metadata.read.layers.find(id, layer);
      expect(await found()).toMatchObject({ inImage: false, isArchived: false });
      const first = await push(metadata, id, { layers: [{ digest: layer, mediaType: "first" }] });
      const second = await push(metadata, id, { layers: [{ digest: layer, mediaType: "second" }] });
      expect(await found()).toMatchObject({ isArchived: false, mediaType: "second" });
      await setStatus(metadata, second, "ARCHIVED");
      expect(await found()).toMatchObject({ inImage: true, isArchived: false, mediaType: "first" });
      await setStatus(metadata, first, "ARCHIVED");
      expect(await found()).toMatchObject({ inImage: true, isArchived: true, mediaType: "second" });
      await setStatus(metadata, first, "ACTIVATING");
      expect(await found()).toMatchObject({ isArchived: true, mediaType: "first" });
      await setStatus(metadata, first, "ACTIVE");
      expect(await found()).toMatchObject({ isArchived: false, mediaType: "first" });
      await metadata.transact(({ images }) => images.delete({ id: first.id, repositoryId: id }, at(0)));
      expect((await metadata.read.layers.findMany(id, [layer])).map(({ isArchived }) => isArchived)).toEqual([true]);
      await metadata.transact(({ images }) => images.delete({ id: second.id, repositoryId: id }, at(0)));
      expect(await found()).toMatchObject({ inImage: false, isArchived: false });
    });

    test("an index pushed while its child is archived is never left with an archived child", async () => {
      const id = await newRepository(metadata);
      for (let round = 0; round < 20; round++) {
        const child = await push(metadata, id);
        const index = newImage(id, { children: [child.digest] });
        const pushing = metadata.transact(async (nouns) => {
          const children = await nouns.images.keepMany(id, [child.digest]);
          await nouns.images.put(index);
          const archived = children.filter(({ status }) => status !== "ACTIVE");
          await activateForPush(nouns, archived, at(2));
        });
        const archiving = metadata.transact((nouns) => archiveImage(nouns, id, child.digest, at(1)));
        const [, moved] = await Promise.all([pushing, archiving]);
        expect(await metadata.read.images.find(id, child.digest)).toMatchObject({ status: "ACTIVE" });
        if ("kept" in moved) expect(moved.kept).toEqual({ code: "listed", parents: [index.digest] });
      }
    });

    test("an image tagged while it is archived has its tags as it is itself", async () => {
      const id = await newRepository(metadata);
      for (let round = 0; round < 20; round++) {
        const image = newImage(id);
        await push(metadata, id, image);
        const name = `round-${round}`;
        const tagging = metadata.transact(async (nouns) => {
          const put = await nouns.images.put(image);
          const present = { ...put, repositoryId: id, digest: image.digest };
          if (put.status !== "ACTIVE") await activateForPush(nouns, [present], at(2));
          await nouns.tags.set(id, tag(name), present, at(2));
        });
        const archiving = metadata.transact((nouns) => archiveImage(nouns, id, image.digest, at(1)));
        await Promise.all([tagging, archiving]);
        const found = await metadata.read.images.find(id, image.digest);
        const listed = (await metadata.read.tags.list(id, { limit: 50 })).includes(tag(name));
        expect(listed).toBe(found?.status === "ACTIVE");
      }
    });

    test("a deleted repository takes its archived images along", async () => {
      const id = await newRepository(metadata);
      const layer = await linkLayer(metadata, id);
      const layers = [{ digest: layer, mediaType: "layer" }];
      await setStatus(metadata, await push(metadata, id, { layers }, "a"), "ARCHIVED");
      await setStatus(metadata, await push(metadata, id, { layers }, "b"), "ACTIVATING");
      await push(metadata, id, { layers }, "c");
      await metadata.transact((nouns) => nouns.repositories.delete(id));
      let batches = 0;
      while (!(await metadata.transact((nouns) => nouns.garbage.purge(id, 1, at(0))))) batches++;
      expect(batches).toBeGreaterThan(3);
      expect(await metadata.read.images.list(id, "ANY", { limit: 9 })).toEqual([]);
    });

    test("blobs of images that change their status wait for somebody to look", async () => {
      const id = await newRepository(metadata);
      const elsewhere = await newRepository(metadata);
      const [shared, own] = [await linkLayer(metadata, id), await linkLayer(metadata, id)];
      const copy = { digest: shared, generation: "first" as Generation, sizeBytes: 10 };
      await metadata.transact(({ layers }) => layers.link({ id: elsewhere, encryption }, copy, at(0)));
      const of = (...digests: Digest[]) => digests.map((digest) => ({ digest, mediaType: "layer" }));
      const image = await push(metadata, id, { layers: of(shared, own) });
      const other = await push(metadata, elsewhere, { layers: of(shared) });
      const { blobPlaces } = metadata.read;
      const waiting = async (until = 1000) => {
        const blobs = await blobPlaces.misplaced(at(until), 1000);
        return blobs.filter(({ digest }) => [shared, own].includes(digest));
      };
      const isNeeded = (digest: Digest) => blobPlaces.isNeeded({ digest, scope: serverScope });
      const placed = async (digest: Digest) => {
        const [found] = (await waiting()).filter((blob) => blob.digest === digest);
        if (!found) throw new Error("it does not wait");
        return found;
      };
      expect(await waiting()).toEqual([]);
      await setStatus(metadata, image, "ARCHIVED", 5);
      expect(await waiting(4)).toEqual([]);
      expect((await waiting()).map(({ digest }) => digest).sort()).toEqual([shared, own].sort());
      expect([await isNeeded(shared), await isNeeded(own)]).toEqual([true, false]);
      await setStatus(metadata, other, "ARCHIVED", 6);
      expect(await isNeeded(shared)).toBe(false);
      await setStatus(metadata, other, "ACTIVATING", 7);
      expect(await isNeeded(shared)).toBe(true);

      // Put off, taken out, and not by who looked at what has changed since.
      const stale = await placed(own);
      await metadata.transact((nouns) => nouns.blobPlaces.settle(stale, at(50)));
      await metadata.transact((nouns) => nouns.blobPlaces.settle(stale));
      expect((await waiting(49)).map(({ digest }) => digest)).toEqual([shared]);
      const seen = await placed(shared);
      await metadata.transact((nouns) => nouns.blobPlaces.settle(seen));
      expect((await waiting()).map(({ digest }) => digest)).toEqual([own]);

      // Into the archive's store.
      const old = await placed(own);
      const moved = { ...old, generation: "second" as Generation };
      const move = (from: typeof old, to: typeof old) =>
        metadata.transact((nouns) => nouns.blobPlaces.move(from, to, at(90)));
      expect(await move({ ...old, generation: "none" as Generation }, moved)).toBe(false);
      expect(await move(old, moved)).toBe(true);
      expect(await move(old, moved)).toBe(false);
      expect(await waiting()).toEqual([]);
      expect(await blobPlaces.hasArchived()).toBe(true);
      const link = () => metadata.read.layers.find(id, own);
      expect(await link()).toMatchObject({ generation: "second", isInArchive: true });
      const removals = (await metadata.read.garbage.removals({ limit: 1000 }, at(90))).filter(
        ({ digest }) => digest === own,
      );
      expect(removals).toMatchObject([{ generation: "first" }]);
      expect((await blobPlaces.archivedOf([image.id], 9)).map(({ digest }) => digest)).toEqual([own]);
      expect(await blobPlaces.archivedOf([other.id], 9)).toEqual([]);

      // And out of it, because an image needs it: one that comes back, or one that is pushed.
      await setStatus(metadata, image, "ACTIVATING", 95);
      const activating: number[] = [];
      for (let after = 0; ; ) {
        const page = await blobPlaces.activating({ after, limit: 1 });
        if (!page[0]) break;
        after = page[0].id;
        activating.push(after);
      }
      expect(activating.filter((one) => [image.id, other.id].includes(one))).toEqual([image.id, other.id]);
      expect((await waiting()).map(({ digest }) => digest)).toEqual([own]);
      const settled = await placed(own);
      await metadata.transact((nouns) => nouns.blobPlaces.settle(settled));
      await metadata.transact((nouns) => nouns.blobPlaces.want(id, [shared, own], at(96)));
      expect((await waiting()).map(({ digest }) => digest)).toEqual([own]);
      const back = { ...(await placed(own)), generation: "third" as Generation };
      expect(await move(await placed(own), back)).toBe(true);
      expect(await link()).toMatchObject({ generation: "third", isInArchive: false });
      expect(await blobPlaces.archivedOf([image.id], 9)).toEqual([]);
    });

    test("a blob that is pushed again comes back from the archive's store at once", async () => {
      const id = await newRepository(metadata);
      const digest = await linkLayer(metadata, id);
      await setStatus(metadata, await push(metadata, id, { layers: [{ digest, mediaType: "layer" }] }), "ARCHIVED", 1);
      const blobs = await metadata.read.blobPlaces.misplaced(at(1), 1000);
      const old = blobs.find((blob) => blob.digest === digest);
      if (!old) throw new Error("it does not wait");
      const archived = { ...old, generation: "archived" as Generation };
      await metadata.transact((nouns) => nouns.blobPlaces.move(old, archived, at(2)));
      const link = (generation: string) =>
        metadata.transact(({ layers }) =>
          layers.link({ id, encryption }, { digest, sizeBytes: 10, generation: generation as Generation }, at(3)),
        );
      expect(await link("archived")).toEqual({ isNew: false, generation: "archived" as Generation });
      expect(await link("pushed")).toEqual({ isNew: true, generation: "pushed" as Generation });
      expect(await metadata.read.layers.find(id, digest)).toMatchObject({ generation: "pushed", isInArchive: false });
      const due = async (seconds: number) =>
        (await metadata.read.garbage.removals({ limit: 1000 }, at(seconds)))
          .filter((removal) => removal.digest === digest)
          .map(({ generation }) => generation as string);
      expect(await due(3)).toEqual(["first"]);
      expect(await due(3 + 3600)).toEqual(["archived", "first"]);
    });

    test("a blob whose last active image is deleted waits when its layer is looked at", async () => {
      const id = await newRepository(metadata);
      const digest = await linkLayer(metadata, id);
      const layers = [{ digest, mediaType: "layer" }];
      const image = await push(metadata, id, { layers });
      const archived = await push(metadata, id, { layers });
      await setStatus(metadata, archived, "ARCHIVED", 1);
      const waiting = async () => {
        const blobs = await metadata.read.blobPlaces.misplaced(at(1000), 1000);
        return blobs.find((blob) => blob.digest === digest);
      };
      const seen = await waiting();
      if (seen) await metadata.transact((nouns) => nouns.blobPlaces.settle(seen));
      expect(await waiting()).toBeUndefined();
      await metadata.transact(({ images }) => images.delete({ id: image.id, repositoryId: id }, at(2)));
      const link = { repositoryId: id, digest, since: at(2) };
      expect(await metadata.transact(({ garbage }) => garbage.unlink(link, at(3)))).toBe(false);
      expect(await waiting()).toBeDefined();
    });

    test("pull time exclusions are of one registry, once each, in order", async () => {
      const registry = newRegistry();
      const elsewhere = { ...registry, region: "us-east-1" as Region };
      const arn = (name: string) => `arn:aws:iam::000000000001:role/${name}` as Arn;
      const add = (name: string) =>
        metadata.transact(({ pullTimeExclusions }) => pullTimeExclusions.add(registry, arn(name), at(0)));
      expect([await add("b"), await add("a"), await add("C"), await add("a")]).toEqual([true, true, true, false]);
      const { pullTimeExclusions } = metadata.read;
      expect(await pullTimeExclusions.count(registry)).toBe(3);
      expect(await pullTimeExclusions.count(elsewhere)).toBe(0);
      expect(await pullTimeExclusions.list(registry, { limit: 2 })).toEqual([arn("C"), arn("a")]);
      expect(await pullTimeExclusions.list(registry, { after: arn("a"), limit: 2 })).toEqual([arn("b")]);
      expect(await pullTimeExclusions.list(elsewhere, { limit: 2 })).toEqual([]);
      const remove = () => metadata.transact((nouns) => nouns.pullTimeExclusions.remove(registry, arn("a")));
      expect([await remove(), await remove()]).toEqual([true, false]);
      expect(await pullTimeExclusions.list(registry, { limit: 9 })).toEqual([arn("C"), arn("b")]);
    });
  });
}
