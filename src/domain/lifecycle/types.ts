import type { Digest } from "../names.ts";

/**
 * What goes into a lifecycle evaluation and what comes out. Everything here is plain data: whoever keeps images feeds
 * `LifecycleImage`s to a `LifecyclePlanner` (planner.ts), page by page, and carries out what the `LifecyclePlan` says.
 * Times are milliseconds since 1970, as the store has them.
 */

export type ImageStatus = "ACTIVE" | "ARCHIVED" | "ACTIVATING";

/**
 * One image of a repository. The planner reads it once, when it is added, and keeps a few numbers and the digest: the
 * object and its tags may be forgotten at once.
 *
 * All images of the repository must be added, of every status, in any order; each digest once. In order of push, either
 * way, is cheapest. An image that is left out neither counts nor protects what it refers to, so a page that fails must
 * fail the evaluation.
 */
export interface LifecycleImage {
  /** The store's own number, handed back with every decision. */
  readonly id: number;
  readonly digest: Digest;
  readonly pushedAt: number;
  /** The last recorded pull. */
  readonly lastPulledAt?: number;
  /** When a tag was last put on the image, also by moving one here. Needed only for `ageFrom: "lastTagged"` and `taggedWithinDays`. */
  readonly taggedAt?: number;
  readonly status: ImageStatus;
  /** When it was last archived. Without it an archived image is as one that was archived just now. */
  readonly archivedAt?: number;
  /** When it was last restored from the archive. */
  readonly activatedAt?: number;
  readonly tags: readonly string[];
  /** The manifest's `subject`, whether it is in the repository or not. */
  readonly subject?: Digest;
  /** What an index or manifest list lists, whether it is in the repository or not; empty for any other image. */
  readonly children: readonly Digest[];
  /** As DescribeImages shows it: config and layers. */
  readonly bytes: number;
}

export type TagStatus = "tagged" | "untagged" | "any";
export type LifecycleStorageClass = "standard" | "archive";
export type CountType = "imageCountMoreThan" | "sinceImagePushed" | "sinceImagePulled" | "sinceImageTransitioned";

/** A policy that was checked (policy.ts). */
export interface LifecyclePolicy {
  /** As it was sent, to the last blank. */
  readonly text: string;
  /** In order of priority. */
  readonly rules: readonly LifecycleRule[];
}

export interface LifecycleRule {
  readonly priority: number;
  readonly description?: string;
  readonly selection: TagSelection & {
    readonly storageClass: LifecycleStorageClass;
    readonly countType: CountType;
    /** Images for `imageCountMoreThan`, else days. */
    readonly countNumber: number;
  };
  readonly action: "expire" | "transition";
}

/** Which images are meant, by their tags. Every pattern or prefix must be met by some tag of the image. */
export interface TagSelection {
  readonly tagStatus: TagStatus;
  readonly tagPatternList?: readonly string[];
  readonly tagPrefixList?: readonly string[];
}

/** Why a text is no policy: the facts of the meaning `InvalidParameter`. */
export interface PolicyProblem {
  readonly member: string;
  readonly constraint: string;
}

/**
 * Beyond ECR: images that no rule touches, whatever its priority. They count in count rules all the same, so that a
 * retain rule never changes what happens to another image.
 */
export interface RetainRule {
  readonly name: string;
  readonly selection: TagSelection & { readonly storageClass: LifecycleStorageClass | "any" };
  readonly keep: RetainKeep;
}

/** Days and numbers are at least 1. `newest` counts by push (or by tagging, see `ageFrom`). */
export type RetainKeep =
  | { readonly kind: "all" }
  | { readonly kind: "newest"; readonly count: number }
  | { readonly kind: "pushedWithinDays" | "pulledWithinDays" | "taggedWithinDays"; readonly days: number };

/** Beyond ECR: one image that nothing may delete or archive, by its digest or by a tag that it has at the moment. */
export interface Hold {
  readonly target: { readonly tag: string } | { readonly digest: Digest };
  readonly reason: string;
  /** The first moment at which the hold is over; never, where it is absent. */
  readonly until?: number;
}

/** Nothing here is on by itself, except for what signatures of the old form are: see `signatureTags`. */
export interface LifecycleOptions {
  readonly retain?: readonly RetainRule[];
  readonly holds?: readonly Hold[];
  /** `lastTagged`: an image is as young as its last tagging, where that came after its push. */
  readonly ageFrom?: "push" | "lastTagged";
  /**
   * Images of which every tag is `sha256-<hex>`, with `.sig`, `.att`, `.sbom` or nothing behind it, belong to the image
   * of that digest, as if they named it as their subject. `ordinary` takes them for images of their own.
   */
  readonly signatureTags?: "follow" | "ordinary";
}

/**
 * Takes a repository's images and says what is to be done. Memory grows with the number of images and of references
 * between them, not with tags: some 200 bytes for each.
 */
export interface LifecyclePlanner {
  /** @throws RangeError when `maxImages` is passed */
  add(image: LifecycleImage): void;
  /** Once, after the last image. */
  finish(): LifecyclePlan;
  /** The same, and lets others go first between its parts: all of it takes a tenth of a second for 100,000 images. */
  finishInTurns(othersTurn: () => Promise<void>): Promise<LifecyclePlan>;
}

export type DecisionAction = "expire" | "transition" | "keep";

