import { createHash } from "node:crypto";
import { createPlanner } from "../../src/domain/lifecycle/planner.ts";
import { checkLifecyclePolicy } from "../../src/domain/lifecycle/policy.ts";
import type { LifecycleImage, LifecyclePlan, LifecyclePolicy } from "../../src/domain/lifecycle/types.ts";
import type { Digest } from "../../src/domain/names.ts";
import { type Bench, Samples } from "../bench.ts";
import { count } from "./seeded-store.ts";

const sizes = [1_000, 10_000, 100_000];
const dayMs = 86_400_000;
/** The moment of every evaluation. */
export const benchNow = Date.UTC(2026, 5, 15);

/** What a busy repository has: releases for ever, branches for a while, what nobody pulls in the archive, the rest for a quarter. */
export function benchPolicy(): LifecyclePolicy {
  const expire = { type: "expire" };
  const tagged = (list: object, how: object) => ({ tagStatus: "tagged", ...list, ...how });
  const days = (countType: string, countNumber: number) => ({ countType, countUnit: "days", countNumber });
  const rules = [
    [tagged({ tagPrefixList: ["release-"] }, { countType: "imageCountMoreThan", countNumber: 500 }), expire],
    [tagged({ tagPatternList: ["*-rc.*", "release-*"] }, days("sinceImagePushed", 30)), expire],
    [tagged({ tagPatternList: ["branch-*-main"] }, days("sinceImagePulled", 90)), "archive"],
    [tagged({ tagPrefixList: ["branch-"] }, days("sinceImagePushed", 14)), expire],
    [{ tagStatus: "untagged", ...days("sinceImagePushed", 7) }, expire],
    [{ tagStatus: "any", ...days("sinceImagePushed", 90) }, expire],
    [{ tagStatus: "any", storageClass: "archive", ...days("sinceImageTransitioned", 365) }, expire],
  ].map(([selection, action], index) => ({
    rulePriority: index + 1,
    selection,
    action: action === "archive" ? { type: "transition", targetStorageClass: "archive" } : action,
  }));
  const checked = checkLifecyclePolicy(JSON.stringify({ rules }));
  if ("problem" in checked) throw new Error(checked.problem.constraint);
  return checked.policy;
}

/** Of ten images: two indexes with two children each, two signatures (one of the old form), and two single images. */
export function* benchImages(size: number): Generator<LifecycleImage> {
  const digestOf = (index: number) => `sha256:${createHash("sha256").update(`image ${index}`).digest("hex")}` as Digest;
  for (let index = 0; index < size; index++) {
    const digest = digestOf(index);
    const kind = index % 10;
    const signed = digestOf(index - (kind === 8 ? 6 : 4));
    const tag = [`release-${index}`, `branch-a-${index}`, `branch-${index}-main`, `adhoc-${index}`][(index / 10) & 3];
    const pushedAt = benchNow - ((index * 7919) % 200) * dayMs - index;
    const archived = index % 50 === 9;
    yield {
      id: index,
      digest,
      pushedAt,
      lastPulledAt: index % 3 === 0 ? pushedAt + dayMs : undefined,
      taggedAt: pushedAt,
      status: archived ? "ARCHIVED" : "ACTIVE",
      archivedAt: archived ? pushedAt + dayMs : undefined,
      tags: kind === 8 ? [`sha256-${signed.slice(7)}.sig`] : [2, 5, 6, 9].includes(kind) ? [tag as string] : [],
      subject: kind === 7 ? digestOf(index - 1) : undefined,
      children: kind === 2 || kind === 5 ? [digestOf(index - 1), digestOf(index - 2)] : [],
      bytes: 50_000_000,
    };
  }
}

/** One evaluation, as storage feeds it: page by page. Answers what is done with how many. */
export function benchLifecycle(policy: LifecyclePolicy, images: readonly LifecycleImage[]): LifecyclePlan {
  const planner = createPlanner(policy, benchNow);
  for (const image of images) planner.add(image);
  const plan = planner.finish();
  let listed = 0;
  for (const _ of plan.preview()) listed++;
  if (listed !== plan.summary.expiring + plan.summary.transitioning) throw new Error("lifecycle: a wrong preview");
  return plan;
}

/** The planner alone, in this process: whole evaluations with their preview, of repositories of three sizes. */
export async function measureLifecycle(bench: Bench): Promise<void> {
  const { rounds, seconds } = bench.options;
  const samples = new Samples();
  const policy = benchPolicy();
  const repositories = sizes.map((size) => [...benchImages(size)]);
  // Round 0 warms up.
  for (let round = 0; round <= rounds; round++) {
    bench.progress(`lifecycle: round ${round} of ${rounds}`);
    for (const images of repositories) {
      const begun = performance.now();
      let runs = 0;
      do {
        benchLifecycle(policy, images);
        runs++;
      } while (performance.now() - begun < (seconds * 1000) / sizes.length);
      const subject = `berth, ${count(images.length)} images`;
      const milliseconds = (performance.now() - begun) / runs;
      if (round === 0) continue;
      samples.add("lifecycle evaluation, ms", subject, milliseconds);
      samples.add("lifecycle evaluation, µs for each image", subject, (milliseconds * 1000) / images.length);
    }
  }
  samples.record(bench);
}
