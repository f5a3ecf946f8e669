import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Granted } from "../../domain/access.ts";
import type { Digest, Registry, RepositoryName, Tag } from "../../domain/names.ts";
import { createHolds } from "../../domain/registry/holds.ts";
import { createImages } from "../../domain/registry/images.ts";
import { createPullTimes } from "../../domain/registry/pull-times.ts";
import { createRepositories } from "../../domain/registry/repositories.ts";
import { createRetention } from "../../domain/registry/retention.ts";
import { createUndelete } from "../../domain/registry/undelete.ts";
import { decisionParts } from "../../domain/testing.ts";
import type { AllMetadata } from "./metadata.ts";

const registry = { account: "000000000000", region: "us-east-1" } as Registry;
const granted = {
  registry,
  caller: { principal: { arn: "arn:aws:iam::000000000000:root" } },
  asksAboutImages: false,
} as Granted;
const index = "application/vnd.oci.image.index.v1+json";
const tag = "v1" as Tag;
const rounds = 25;
const slowMs = 60_000;

/** Who comes second is told so: of holds, protection, deletion and undeletion at once, in a database where there is such a thing. */
export function retentionRaces(
  driver: string,
  open: () => Promise<{ metadata: AllMetadata; dispose(): Promise<void> }>,
) {
  describe(`${driver}: retention of many at once`, () => {
    let opened: Awaited<ReturnType<typeof open>>;
    let metadata: AllMetadata;
    beforeAll(async () => {
      opened = await open();
      metadata = opened.metadata;
    });
    afterAll(() => opened.dispose());

    function services() {
      const clock = () => new Date();
      const parts = { metadata, ...decisionParts(metadata), clock };
      const undeleteMs = 60_000;
      return {
        images: createImages({ ...parts, pullTimes: createPullTimes(parts), undeleteMs }),
        repositories: createRepositories<AllMetadata["read"]>({ ...parts, undeleteMs }),
        holds: createHolds(parts),
        retention: createRetention(parts),
        undelete: createUndelete<AllMetadata["read"]>({ ...parts, everyMs: 60_000 }),
      };
    }
    type Services = ReturnType<typeof services>;

    async function push({ images, repositories }: Services, name: RepositoryName): Promise<Digest> {
      await repositories.create(granted, { name });
      const annotations = { name };
      const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: index, manifests: [], annotations }));
      return (await images.put(granted, name, { manifest, mediaType: index, tags: [tag] })).digest;
    }

    const outcomes = async (...works: Promise<unknown>[]) =>
      (await Promise.allSettled(works)).map(({ status }) => status === "fulfilled");

    /** Runs `round` often, and expects that both ways of meeting were seen or at least nothing else was. */
    async function often(title: string, round: (all: Services, name: RepositoryName) => Promise<void>): Promise<void> {
      for (let number = 0; number < rounds; number++) await round(services(), `${title}/${number}` as RepositoryName);
    }

    test(
      "a hold and the deletion of its image",
      () =>
        often("digest", async (all, name) => {
          const digest = await push(all, name);
          const target = name.endsWith("1") ? { tag } : { digest };
          const [held, deleted] = await outcomes(
            all.holds.put(granted, name, { target, reason: "r" }),
            all.images.deleteImage(granted, name, digest),
          );
          expect(held).toBe(!deleted);
          expect((await all.images.list(granted, name, { tagStatus: "ANY", limit: 9 })).length).toBe(held ? 1 : 0);
        }),
      slowMs,
    );

    test(
      "a hold, or protection, and the deletion of the repository",
      () =>
        often("repository", async (all, name) => {
          const digest = await push(all, name);
          const keeping = name.endsWith("1")
            ? all.retention.protect(granted, name, true)
            : all.holds.put(granted, name, { target: { digest }, reason: "r" });
          const [kept, deleted] = await outcomes(keeping, all.repositories.delete(granted, name, { force: true }));
          expect(kept).toBe(!deleted);
        }),
      slowMs,
    );

    test(
      "two who bring the same image back, and one who pushes its tag elsewhere",
      () =>
        often("undelete", async (all, name) => {
          const digest = await push(all, name);
          await all.images.deleteImage(granted, name, digest);
          const manifest = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType: index, manifests: [] }));
          const undelete = () => all.undelete.undeleteImage(granted, name, digest, { withTags: true });
          const [first, second, pushed] = await outcomes(
            undelete(),
            undelete(),
            all.images.put(granted, name, { manifest, mediaType: index, tags: [tag] }),
          );
          expect([first, second].filter(Boolean).length).toBe(1);
          expect(pushed).toBe(true);
          const images = await all.images.list(granted, name, { tagStatus: "ANY", limit: 9 });
          expect(images.length).toBe(2);
          // The push had the last word, or the tag was taken.
          expect(images.flatMap(({ tags }) => tags)).toEqual([tag]);
          expect((await all.images.describe(granted, name, [{ tag }]))[0]?.digest).not.toBe(digest);
        }),
      slowMs,
    );

    test(
      "a repository that comes back, and one that is made under its name",
      () =>
        often("name", async (all, name) => {
          await push(all, name);
          await all.repositories.delete(granted, name, { force: true });
          const [back, made] = await outcomes(
            all.undelete.undeleteRepository(granted, name),
            all.repositories.create(granted, { name }),
          );
          expect(back).toBe(!made);
        }),
      slowMs,
    );
  });
}
