import { createColumns, statuses } from "./columns.ts";
import { type Outcome, settle, subjectsOf, verdict } from "./following.ts";
import { createPlan, type PlanColumns } from "./plan.ts";
import { policyLimits } from "./policy.ts";
import { type Ranking, rank } from "./ranking.ts";
import { createHolds, createRulebook, dayMs, type Reading } from "./rulebook.ts";
import type {
  Hold,
  LifecycleImage,
  LifecycleOptions,
  LifecyclePlan,
  LifecyclePlanner,
  LifecyclePolicy,
} from "./types.ts";

/** For comparing with what would be without one: it keeps everything. */
export const noPolicy: LifecyclePolicy = { text: "", rules: [] };

/** A whole evaluation at once, for whoever has all images in hand. */
export function planLifecycle(
  policy: LifecyclePolicy,
  images: Iterable<LifecycleImage>,
  now: number,
  options: LifecycleOptions = {},
): LifecyclePlan {
  const planner = createPlanner(policy, now, options);
  for (const image of images) planner.add(image);
  return planner.finish();
}

/**
 * Evaluates a policy as ECR does (user guide, "Lifecycle policy evaluation rules"): every rule looks at every image, then
 * rules act in order of priority, each only on images that no earlier rule of the same storage class selects.
 */
export function createPlanner(policy: LifecyclePolicy, now: number, options: LifecycleOptions = {}): LifecyclePlanner {
  const rulebook = createRulebook(policy, options);
  const columns = createColumns();
  const holdOf = createHolds(options.holds ?? [], now);
  function planOf(subject: PlanColumns["subject"], ranking: Ranking, outcome: Outcome): LifecyclePlan {
    const parts: PlanColumns = { columns, rulebook, subject, ranking, outcome };
    return createPlan(parts, (image, at, holds = options.holds ?? []) => stands(parts, image, at, holds));
  }
  return {
    add: (image) => columns.add(image, rulebook.read(image, now), holdOf(image)),
    finish() {
      const subject = subjectsOf(columns);
      const ranking = rank(columns, rulebook, subject, now);
      return planOf(subject, ranking, settle(columns, rulebook, ranking, subject, now));
    },
    async finishInTurns(othersTurn) {
      const subject = subjectsOf(columns);
      await othersTurn();
      const ranking = rank(columns, rulebook, subject, now);
      await othersTurn();
      const outcome = settle(columns, rulebook, ranking, subject, now);
      await othersTurn();
      return planOf(subject, ranking, outcome);
    },
  };
}

function stands(parts: PlanColumns, image: LifecycleImage, now: number, holds: readonly Hold[]): boolean {
  const { columns, rulebook, subject, outcome } = parts;
  const number = columns.numberOf(image.digest);
  if (number === undefined || columns.ids[number] !== image.id) return false;
  const planned = outcome.verdict[number];
  if (planned !== verdict.byRule && planned !== verdict.bySubject) return false;
  const [before, after] = [columns.status[number], image.status];
  if (before !== statuses.indexOf(after) || createHolds(holds, now)(image)) return false;
  const reading = rulebook.read(image, now);
  const follows = reading.subject === undefined ? undefined : columns.numberOf(reading.subject);
  if (planned === verdict.bySubject) {
    if (follows === undefined || follows !== subject[number]) return false;
    const { archivedAt } = image;
    return after === "ACTIVE" || (archivedAt !== undefined && now - archivedAt > policyLimits.archiveDays * dayMs);
  }
  // Those that follow each other in a circle are images of their own.
  const alone = follows === undefined || follows === columns.subject[number];
  return alone && actsStill(parts, number, image, reading, now);
}

function actsStill(
  { columns, rulebook, ranking }: PlanColumns,
  number: number,
  image: LifecycleImage,
  reading: Reading,
  now: number,
): boolean {
  const index = ranking.firstRule[number] as number;
  const rule = rulebook.rules[index];
  const { rules, moreRules, orderedBy, retainedBy, countingRetains } = reading;
  const first = rules !== 0 ? lowestBit(rules) : moreRules !== 0 ? 32 + lowestBit(moreRules) : -1;
  if (!rule || first !== index || retainedBy >= 0) return false;
  // A retain rule that counts and selects it only now might keep it.
  if ((countingRetains & ~(columns.countingRetains[number] as number)) !== 0) return false;
  if (orderedBy > (columns.orderedBy[number] as number)) return false;
  return rule.selection.countType === "imageCountMoreThan" || rulebook.isOld(rule, image, now);
}

function lowestBit(word: number): number {
  return 31 - Math.clz32(word & -word);
}
