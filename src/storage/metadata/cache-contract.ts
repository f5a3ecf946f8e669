import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Digest, Region, RepositoryName } from "../../domain/names.ts";
import type { AwaitedContent } from "../../domain/registry/awaited-ports.ts";
import type { Generation, NewImage, Repository } from "../../domain/registry/ports.ts";
import type { AllMetadata } from "./metadata.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
const layerType = "application/vnd.oci.image.layer.v1.tar";

let last = 0x5_000_000;
/** Never the same twice, so that tests can share a database. */
const newDigest = () => `sha256:${(++last).toString(16).padStart(64, "0")}` as Digest;
const layer = (digest: Digest, sizeBytes = 10): AwaitedContent => ({ digest, mediaType: layerType, sizeBytes });

/** What every database keeps for pull-through caches. */
export function cacheContract(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`caches in ${name}`, () => {
    let metadata: AllMetadata;
    let dispose: () => Promise<void>;
    beforeAll(async () => {
      ({ metadata, dispose } = await open());
    });
    afterAll(() => dispose());

    async function newRepository(): Promise<Repository> {
      const created = await metadata.transact(({ repositories }) =>
        repositories.create(
          {
            registry: { account: String(++last).padStart(12, "7") as AccountId, region: "eu-west-1" as Region },
            name: "far/app" as RepositoryName,
            createdAt: at(0),
            tagMutability: "MUTABLE",
            exclusionFilters: [],
            scanOnPush: false,
            encryption: { type: "AES256" },
          },
          new Map(),
        ),
      );
      if (!created) throw new Error("the repository was there");
      return created;
    }

    async function put({ id: repositoryId }: Repository, facts: Partial<NewImage>) {
      const image: NewImage = {
        repositoryId,
        digest: newDigest(),
        mediaType: "application/vnd.oci.image.manifest.v1+json",
        manifestBytes: 2,
        imageBytes: 5,
        manifest: new TextEncoder().encode("{}"),
        layers: [],
        children: [],
        pushedAt: at(1),
        ...facts,
      };
      return { ...image, ...(await metadata.transact(({ images }) => images.put(image))) };
    }

    const link = (repository: Repository, digest: Digest) =>
      metadata.transact(({ layers }) =>
        layers.link(repository, { digest, generation: `g${++last}` as Generation, sizeBytes: 10 }, at(2)),
      );

    test("a layer is awaited until it comes, and is the images' then", async () => {
      const { awaited, layers, garbage } = metadata.read;
      const [one, two] = [newDigest(), newDigest()];
      const repository = await newRepository();
      const first = await put(repository, { awaited: [layer(one, 1), layer(two)] });
      const second = await put(repository, { awaited: [layer(one, 10)] });
      expect(await awaited.layer(repository.id, one)).toEqual({ digest: one, mediaType: layerType, sizeBytes: 10 });
      expect(await awaited.layer(repository.id, newDigest())).toBeUndefined();
      expect((await awaited.layers(repository.id, [two, one])).map(({ digest }) => digest).sort()).toEqual([one, two]);
      expect(await awaited.isChild(repository.id, one)).toBe(false);
      const [inspected] = await metadata.read.inspection.images({ after: first.id - 1, limit: 1 });
      expect(inspected?.awaited.map(({ digest }) => digest).sort()).toEqual([one, two]);

      await link(repository, one);
      // It came, and no image was told of it: nobody collects it all the same.
      const [waiting] = (await garbage.links(at(100), 1000)).filter(({ digest }) => digest === one);
      expect(waiting && (await metadata.transact((nouns) => nouns.garbage.unlink(waiting, at(100))))).toBe(false);
      await metadata.transact((nouns) => nouns.awaited.layerCame(repository.id, one));
      expect(await layers.find(repository.id, one)).toMatchObject({ inImage: true, mediaType: layerType });
      expect(await awaited.layer(repository.id, one)).toBeUndefined();
      expect(await awaited.isIncomplete(first.id)).toBe(true);
      expect(await awaited.isIncomplete(second.id)).toBe(false);
      await expect(metadata.transact((nouns) => nouns.layers.unlink(repository.id, one, at(3)))).rejects.toThrow();
      await metadata.transact((nouns) => nouns.images.delete(first, at(4)));
      expect(await awaited.layer(repository.id, two)).toBeUndefined();
      expect(await layers.find(repository.id, one)).toMatchObject({ inImage: true });
    });

    test("an archived image's layer is not to be had, and comes with its status", async () => {
      const one = newDigest();
      const repository = await newRepository();
      const image = await put(repository, { awaited: [layer(one)] });
      await metadata.transact(({ images }) => images.setStatus([image.id], "ARCHIVED", at(3)));
      expect(await metadata.read.awaited.layer(repository.id, one)).toBeUndefined();
      await link(repository, one);
      await metadata.transact((nouns) => nouns.awaited.layerCame(repository.id, one));
      expect(await metadata.read.layers.find(repository.id, one)).toMatchObject({ inImage: true, isArchived: true });
    });

    test("a part of an index is awaited until it comes, and cannot go before the index then", async () => {
      const child = newDigest();
      const repository = await newRepository();
      const index = await put(repository, { imageBytes: 0, awaited: [{ digest: child, sizeBytes: 7 }] });
      expect(await metadata.read.awaited.isChild(repository.id, child)).toBe(true);
      expect(await metadata.read.awaited.layer(repository.id, child)).toBeUndefined();
      await put(repository, { digest: child, imageBytes: 99 });
      await metadata.transact(({ awaited }) => awaited.childCame(repository.id, { digest: child, imageBytes: 99 }));
      expect(await metadata.read.awaited.isChild(repository.id, child)).toBe(false);
      expect(await metadata.read.images.parents(repository.id, child, 9)).toEqual([index.digest]);
      expect((await metadata.read.images.find(repository.id, index.digest))?.imageBytes).toBe(99);
    });

    test("a digest that an image calls a layer and an index a part is not the one for the other", async () => {
      const both = newDigest();
      const { awaited, images, layers } = metadata.read;
      const repository = await newRepository();
      const index = await put(repository, { awaited: [{ digest: both, sizeBytes: 7 }] });
      await put(repository, { awaited: [layer(both)] });
      await link(repository, both);
      await metadata.transact((nouns) => nouns.awaited.layerCame(repository.id, both));
      expect(await awaited.isChild(repository.id, both)).toBe(true);
      const other = await put(repository, { awaited: [layer(both)] });
      await put(repository, { digest: both });
      await metadata.transact((nouns) => nouns.awaited.childCame(repository.id, { digest: both, imageBytes: 7 }));
      expect(await images.parents(repository.id, both, 9)).toEqual([index.digest]);
      expect(await awaited.isIncomplete(other.id)).toBe(true);
      expect(await layers.find(repository.id, both)).toMatchObject({ inImage: true });
    });

    test("what was asked of an upstream is kept until it is asked again, or the repository goes", async () => {
      const { upstreamChecks } = metadata.read;
      const { id } = await newRepository();
      const check = { upstream: "quay.io/app", digest: newDigest(), at: at(5) };
      expect(await upstreamChecks.find(id, "tag:1")).toBeUndefined();
      await metadata.transact((nouns) => nouns.upstreamChecks.put(id, "tag:1", check));
      expect(await upstreamChecks.find(id, "tag:1")).toEqual(check);
      const later = { upstream: "ghcr.io/app", digest: undefined, at: at(6) };
      await metadata.transact((nouns) => nouns.upstreamChecks.put(id, "tag:1", later));
      expect(await upstreamChecks.find(id, "tag:1")).toEqual(later);
      await metadata.transact((nouns) => nouns.repositories.delete(id));
      while (!(await metadata.transact((nouns) => nouns.garbage.purge(id, 100, at(7)))));
      expect(await upstreamChecks.find(id, "tag:1")).toBeUndefined();
    });
  });
}
