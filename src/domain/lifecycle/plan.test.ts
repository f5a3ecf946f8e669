import { describe, expect, test } from "bun:test";
import { diffPlans } from "./diff.ts";
import { noPolicy, planLifecycle } from "./planner.ts";
import { previewEntry, previewSummary } from "./preview.ts";
import { explainReason } from "./reasons.ts";
import { daysAgo, digestFor, image, imagesOf, now, policyOf } from "./testing.ts";
import type { LifecycleOptions, RetainRule } from "./types.ts";

const policy = policyOf(["1: PX prod, c>1", "2: PX dev, l>14, archive", "3: any, p>30", "4: archived any, t>90"]);

/** The sentence for the image named `A`. */
function sentence(texts: readonly string[], options: LifecycleOptions = {}, rules = policy): string {
  const reason = planLifecycle(rules, imagesOf(texts).images, now, options).decision(digestFor("A"))?.reason;
  if (!reason) throw new Error("there is no A");
  return explainReason(reason, now);
}

describe("reasons in words", () => {
  const all: RetainRule = { name: "all", selection: { tagStatus: "any", storageClass: "any" }, keep: { kind: "all" } };
  const held = { target: { digest: digestFor("A") }, reason: "audit of 2026" };
  const sentences: readonly [string, string][] = [
    [
      sentence(["A[prod-1] 9", "B[prod-2] 8"]),
      "Rule 1 keeps the newest 1 of the images that it selects, and this is number 2.",
    ],
    [
      sentence(["A[prod-1] 90"]),
      "It is number 1 of the newest 1 that rule 1 keeps; rule 3 would act on it, but may not touch what rule 1 selects.",
    ],
    [sentence(["A 31.55"]), "It was pushed 31.5 days ago, more than the 30 days of rule 3."],
    [sentence(["A[dev-1] 99 pulled=15"]), "It was last pulled 15 days ago, more than the 14 days of rule 2."],
    [
      sentence(["A 300 archived=99 restored=31"]),
      "It was restored from the archive 31 days ago, more than the 30 days of rule 3.",
    ],
    [sentence(["A 300 archived=99"]), "It was archived 99 days ago, more than the 90 days of rule 4."],
    [
      sentence(["A[x] 99 tagged=31"], { ageFrom: "lastTagged" }),
      "It was last tagged 31 days ago, more than the 30 days of rule 3.",
    ],
    [sentence(["A 29.99"]), "It was pushed 29.9 days ago, not more than the 30 days of rule 3."],
    [sentence(["A 1"], {}, policyOf(["1: any, p>1"])), "It was pushed 1 day ago, not more than the 1 day of rule 1."],
    [sentence(["A 300 archive"]), "Nobody knows since when it is in the archive, so that rule 4 cannot tell its age."],
    [sentence(["A 90"], { retain: [all] }), 'The retain rule "all" keeps it.'],
    [sentence(["A 90"], { holds: [held] }), "It is held: audit of 2026"],
    [
      sentence(["A 90"], { holds: [{ ...held, until: Date.UTC(2027, 0, 1) }] }),
      "It is held until 2027-01-01T00:00:00.000Z: audit of 2026",
    ],
    [sentence(["A 90"], {}, policyOf(["1: PX prod, c>1"])), "No rule selects it."],
    [sentence(["A 90 activating"]), "It is being restored from the archive."],
    [sentence(["L[x] 1 lists=A", "A 90"]), `Rule 3 would act on it, but an index lists it: ${digestFor("L")}.`],
    [
      sentence(["S[x] 200 archived=1", "L[y] 1 lists=A", "A 90 of=S"]),
      `It would be archived with what it refers to, but an index lists it: ${digestFor("L")}.`,
    ],
    [sentence(["S[x] 1", "A 90 of=S"]), `It refers to ${digestFor("S")}, with which it stays.`],
    [sentence(["S[x] 90", "A 1 of=S"]), `It goes with ${digestFor("S")}, to which it refers and on which rule 3 acts.`],
    [sentence(["S[x] 200 archived=1", "A 1 of=S"]), `It goes where ${digestFor("S")} is, to which it refers.`],
    [
      sentence(["S[x] 200 archived=91", "A 1 archived=1 of=S"]),
      "What it refers to is about to go, but nothing leaves the archive before 90 days.",
    ],
  ];
  for (const [found, wanted] of sentences) test(wanted, () => expect(found).toBe(wanted));
});

