import type { ClientConfig } from "../../client-config.ts";

/** A registry's host as Docker and kubelet name it, with or without scheme, port and path. `undefined` for what has none. */
export function hostIn(server: string): string | undefined {
  const [, scheme = "https", host = ""] = /^(?:(https?):\/\/)?([^/?#]+)/i.exec(server.trim()) ?? [];
  if (!/^(?:\[[0-9a-f:.]+\]|[a-z0-9](?:[a-z0-9.-]*[a-z0-9])?)(?::\d{1,5})?$/i.test(host)) return undefined;
  return host.toLowerCase().replace(scheme.toLowerCase() === "http" ? /:80$/ : /:443$/, "");
}

/**
 * The hosts whose registry is the configured Berth, as patterns: nobody else is given credentials. Without a list of
 * their own, they are the endpoint's host and AWS's form of names under it.
 */
export function registryHosts({ hosts, endpoints }: Pick<ClientConfig, "hosts" | "endpoints">): readonly string[] {
  if (hosts) return hosts.map((host) => host.toLowerCase());
  const host = endpoints.ecr && hostIn(endpoints.ecr.origin);
  return host ? [host, `*.dkr.ecr.*.${host}`, `*.dkr-ecr.*.${host}`] : [];
}

/** In a pattern, `*` stands for any part of one label, as in kubelet's `matchImages`. */
export function isAmong(patterns: readonly string[], host: string): boolean {
  return patterns.some((pattern) => {
    const labels = pattern.replace(/[.[\]]/g, "\\$&").replaceAll("*", "[^.:]*");
    return new RegExp(`^${labels}$`).test(host);
  });
}
