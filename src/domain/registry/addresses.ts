import {
  type AccountId,
  type Digest,
  parseAccountId,
  parseRegion,
  type Region,
  type Registry,
  type RepositoryName,
} from "../names.ts";

/** Where clients find a registry, and which registry a client's host name means. */
export interface Addresses {
  /** Scheme and host, without a slash at the end: what `docker login` takes. */
  proxyEndpoint(registry: Registry): string;
  /** Host and repository, without a scheme: what `docker push` takes. */
  repositoryUri(registry: Registry, name: RepositoryName): string;
  /** Scheme and host as a client knows them that came by this host, perhaps through a proxy that ends TLS. */
  originOf(host: string, secureTransport: boolean): string;
  /** A URL that opens one blob without further credentials. */
  layerUrl(registry: Registry, name: RepositoryName, digest: Digest, token: string): string;
}

/** Query parameter that carries the token of a download URL. */
export const layerTokenParameter = "X-Berth-Layer-Token";

/** `publicUrl` is a plain origin or has `{account}` and `{region}` in its host; the configuration has checked it. */
export function createAddresses(publicUrl: string): Addresses {
  const origin = publicUrl.replace(/\/+$/, "");
  const proxyEndpoint = ({ account, region }: Registry) =>
    origin.replaceAll("{account}", account).replaceAll("{region}", region);
  return {
    proxyEndpoint,
    repositoryUri: (registry, name) => `${proxyEndpoint(registry).replace(/^https?:\/\//, "")}/${name}`,
    originOf(host, secureTransport) {
      const named = registryOfHost(host);
      const isSecure = secureTransport || (named ? proxyEndpoint(named) : origin) === `https://${host}`;
      return `${isSecure ? "https" : "http"}://${host}`;
    },
    layerUrl: (registry, name, digest, token) =>
      `${proxyEndpoint(registry)}/v2/${name}/blobs/${digest}?${layerTokenParameter}=${token}`,
  };
}

/** `<account>.dkr.ecr.<region>.<anything>`, and AWS's dual-stack spelling with hyphens. */
const registryHost = /^(\d{12})\.dkr[.-]ecr(?:-fips)?\.([a-z0-9-]+)\./;

/** The registry that a `Host` header names, or `undefined` for a plain host. */
export function registryOfHost(host: string): { account: AccountId; region: Region } | undefined {
  const match = registryHost.exec(host.toLowerCase());
  const account = match && parseAccountId(match[1] ?? "");
  const region = match && parseRegion(match[2] ?? "");
  return account && region ? { account, region } : undefined;
}
