/** What settings of pull-through caches may be. */

export interface FurtherUpstream {
  pattern: string;
  kind: "berth" | "oci";
}

export interface UpstreamMirror {
  host: string;
  origin: string;
  credentials?: { user: string; password: string };
}

const pattern = "(?:[a-z0-9*](?:[a-z0-9.*-]{0,252}[a-z0-9*])?|\\[[0-9a-f:.]{2,45}\\])(?::(?:[0-9]{1,5}|\\*))?";
const hostPattern = new RegExp(`^${pattern}$`);

/** `registry.example.com`, `*.example.com`, `127.0.0.1:*`, or with `=berth` behind it. */
export function furtherUpstream(given: string): FurtherUpstream | undefined {
  const [host = "", kind = "oci", ...rest] = given.split("=");
  if (!hostPattern.test(host) || (kind !== "oci" && kind !== "berth") || rest.length > 0) return undefined;
  return { pattern: host, kind };
}

export function upstreamPattern(given: string): string | undefined {
  return hostPattern.test(given) ? given : undefined;
}

/** `registry-1.docker.io=https://mirror.example.com`, perhaps with `user:password@` before the host. */
export function upstreamMirror(given: string): UpstreamMirror | undefined {
  const [, host = "", text = ""] = /^([^=]+)=(.+)$/.exec(given) ?? [];
  if (!hostPattern.test(host) || host.includes("*") || !/^https?:\/\//.test(text) || !URL.canParse(text))
    return undefined;
  const { origin, pathname, search, hash, username, password } = new URL(text);
  if (pathname !== "/" || search !== "" || hash !== "" || (username === "") !== (password === "")) return undefined;
  const credentials = { user: decodeURIComponent(username), password: decodeURIComponent(password) };
  return { host, origin, ...(username !== "" && { credentials }) };
}
