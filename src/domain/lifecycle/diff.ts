import type { LifecycleDecision, LifecyclePlan, PlanChange } from "./types.ts";

/**
 * What a new policy would do otherwise, image by image, oldest first: another action, or the same by another rule. Both
 * plans must be made of the same images at the same time.
 */
export function* diffPlans(before: LifecyclePlan, after: LifecyclePlan): Generator<PlanChange> {
  for (const now of after.decisions()) {
    const then = before.decision(now.digest);
    if (!then || differ(then, now)) yield { digest: now.digest, before: then, after: now };
  }
  for (const then of before.decisions()) {
    if (!after.decision(then.digest)) yield { digest: then.digest, before: then };
  }
}

/** Reasons for keeping an image may differ all they like: it is kept. */
function differ(one: LifecycleDecision, other: LifecycleDecision): boolean {
  return one.action !== other.action || one.priority !== other.priority;
}
