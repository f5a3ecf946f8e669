import { explainReason } from "../../domain/lifecycle/reasons.ts";
import type { LifecycleDecision, LifecycleSummary, PlanChange } from "../../domain/lifecycle/types.ts";
import type { ChangeView, DecidedView, ExplainedView, LifecycleSummaryView } from "./contract.ts";

/** Of an image with a thousand tags, a page had better not have a thousand images. */
const shownTags = 20;
const actions = { expire: "EXPIRE", transition: "TRANSITION", keep: "KEEP" } as const;

export function explainedView(decision: LifecycleDecision, tags: readonly string[], at: Date): ExplainedView {
  return { ...imageView(decision, tags), ...decidedView(decision, at) };
}

export function changeView({ before, after }: PlanChange, tags: readonly string[], at: Date): ChangeView {
  const image = (after ?? before) as LifecycleDecision;
  return {
    ...imageView(image, tags),
    ...(before && { before: decidedView(before, at) }),
    ...(after && { after: decidedView(after, at) }),
  };
}

function imageView({ digest, pushedAt, status, bytes }: LifecycleDecision, tags: readonly string[]) {
  return {
    imageDigest: digest,
    imageTags: tags.slice(0, shownTags),
    imageTagCount: tags.length,
    imagePushedAt: new Date(pushedAt),
    imageSizeInBytes: bytes,
    storageClass: status === "ARCHIVED" ? "ARCHIVE" : "STANDARD",
  };
}

function decidedView({ action, priority, reason }: LifecycleDecision, at: Date): DecidedView {
  return {
    action: actions[action],
    ...(priority !== undefined && { appliedRulePriority: priority }),
    reasonCode: reason.code,
    reason: explainReason(reason, at.getTime()),
  };
}

export function summaryView(summary: LifecycleSummary): LifecycleSummaryView {
  const {
    expiring,
    transitioning,
    expiringReferrers,
    transitioningReferrers,
    expiringBytes,
    transitioningBytes,
    rules,
  } = summary;
  return {
    expiringImageCount: expiring + expiringReferrers,
    expiringSizeInBytes: expiringBytes,
    transitioningImageCount: transitioning + transitioningReferrers,
    transitioningSizeInBytes: transitioningBytes,
    rules: rules.map(({ priority, action, selected, acting }) => ({
      rulePriority: priority,
      action: actions[action],
      selectedImageCount: selected,
      actingImageCount: acting,
    })),
  };
}
