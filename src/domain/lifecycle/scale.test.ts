import { heapStats } from "bun:jsc";
import { describe, expect, test } from "bun:test";
import { createHash } from "node:crypto";
import { benchImages, benchNow, benchPolicy } from "../../../bench/parts/lifecycle.ts";
import type { Digest } from "../names.ts";
import { type Columns, createColumns } from "./columns.ts";
import { planLifecycle } from "./planner.ts";
import { createRulebook } from "./rulebook.ts";
import { evaluate } from "./test-oracle.ts";
import { daysAgo, image, now, policyOf } from "./testing.ts";
import type { LifecycleImage } from "./types.ts";

const many = 100_000;
/** Enough for a stack to run over, and for anything quadratic to take minutes. */
const deep = 30_000;

/** Digests that are made as fast as they are read. */
const digests = Array.from({ length: many }, (_, index) => {
  return `sha256:${createHash("sha256").update(`${index}`).digest("hex")}` as Digest;
});

function* images(more: (index: number) => Partial<LifecycleImage>, size = deep): Generator<LifecycleImage> {
  const plain = image("plain 100");
  for (let index = 0; index < size; index++) {
    yield { ...plain, id: index, digest: digests[index] as Digest, ...more(index) };
  }
}

/** What would take minutes if anything were quadratic; the machine may be busy all the same. */
const timeoutMs = 60_000;

test("a busy repository is evaluated as the slow way has it", () => {
  const images = [...benchImages(1000)];
  const plan = planLifecycle(benchPolicy(), images, benchNow);
  const slow = evaluate(benchPolicy(), images, benchNow);
  expect(slow.size).toBeGreaterThan(100);
  expect([...plan.actions()].map(({ digest }) => digest).sort()).toEqual([...slow.keys()].sort() as Digest[]);
  for (const { digest, action, priority, follows } of plan.actions()) {
    expect(slow.get(digest)).toEqual({ action, priority, follows } as never);
  }
});

describe("a hundred thousand images", () => {
  test(
    "are each read once, and no tag is kept",
    () => {
      const tail = "t".repeat(100);
      let reads = 0;
      function* read() {
        for (const one of images(() => ({}), many)) {
          // Ten tags of 108 characters for each image would be some 100 MB.
          const tags = Array.from({ length: 10 }, (_, tag) => `${tag}-${one.id}-${tail}`);
          yield {
            ...one,
            get tags() {
              reads++;
              return tags;
            },
          } as LifecycleImage;
        }
      }
      const sizeOf = () => {
        Bun.gc(true);
        const { heapSize, extraMemorySize } = heapStats();
        return heapSize + extraMemorySize;
      };
      const before = sizeOf();
      const plan = planLifecycle(policyOf(["1: PX 3-, c>10", "2: any, p>365"]), read(), now);
      const grown = sizeOf() - before;
      expect(plan.summary.expiring).toBe(many - 10);
      // Rules look at tags; the number of looks at one image does not grow with the number of images.
      expect(reads).toBeLessThanOrEqual(8 * many);
      expect(grown / many).toBeLessThan(500);
    },
    timeoutMs,
  );
});

describe("thirty thousand images", () => {
  test(
    "in one chain of subjects",
    () => {
      const chain = images((index) => (index === 0 ? {} : { subject: digests[index - 1] }));
      const plan = planLifecycle(policyOf(["1: any, p>60"]), chain, now);
      expect(plan.summary).toMatchObject({ expiring: 1, expiringReferrers: deep - 1 });
      expect([...plan.actions()].at(-1)?.follows).toBeDefined();
    },
    timeoutMs,
  );

  test(
    "that follow one image",
    () => {
      const star = images((index) => (index === 0 ? {} : { subject: digests[0] }));
      const plan = planLifecycle(policyOf(["1: any, p>60, archive"]), star, now);
      expect(plan.summary).toMatchObject({ transitioning: 1, transitioningReferrers: deep - 1 });
      expect([...plan.actions()]).toHaveLength(deep);
    },
    timeoutMs,
  );

  test(
    "that sign each other in a circle",
    () => {
      const circle = images((index) => {
        return { tags: [`sha256-${digests[(index + 1) % deep]?.slice("sha256:".length)}.sig`] };
      });
      expect(planLifecycle(policyOf(["1: any, p>60"]), circle, now).summary).toMatchObject({
        expiring: deep,
        listed: 0,
      });
    },
    timeoutMs,
  );

  test(
    "in one index",
    () => {
      const index = images((number) => (number === 0 ? { children: digests.slice(1, deep), tags: ["v1"] } : {}));
      expect(planLifecycle(policyOf(["1: any, p>60"]), index, now).summary).toMatchObject({
        expiring: 1,
        listed: deep - 1,
      });
    },
    timeoutMs,
  );

  test(
    "in one nest of indexes, of which every one goes with the image that all of them follow",
    () => {
      const nest = images((number) => {
        if (number === 0) return {};
        return { subject: digests[0], children: number + 1 < deep ? [digests[number + 1] as Digest] : [] };
      });
      const plan = planLifecycle(policyOf(["1: any, p>60"]), nest, now);
      expect(plan.summary).toMatchObject({ expiring: 1, expiringReferrers: deep - 1, listed: 0 });
      expect([...plan.actions()].map(({ id }) => id)).toEqual(Array.from({ length: deep }, (_, number) => number));
    },
    timeoutMs,
  );

  test(
    "in one nest of indexes, the outermost of which is held",
    () => {
      const nest = images((number) => {
        if (number === 0) return {};
        return { subject: digests[0], children: number + 1 < deep ? [digests[number + 1] as Digest] : [] };
      });
      const holds = [{ target: { digest: digests[1] as Digest }, reason: "evidence" }];
      const plan = planLifecycle(policyOf(["1: any, p>60"]), nest, now, { holds });
      expect(plan.summary).toMatchObject({ expiring: 1, expiringReferrers: 0, listed: deep - 2 });
    },
    timeoutMs,
  );

  test(
    "pushed at one moment",
    () => {
      const plan = planLifecycle(
        policyOf(["1: any, c>1000"]),
        images(() => ({ pushedAt: daysAgo(1) })),
        now,
      );
      expect(plan.summary.expiring).toBe(deep - 1000);
      const order = [...plan.actions()].map(({ digest }) => digest);
      expect(order).toEqual(
        digests
          .slice(0, deep)
          .sort()
          .slice(0, deep - 1000),
      );
    },
    timeoutMs,
  );
});

test("a repository of more than anybody has is refused before it takes all memory", () => {
  const { read } = createRulebook(policyOf(["1: any, c>1"]), {});
  const add = (columns: Columns, text: string) => columns.add(image(text), read(image(text), now), undefined);
  const images = createColumns({ images: 2, references: 9 });
  add(images, "A 1 of=elsewhere");
  add(images, "B 1");
  add(images, "B 1");
  expect(() => add(images, "C 1")).toThrow("more than 2 images");
  const references = createColumns({ images: 9, references: 2 });
  add(references, "A 1 lists=x,y");
  expect(() => add(references, "B 1 lists=z")).toThrow("more than 2 references of indexes");
});
