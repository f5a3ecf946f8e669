import type { LifecycleDecision, LifecycleSummary, PreviewEntry, PreviewSummary } from "./types.ts";

/** An element of `previewResults`, for a decision that `LifecyclePlan.preview` lists. */
export function previewEntry(decision: LifecycleDecision, tags: readonly string[]): PreviewEntry {
  const { digest, pushedAt, action, priority = 0, status } = decision;
  return {
    imageTags: tags,
    imageDigest: digest,
    imagePushedAt: pushedAt,
    action: action === "transition" ? { type: "TRANSITION", targetStorageClass: "ARCHIVE" } : { type: "EXPIRE" },
    appliedRulePriority: priority,
    storageClass: status === "ARCHIVED" ? "ARCHIVE" : "STANDARD",
  };
}

export function previewSummary({
  expiring,
  transitioning,
}: Pick<LifecycleSummary, "expiring" | "transitioning">): PreviewSummary {
  return {
    expiringImageTotalCount: expiring,
    ...(transitioning > 0 && {
      transitioningImageTotalCounts: [{ targetStorageClass: "ARCHIVE" as const, imageTotalCount: transitioning }],
    }),
  };
}
