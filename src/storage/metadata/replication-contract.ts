import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { JobNouns } from "../../domain/jobs/ports.ts";
import type { AccountId, Digest, Region, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import type { Metadata, Nouns } from "../../domain/registry/ports.ts";
import { noOptions, type ReplicationNouns } from "../../domain/replication/ports.ts";
import type { OpenedMetadata } from "./contract.ts";

const at = (seconds: number) => new Date(Date.UTC(2026, 0, 1) + seconds * 1000);
let lastNumber = 0;
const newDigest = () => `sha256:${(++lastNumber).toString(16).padStart(64, "e")}` as Digest;
const newRegistry = (): Registry => ({
  account: String(++lastNumber).padStart(12, "7") as AccountId,
  region: "eu-west-1" as Region,
});
const tags = (...names: string[]) => names as Tag[];

/** What a keeper of `Metadata` promises of replication. */
export function replicationContract(name: string, open: () => Promise<OpenedMetadata>): void {
  describe(`${name}: replication`, () => {
    let opened: OpenedMetadata;
    let metadata: Metadata<Nouns & JobNouns & ReplicationNouns>;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata as unknown as typeof metadata;
    });
    afterAll(() => opened.dispose());

    async function newImage() {
      const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
      const repository = {
        registry: newRegistry(),
        name: "app" as RepositoryName,
        createdAt: at(0),
        encryption: { type: "AES256" } as const,
        ...settings,
      };
      return metadata.transact(async ({ repositories, images }) => {
        const created = await repositories.create(repository, new Map());
        const repositoryId = created?.id ?? 0;
        const image = {
          repositoryId,
          digest: newDigest(),
          mediaType: "application/vnd.oci.image.manifest.v1+json",
          manifestBytes: 1,
          imageBytes: 7,
          manifest: Uint8Array.of(1),
          layers: [],
          children: [],
          pushedAt: at(0),
        };
        return { repositoryId, id: (await images.put(image)).id };
      });
    }

    test("rules and options are set each by itself", async () => {
      const [registry, other] = [newRegistry(), newRegistry()];
      const { configuration } = metadata.read.replication;
      expect(await configuration(registry)).toBeUndefined();
      const rules = [{ destinations: [other], prefixes: ["prod/"] }];
      const options = { ...noOptions, deletes: true };
      await metadata.transact(({ replication }) => replication.setOptions(registry, options));
      expect(await configuration(registry)).toEqual({ rules: [], options });
      await metadata.transact(({ replication }) => replication.setRules(registry, rules));
      expect(await configuration(registry)).toEqual({ rules, options });
      await metadata.transact(({ replication }) => replication.setRules(registry, []));
      expect(await configuration(registry)).toEqual({ rules: [], options });
      expect(await configuration(other)).toBeUndefined();
    });

    test("a replica collects tags until it ends, and an older end changes nothing", async () => {
      const { id, repositoryId } = await newImage();
      const [one, two] = [newRegistry(), newRegistry()];
      const { find, ofImage } = metadata.read.replication;
      const begin = (names: Tag[], seconds: number, to = one) =>
        metadata.transact(({ replication }) => replication.begin(id, to, names, at(seconds)));
      const end = (version: number, failureCode?: string) =>
        metadata.transact(({ replication }) =>
          replication.end(
            id,
            one,
            version,
            failureCode ? { status: "FAILED", failureCode } : { status: "COMPLETE" },
            at(9),
          ),
        );
      await begin(tags("b"), 1);
      await begin(tags("a", "b"), 2);
      await begin([], 3, two);
      const begun = {
        destination: one,
        status: "IN_PROGRESS",
        failureCode: undefined,
        tags: tags("a", "b"),
        version: 2,
        changedAt: at(2),
      };
      expect(await find(id, one)).toEqual(begun as never);
      expect((await ofImage(id)).map(({ destination }) => destination)).toEqual([one, two]);
      expect(await end(1)).toBe(false);
      expect(await find(id, one)).toEqual(begun as never);
      // What failed keeps its tags for the next time.
      expect(await end(2, "AccessDenied")).toBe(true);
      expect(await find(id, one)).toMatchObject({
        status: "FAILED",
        failureCode: "AccessDenied",
        tags: tags("a", "b"),
      });
      await begin(tags("c"), 4);
      expect(await find(id, one)).toMatchObject({
        status: "IN_PROGRESS",
        failureCode: undefined,
        tags: tags("a", "b", "c"),
      });
      expect(await end(3)).toBe(true);
      expect(await find(id, one)).toMatchObject({ status: "COMPLETE", tags: [], version: 3, changedAt: at(9) });
      await metadata.transact(({ images }) => images.delete({ id, repositoryId }, at(10)));
      expect(await ofImage(id)).toEqual([]);
    });

    test("of many who send an image at once, none loses the tags of another", async () => {
      const { id } = await newImage();
      const to = newRegistry();
      const names = tags("a", "b", "c", "d", "e", "f", "g", "h");
      await Promise.all(
        names.map((tag) => metadata.transact(({ replication }) => replication.begin(id, to, [tag], at(1)))),
      );
      const { find } = metadata.read.replication;
      expect(await find(id, to)).toMatchObject({ tags: names, version: names.length, status: "IN_PROGRESS" });
      const ends = [names.length, names.length - 1].map((version) =>
        metadata.transact(({ replication }) => replication.end(id, to, version, { status: "COMPLETE" }, at(2))),
      );
      expect(await Promise.all(ends)).toEqual([true, false]);
    });

    test("of many backfills to one region that begin at once, one does", async () => {
      const [registry, destination] = [newRegistry(), newRegistry()];
      const made = await Promise.all(
        Array.from({ length: 6 }, (_, number) =>
          metadata.transact((nouns) =>
            nouns.backfills.create({
              id: `${registry.account}-${number}`,
              registry,
              destination,
              status: "PREPARING",
              startedAt: at(number),
            }),
          ),
        ),
      );
      expect(made.filter(Boolean)).toEqual([true]);
      expect(await metadata.read.backfills.countOpen(registry)).toBe(1);
    });

    test("where the rest of a blob goes is kept until it is there, or too old", async () => {
      const { repositoryId } = await newImage();
      const blob = { destination: newRegistry(), repositoryId, digest: newDigest() };
      const { upload } = metadata.read.replication;
      expect(await upload(blob)).toBeUndefined();
      const keep = (location: string, seconds: number) =>
        metadata.transact(({ replication }) => replication.keepUpload(blob, location, at(seconds)));
      await keep("http://peer/1", 1);
      await keep("http://peer/2", 2);
      expect(await upload(blob)).toBe("http://peer/2");
      await metadata.transact(({ replication }) => replication.pruneUploads(at(2)));
      expect(await upload(blob)).toBe("http://peer/2");
      await metadata.transact(({ replication }) => replication.pruneUploads(at(3)));
      expect(await upload(blob)).toBeUndefined();
      await keep("http://peer/3", 4);
      await metadata.transact(({ replication }) => replication.dropUpload(blob));
      expect(await upload(blob)).toBeUndefined();
    });

    test("backfills: one to each region, newest first, with results by number", async () => {
      const registry = newRegistry();
      const begin = (id: string, region: string, seconds: number) =>
        metadata.transact(({ backfills }) =>
          backfills.create({
            id: `${registry.account}-${id}`,
            registry,
            destination: { ...registry, region: region as Region },
            status: "PREPARING",
            startedAt: at(seconds),
          }),
        );
      const nameOf = (id: string) => `${registry.account}-${id}`;
      expect([await begin("a", "us-east-1", 1), await begin("b", "us-east-1", 2)]).toEqual([true, false]);
      expect(await begin("c", "us-west-2", 3)).toBe(true);
      const { find, list, countOpen, open: openItems, results } = metadata.read.backfills;
      expect(await countOpen(registry)).toBe(2);
      const item = (number: number) => ({
        number,
        repository: "app" as RepositoryName,
        digest: newDigest(),
        tag: undefined,
      });
      const items = [item(0), { ...item(1), tag: "v1" as Tag }, item(2)];
      const [first, second] = items;
      await metadata.transact(async ({ backfills }) => {
        await backfills.add(nameOf("a"), items);
        if (first && second) {
          await backfills.settle(nameOf("a"), [
            { ...second, status: "FAILED", failureCode: "KmsError", partFailureCodes: ["KmsError"] },
            { ...first, status: "COMPLETE" },
          ]);
        }
      });
      expect((await openItems(nameOf("a"), 9)).map(({ number }) => number)).toEqual([2]);
      const failed = { ...second, status: "FAILED", failureCode: "KmsError", partFailureCodes: ["KmsError"] };
      expect(await results(nameOf("a"), { limit: 9, status: "FAILED" })).toEqual([failed as never]);
      expect((await results(nameOf("a"), { limit: 9 })).map(({ number }) => number)).toEqual([0, 1]);
      expect((await results(nameOf("a"), { after: 0, limit: 9 })).map(({ number }) => number)).toEqual([1]);

      const progress = { total: 3, completed: 1, failed: 1, failureCodes: ["KmsError"] };
      await metadata.transact(({ backfills }) =>
        backfills.update(nameOf("a"), { status: "COMPLETE", progress, endedAt: at(5) }),
      );
      expect(await find(registry, nameOf("a"))).toMatchObject({ status: "COMPLETE", progress, endedAt: at(5) });
      expect(await find(newRegistry(), nameOf("a"))).toBeUndefined();
      expect(await begin("d", "us-east-1", 6)).toBe(true);
      const ids = async (since: Date, page: Parameters<typeof list>[2]) =>
        (await list(registry, since, page)).map(({ id }) => id.split("-")[1]);
      expect(await ids(at(0), { limit: 9 })).toEqual(["d", "c", "a"]);
      expect(await ids(at(5), { limit: 9 })).toEqual(["d", "c"]);
      const after = { startedAt: at(6).getTime(), id: nameOf("d") };
      expect(await ids(at(0), { after, limit: 1 })).toEqual(["c"]);

      const prune = () => metadata.transact(({ backfills }) => backfills.prune(at(6), 2));
      while (!(await prune()));
      expect(await find(registry, nameOf("a"))).toBeUndefined();
      expect(await ids(at(0), { limit: 9 })).toEqual(["d", "c"]);
    });
  });
}
