import { expect, test } from "bun:test";
import { noRetention } from "../../src/domain/lifecycle/ports.ts";
import { digestFor } from "../../src/domain/lifecycle/testing.ts";
import type { RepositoryName, Tag } from "../../src/domain/names.ts";
import { evaluateRepository } from "../../src/domain/registry/lifecycle-evaluation.ts";
import type { LifecycleEvent } from "../../src/domain/registry/lifecycle-events.ts";
import { openPostgres } from "../../src/storage/metadata/postgres.ts";
import { type TestPostgres, withTestPostgres } from "../../src/storage/metadata/test-postgres.ts";
import { account, region } from "../support/berth.ts";
import { lifecycleEveryMs } from "../support/lifecycle.ts";

/** Where transactions are truly at once: evaluations without a lease between them, and pushes that take the same rows. */

const slowMs = 60_000;

await withTestPostgres(postgresTests);

function postgresTests(server: TestPostgres): void {
  test(
    "three evaluations and pushes at once: each image once, and nothing that was pushed is lost",
    async () => {
      await using metadata = await opened(server);
      const { transact, read } = metadata;
      const name = "app" as RepositoryName;
      const settings = { tagMutability: "MUTABLE", exclusionFilters: [], scanOnPush: false } as const;
      const repository = { registry: { account, region }, name, createdAt: new Date(0), ...settings };
      const made = await transact(({ repositories }) =>
        repositories.create({ ...repository, encryption: { type: "AES256" } }, new Map()),
      );
      const id = made?.id ?? 0;
      const push = (image: string, at: number, ...tags: string[]) =>
        transact(async (nouns) => {
          const digest = digestFor(image);
          const put = await nouns.images.put({
            repositoryId: id,
            digest,
            mediaType: "m",
            manifestBytes: 1,
            imageBytes: 1,
            manifest: Uint8Array.of(1),
            layers: [],
            children: [],
            pushedAt: new Date(at),
          });
          for (const tag of tags as Tag[]) {
            await nouns.tags.lock(id, tag);
            await nouns.tags.set(id, tag, { id: put.id, digest }, new Date(at));
          }
          return digest;
        });
      const count = 90;
      for (let number = 0; number < count; number++)
        await push(`old-${number}`, number, `old-${number}`, `moving-${number}`);
      const rules = [
        {
          rulePriority: 1,
          description: "what has another name than these is nobody's affair, be it pushed meanwhile",
          selection: { tagStatus: "tagged", tagPrefixList: ["old-"], countType: "imageCountMoreThan", countNumber: 10 },
          action: { type: "expire" },
        },
      ];
      const text = JSON.stringify({ rules });
      await transact(({ lifecyclePolicies }) =>
        lifecyclePolicies.put(id, { id: "policy", text, setAt: new Date(0), setBy: "arn" }),
      );

      const evaluate = async () => {
        const events: LifecycleEvent[] = [];
        const record = async (event: LifecycleEvent) => void events.push(event);
        const parts = { metadata, retention: noRetention, record, clock: () => new Date(), everyMs: lifecycleEveryMs };
        await evaluateRepository(
          parts,
          { id, account, region, name },
          {
            signal: new AbortController().signal,
            progress: undefined,
            checkpoint: async () => {},
            complete: async () => {},
          },
        );
        return events.flatMap(({ actions }) => actions.map(({ digest }) => digest));
      };
      /** Pushes that take tags away from old images, and old images anew under other names. */
      const pushes = async () => {
        const pushed: string[] = [];
        for (let number = 0; number < 40; number++) {
          pushed.push(await push(`new-${number}`, 1_000 + number, `moving-${number * 2}`, `new-${number}`));
          pushed.push(await push(`old-${number * 2 + 1}`, 1_000 + number, `again-${number}`));
        }
        return pushed;
      };
      const [first, second, third, pushed] = await Promise.all([evaluate(), evaluate(), evaluate(), pushes()]);
      const acted = [...first, ...second, ...third];
      const left = new Map(
        (await read.lifecycleImages.page(id, { limit: 1000 })).map((image) => [image.digest, image]),
      );
      const ends = Map.groupBy(acted, (digest) => digest);
      expect(ends.size).toBe(count - 10);
      // An old image that was pushed again after its end is there again, under a name that no rule selects.
      for (const [digest, times] of ends) {
        if (!pushed.includes(digest)) expect(times).toHaveLength(1);
        if (!pushed.includes(digest)) expect(left.has(digest)).toBe(false);
      }
      for (let number = 0; number < 40; number++) {
        expect(left.get(digestFor(`new-${number}`))?.tags).toEqual([`moving-${number * 2}`, `new-${number}`]);
      }
      for (const { tags, digest } of left.values()) {
        for (const tag of tags) expect((await read.tags.find(id, tag as Tag))?.digest).toBe(digest);
      }
      for (let number = count - 10; number < count; number++) expect(left.has(digestFor(`old-${number}`))).toBe(true);
    },
    slowMs,
  );
}

async function opened(server: TestPostgres) {
  const metadata = await openPostgres({ url: await server.createDatabase() });
  return { ...metadata, [Symbol.asyncDispose]: () => metadata.close() };
}
