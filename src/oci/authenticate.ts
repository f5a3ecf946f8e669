import type { Arrival, Caller } from "../domain/access.ts";
import { type Credentials, sameSecret } from "../domain/identity/credentials.ts";
import type { LayerScope, OpenedToken, RegistryTokens } from "../domain/identity/registry-tokens.ts";
import type { Region, Registry } from "../domain/names.ts";
import { layerTokenParameter, registryOfHost } from "../domain/registry/addresses.ts";
import { NotAuthenticated, OciError } from "./errors.ts";
import type { OciRequest } from "./request.ts";

export interface Authenticated {
  readonly caller: Caller;
  readonly registry: Registry;
  /** The one blob that may be read, for the bearer of a download URL. */
  readonly scope?: LayerScope;
}

export interface Authenticator {
  credentials: Credentials;
  tokens: RegistryTokens;
  defaultRegion: Region;
  /** Regions that are served; all when absent. */
  regions?: readonly Region[];
}

/** Longest Authorization header that is looked at. */
const maxHeaderLength = 32 * 1024;

/**
 * Who is asking, by `Authorization: Basic`: `AWS` and a password from GetAuthorizationToken, or an access key id and its
 * secret. And which registry is meant: the one that the host names, else the caller's own in the default region.
 * @throws NotAuthenticated, and OciError DENIED for a good token at the wrong time or place
 */
export async function authenticate(request: Request, arrival: Arrival, how: Authenticator): Promise<Authenticated> {
  const named = registryOfHost(new URL(request.url).host);
  const region = named?.region ?? how.defaultRegion;
  const { user, password } = basic(request.headers.get("authorization"));
  const principal = user === "AWS" ? await byToken(password, region, how) : await byKey(user, password, region, how);
  arrival.note({ principal: principal.arn });
  if (how.regions && !how.regions.includes(region)) {
    throw new OciError(404, "NAME_UNKNOWN", `The region ${region} is not served here`);
  }
  return { caller: { ...arrival, principal }, registry: named ?? { account: principal.account, region } };
}

/** A download URL of GetDownloadUrlForLayer: its bearer acts as the principal that asked for it, for one blob only. */
export async function authenticateDownload(
  url: URL,
  arrival: Arrival,
  { tokens }: Authenticator,
): Promise<Authenticated> {
  const opened = await tokens.openLayer(url.searchParams.get(layerTokenParameter) ?? "");
  const { principal, scope } = accept(opened);
  arrival.note({ principal: principal.arn, download: true });
  return { caller: { ...arrival, principal }, registry: scope.registry, scope };
}

/** @throws NotAuthenticated for every request but the one that the URL was made for */
export function checkDownload(asked: OciRequest, scope: LayerScope): void {
  if (asked.kind !== "blob.read" || asked.repository !== scope.repository || asked.digest !== scope.digest) {
    throw new NotAuthenticated();
  }
}

async function byToken(password: string, region: Region, { tokens }: Authenticator) {
  return accept(await tokens.open(password, region), region).principal;
}

function accept<Scope>(opened: OpenedToken<Scope>, region?: Region) {
  switch (opened.state) {
    case "active":
      return opened;
    case "expired":
      throw new OciError(403, "DENIED", "Your authorization token has expired. Reauthenticate and try again.");
    case "foreign":
      throw new OciError(
        403,
        "DENIED",
        `Your authorization token is for ${opened.region}, but this host serves ${region}. Get a token for ${region}, or use a host name of the form <account>.dkr.ecr.${opened.region}.<domain>.`,
      );
    case "unknown":
      throw new NotAuthenticated();
  }
}

async function byKey(user: string, password: string, region: Region, { credentials }: Authenticator) {
  const key = await credentials.find(user);
  // An unknown user costs as much as a wrong password.
  const matches = sameSecret(password, key.state === "active" ? key.secret : "");
  if (key.state !== "active" || !matches) throw new NotAuthenticated();
  credentials.used(key, "ecr", region);
  return key.principal;
}

function basic(header: string | null): { user: string; password: string } {
  const encoded = header && header.length <= maxHeaderLength && /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1];
  if (!encoded) throw new NotAuthenticated();
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) throw new NotAuthenticated();
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
