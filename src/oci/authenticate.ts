import type { Arrival, Caller, Principal } from "../domain/access.ts";
import { type AuthenticationMethod, claimedKey } from "../domain/audit/happening.ts";
import type { ClientCertificates } from "../domain/identity/client-certificates.ts";
import { type Credentials, sameSecret } from "../domain/identity/credentials.ts";
import type { OpenedToken, RegistryTokens } from "../domain/identity/registry-tokens.ts";
import type { Region, Registry } from "../domain/names.ts";
import { layerTokenParameter, registryOfHost } from "../domain/registry/addresses.ts";
import type { RegistryResources } from "../domain/registry/resource-policies.ts";
import { type PublicAccess, withinScope } from "./bearer-token.ts";
import { NotAuthenticated, OciError } from "./errors.ts";
import type { OciRequest } from "./request.ts";

export interface Authenticated {
  readonly caller: Caller;
  readonly registry: Registry;
  /** The request as far as its credentials open it. @throws NotAuthenticated for what they do not open */
  narrow(asked: OciRequest): Promise<OciRequest>;
  /** The key that it was done with, or that its token descends from. */
  readonly accessKeyId?: string;
  readonly method?: AuthenticationMethod;
}

export interface Authenticator {
  credentials: Credentials;
  registryTokens: RegistryTokens;
  resources: Pick<RegistryResources, "incarnation">;
  defaultRegion: Region;
  /** Regions that are served; all when absent. */
  regions?: readonly Region[];
  /** Left out: certificates of clients stand for nobody. */
  certificates?: ClientCertificates;
  /** Left out: nobody comes in without signing in. */
  publicAccess?: PublicAccess;
}

/** Longest Authorization header that is looked at. */
const maxHeaderLength = 32 * 1024;

/**
 * Who is asking, by `Authorization: Basic`: `AWS` and a password from GetAuthorizationToken, or an access key id and its
 * secret; where there is public access, also by a token of ours; and without that header by the certificate of the connection. And which registry is meant: the one that the host names,
 * else the caller's own in the default region.
 * @throws NotAuthenticated, and OciError DENIED for a good token at the wrong time or place
 */
export async function authenticate(
  request: Request,
  url: URL,
  arrival: Arrival,
  how: Authenticator,
): Promise<Authenticated> {
  const bearer = await byBearer(request, how);
  const signedIn = bearer ?? (await byCertificate(request, url, arrival, how)) ?? (await signIn(request, url, how));
  const { principal, accessKeyId, method } = signedIn;
  arrival.note({ principal: principal.arn });
  const registry = registryOf(url, principal, how);
  return {
    caller: { ...arrival, principal },
    registry,
    accessKeyId,
    method,
    narrow: async (asked) => (bearer ? withinScope(asked, bearer.scope, registry, how.resources) : asked),
  };
}

/** @throws OciError for a region that is not served */
export function registryOf(url: URL, principal: Principal, how: Authenticator): Registry {
  const named = registryOfHost(url.host);
  const region = named?.region ?? how.defaultRegion;
  if (how.regions && !how.regions.includes(region)) {
    throw new OciError(404, "NAME_UNKNOWN", `The region ${region} is not served here`);
  }
  if (named) return named;
  return { account: principal.account || how.publicAccess?.account || principal.account, region };
}

/** @throws NotAuthenticated */
export async function signIn(request: Request, url: URL, how: Authenticator): Promise<SignedIn> {
  const region = registryOfHost(url.host)?.region ?? how.defaultRegion;
  const { user, password } = basic(request.headers.get("authorization"));
  return user === "AWS" ? byToken(password, region, how) : byKey(user, password, region, how);
}

interface SignedIn {
  readonly principal: Principal;
  readonly accessKeyId?: string;
  readonly longTermKeyId?: string;
  readonly method?: AuthenticationMethod;
}

/** Whoever signs in as somebody means that, whatever the connection came with. @throws AccessDenied, OciError DENIED */
async function byCertificate(
  { headers }: Request,
  url: URL,
  arrival: Arrival,
  { certificates, defaultRegion }: Authenticator,
): Promise<SignedIn | undefined> {
  const { certificate } = arrival;
  if (!certificates || !certificate || headers.has("authorization")) return undefined;
  const region = registryOfHost(url.host)?.region ?? defaultRegion;
  const found = await certificates.identify(certificate, arrival, region);
  switch (found.state) {
    case "known":
      return { principal: found.principal, method: "ClientCertificate" };
    case "unknown":
      return undefined;
    case "gone": {
      const message = `Your client certificate (${certificate.subject}) stands for ${found.arn}, and there is no such user or role.`;
      throw new OciError(403, "DENIED", message);
    }
  }
}

async function byBearer(request: Request, { publicAccess }: Authenticator) {
  const header = request.headers.get("authorization") ?? "";
  const token = publicAccess && header.length <= maxHeaderLength && /^bearer +([A-Za-z0-9_-]+) *$/i.exec(header)?.[1];
  if (!token) return undefined;
  const bearer = await publicAccess.tokens.open(token);
  if (!bearer) throw new NotAuthenticated({ reason: "invalid_token" });
  return { ...bearer, method: "BearerToken" as const };
}

/** A download URL of GetDownloadUrlForLayer: its bearer acts as the principal that asked for it, for one blob only. */
export async function authenticateDownload(url: URL, arrival: Arrival, how: Authenticator): Promise<Authenticated> {
  const opened = await how.registryTokens.openLayer(url.searchParams.get(layerTokenParameter) ?? "");
  const { principal, scope, accessKeyId } = accept(opened);
  arrival.note({ principal: principal.arn, download: true });
  return {
    caller: { ...arrival, principal },
    registry: scope.registry,
    accessKeyId,
    method: "DownloadUrl",
    async narrow(asked) {
      const isMeant =
        asked.kind === "blob.read" && asked.repository === scope.repository && asked.digest === scope.digest;
      const incarnation = await how.resources.incarnation(scope.registry, scope.repository);
      if (!isMeant || incarnation !== scope.incarnation) throw new NotAuthenticated();
      return asked;
    },
  };
}

async function byToken(password: string, region: Region, { registryTokens }: Authenticator): Promise<SignedIn> {
  return { ...accept(await registryTokens.open(password, region), region), method: "AuthorizationToken" };
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

async function byKey(
  user: string,
  password: string,
  region: Region,
  { credentials }: Authenticator,
): Promise<SignedIn> {
  const key = await credentials.find(user);
  // An unknown user costs as much as a wrong password.
  const matches = sameSecret(password, key.state === "active" ? key.secret : "");
  if (key.state !== "active" || !matches) {
    const known = key.state === "active" ? { accessKeyId: user, account: key.principal.account } : claimedKey(user);
    throw new NotAuthenticated({ claimed: known });
  }
  credentials.used(key, "ecr", region);
  const { principal, accessKeyId, longTermKeyId } = key;
  return { principal, accessKeyId, longTermKeyId, method: "AccessKey" };
}

function basic(header: string | null): { user: string; password: string } {
  const encoded = header && header.length <= maxHeaderLength && /^basic +([A-Za-z0-9+/=_-]+) *$/i.exec(header)?.[1];
  if (!encoded) throw new NotAuthenticated();
  const text = Buffer.from(encoded, "base64").toString("utf8");
  const colon = text.indexOf(":");
  if (colon < 1 || colon === text.length - 1) throw new NotAuthenticated();
  return { user: text.slice(0, colon), password: text.slice(colon + 1) };
}
