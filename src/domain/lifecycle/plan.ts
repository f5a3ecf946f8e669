import type { Digest } from "../names.ts";
import { type Columns, statuses } from "./columns.ts";
import { expire, keep, type Outcome, transition, verdict } from "./following.ts";
import type { Ranking } from "./ranking.ts";
import type { Rulebook } from "./rulebook.ts";
import type {
  DecisionAction,
  LifecycleDecision,
  LifecyclePlan,
  LifecycleReason,
  LifecycleRule,
  LifecycleSummary,
} from "./types.ts";

/** A plan as columns. Decisions are made of them one by one, as they are asked for. */
export interface PlanColumns {
  readonly columns: Columns;
  readonly rulebook: Rulebook;
  readonly subject: Int32Array;
  readonly ranking: Ranking;
  readonly outcome: Outcome;
}

const actionNames: readonly DecisionAction[] = ["keep", "transition", "expire"];
const mostParents = 10;

export function createPlan(parts: PlanColumns, stands: LifecyclePlan["stands"]): LifecyclePlan {
  const { columns, subject, ranking, outcome } = parts;
  const { action } = outcome;
  const decision = (image: number) => decisionOf(parts, image);
  return {
    images: columns.images,
    summary: summarize(parts),
    *actions() {
      for (const image of ranking.oldestFirst) {
        if ((subject[image] as number) >= 0) continue;
        if (action[image] !== keep) yield decision(image);
        for (const follower of actingFollowers(parts, image)) yield decision(follower);
      }
    },
    *preview() {
      const acting = ranking.oldestFirst.filter((image) => outcome.verdict[image] === verdict.byRule);
      const pushedAt = (image: number) => columns.pushedAt[image] as number;
      // Mostly they are in this order already; restored images are not.
      acting.sort((one, other) => pushedAt(one) - pushedAt(other) || (digestOf(one) < digestOf(other) ? -1 : 1));
      for (const image of acting) yield decision(image);
    },
    *decisions() {
      for (const image of ranking.oldestFirst) yield decision(image);
    },
    decision(digest) {
      const image = columns.numberOf(digest);
      return image === undefined ? undefined : decision(image);
    },
    stands,
  };

  function digestOf(image: number): Digest {
    return columns.digests[image] as Digest;
  }
}

/** What follows an image, near or far, and is acted on: indexes before what they list, else oldest first. */
function actingFollowers({ ranking, outcome }: PlanColumns, image: number): number[] {
  const { followers, childrenOf, action } = outcome;
  const found = [...followers.of(image)];
  if (found.length === 0) return found;
  for (let at = 0; at < found.length; at++) for (const next of followers.of(found[at] as number)) found.push(next);
  const acting = found.filter((follower) => action[follower] !== keep);
  acting.sort((one, other) => (ranking.place[one] as number) - (ranking.place[other] as number));
  const waits = new Map(acting.map((follower) => [follower, 0]));
  for (const parent of acting) {
    for (const child of childrenOf.of(parent)) if (waits.has(child)) waits.set(child, (waits.get(child) ?? 0) + 1);
  }
  const ready = acting.filter((follower) => waits.get(follower) === 0);
  for (let at = 0; at < ready.length; at++) {
    for (const child of childrenOf.of(ready[at] as number)) {
      const left = waits.get(child);
      if (left === undefined) continue;
      waits.set(child, left - 1);
      if (left === 1) ready.push(child);
    }
  }
  return ready;
}

function decisionOf(parts: PlanColumns, image: number): LifecycleDecision {
  const { columns, outcome, subject } = parts;
  const acts = outcome.action[image] !== keep;
  const follows = acts ? columns.digests[subject[image] as number] : undefined;
  return {
    id: columns.ids[image] as number,
    digest: columns.digests[image] as Digest,
    pushedAt: columns.pushedAt[image] as number,
    orderedBy: columns.orderedBy[image] as number,
    tagged: columns.tagged[image] as boolean,
    status: statuses[columns.status[image] as number] ?? "ACTIVE",
    bytes: columns.bytes[image] as number,
    action: actionNames[outcome.action[image] as number] ?? "keep",
    ...(acts && { priority: actingRule(parts, image)?.priority }),
    ...(follows !== undefined && { follows }),
    reason: reasonOf(parts, image),
  };
}

