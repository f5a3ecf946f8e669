import { expect, test } from "bun:test";
import { createRandom, type Random } from "../../../test/support/random.ts";
import { diffPlans } from "./diff.ts";
import { noPolicy, planLifecycle } from "./planner.ts";
import { evaluate } from "./test-oracle.ts";
import { daysAgo, image, now, policyOf } from "./testing.ts";
import type { Hold, LifecycleImage, LifecyclePlan, LifecyclePolicy, RetainRule } from "./types.ts";

const rounds = 150;
const stems = ["prod", "dev", "v1", "v2", "nightly"];
const patterns = ["prod*", "dev*", "v*", "*1*", "*-1", "nightly-*", "*", "p*d-*", "v1-2"];

/** Policies that ECR takes, of one to six rules. */
function randomPolicy(random: Random, options: { readonly counts?: readonly string[] } = {}): LifecyclePolicy {
  const counts = options.counts ?? ["c", "p", "l"];
  const rules: string[] = [];
  let priority = 0;
  const next = () => {
    priority += 1 + random.below(3);
    return priority;
  };
  const how = () => {
    const letter = random.pick(counts);
    const number = letter === "c" ? 1 + random.below(4) : 1 + random.below(60);
    return `${letter}>${number}${letter === "l" || random.chance(0.3) ? ", archive" : ""}`;
  };
  const lists = new Set<string>();
  while (lists.size < random.below(4)) {
    const several = random.chance(0.25) ? `+${random.pick(patterns)}` : "";
    lists.add(random.chance(0.5) ? `PX ${random.pick(stems)}` : `PP ${random.pick(patterns)}${several}`);
  }
  const same = new Set<string>();
  for (const list of lists) {
    // A list that says the same twice, or in another order, is the same list.
    const key = [...new Set(list.slice(3).split("+"))].sort().join("+") + list.slice(0, 2);
    if (!same.has(key)) rules.push(`${next()}: ${list}, ${how()}`);
    same.add(key);
  }
  if (random.chance(0.5)) rules.splice(random.below(rules.length + 1), 0, `${next()}: untagged, ${how()}`);
  if (random.chance(0.3)) rules.push(`${next()}: archived any, t>${90 + random.below(100)}`);
  if (random.chance(0.6) || rules.length === 0) rules.push(`${next()}: any, ${how()}`);
  return policyOf(rules);
}

/** What may be in a repository; `plain` leaves out what refers to something. */
function randomImages(random: Random, { plain = false, least = 0 } = {}): LifecycleImage[] {
  const names = Array.from({ length: least + random.below(24) }, (_, index) => `i${index}`);
  return names.map((name, index) => {
    const tags = stems.filter(() => random.chance(0.25)).map((stem) => `${stem}-${index}`);
    const words = [`${random.chance(0.2) ? 20 : random.below(400) / 4}`];
    if (random.chance(0.3)) words.push(`pulled=${random.below(80)}`);
    if (random.chance(0.2)) words.push(`archived=${random.below(300)}`);
    else if (random.chance(0.05)) words.push("archive");
    if (random.chance(0.1)) words.push(`restored=${random.below(40)}`);
    if (random.chance(0.05)) words.push("activating");
    const older = names.slice(0, index);
    if (!plain && older.length > 0) {
      if (random.chance(0.2)) words.push(`lists=${[random.pick(older), random.pick(older)].join(",")}`);
      if (random.chance(0.2)) words.push(`of=${random.pick([...older, "elsewhere"])}`);
      if (random.chance(0.1)) tags.splice(0, random.chance(0.8) ? 9 : 0, `sha256-{${random.pick(names)}}.sig`);
    }
    return image(`${name}[${tags.join(",")}] ${words.join(" ")}`, index + 1);
  });
}

function acting(plan: LifecyclePlan): Map<string, string> {
  return new Map(
    [...plan.actions()].map(({ digest, action, priority, follows }) => {
      return [digest, [action, priority, follows].filter((word) => word !== undefined).join(" ")];
    }),
  );
}

/** A referrer that is only to join its subject in the archive may be deleted with it as well. */
function expectNoLess(plan: ReadonlyMap<string, string>, digest: string, what: string) {
  if (what.startsWith("transition sha256:")) expect(plan.has(digest)).toBe(true);
  else expect(plan.get(digest)).toBe(what);
}

function property(name: string, check: (random: Random) => void) {
  test(name, () => {
    for (let round = 0; round < rounds; round++) {
      const seed = `${name} ${round}`;
      try {
        check(createRandom(seed));
      } catch (error) {
        throw new Error(`with the seed "${seed}": ${(error as Error).message}`, { cause: error });
      }
    }
  });
}

property("the plan is what the reference says, worked out the slow way", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const slow = [...evaluate(policy, images, now)].map(([digest, { action, priority, follows }]) => {
    return [digest, [action, priority, follows].filter((word) => word !== undefined).join(" ")] as const;
  });
  const plan = acting(planLifecycle(policy, images, now));
  expect(Object.fromEntries(plan)).toEqual(Object.fromEntries(slow));
});