describe("what a preview shows", () => {
  test("images that rules act on, oldest push first, with ECR's words", () => {
    const { images } = imagesOf(["A[a,b] 40", "s 1 of=A", "B[dev-1] 50", "C[c] 400 archived=100", "D[d] 1"]);
    const plan = planLifecycle(policy, images, now);
    const tagsOf = (id: number) => images.find((one) => one.id === id)?.tags ?? [];
    expect([...plan.preview()].map((decision) => previewEntry(decision, tagsOf(decision.id)))).toEqual([
      {
        imageTags: ["c"],
        imageDigest: digestFor("C"),
        imagePushedAt: daysAgo(400),
        action: { type: "EXPIRE" },
        appliedRulePriority: 4,
        storageClass: "ARCHIVE",
      },
      {
        imageTags: ["dev-1"],
        imageDigest: digestFor("B"),
        imagePushedAt: daysAgo(50),
        action: { type: "TRANSITION", targetStorageClass: "ARCHIVE" },
        appliedRulePriority: 2,
        storageClass: "STANDARD",
      },
      {
        imageTags: ["a", "b"],
        imageDigest: digestFor("A"),
        imagePushedAt: daysAgo(40),
        action: { type: "EXPIRE" },
        appliedRulePriority: 3,
        storageClass: "STANDARD",
      },
    ]);
    expect(previewSummary(plan.summary)).toEqual({
      expiringImageTotalCount: 2,
      transitioningImageTotalCounts: [{ targetStorageClass: "ARCHIVE", imageTotalCount: 1 }],
    });
  });

  test("nothing moves, nothing is said of it", () => {
    const { summary } = planLifecycle(policy, [image("A 1")], now);
    expect(previewSummary(summary)).toEqual({ expiringImageTotalCount: 0 });
  });

  test("what each rule selects and takes, with sizes", () => {
    const { images } = imagesOf(["A[prod-1] 40 bytes=7", "B[prod-2] 30", "C[x] 99 bytes=5", "s 1 of=C bytes=2", "D 2"]);
    expect(planLifecycle(policy, images, now).summary).toEqual({
      expiring: 2,
      transitioning: 0,
      expiringReferrers: 1,
      transitioningReferrers: 0,
      expiringBytes: 14,
      transitioningBytes: 0,
      listed: 0,
      rules: [
        { priority: 1, action: "expire", selected: 2, acting: 1 },
        { priority: 2, action: "transition", selected: 0, acting: 0 },
        { priority: 3, action: "expire", selected: 4, acting: 1 },
        { priority: 4, action: "expire", selected: 0, acting: 0 },
      ],
    });
  });
});

describe("a new policy against the one that is there", () => {
  const { images, names } = imagesOf(["A[prod-1] 90", "B[dev-1] 20", "C 40", "s 1 of=C"]);
  const before = planLifecycle(policyOf(["1: any, p>30"]), images, now);
  const texts = (list: ReturnType<typeof diffPlans>) =>
    [...list].map((change) => [names.get(change.digest), change.before?.action, change.after?.action]);

  test("names what would be done otherwise, and nothing else", () => {
    const after = planLifecycle(policyOf(["1: PX prod, c>1", "2: PX dev, p>10, archive", "3: any, p>30"]), images, now);
    expect(texts(diffPlans(before, after))).toEqual([
      ["A", "expire", "keep"],
      ["C", "expire", "expire"],
      ["B", "keep", "transition"],
      ["s", "expire", "expire"],
    ]);
    const [change] = diffPlans(before, after);
    expect(change?.after?.reason.code).toBe("within-count");
  });

  test("none is as one that keeps everything", () => {
    expect(texts(diffPlans(before, planLifecycle(noPolicy, images, now)))).toEqual([
      ["A", "expire", "keep"],
      ["C", "expire", "keep"],
      ["s", "expire", "keep"],
    ]);
  });

  test("images that only one of them saw", () => {
    const fewer = planLifecycle(policyOf(["1: any, p>30"]), images.slice(1), now);
    expect(texts(diffPlans(before, fewer))).toEqual([["A", "expire", undefined]]);
    expect(texts(diffPlans(fewer, before))).toEqual([["A", undefined, "expire"]]);
  });
});

