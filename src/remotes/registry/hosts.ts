import type { RemoteTarget } from "../../domain/registry/remote-registry.ts";

/**
 * Whether a URL's host is one of those in a list, by name and port. An asterisk stands for anything within a name:
 * `*.pkg.dev`; and `:*` at the end for any port.
 */
export function isAmong(hosts: readonly string[] | undefined, { host }: URL): boolean {
  return (hosts ?? []).some((entry) => patternOf(entry.toLowerCase()).test(host));
}

function patternOf(entry: string): RegExp {
  const name = entry.replace(/:\*$/, "");
  // Two in a row say no more than one, and would take long.
  const pattern = name
    .replace(/\*+/g, "*")
    .replace(/[^a-z0-9*]/g, "\\$&")
    .replaceAll("*", "[^:]*");
  return new RegExp(`^${pattern}${name === entry ? "" : "(?::\\d{1,5})?"}$`);
}

type Hosts = Pick<RemoteTarget, "tokenHosts" | "manifestHosts">;

/** What everybody knows of large registries: where their tokens are, and whom they redirect manifests to. */
const wellKnown: Readonly<Record<string, Hosts>> = {
  "https://registry-1.docker.io": { tokenHosts: ["auth.docker.io"] },
  "https://registry.gitlab.com": { tokenHosts: ["gitlab.com"] },
  "https://docker.elastic.co": { tokenHosts: ["docker-auth.elastic.co"] },
  "https://registry.k8s.io": { manifestHosts: ["*.pkg.dev"] },
};

/** The target with the hosts that belong to its registry, whether or not whoever made it knows them. */
export function withWellKnown(target: RemoteTarget): RemoteTarget {
  const { tokenHosts, manifestHosts } = wellKnown[target.origin] ?? {};
  return {
    ...target,
    ...(tokenHosts && { tokenHosts: [...(target.tokenHosts ?? []), ...tokenHosts] }),
    ...(manifestHosts && { manifestHosts: [...(target.manifestHosts ?? []), ...manifestHosts] }),
  };
}
