import type { LifecycleImage, PreviewEntry } from "../lifecycle/types.ts";
import type { Digest } from "../names.ts";
import type { Page } from "./ports.ts";

/** What lifecycle policies need kept for them, beside all that `ports.ts` lists and in the same transactions. */
export interface LifecycleNouns {
  readonly lifecycleImages: LifecycleImages;
  readonly lifecyclePolicies: LifecyclePolicies;
  readonly lifecyclePreviews: LifecyclePreviews;
}

/** Images as a planner takes them. */
export interface LifecycleImages {
  /** By id, of every status. An image that changes its status while the pages are read is in them once all the same. */
  page(repositoryId: number, page: Page<number>): Promise<LifecycleImage[]>;
  /** One image as it is now, inside a transaction that may remove it: others that would, or that rely on it, wait. */
  lock(repositoryId: number, digest: Digest): Promise<LifecycleImage | undefined>;
}

/** Which text of which policy: a policy that is deleted and set again is another one. */
export interface PolicyVersion {
  readonly id: string;
  /** Counts the texts, from 1. */
  readonly version: number;
}

export interface StoredLifecyclePolicy extends PolicyVersion {
  /** Exactly as it was sent. */
  readonly text: string;
  readonly setAt: Date;
  /** ARN of the principal. */
  readonly setBy: string;
  readonly lastEvaluatedAt?: Date;
}

export interface LifecyclePolicies {
  find(repositoryId: number): Promise<StoredLifecyclePolicy | undefined>;
  /** The same in a transaction, and nobody changes the text until it ends. */
  keep(repositoryId: number): Promise<StoredLifecyclePolicy | undefined>;
  /** Creates it, or gives the one that is there the next version. `id` is for a new one. */
  put(repositoryId: number, policy: Pick<StoredLifecyclePolicy, "id" | "text" | "setAt" | "setBy">): Promise<void>;
  /** Answers what is gone. */
  delete(repositoryId: number): Promise<StoredLifecyclePolicy | undefined>;
  /** Answers whether it is still this version. */
  evaluated(repositoryId: number, policy: PolicyVersion, at: Date): Promise<boolean>;
}

export interface StoredPreview {
  /** Another one for each start. */
  readonly id: number;
  readonly repositoryId: number;
  readonly text: string;
  readonly status: "IN_PROGRESS" | "COMPLETE" | "FAILED";
  readonly startedAt: Date;
  readonly endedAt?: Date;
  /** Images that rules act on. 0 until it is complete. */
  readonly expiring: number;
  readonly transitioning: number;
}

/** One for each repository. Its results are kept in pages, in their order. */
export interface LifecyclePreviews {
  find(repositoryId: number): Promise<StoredPreview | undefined>;
  /** `find` inside a transaction: others that would start or end one wait. */
  lock(repositoryId: number): Promise<StoredPreview | undefined>;
  /** A new one, in the place of the one that is there. Answers its id. */
  start(repositoryId: number, preview: Pick<StoredPreview, "text" | "startedAt">): Promise<number>;
  addPage(previewId: number, number: number, entries: readonly PreviewEntry[]): Promise<void>;
  /** Pages from number `from` on. */
  pages(previewId: number, page: { readonly from: number; readonly limit: number }): Promise<PreviewPage[]>;
  /** Drops its results. */
  clear(previewId: number): Promise<void>;
  /** Of one that is in progress. Answers whether it was. */
  end(
    previewId: number,
    end: { readonly status: "COMPLETE" | "FAILED"; readonly at: Date } & Partial<
      Pick<StoredPreview, "expiring" | "transitioning">
    >,
  ): Promise<boolean>;
}

export interface PreviewPage {
  /** From 0, without gaps. */
  readonly number: number;
  readonly entries: readonly PreviewEntry[];
}