property("the order in which images are read changes nothing, not even the order of actions", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const shuffled = images.map((one) => [random.below(1e6), one] as const).sort(([one], [other]) => one - other);
  const plans = [images, shuffled.map(([, one]) => one)].map((list) => planLifecycle(policy, list, now));
  const [one, other] = plans.map((plan) => [...acting(plan)]);
  expect(other).toEqual(one as typeof other & {});
  const [all, others] = plans.map((plan) => [...plan.decisions()].map(({ digest, reason }) => [digest, reason.code]));
  expect(others).toEqual(all as typeof others & {});
});

property("an image is acted on once at the most, by the first rule that selects it, oldest first", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const plan = planLifecycle(policy, images, now);
  const actions = [...plan.actions()];
  expect(new Set(actions.map(({ digest }) => digest)).size).toBe(actions.length);
  const led = actions.filter(({ follows }) => follows === undefined).map(({ orderedBy }) => orderedBy);
  expect(led).toEqual([...led].sort((one, other) => one - other));
  for (const { digest, priority, follows } of actions) {
    if (follows !== undefined) continue;
    const only = images.filter((one) => one.digest === digest);
    for (const rule of policy.rules) {
      if (rule.priority === priority) break;
      // Had an earlier rule selected it, it would have counted it.
      const { summary } = planLifecycle({ text: "", rules: [rule] }, only, now);
      expect(summary.rules[0]?.selected).toBe(0);
    }
  }
});

property("what is retained or held stays, and nothing else that goes is changed by it", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const before = acting(planLifecycle(policy, images, now));
  const keep = random.pick([
    { kind: "all" },
    { kind: "newest", count: 1 + random.below(3) },
    { kind: "pulledWithinDays", days: 1 + random.below(60) },
  ] as const);
  const selection = { tagStatus: "tagged", tagPatternList: [random.pick(patterns)], storageClass: "any" } as const;
  const retain: RetainRule[] = [{ name: "some", selection, keep }];
  const holds: Hold[] = images
    .filter(() => random.chance(0.1))
    .map(({ digest }) => ({ target: { digest }, reason: "asked for" }));
  const plan = planLifecycle(policy, images, now, { retain, holds });
  const after = acting(plan);
  for (const [digest, what] of after) expectNoLess(before, digest, what);
  for (const { digest, action, reason } of plan.decisions()) {
    if (holds.some(({ target }) => "digest" in target && target.digest === digest)) expect(action).toBe("keep");
    if (action === "keep" && before.has(digest)) {
      expect(["held", "retained", "referrer", "listed", "subject"]).toContain(reason.code);
    }
  }
});

property("what a new image does to older ones is never to save them, if it refers to none", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const before = acting(planLifecycle(policy, images, now));
  const tags = stems.filter(() => random.chance(0.5)).map((stem) => `${stem}-new`);
  const newer = image(`new[${tags.join(",")}] ${random.chance(0.5) ? 0 : -1}`, 1000);
  const after = acting(planLifecycle(policy, [...images, newer], now));
  for (const [digest, what] of before) expect(after.get(digest)).toBe(what);
});

property("time alone saves nobody from rules that count days", (random) => {
  const [policy, images] = [randomPolicy(random, { counts: ["p", "l"] }), randomImages(random)];
  const before = acting(planLifecycle(policy, images, now));
  const after = acting(planLifecycle(policy, images, now + random.below(50) * 86_400_000));
  for (const digest of before.keys()) expect(after.has(digest)).toBe(true);
});

property("a child of an index that stays is not deleted, and is not archived before the index", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const plan = planLifecycle(policy, images, now);
  for (const index of images) {
    for (const child of index.children) {
      const [above, below] = [plan.decision(index.digest)?.action, plan.decision(child)?.action];
      if (below === "expire") expect(above).toBe("expire");
      if (below === "transition" && above === "keep") expect(index.status).toBe("ARCHIVED");
    }
  }
  // Whoever acts in this order never meets an index that is still there.
  const done = new Set<string>();
  for (const { digest, action } of plan.actions()) {
    const above = images.filter(({ children }) => children.includes(digest));
    for (const { digest: parent } of action === "expire" ? above : []) expect(done.has(parent)).toBe(true);
    done.add(digest);
  }
});

property("a referrer never goes further than its subject", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const plan = planLifecycle(policy, images, now);
  for (const { digest, action, follows } of plan.actions()) {
    if (follows === undefined) continue;
    const subject = plan.decision(follows);
    if (action === "expire") expect(subject?.action).toBe("expire");
    else expect(subject?.action === "keep" ? subject.status : "ARCHIVED").toBe("ARCHIVED");
    expect(plan.decision(digest)?.reason.code).toBe("subject");
  }
});

/** The repository when a plan was carried out. */
function carriedOut(images: readonly LifecycleImage[], plan: LifecyclePlan): LifecycleImage[] {
  return images.flatMap((one): LifecycleImage[] => {
    switch (plan.decision(one.digest)?.action) {
      case "expire":
        return [];
      case "transition":
        return [{ ...one, status: "ARCHIVED", archivedAt: now }];
      default:
        return [one];
    }
  });
}

