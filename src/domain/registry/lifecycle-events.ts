import type { LifecyclePolicy } from "../lifecycle/types.ts";
import type { Digest } from "../names.ts";
import type { RepositoryOfJob } from "./lifecycle-jobs.ts";
import type { PolicyVersion } from "./lifecycle-ports.ts";

/** What was done, or would be, to images of one repository. Whoever keeps the audit trail is told. */
export interface LifecycleEvent {
  readonly kind: "evaluation" | "preview";
  readonly repository: RepositoryOfJob;
  /** Absent where the policy was another one by the time at which the event could be told. */
  readonly policy?: LifecyclePolicy;
  /** Of a policy that is set. */
  readonly version?: PolicyVersion;
  readonly lastEvaluatedAt?: Date;
  readonly actions: readonly ActedImage[];
  readonly failures: readonly FailedImage[];
}

export interface ActedImage {
  readonly digest: Digest;
  readonly tags: readonly string[];
  readonly pushedAt: number;
  /** Absent for what followed an image that was archived before. */
  readonly priority?: number;
}

export interface FailedImage extends ActedImage {
  readonly code: "ImageReferencedByManifestList" | "TooManyReferrers";
  readonly reason: string;
}

/** Resolves when the event is on record. May be told of one twice. */
export type RecordLifecycle = (event: LifecycleEvent) => Promise<void>;

/** ECR has no more images in one event, and no more tags of an image. */
export const eventLimits = { images: 10, tags: 100 } as const;

/** How a job that goes on behind a crash keeps how far it has come. */
export interface Attempt<Nouns> {
  readonly signal: AbortSignal;
  /** What an earlier attempt kept. */
  readonly progress: unknown;
  /** In that transaction: it fails when somebody else has the job by now. */
  checkpoint(progress: unknown, nouns: Nouns): Promise<void>;
  /** Ends the job in that transaction, likewise. */
  complete(nouns: Nouns): Promise<void>;
}
