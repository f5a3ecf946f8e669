import { expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { createRandom } from "../../../test/support/random.ts";
import { planLifecycle } from "./planner.ts";
import { actionText, type HoldText, holdOf, imagesOf, now, policyOf, reasonText } from "./testing.ts";
import type { LifecycleOptions, LifecyclePlan } from "./types.ts";

/** A whole evaluation: what is there, what is asked, and everything that is done, in order. testing.ts has the short forms. */
interface Case {
  readonly name: string;
  readonly images: readonly string[];
  readonly rules: readonly string[];
  readonly options?: Omit<LifecycleOptions, "holds"> & { readonly holds?: readonly HoldText[] };
  readonly acts: readonly string[];
  /** By image; for acting and for keeping. */
  readonly because?: Readonly<Record<string, string>>;
  /** What GetLifecyclePolicyPreview lists, where that is another list or order than `acts` without what follows. */
  readonly preview?: readonly string[];
}

const folder = join(import.meta.dir, "cases");
const cases = readdirSync(folder)
  .filter((file) => file !== "refusals.json")
  .sort()
  .flatMap((file) => {
    const list = JSON.parse(readFileSync(join(folder, file), "utf8")) as Case[];
    return list.map((one): [string, Case] => [`${file.replace(".json", "")}: ${one.name}`, one]);
  });

function optionsOf({ options = {} }: Case): LifecycleOptions {
  return { ...options, holds: options.holds?.map(holdOf) };
}

for (const [name, one] of cases) {
  test(name, () => {
    const { images, names } = imagesOf(one.images);
    const run = (list: typeof images) => planLifecycle(policyOf(one.rules), list, now, optionsOf(one));
    const acts = (plan: LifecyclePlan) => [...plan.actions()].map((decision) => actionText(decision, names));
    const plan = run(images);
    expect(acts(plan)).toEqual([...one.acts]);

    const because = [...plan.decisions()].map(({ digest, reason }) => [names.get(digest), reasonText(reason, names)]);
    expect(Object.fromEntries(because)).toMatchObject(one.because ?? {});

    const preview = [...plan.preview()].map((decision) => actionText(decision, names));
    expect(preview).toEqual([...(one.preview ?? one.acts.filter((text) => !text.includes(" with ")))]);
    expect(plan.summary.expiring + plan.summary.transitioning).toBe(preview.length);

    // What is found does not depend on the order in which images are read.
    const random = createRandom(name);
    const shuffled = [...images].sort(() => random.below(3) - 1);
    for (const list of [[...images].reverse(), shuffled]) expect(acts(run(list))).toEqual([...one.acts]);

    // What was planned stands for images that have not changed.
    for (const decision of plan.actions()) {
      const same = images.find(({ digest }) => digest === decision.digest);
      expect(same && plan.stands(same, now)).toBe(true);
    }
  });
}

test("there are many cases, and each has a name of its own", () => {
  expect(cases.length).toBeGreaterThanOrEqual(200);
  expect(new Set(cases.map(([name]) => name)).size).toBe(cases.length);
});
