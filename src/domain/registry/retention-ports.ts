import type { Hold } from "../lifecycle/types.ts";
import type { Digest, Tag } from "../names.ts";
import type { Page } from "./ports.ts";

/** What retention needs kept for it, beside all that `ports.ts` lists and in the same transactions. */
export interface RetentionNouns {
  readonly holds: Holds;
}

/** What is held: a tag, or an image by its digest. No tag looks like a digest. */
export type HoldTarget = Tag | Digest;

export interface StoredHold {
  readonly repositoryId: number;
  readonly target: HoldTarget;
  readonly reason: string;
  readonly placedAt: Date;
  /** ARN of the principal. */
  readonly placedBy: string;
  /** The first moment at which it is over. Absent: never. */
  readonly until?: Date;
}

/** One for each target. A hold that is over is as good as none, and is not found. */
export interface Holds {
  /** Those on any of the targets, in no order. */
  on(repositoryId: number, targets: readonly HoldTarget[], at: Date): Promise<StoredHold[]>;
  /** By target, ascending by byte value. */
  list(repositoryId: number, page: Page<string>, at: Date): Promise<StoredHold[]>;
  count(repositoryId: number): Promise<number>;
  /** Places it, or replaces the one on the same target. */
  put(hold: StoredHold): Promise<void>;
  /** Answers whether it was there. */
  remove(repositoryId: number, target: HoldTarget): Promise<boolean>;
  /** Removes those that were over before then, at most `limit`. Answers how many. */
  forget(before: Date, limit: number): Promise<number>;
}

/** As planners take it. */
export function toHold({ target, reason, until }: Pick<StoredHold, "target" | "reason" | "until">): Hold {
  const meant = target.includes(":") ? { digest: target as Digest } : { tag: target };
  return { target: meant, reason, until: until?.getTime() };
}
