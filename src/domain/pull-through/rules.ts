import type { Registry, RepositoryName } from "../names.ts";
import type { RemoteRegistry } from "../registry/remote-registry.ts";

/** ECR API reference, CreatePullThroughCacheRule; `berth` and `oci` are Berth's own (docs/extensions.md). */
export const upstreamKinds = [
  "ecr",
  "ecr-public",
  "quay",
  "k8s",
  "docker-hub",
  "github-container-registry",
  "azure-container-registry",
  "gitlab-container-registry",
  "chainguard",
  "berth",
  "oci",
] as const;
export type UpstreamKind = (typeof upstreamKinds)[number];

/** A pull-through cache rule as it is kept. */
export interface PullThroughRule {
  readonly registry: Registry;
  /** `ROOT`, or a path without a slash at its end. */
  readonly prefix: string;
  /** As it was given, without a scheme: `registry-1.docker.io`. */
  readonly upstreamUrl: string;
  readonly upstream: UpstreamKind;
  /** `ROOT`, or a path without a slash at its end. */
  readonly upstreamPrefix: string;
  /** Whether it was said, be it `ROOT`: ECR shows it only then, and Terraform counts on that. */
  readonly namesUpstreamPrefix?: boolean;
  readonly credentialArn?: string;
  readonly customRoleArn?: string;
  readonly createdAt: Date;
  readonly updatedAt: Date;
  readonly options: PullThroughOptions;
}

/** What a rule can say beyond ECR. Filters are wildcards; what is denied is denied whatever is allowed. */
export interface PullThroughOptions {
  /** For how long a tag counts after it was compared with the upstream. Left out: 24 h. */
  readonly freshMs?: number;
  readonly allowTags?: readonly string[];
  readonly denyTags?: readonly string[];
  /** Of repositories' names at the upstream. */
  readonly allowRepositories?: readonly string[];
  readonly denyRepositories?: readonly string[];
}

export interface RuleMatch {
  readonly rule: PullThroughRule;
  /** The repository's name at the upstream. */
  readonly upstreamRepository: string;
}

/** What a cache needs to know of rules. */
export interface PullThroughUpstreams {
  /** The rule that a repository's name falls under: the longest prefix; `undefined` for none. From memory, half a second old. */
  match(registry: Registry, name: RepositoryName): Promise<RuleMatch | undefined>;
  /** A way to its upstream, with its credentials. @throws RemoteFailure where they cannot be had */
  open(rule: PullThroughRule): Promise<RemoteRegistry>;
}