function actingRule({ rulebook, outcome }: PlanColumns, image: number): LifecycleRule | undefined {
  return rulebook.rules[outcome.rule[image] as number];
}

function reasonOf(parts: PlanColumns, image: number): LifecycleReason {
  const { columns, rulebook, ranking, outcome, subject } = parts;
  const rule = rulebook.rules[ranking.firstRule[image] as number];
  const subjectDigest = columns.digests[subject[image] as number] as Digest;
  switch (outcome.verdict[image]) {
    case verdict.byRule:
      return rule ? actingReason(parts, image, rule) : { code: "unselected" };
    case verdict.notYet:
      return rule ? notYetReason(parts, image, rule) : { code: "unselected" };
    case verdict.retained:
      return { code: "retained", name: rulebook.retain[ranking.retainedBy[image] as number]?.name ?? "" };
    case verdict.held: {
      const hold = columns.holds.get(image);
      return { code: "held", reason: hold?.reason ?? "", until: hold?.until };
    }
    case verdict.listed: {
      const parents = [...new Set(outcome.parents.of(image))].slice(0, mostParents);
      const priority = actingRule(parts, image)?.priority;
      return { code: "listed", priority, parents: parents.map((parent) => columns.digests[parent] as Digest) };
    }
    case verdict.referrer:
      return { code: "referrer", subject: subjectDigest };
    case verdict.bySubject:
      return { code: "subject", subject: subjectDigest, priority: actingRule(parts, image)?.priority };
    case verdict.archiveMinimum:
      return { code: "archive-minimum", archivedAt: columns.times(image).archivedAt };
    case verdict.activating:
      return { code: "activating" };
    default:
      return { code: "unselected" };
  }
}

function actingReason(
  { columns, rulebook, ranking }: PlanColumns,
  image: number,
  rule: LifecycleRule,
): LifecycleReason {
  const { priority, selection } = rule;
  const { countType, countNumber } = selection;
  if (countType === "imageCountMoreThan") {
    return { code: "count", priority, keeps: countNumber, position: ranking.position[image] as number };
  }
  const from = rulebook.countsFrom(rule, columns.times(image));
  return { code: "age", priority, days: countNumber, since: from?.since ?? 0, measure: from?.measure ?? "pushed" };
}

function notYetReason(
  { columns, rulebook, ranking }: PlanColumns,
  image: number,
  rule: LifecycleRule,
): LifecycleReason {
  const { priority, selection } = rule;
  const { countType, countNumber } = selection;
  const spared = rulebook.rules[ranking.spared[image] as number]?.priority;
  if (countType === "imageCountMoreThan") {
    const position = ranking.position[image] as number;
    return { code: "within-count", priority, keeps: countNumber, position, spared };
  }
  const from = rulebook.countsFrom(rule, columns.times(image));
  return { code: "young", priority, days: countNumber, since: from?.since, measure: from?.measure, spared };
}

function summarize({ columns, rulebook, ranking, outcome }: PlanColumns): LifecycleSummary {
  const counts = { byRule: [0, 0, 0], bySubject: [0, 0, 0], bytes: [0, 0, 0], listed: 0 };
  const acting = new Uint32Array(rulebook.rules.length);
  const add = (list: number[], index: number, more = 1) => {
    list[index] = (list[index] ?? 0) + more;
  };
  for (const image of ranking.oldestFirst) {
    const action = outcome.action[image] as number;
    if (outcome.verdict[image] === verdict.listed) counts.listed++;
    if (action === keep) continue;
    const byRule = outcome.verdict[image] === verdict.byRule;
    add(byRule ? counts.byRule : counts.bySubject, action);
    add(counts.bytes, action, columns.bytes[image] as number);
    if (byRule) (acting[ranking.firstRule[image] as number] as number)++;
  }
  return {
    expiring: counts.byRule[expire] ?? 0,
    transitioning: counts.byRule[transition] ?? 0,
    expiringReferrers: counts.bySubject[expire] ?? 0,
    transitioningReferrers: counts.bySubject[transition] ?? 0,
    expiringBytes: counts.bytes[expire] ?? 0,
    transitioningBytes: counts.bytes[transition] ?? 0,
    listed: counts.listed,
    rules: rulebook.rules.map(({ priority, action }, index) => ({
      priority,
      action,
      selected: ranking.selected[index] ?? 0,
      acting: acting[index] ?? 0,
    })),
  };
}
