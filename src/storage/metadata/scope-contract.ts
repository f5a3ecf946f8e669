import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Arn, Digest, Region, Registry, RepositoryName } from "../../domain/names.ts";
import { scopeOf, serverScope } from "../../domain/registry/encryption.ts";
import type {
  BlobName,
  Encryption,
  Generation,
  Metadata,
  Repository,
  StoredBlob,
} from "../../domain/registry/ports.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);

let lastNumber = 900_000;
/** Never the same twice, so that tests can share a database. */
const next = () => ++lastNumber;

const newDigest = () => `sha256:${next().toString(16).padStart(64, "0")}` as Digest;
const newRegistry = (): Registry => ({
  account: String(next()).padStart(12, "0") as AccountId,
  region: "eu-west-1" as Region,
});
const key = (name: string) => `arn:aws:kms:eu-west-1:000000000001:key/${name}` as Arn;
const encryptions: readonly Encryption[] = [
  { type: "AES256" },
  { type: "KMS", key: key("a"), grants: [] },
  { type: "KMS", key: key("b"), grants: ["g"] },
  { type: "KMS_DSSE", key: key("a"), grants: [] },
];

type Copy = StoredBlob & BlobName;

/** What every database keeps apart of one content under several keys. */
export function scopeContract(name: string, open: () => Promise<{ metadata: Metadata; dispose(): Promise<void> }>) {
  describe(`scopes in ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>> | undefined;
    let metadata: Metadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(async () => opened?.dispose());

    async function newRepository(encryption: Encryption, registry = newRegistry(), name = "app"): Promise<Repository> {
      const facts = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false, createdAt: at(0) } as const;
      const made = await metadata.transact(({ repositories }) =>
        repositories.create({ registry, name: name as RepositoryName, encryption, ...facts }, new Map()),
      );
      if (!made) throw new Error("the name is taken");
      return made;
    }

    /** Links a copy of its own, and answers what counts then. */
    async function link(repository: Repository, digest: Digest, seconds = 0): Promise<Copy> {
      const copy = { digest, generation: `copy ${next()}` as Generation, sizeBytes: 10 };
      const { generation } = await metadata.transact(({ layers }) => layers.link(repository, copy, at(seconds)));
      return { ...copy, generation, scope: scopeOf(repository.encryption) };
    }

    /** One content in a repository of each kind of encryption. */
    async function everywhere(registry = newRegistry()) {
      const digest = newDigest();
      const held = await Promise.all(
        encryptions.map(async (encryption, index) => {
          const repository = await newRepository(encryption, registry, `app${index}`);
          return { repository, copy: await link(repository, digest) };
        }),
      );
      const [first, second, ...rest] = held;
      if (!first || !second) throw new Error("there are several");
      return { digest, held, first, second, rest, registry };
    }

    async function pushImage({ id: repositoryId }: Repository, digest: Digest) {
      const image = { digest: newDigest(), mediaType: "type", manifestBytes: 1, imageBytes: 1, children: [] };
      const facts = { ...image, manifest: Uint8Array.of(1), layers: [{ digest, mediaType: "layer" }] };
      const { id } = await metadata.transact(({ images }) => images.put({ repositoryId, ...facts, pushedAt: at(0) }));
      return { id, repositoryId, digest: image.digest };
    }

    const found = async ({ digest }: BlobName) => {
      const records = await Promise.all(
        encryptions.map((encryption) => metadata.read.blobs.find({ digest, scope: scopeOf(encryption) })),
      );
      return records.flatMap((record) => (record ? [record] : []));
    };
    const record = (copy: Copy) => ({ ...copy, quarantinedAt: undefined });

    /** As a collection does it. Answers the copies that nothing names any more. */
    async function collect(before: Date): Promise<StoredBlob[]> {
      const { garbage } = metadata.read;
      for (const due of await garbage.links(before, 1000)) {
        await metadata.transact((nouns) => nouns.garbage.unlink(due, before));
      }
      const forgotten: StoredBlob[] = [];
      for (const { since, ...blob } of await garbage.blobs(before, 1000)) {
        const isGone = await metadata.transact((nouns) => nouns.garbage.forget({ ...blob, since }, before));
        if (isGone) forgotten.push(blob);
      }
      return forgotten;
    }
    const generationsOf = (copies: readonly StoredBlob[], digest: Digest) =>
      copies.filter((copy) => copy.digest === digest).map(({ generation }) => generation);

    test("a content has a copy for each key, and repositories of one key share theirs", async () => {
      const { held, digest, first } = await everywhere();
      expect(new Set(held.map(({ copy }) => copy.generation)).size).toBe(encryptions.length);
      expect(await found(first.copy)).toEqual(held.map(({ copy }) => record(copy)));
      for (const { repository, copy } of held) {
        expect(await metadata.read.layers.find(repository.id, digest)).toMatchObject({ generation: copy.generation });
        const alike = await newRepository(repository.encryption);
        expect(await link(alike, digest)).toEqual(copy);
        const many = await metadata.read.layers.findMany(alike.id, [digest]);
        expect(many.map(({ generation }) => generation)).toEqual([copy.generation]);
      }
    });

    test("blobs are listed by digest and scope, page by page, without a gap between two of one digest", async () => {
      const [one, two] = [await everywhere(), await everywhere()];
      const expected = [one, two].flatMap(({ held }) =>
        held.map(({ copy }) => copy).sort((a, b) => (a.scope < b.scope ? -1 : 1)),
      );
      const before: BlobName = { digest: one.digest, scope: serverScope };
      const firstScope = await metadata.read.blobs.find(before);
      for (const limit of [1, 3]) {
        const all: BlobName[] = firstScope ? [firstScope] : [];
        for (;;) {
          const page = await metadata.read.blobs.list({ after: all.at(-1), limit });
          all.push(...page);
          if (page.length === 0) break;
        }
        expect(all).toEqual(expected.map(record));
      }
    });

    test("holders and dependents are those of one scope", async () => {
      const { held, registry, digest } = await everywhere();
      for (const { repository, copy } of held) {
        const image = await pushImage(repository, digest);
        const { read } = metadata;
        expect(await read.layers.holders(registry, digest, copy.scope, 9)).toEqual([
          { repository, sizeBytes: copy.sizeBytes },
        ]);
        expect((await read.blobs.holders(copy, 9)).map(({ id }) => id)).toEqual([repository.id]);
        expect(await read.inspection.dependents(copy, 9)).toEqual([
          { repository, image: { id: image.id, digest: image.digest } },
        ]);
      }
    });

    test("quarantine, acquittal and healing are of one copy", async () => {
      const { held, digest, first, second, rest, registry } = await everywhere();
      const others = [first, ...rest].map(({ copy }) => record(copy));
      const all = async () => (await found(second.copy)).filter(({ scope }) => scope !== second.copy.scope);
      expect(await metadata.transact(({ blobs }) => blobs.quarantine(second.copy, at(5)))).toBe(true);
      for (const { repository } of held) {
        const layer = await metadata.read.layers.find(repository.id, digest);
        expect(layer?.quarantined).toBe(repository.id === second.repository.id);
      }
      expect(await metadata.read.layers.holders(registry, digest, second.copy.scope, 9)).toEqual([]);
      expect(await all()).toEqual(others);
      expect(await metadata.transact(({ blobs }) => blobs.acquit(first.copy))).toBe(false);
      expect(await metadata.transact(({ blobs }) => blobs.acquit(second.copy))).toBe(true);

      await metadata.transact(({ blobs }) => blobs.quarantine(second.copy, at(6)));
      const made = { ...second.copy, generation: `healer ${next()}` as Generation };
      expect(await metadata.transact(({ blobs }) => blobs.heal({ ...made, scope: first.copy.scope }))).toBe(false);
      expect(await metadata.transact(({ blobs }) => blobs.heal(made))).toBe(true);
      expect(await metadata.read.blobs.find(made)).toEqual(record(made));
      expect(await all()).toEqual(others);
    });

    test("a push under one key mends what is damaged under that key only", async () => {
      const { digest, first, second } = await everywhere();
      await metadata.transact(async ({ blobs }) => {
        await blobs.quarantine(first.copy, at(5));
        await blobs.quarantine(second.copy, at(5));
      });
      const pushed = await link(first.repository, digest);
      expect(pushed.generation).not.toBe(first.copy.generation);
      expect(await metadata.read.blobs.find(first.copy)).toEqual(record(pushed));
      expect(await metadata.read.blobs.find(second.copy)).toEqual({ ...second.copy, quarantinedAt: at(5) });
    });

    test("a copy beside a damaged one is no stray, under whichever key, and one that is named never is", async () => {
      const { first, second, held } = await everywhere();
      const nameless = { ...first.copy, generation: `nameless ${next()}` as Generation };
      const strays = async () => {
        const copies = [nameless, ...held.map(({ copy }) => copy)];
        return (await metadata.read.blobs.strays(copies)).map(({ generation }) => generation);
      };
      expect(await strays()).toEqual([nameless.generation]);
      await metadata.transact(({ blobs }) => blobs.quarantine(second.copy, at(5)));
      expect(await strays()).toEqual([]);
    });

    test("each copy waits for its own last link, and its end leaves the others", async () => {
      const { digest, first, second, rest } = await everywhere();
      for (const { repository } of rest) await pushImage(repository, digest);
      const alike = await newRepository(second.repository.encryption);
      await link(alike, digest, 50);
      await metadata.transact(({ layers }) => layers.unlink(second.repository.id, digest, at(40)));
      const forecast = async (seconds: number) =>
        generationsOf(await metadata.read.garbage.forecast(at(seconds), { limit: 10_000 }), digest);
      expect(await forecast(30)).toEqual([first.copy.generation]);
      expect(await forecast(60)).toEqual([first.copy.generation, second.copy.generation]);
      expect(generationsOf(await collect(at(30)), digest)).toEqual([first.copy.generation]);
      expect((await found(first.copy)).map(({ scope }) => scope)).not.toContain(first.copy.scope);
      // What comes back under one key does not bring the other's back.
      await link(first.repository, digest, 100);
      expect(generationsOf(await collect(at(60)), digest)).toEqual([second.copy.generation]);
      expect(await metadata.read.blobs.find(second.copy)).toBeUndefined();
      expect(generationsOf(await collect(at(10_000)), digest)).toHaveLength(1);
      expect(await found(first.copy)).toEqual(rest.map(({ copy }) => record(copy)));
      const removals = await metadata.read.garbage.removals({ limit: 10_000 });
      expect(generationsOf(removals, digest)).toHaveLength(3);
    });

    test("a link rescues what waits under its own key", async () => {
      const { digest, first, second } = await everywhere();
      await metadata.transact(async ({ layers }) => {
        await layers.unlink(first.repository.id, digest, at(10));
        await layers.unlink(second.repository.id, digest, at(10));
      });
      expect(await link(await newRepository(first.repository.encryption), digest, 5_000)).toEqual(first.copy);
      const collected = generationsOf(await collect(at(1_000)), digest);
      expect(collected).toContain(second.copy.generation);
      expect(collected).not.toContain(first.copy.generation);
    });

    test("a deleted repository queues the copies of its own key", async () => {
      const { digest, first, second, held } = await everywhere();
      for (const { repository } of held) await pushImage(repository, digest);
      await metadata.transact(({ repositories }) => repositories.delete(second.repository.id));
      while (!(await metadata.transact(({ garbage }) => garbage.purge(second.repository.id, 100, at(10)))));
      expect(generationsOf(await collect(at(1_000)), digest)).toEqual([second.copy.generation]);
      expect(await metadata.read.layers.find(first.repository.id, digest)).toMatchObject({ inImage: true });
    });

    test("a forecast comes in pages, without a gap between two of one digest", async () => {
      const { held, digest } = await everywhere();
      for (const { repository } of held)
        await metadata.transact(({ layers }) => layers.unlink(repository.id, digest, at(10)));
      const all: Copy[] = [];
      for (;;) {
        const page = await metadata.read.garbage.forecast(at(1_000), { after: all.at(-1), limit: 1 });
        all.push(...page);
        if (page.length === 0) break;
      }
      const byScope = held.map(({ copy }) => copy).sort((a, b) => (a.scope < b.scope ? -1 : 1));
      expect(generationsOf(all, digest)).toEqual(byScope.map(({ generation }) => generation));
    });

    test("a sound copy gives its place to another, once, and is removed when it is due", async () => {
      const { first, second } = await everywhere();
      const sealed = { ...first.copy, generation: `sealed ${next()}` as Generation };
      const replace = (old: StoredBlob, made: Copy) =>
        metadata.transact(({ blobs }) => blobs.replace(old, made, at(500)));
      expect(await replace(first.copy, { ...sealed, scope: second.copy.scope })).toBe(false);
      expect(await replace(sealed, sealed)).toBe(false);
      expect(await replace(first.copy, first.copy)).toBe(false);
      expect(await replace(first.copy, sealed)).toBe(true);
      expect(await replace(first.copy, { ...sealed, generation: "late" as Generation })).toBe(false);
      expect(await metadata.read.blobs.find(sealed)).toEqual(record(sealed));
      expect(await metadata.read.blobs.find(second.copy)).toEqual(record(second.copy));
      const removals = async (dueBy?: Date) =>
        generationsOf(await metadata.read.garbage.removals({ limit: 10_000 }, dueBy), first.copy.digest);
      expect(await removals()).toEqual([first.copy.generation]);
      expect(await removals(at(499))).toEqual([]);
      expect(await removals(at(500))).toEqual([first.copy.generation]);
      // It is the removal's until then.
      expect(await metadata.read.blobs.strays([first.copy])).toEqual([]);
      await metadata.transact(({ blobs }) => blobs.quarantine(second.copy, at(5)));
      const mended = { ...second.copy, generation: "mended" as Generation };
      expect(await replace(second.copy, mended)).toBe(false);
    });

    test("of many who replace a copy at once, one does", async () => {
      const { first } = await everywhere();
      const made = Array.from({ length: 8 }, () => ({ ...first.copy, generation: `m ${next()}` as Generation }));
      const replaced = await Promise.all(
        made.map((copy) => metadata.transact(({ blobs }) => blobs.replace(first.copy, copy, at(500)))),
      );
      expect(replaced.filter(Boolean)).toHaveLength(1);
      expect(await metadata.read.blobs.find(first.copy)).toEqual(record(made[replaced.indexOf(true)] as Copy));
    });

    test("pushes, unlinks and collections of several keys at once leave no image without its layer", async () => {
      const digests = Array.from({ length: 6 }, newDigest);
      const repositories = await Promise.all(encryptions.map((encryption) => newRepository(encryption)));
      for (let round = 0; round < 3; round++) {
        const pushes = repositories.flatMap((repository, place) =>
          digests.map(async (digest, index) => {
            const image = await metadata.transact(async ({ layers, images }) => {
              const copy = { digest, generation: `${round} ${place} ${index}` as Generation, sizeBytes: 10 };
              await layers.link(repository, copy, at(round));
              const facts = { mediaType: "type", manifestBytes: 1, imageBytes: 1, children: [], pushedAt: at(0) };
              const layer = { digest, mediaType: "layer" };
              const put = { ...facts, digest: newDigest(), manifest: Uint8Array.of(1), layers: [layer] };
              return images.put({ repositoryId: repository.id, ...put });
            });
            if ((index + place + round) % 2 === 0) return { repository, digest };
            await metadata.transact(({ images }) =>
              images.delete({ id: image.id, repositoryId: repository.id }, at(round)),
            );
            return undefined;
          }),
        );
        const [kept] = await Promise.all([Promise.all(pushes), collect(at(1_000)), collect(at(1_000))]);
        for (const image of kept.filter((image) => image !== undefined)) {
          const layer = await metadata.read.layers.find(image.repository.id, image.digest);
          expect(layer).toMatchObject({ inImage: true });
        }
      }
    });
  });
}
