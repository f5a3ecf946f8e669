import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { AccountId, Digest, Region, RepositoryName } from "../../domain/names.ts";
import type { Generation } from "../../domain/registry/ports.ts";
import { noFigures } from "../../domain/registry/usage-count.ts";
import type { LinkKey, UsageArea } from "../../domain/registry/usage-ports.ts";
import type { AllMetadata } from "./metadata.ts";

const now = new Date(Date.UTC(2026, 0, 1));
const registry = { account: "700000000001" as AccountId, region: "eu-west-1" as Region };
const repository = (name: string) => name as RepositoryName;
const area = (name: string): UsageArea => ({ ...registry, repository: repository(name) });
const digest = (number: number) => `sha256:${number.toString(16).padStart(60, "0")}beef` as Digest;

/** What every database keeps of measurements, and how it is walked for them. */
export function usageContract(name: string, open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>) {
  describe(`usage in ${name}`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let metadata: AllMetadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    const begin = (day: string) => metadata.transact(({ usage }) => usage.begin(day, now));
    const add = (run: number, name: string, layerBytes: number) =>
      metadata.transact(({ usage }) => usage.add(run, [{ area: area(name), figures: { ...noFigures, layerBytes } }]));
    const finish = (run: number, at = now) => metadata.transact(({ usage }) => usage.finish(run, at));
    const drop = async (run: number) => {
      let turns = 1;
      while (!(await metadata.transact(({ usage }) => usage.drop(run, 2)))) turns++;
      return turns;
    };

    test("sums are added to what is there, and count when the run is finished", async () => {
      const run = await begin("2026-02-01");
      await add(run, "a", 5);
      await add(run, "a", 2 ** 50);
      expect((await metadata.read.usage.newest())?.id).not.toBe(run);
      await finish(run);
      expect(await metadata.read.usage.newest()).toEqual({ id: run, day: "2026-02-01", finishedAt: now });
      expect(await metadata.read.usage.entry(run, area("a"))).toEqual({ ...noFigures, layerBytes: 2 ** 50 + 5 });
      expect(await metadata.read.usage.entry(run, area("b"))).toBeUndefined();
      await drop(run);
      expect(await metadata.read.usage.entry(run, area("a"))).toBeUndefined();
    });

    test("many are added in one go, listed by size in pages, and dropped in turns", async () => {
      const run = await begin("2026-02-01");
      const entries = Array.from({ length: 450 }, (_, number) => ({
        area: area(`r${String(number).padStart(3, "0")}`),
        figures: { ...noFigures, layerBytes: Math.floor(number / 3) },
      }));
      await metadata.transact(({ usage }) => usage.add(run, [...entries, { area: area(""), figures: noFigures }]));
      const list = (after?: { layerBytes: number; repository: RepositoryName }) =>
        metadata.read.usage.list(run, registry, { after, limit: 2 });
      const names = (page: Awaited<ReturnType<typeof list>>) => page.map((entry) => entry.area.repository as string);
      expect(names(await list())).toEqual(["r449", "r448"]);
      expect(names(await list({ layerBytes: 149, repository: repository("r448") }))).toEqual(["r447", "r446"]);
      expect(names(await list({ layerBytes: 0, repository: repository("r001") }))).toEqual(["r000"]);
      expect((await metadata.read.usage.areas(run, 9)).map((entry) => entry.area)).toEqual([area("")]);
      expect(await drop(run)).toBeGreaterThan(200);
    });

    test("history has the newest run of each day, and what is outdated is told", async () => {
      const days = ["2026-03-01", "2026-03-01", "2026-03-02", "2026-03-03"];
      const runs: number[] = [];
      for (const [index, day] of days.entries()) {
        const run = await begin(day);
        await add(run, "h", index);
        if (index !== 2) await finish(run, new Date(now.getTime() + index));
        runs.push(run);
      }
      const history = async (after?: string) =>
        (await metadata.read.usage.history(area("h"), { after, limit: 9 })).map(
          ({ day, measuredAt, figures }) => `${day} ${measuredAt.getTime() - now.getTime()} ${figures.layerBytes}`,
        );
      expect(await history()).toEqual(["2026-03-03 3 3", "2026-03-01 1 1"]);
      expect(await history("2026-03-03")).toEqual(["2026-03-01 1 1"]);
      const outdated = async (index: number, before?: string) =>
        (await metadata.read.usage.outdated(runs[index] ?? 0, before, 9)).map((run) => runs.indexOf(run));
      expect(await outdated(1)).toEqual([0]);
      expect(await outdated(3)).toEqual([2]);
      expect(await outdated(3, "2026-03-02")).toEqual([0, 1, 2]);
      for (const run of runs) await drop(run);
    });

    test("links are walked blob by blob, with whose they are and whether an image needs them", async () => {
      const repositories = await metadata.transact(async (nouns) => {
        const made: number[] = [];
        for (const name of ["walk/a", "walk/b"]) {
          const facts = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
          const encryption = { type: "AES256" } as const;
          const found = await nouns.repositories.create(
            { registry, name: repository(name), createdAt: now, encryption, ...facts },
            new Map(),
          );
          if (!found) throw new Error("the name is taken");
          made.push(found.id);
          for (const number of [1, 2]) {
            const blob = { digest: digest(number), generation: "g" as Generation, sizeBytes: number };
            await nouns.layers.link({ id: found.id, encryption }, blob, now);
          }
        }
        const image = await nouns.images.put({
          repositoryId: made[0] ?? 0,
          digest: digest(9),
          mediaType: "m",
          manifestBytes: 7,
          imageBytes: 1,
          manifest: Uint8Array.of(1),
          layers: [{ digest: digest(1), mediaType: "l" }],
          children: [],
          pushedAt: now,
        });
        await nouns.images.setStatus([image.id], "ARCHIVED", now);
        return made;
      });
      const [a = 0, b = 0] = repositories;
      const walked: string[] = [];
      for (let after: LinkKey | undefined; ; ) {
        const [link] = await metadata.read.usage.links({ after, limit: 1 });
        if (!link) break;
        after = link;
        if (!repositories.includes(link.repositoryId)) continue;
        walked.push(`${link.sizeBytes} ${link.area?.repository} ${link.status}`);
      }
      expect(walked).toEqual(["1 walk/a ARCHIVED", "1 walk/b undefined", "2 walk/a undefined", "2 walk/b undefined"]);
      expect((await metadata.read.usage.repositories({ after: a - 1, limit: 2 })).map(({ id }) => id)).toEqual([a, b]);
      const images = await metadata.read.usage.images({ limit: 1_000 });
      expect(images.find((image) => image.area?.repository === "walk/a")).toMatchObject({
        status: "ARCHIVED",
        isTagged: false,
        manifestBytes: 7,
      });
      expect(await metadata.read.usage.liveImages(a, { limit: 9 })).toEqual([
        { digest: digest(9), status: "ARCHIVED", isTagged: false, manifestBytes: 7 },
      ]);
      const live = (id: number, after?: Digest) => metadata.read.usage.liveLinks(registry, id, { after, limit: 9 });
      expect(await live(a, digest(1))).toEqual([
        { digest: digest(2), sizeBytes: 2, status: undefined, isShared: false },
      ]);
      expect(await live(b)).toMatchObject([{ isShared: true }, { isShared: false }]);

      await metadata.transact(({ repositories }) => repositories.delete(a));
      expect((await metadata.read.usage.repositories({ after: a - 1, limit: 9 })).map(({ id }) => id)).not.toContain(a);
      const links = await metadata.read.usage.links({ limit: 1_000 });
      expect(links.filter(({ repositoryId }) => repositoryId === a).map((link) => link.area)).toEqual([
        undefined,
        undefined,
      ]);
    });

    test("blobs in the queue for garbage are walked, and whether any link names them", async () => {
      const mine = await metadata.transact(async (nouns) => {
        const facts = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
        const encryption = { type: "AES256" } as const;
        const found = await nouns.repositories.create(
          { registry, name: repository("walk/gone"), createdAt: now, encryption, ...facts },
          new Map(),
        );
        const target = { id: found?.id ?? 0, encryption };
        for (const number of [101, 102]) {
          const blob = { digest: digest(number), generation: "g" as Generation, sizeBytes: number };
          await nouns.layers.link(target, blob, now);
          await nouns.layers.unlink(target.id, digest(number), now);
        }
        return [digest(101), digest(102)];
      });
      const walked = await metadata.read.usage.unlinked({ limit: 1_000 });
      const found = walked.filter((blob) => mine.includes(blob.digest));
      expect(found.map(({ sizeBytes, isLinked }) => [sizeBytes, isLinked])).toEqual([
        [101, false],
        [102, false],
      ]);
      const behind = await metadata.read.usage.unlinked({ after: found[0], limit: 1_000 });
      expect(behind.some((blob) => blob.digest === mine[0])).toBe(false);
      expect(behind.some((blob) => blob.digest === mine[1])).toBe(true);
    });
  });
}
