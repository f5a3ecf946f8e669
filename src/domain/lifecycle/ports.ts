import type { Digest, Registry, RepositoryName } from "../names.ts";
import type { Hold, LifecycleOptions } from "./types.ts";

/** A repository as whoever says what is kept in it knows it. */
export interface LifecycleRepository {
  readonly id: number;
  readonly registry: Registry;
  readonly name: RepositoryName;
}

export interface EvaluationOptions extends LifecycleOptions {
  /** Beyond ECR: evaluations plan and touch nothing. */
  readonly reportOnly?: boolean;
}

/**
 * What an evaluation or a preview goes by beside the policy. `Nouns` is what it is looked up in: what is committed, or
 * the transaction that acts.
 */
export interface Retention<Nouns> {
  /** Read once, before the images are. */
  lifecycleOptionsOf(nouns: Nouns, repository: LifecycleRepository): Promise<EvaluationOptions>;
  /**
   * The holds on an image that is about to be acted on, in the transaction that acts: somebody may have placed one since.
   * Whoever places a hold waits for the image's row, which is locked by then.
   */
  holdsOn(
    nouns: Nouns,
    repository: LifecycleRepository,
    image: { readonly digest: Digest; readonly tags: readonly string[] },
  ): Promise<readonly Hold[]>;
}

/** ECR's: nothing is kept but by rules. */
export const noRetention: Retention<unknown> = {
  lifecycleOptionsOf: async () => ({}),
  holdsOn: async () => [],
};
