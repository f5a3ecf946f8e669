import type { RemoteProblem } from "../registry/remote-registry.ts";

/** What a pull of an image in a cache came to. */
export type CacheOutcome =
  /** From the cache, and fresh. */
  | "hit"
  /** From the cache, after the upstream said that nothing has changed. */
  | "revalidated"
  /** Brought from the upstream. */
  | "miss"
  /** From the cache, because the upstream failed. */
  | "stale"
  /** Neither has it. */
  | "absent";

/** Told of what caches do; the server's metrics. */
export interface CacheCounts {
  pulled(outcome: CacheOutcome): void;
  /** Bytes of layers that came from upstreams. */
  received(bytes: number): void;
  failed(problem: RemoteProblem): void;
}

export const uncounted: CacheCounts = { pulled() {}, received() {}, failed() {} };
