import type { Digest } from "../names.ts";

/** What caches need kept for them. */
export interface CacheNouns {
  readonly upstreamChecks: UpstreamChecks;
}

/** What can change at an upstream: where a tag points to, and what refers to a manifest. */
export type Checked = `tag:${string}` | `referrers:${Digest}`;

export interface UpstreamCheck {
  /** Which repository of which registry was asked. */
  readonly upstream: string;
  /** Of a tag: the manifest that it led to. */
  readonly digest?: Digest;
  readonly at: Date;
}

/** When an upstream was asked last. They go with their repository. */
export interface UpstreamChecks {
  find(repositoryId: number, what: Checked): Promise<UpstreamCheck | undefined>;
  /** Creates or replaces. */
  put(repositoryId: number, what: Checked, check: UpstreamCheck): Promise<void>;
}