export interface LifecycleDecision {
  readonly id: number;
  readonly digest: Digest;
  readonly pushedAt: number;
  /** The time by which rules order images: of push, restoring, or tagging. */
  readonly orderedBy: number;
  readonly tagged: boolean;
  readonly status: ImageStatus;
  readonly bytes: number;
  readonly action: DecisionAction;
  /** The rule that acts; for what follows its subject, the rule that acts on that. Absent for what is kept. */
  readonly priority?: number;
  /** What it follows, where it is acted on as a signature or another referrer, and not by a rule that selects it. */
  readonly follows?: Digest;
  readonly reason: LifecycleReason;
}

/** Why an image is acted on, or why it is kept. `explainReason` (reasons.ts) makes a sentence of it. */
export type LifecycleReason = ActingReason | KeepingReason;

export type ActingReason =
  /** `position` counts from the newest image that the rule selects, which is 1. */
  | { readonly code: "count"; readonly priority: number; readonly keeps: number; readonly position: number }
  /** `since` is the moment that the rule counts from. */
  | {
      readonly code: "age";
      readonly priority: number;
      readonly measure: AgeMeasure;
      readonly days: number;
      readonly since: number;
    }
  /** Its subject is acted on, or is archived already. */
  | { readonly code: "subject"; readonly subject: Digest; readonly priority?: number };

/** What the age was counted from: also which of ECR's fallbacks was taken. */
export type AgeMeasure = "pushed" | "pulled" | "restored" | "tagged" | "archived";

export type KeepingReason =
  /** A hold, whatever any rule says. */
  | { readonly code: "held"; readonly reason: string; readonly until?: number }
  | { readonly code: "retained"; readonly name: string }
  /** Among the newest of the rule that selects it first. `spared`: a later rule that would have acted. */
  | {
      readonly code: "within-count";
      readonly priority: number;
      readonly keeps: number;
      readonly position: number;
      readonly spared?: number;
    }
  /** Not old enough for the rule that selects it first. */
  | {
      readonly code: "young";
      readonly priority: number;
      readonly days: number;
      /** Absent for an archived image of which nobody knows since when. */
      readonly measure?: AgeMeasure;
      readonly since?: number;
      readonly spared?: number;
    }
  | { readonly code: "unselected" }
  /** It would be acted on, but an index that is there lists the image; at most ten are named. */
  | { readonly code: "listed"; readonly priority?: number; readonly parents: readonly Digest[] }
  /** A signature or another referrer of an image that is kept. */
  | { readonly code: "referrer"; readonly subject: Digest }
  /** Being restored: left alone until that is done. */
  | { readonly code: "activating" }
  /** Would follow its subject, but nothing leaves the archive before 90 days. */
  | { readonly code: "archive-minimum"; readonly archivedAt?: number };

export interface LifecyclePlan {
  readonly images: number;
  readonly summary: LifecycleSummary;
  /**
   * What is to be done, in the order in which it is to be done: oldest first, each followed by its referrers, an index
   * before what it lists. An image and its referrers belong together: whoever stops between them and has deleted the
   * image first leaves referrers without a subject, which are images of their own from then on.
   */
  actions(): Iterable<LifecycleDecision>;
  /** What GetLifecyclePolicyPreview lists, oldest push first: what rules act on, without what follows. */
  preview(): Iterable<LifecycleDecision>;
  /** Every image, oldest first. */
  decisions(): Iterable<LifecycleDecision>;
  decision(digest: Digest): LifecycleDecision | undefined;
  /**
   * Whether a decision to act still stands, for the image as it is now, which may be long after it was planned: not when
   * it was pulled, tagged, restored, held or pushed again so that its rule would not act. To be asked in the transaction
   * that acts, which must also look for indexes that list the image by now. Positions in count rules are taken as
   * planned: pushes since then only add to them.
   */
  stands(image: LifecycleImage, now: number, holds?: readonly Hold[]): boolean;
}

export interface LifecycleSummary {
  /** By rules, as GetLifecyclePolicyPreview counts. */
  readonly expiring: number;
  readonly transitioning: number;
  /** What goes with them. */
  readonly expiringReferrers: number;
  readonly transitioningReferrers: number;
  /** Sizes as images have them, followers among them; layers that others share count too. */
  readonly expiringBytes: number;
  readonly transitioningBytes: number;
  /** Children that a rule would act on if no index listed them. */
  readonly listed: number;
  /** By rule, in order of priority. */
  readonly rules: readonly RuleSummary[];
}

export interface RuleSummary {
  readonly priority: number;
  readonly action: "expire" | "transition";
  /** Images that meet what the rule asks of tags and storage class. */
  readonly selected: number;
  readonly acting: number;
}

/** An element of `previewResults`. */
export interface PreviewEntry {
  readonly imageTags: readonly string[];
  readonly imageDigest: Digest;
  readonly imagePushedAt: number;
  readonly action: { readonly type: "EXPIRE" | "TRANSITION"; readonly targetStorageClass?: "ARCHIVE" };
  readonly appliedRulePriority: number;
  readonly storageClass: "STANDARD" | "ARCHIVE";
}

export interface PreviewSummary {
  readonly expiringImageTotalCount: number;
  /** Only if some image would move. */
  readonly transitioningImageTotalCounts?: readonly {
    readonly targetStorageClass: "ARCHIVE";
    readonly imageTotalCount: number;
  }[];
}

/** One image of which two plans say different things. */
export interface PlanChange {
  readonly digest: Digest;
  /** Absent where the image is in one of the plans only. */
  readonly before?: LifecycleDecision;
  readonly after?: LifecycleDecision;
}