describe("a decision, asked again before it is carried out", () => {
  const rules = policyOf(["1: PX prod, c>1", "2: PX dev, l>14, archive", "3: any, p>30"]);
  const { images } = imagesOf(["A[prod-1] 9", "B[prod-2] 8", "C[dev-1] 99", "D 99", "s 1 of=D", "E 300 archived=200"]);
  const [a, , c, d, s] = images as [
    (typeof images)[0],
    unknown,
    (typeof images)[0],
    (typeof images)[0],
    (typeof images)[0],
  ];
  const keepDigests = { kind: "taggedWithinDays", days: 1 } as const;
  const newest = { tagStatus: "tagged", tagPrefixList: ["stable"], storageClass: "any" } as const;
  const retain: RetainRule[] = [
    { name: "stable", selection: newest, keep: { kind: "newest", count: 3 } },
    { name: "fresh", selection: { tagStatus: "any", storageClass: "any" }, keep: keepDigests },
  ];
  const plan = planLifecycle(rules, images, now, { retain });

  test("stands while nothing has changed, also later", () => {
    for (const one of [a, c, d, s]) expect(plan.stands(one, now + 1e9)).toBe(true);
  });
  test("falls with a tag that another rule selects first", () => {
    expect(plan.stands({ ...d, tags: ["dev-2"] }, now)).toBe(false);
    expect(plan.stands({ ...c, tags: ["dev-1", "prod-9"] }, now)).toBe(false);
    expect(plan.stands({ ...c, tags: [] }, now)).toBe(false);
  });
  test("stands with a tag that changes nothing", () => {
    expect(plan.stands({ ...d, tags: ["other"] }, now)).toBe(true);
  });
  test("falls with a pull, where the rule asks for pulls, and with none else", () => {
    expect(plan.stands({ ...c, lastPulledAt: now }, now)).toBe(false);
    expect(plan.stands({ ...d, lastPulledAt: now }, now)).toBe(true);
  });
  test("falls with a retain rule that keeps it by now", () => {
    expect(plan.stands({ ...d, taggedAt: now }, now)).toBe(false);
  });
  test("falls with a tag of which a retain rule keeps the newest", () => {
    expect(plan.stands({ ...d, tags: ["stable-1"] }, now)).toBe(false);
  });
  test("falls with a hold, and with a tag that is held", () => {
    expect(plan.stands(a, now, [{ target: { tag: "prod-1" }, reason: "audit" }])).toBe(false);
    expect(plan.stands(a, now, [{ target: { tag: "prod-2" }, reason: "audit" }])).toBe(true);
  });
  test("falls when the image was archived meanwhile, or is another of the same digest", () => {
    expect(plan.stands({ ...d, status: "ARCHIVED", archivedAt: now }, now)).toBe(false);
    expect(plan.stands({ ...d, id: 77 }, now)).toBe(false);
    expect(plan.stands(image("unheard-of 99"), now)).toBe(false);
  });
  test("falls when it has become somebody's signature", () => {
    const [, hex] = digestFor("B").split(":");
    expect(plan.stands({ ...d, tags: [`sha256-${hex}.sig`] }, now)).toBe(false);
  });
  test("stands for what follows, as long as it follows the same", () => {
    expect(plan.stands({ ...s, tags: ["signed"] }, now)).toBe(true);
    expect(plan.stands({ ...s, subject: undefined }, now)).toBe(false);
    expect(plan.stands({ ...s, subject: digestFor("A") }, now)).toBe(false);
    expect(plan.stands({ ...s, status: "ARCHIVED", archivedAt: daysAgo(1) }, now)).toBe(false);
  });
});

test("an image that two pages show counts once, as the first shows it", () => {
  const [first, second] = [image("A[x] 40", 1), image("A[y] 1", 2)];
  const plan = planLifecycle(policyOf(["1: any, p>30"]), [first, second], now);
  expect(plan.images).toBe(1);
  expect([...plan.actions()]).toMatchObject([{ id: 1, action: "expire" }]);
});

test("an image that is only referred to is not there", () => {
  const plan = planLifecycle(policyOf(["1: any, p>30"]), [image("A 40 of=B lists=C")], now);
  expect(plan.images).toBe(1);
  expect(plan.decision(digestFor("B"))).toBeUndefined();
  expect([...plan.decisions()]).toHaveLength(1);
});

test("a rule for tags that names none, which no policy can, selects nothing", () => {
  const [rule] = policyOf(["1: PX x, c>1"]).rules;
  if (!rule) throw new Error("no rule");
  const nameless = { ...rule, selection: { ...rule.selection, tagPrefixList: [] } };
  const { images } = imagesOf(["A[x] 3", "B[y] 2", "C 1"]);
  expect(planLifecycle({ text: "", rules: [nameless] }, images, now).summary.rules[0]?.selected).toBe(0);
});

test("there are bounds on rules", () => {
  const rule = policyOf(["1: any, c>1"]).rules[0];
  if (!rule) throw new Error("no rule");
  const rules = Array.from({ length: 51 }, () => rule);
  expect(() => planLifecycle({ text: "", rules }, [], now)).toThrow(RangeError);
  const all: RetainRule = { name: "all", selection: { tagStatus: "any", storageClass: "any" }, keep: { kind: "all" } };
  const retain = Array.from({ length: 31 }, () => all);
  expect(() => planLifecycle(noPolicy, [], now, { retain })).toThrow(RangeError);
});
