import type { RemoteTarget } from "../registry/remote-registry.ts";
import { matchesWildcard } from "../registry/tag-mutability.ts";
import type { UpstreamKind } from "./rules.ts";

/** What the operator allows beyond the upstreams of ECR. Patterns are of hosts, with their port if they have one. */
export interface UpstreamSettings {
  /** Any other registries by host name. */
  readonly further: readonly { readonly pattern: string; readonly kind: "berth" | "oci" }[];
  /** Those that may be inside of our own network; on this machine only where the host itself says that it is. */
  readonly private: readonly string[];
  /** Those that speak plain HTTP. */
  readonly insecure: readonly string[];
  /** What is asked in the place of upstreams. */
  readonly mirrors: readonly Mirror[];
}

export interface Mirror {
  /** Of the upstream, as rules name it. */
  readonly host: string;
  /** `https://host[:port]`, or `http://`. */
  readonly origin: string;
  /** A rule's own credentials are for the upstream that it names, and never go to a mirror. */
  readonly credentials?: { readonly user: string; readonly password: string };
}

export const noFurtherUpstreams: UpstreamSettings = { further: [], private: [], insecure: [], mirrors: [] };

interface WellKnown {
  readonly kind: Exclude<UpstreamKind, "berth" | "oci">;
  readonly host: string | RegExp;
  /** Whether ECR asks for a secret. */
  readonly needsSecret?: boolean;
  /** Where its token service is, if that is another host. */
  readonly tokenHosts?: readonly string[];
  /** Where it sends those who ask for manifests. */
  readonly manifestHosts?: readonly string[];
}

/** ECR API reference, CreatePullThroughCacheRule; where the token services are, each registry's own documentation. */
const wellKnown: readonly WellKnown[] = [
  { kind: "ecr-public", host: "public.ecr.aws" },
  // A front for registries of Artifact Registry in each region.
  { kind: "k8s", host: "registry.k8s.io", manifestHosts: ["*.pkg.dev"] },
  { kind: "quay", host: "quay.io" },
  { kind: "docker-hub", host: "registry-1.docker.io", needsSecret: true, tokenHosts: ["auth.docker.io"] },
  { kind: "github-container-registry", host: "ghcr.io", needsSecret: true },
  { kind: "gitlab-container-registry", host: "registry.gitlab.com", needsSecret: true, tokenHosts: ["gitlab.com"] },
  { kind: "azure-container-registry", host: /^[a-z0-9]{5,50}\.azurecr\.io$/, needsSecret: true },
  { kind: "chainguard", host: "cgr.dev", needsSecret: true },
  { kind: "ecr", host: /^[0-9]{12}\.dkr\.ecr\.[a-z]{2,4}(?:-[a-z]{2,12}){1,3}-\d{1,2}\.amazonaws\.com$/ },
];

export interface Upstream {
  readonly kind: UpstreamKind;
  readonly needsSecret: boolean;
  /**
   * Whether anybody can have such a host, so that whoever names it could be sent what a secret holds. The others belong
   * to one company each.
   */
  readonly isAnybodys: boolean;
}

/** A name, an IPv4 address or an IPv6 address in brackets, and perhaps a port. */
const hostAndPort = /^(?:[a-z0-9](?:[a-z0-9.-]{0,252}[a-z0-9])?|\[[0-9a-f:.]{2,45}\])(?::[0-9]{1,5})?$/;

/** What stands behind the URL of a rule; `undefined` for what is none, or is not allowed here. */
export function upstreamOf(url: string, settings: UpstreamSettings): Upstream | undefined {
  const known = wellKnownOf(url);
  if (known) {
    const isAnybodys = typeof known.host !== "string";
    return { kind: known.kind, needsSecret: known.needsSecret ?? false, isAnybodys };
  }
  if (!isHost(url)) return undefined;
  const further = settings.further.find(({ pattern }) => matchesWildcard(pattern, url));
  return further && { kind: further.kind, needsSecret: false, isAnybodys: true };
}

/** Everything that a rule's URL says of its upstream, and nothing of credentials. */
export interface UpstreamTarget extends Omit<RemoteTarget, "credentials"> {
  /** What is asked in the upstream's place. */
  readonly mirror?: Mirror;
}

/** `undefined` where the upstream is not allowed any more. */
export function targetOf(url: string, settings: UpstreamSettings): UpstreamTarget | undefined {
  if (!upstreamOf(url, settings)) return undefined;
  const mirror = settings.mirrors.find(({ host }) => host === url);
  if (mirror) {
    const { protocol, hostname } = new URL(mirror.origin);
    // Whoever runs the server has said where it is.
    const reach = { private: true, loopback: isLoopback(hostname), insecure: protocol === "http:" };
    // Where it sends others is not said by that.
    const outside = { ...reach, private: false, loopback: false };
    return { origin: mirror.origin, reach, mirror, elsewhere: { reach: outside, but: settings.private } };
  }
  const { tokenHosts, manifestHosts } = wellKnownOf(url) ?? {};
  const isAmong = (patterns: readonly string[]) => patterns.some((pattern) => matchesWildcard(pattern, url));
  const insecure = isAmong(settings.insecure);
  const origin = `${insecure ? "http" : "https"}://${url}`;
  const inside = isAmong(settings.private);
  const reach = { private: inside, loopback: inside && isLoopback(new URL(origin).hostname), insecure };
  // Else who runs an upstream in our network could have anything in it fetched.
  const blobHosts = inside ? settings.private : undefined;
  return { origin, reach, tokenHosts, manifestHosts, blobHosts };
}

function wellKnownOf(url: string): WellKnown | undefined {
  return wellKnown.find(({ host }) => (typeof host === "string" ? host === url : host.test(url)));
}

function isHost(text: string): boolean {
  return text.length <= 261 && hostAndPort.test(text) && URL.canParse(`https://${text}`);
}

/** By what it is called: a name that merely leads to this machine is not meant. */
function isLoopback(hostname: string): boolean {
  return hostname === "localhost" || hostname === "[::1]" || /^127\.\d{1,3}\.\d{1,3}\.\d{1,3}$/.test(hostname);
}