property("once it is carried out, there is nothing left to do", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random, { plain: true })];
  const after = carriedOut(images, planLifecycle(policy, images, now));
  expect([...planLifecycle(policy, after, now).actions()]).toEqual([]);
});

property("with indexes and referrers, what is left to do comes to an end", (random) => {
  const policy = randomPolicy(random);
  let images = randomImages(random);
  // Each run does something, until one has nothing to do: at most one for each level of nesting.
  for (let run = 0; ; run++) {
    const plan = planLifecycle(policy, images, now);
    if ([...plan.actions()].length === 0) break;
    expect(run).toBeLessThan(images.length + 30);
    images = carriedOut(images, plan);
  }
  expect(planLifecycle(policy, images, now).summary).toMatchObject({ expiring: 0, transitioning: 0 });
});

property("a run that stops anywhere leaves what the next one finishes", (random) => {
  const [policy, images] = [randomPolicy(random, { counts: ["p"] }), randomImages(random, { plain: true })];
  const plan = planLifecycle(policy, images, now);
  const all = [...plan.actions()];
  const done = new Set(all.slice(0, random.below(all.length + 1)).map(({ digest }) => digest));
  const half = images.filter(({ digest }) => !done.has(digest) || plan.decision(digest)?.action !== "expire");
  const rest = acting(planLifecycle(policy, half, now));
  for (const { digest, action } of all)
    if (action === "expire" && !done.has(digest)) expect(rest.has(digest)).toBe(true);
});

property("a rule behind all others takes nothing from them", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const fewer = { ...policy, rules: policy.rules.slice(0, -1) };
  const [less, more] = [fewer, policy].map((one) => acting(planLifecycle(one, images, now)));
  for (const [digest, what] of less ?? []) expectNoLess(more ?? new Map(), digest, what);
});

property("who keeps more loses fewer", (random) => {
  const images = randomImages(random);
  const count = 1 + random.below(4);
  const [less, more] = [count, count + 1].map((number) => {
    return acting(planLifecycle(policyOf([`1: any, c>${number}`]), images, now));
  });
  for (const digest of more?.keys() ?? []) expect(less?.has(digest)).toBe(true);
  for (const [days, longer] of [[10, 20]]) {
    const [young, old] = [days, longer].map((age) =>
      acting(planLifecycle(policyOf([`1: any, p>${age}`]), images, now)),
    );
    for (const digest of old?.keys() ?? []) expect(young?.has(digest)).toBe(true);
  }
});

property("sums are the sums of what is listed", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const plan = planLifecycle(policy, images, now);
  const actions = [...plan.actions()];
  const count = (action: string, led: boolean) =>
    actions.filter((one) => one.action === action && (one.follows === undefined) === led).length;
  expect(plan.summary).toMatchObject({
    expiring: count("expire", true),
    transitioning: count("transition", true),
    expiringReferrers: count("expire", false),
    transitioningReferrers: count("transition", false),
    expiringBytes: actions.filter(({ action }) => action === "expire").reduce((sum, { bytes }) => sum + bytes, 0),
  });
  expect(plan.summary.rules.reduce((sum, { acting: some }) => sum + some, 0)).toBe([...plan.preview()].length);
  expect([...plan.decisions()]).toHaveLength(images.length);
});

property("a policy differs from itself in nothing, and from none in all that it does", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random, { plain: true })];
  const plan = planLifecycle(policy, images, now);
  expect([...diffPlans(plan, planLifecycle(policy, images, now))]).toEqual([]);
  const changes = [...diffPlans(planLifecycle(noPolicy, images, now), plan)];
  expect(changes.map(({ digest }) => digest).sort()).toEqual(
    [...acting(plan).keys()].sort() as (typeof changes)[number]["digest"][],
  );
});

property("what is pulled, pushed or held after it was planned, stays", (random) => {
  const [policy, images] = [randomPolicy(random), randomImages(random)];
  const plan = planLifecycle(policy, images, now);
  for (const { digest, reason } of plan.actions()) {
    const one = images.find((some) => some.digest === digest) as LifecycleImage;
    expect(plan.stands(one, now + 1000)).toBe(true);
    expect(plan.stands({ ...one, id: one.id + 1 }, now)).toBe(false);
    expect(plan.stands(one, now, [{ target: { digest }, reason: "just now" }])).toBe(false);
    expect(plan.stands({ ...one, status: "ACTIVATING" }, now)).toBe(false);
    if (reason.code === "count" || (reason.code === "age" && reason.measure !== "archived")) {
      expect(plan.stands({ ...one, pushedAt: now, activatedAt: undefined, lastPulledAt: now }, now)).toBe(false);
    }
    if (reason.code === "age" && reason.measure === "pulled") {
      expect(plan.stands({ ...one, lastPulledAt: daysAgo(0) }, now)).toBe(false);
    }
  }
  for (const { digest, action } of plan.decisions()) {
    const one = images.find((some) => some.digest === digest) as LifecycleImage;
    if (action === "keep") expect(plan.stands(one, now)).toBe(false);
  }
});
