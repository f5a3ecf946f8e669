import { createHmac, timingSafeEqual } from "node:crypto";
import { type Claimed, claimedKey } from "../domain/audit/happening.ts";
import type { Credentials, SigningKey } from "../domain/identity/credentials.ts";
import { parseRegion, type Region } from "../domain/names.ts";
import { type Authorization, algorithm, basicDate, readAuthorization } from "./authorization.ts";
import { type CanonicalParts, canonicalRequest, sha256Hex } from "./canonical-request.ts";
import { CallRefused } from "./errors.ts";
import { parsePairs } from "./urlencoded.ts";

/** What the service and the protocol of a call expect of its signature. */
export interface Expectation {
  readonly service: string;
  /** Whether the service is one for all regions. Clients sign for whichever they think it is in. */
  readonly isGlobal?: boolean;
  readonly clockSkewMinutes: number;
  readonly missingTokenText: string;
}

export interface Signed {
  readonly key: SigningKey;
  /** The region of the credential scope: the only word on the region that a client gives. */
  readonly region: Region;
  readonly form: Authorization["form"];
}

/** Verifies AWS Signature Version 4, by header or by query string, against the received Host header. */
export interface Verifier {
  /**
   * Whether the key that the request names exists: all that can be said before the body is there.
   * @throws CallRefused as `verify` does
   */
  recognize(request: Request, missingTokenText: string): Promise<void>;
  verify(request: Request, body: Uint8Array, expected: Expectation): Promise<Signed>;
}

export interface VerifierParts {
  readonly credentials: Pick<Credentials, "find">;
  readonly clock: () => Date;
  /** The regions that are served; left out: every well-formed one. */
  readonly regions?: readonly Region[];
}

const terminator = "aws4_request";
const unsignedPayload = "UNSIGNED-PAYLOAD";
/** Added by CloudFront on the way, so no client can have signed it. */
const addedOnTheWay = new Set(["x-amz-cf-id"]);

export function createVerifier({ credentials, clock, regions }: VerifierParts): Verifier {
  const signingKey = createKeyCache(1000);

  return {
    async recognize(request, missingTokenText) {
      const authorization = readAuthorization(request.headers, parsePairs(new URL(request.url).search.slice(1)));
      if (!authorization) throw new CallRefused("MissingToken", missingTokenText);
      await findKey(credentials, authorization);
    },
    async verify(request, body, expected) {
      const url = new URL(request.url);
      const query = parsePairs(url.search.slice(1));
      const authorization = readAuthorization(request.headers, query);
      if (!authorization) throw new CallRefused("MissingToken", expected.missingTokenText);
      const region = checkScope(authorization, expected.service, expected.isGlobal ? undefined : regions);
      checkTime(authorization, clock(), expected.clockSkewMinutes);
      checkSignedHeaders(authorization, request.headers);
      const key = await findKey(credentials, authorization);
      const claimed = { accessKeyId: key.accessKeyId, account: key.principal.account };
      const payloadHash = hashOf(request.headers, body, claimed);
      const secretKey = signingKey(key, authorization.scope);
      const parts = { method: request.method, path: url.pathname, query, payloadHash };
      const isGood = headerReadings(authorization, request, url).some((headers) =>
        isSignedBy(secretKey, authorization, { ...parts, headers }),
      );
      if (!isGood) throw mismatch(claimed);
      return { key, region, form: authorization.form };
    },
  };
}

function checkScope({ scope, timestamp }: Authorization, service: string, regions?: readonly Region[]): Region {
  const region = parseRegion(scope.region);
  if (scope.terminator !== terminator) {
    throw invalid(`Credential should be scoped with a valid terminator: '${terminator}'.`);
  }
  if (scope.service !== service) throw invalid(`Credential should be scoped to correct service: '${service}'.`);
  if (!region || (regions && !regions.includes(region))) {
    throw invalid("Credential should be scoped to a valid region.");
  }
  const day = timestamp.slice(0, 8);
  if (scope.date !== day) {
    throw invalid(
      `Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '${scope.date}' != '${day}', from '${timestamp}'.`,
    );
  }
  return region;
}

/** A presigned request lives as long as it says itself: whoever hands it out counts on that. */
function checkTime({ signedAt, timestamp, expiresSeconds }: Authorization, now: Date, skewMinutes: number): void {
  const skewMs = skewMinutes * 60_000;
  const lifetimeMs = expiresSeconds === undefined ? skewMs : expiresSeconds * 1000;
  const earliest = new Date(now.getTime() - lifetimeMs);
  const latest = new Date(now.getTime() + skewMs);
  // Compared by the second, as both are shown.
  if (timestamp < basicDate(earliest)) {
    const window = `${basicDate(now)} - ${lifetimeMs / 60_000} min.`;
    throw invalid(`Signature expired: ${timestamp} is now earlier than ${basicDate(earliest)} (${window})`);
  }
  if (signedAt > latest) {
    const window = `${basicDate(now)} + ${skewMinutes} min.`;
    throw invalid(`Signature not yet current: ${timestamp} is still later than ${basicDate(latest)} (${window})`);
  }
}

/** What is not signed could be put there by anybody, so nothing that steers a call may be. */
function checkSignedHeaders({ signedHeaders }: Authorization, headers: Headers): void {
  if (!signedHeaders.includes("host")) {
    throw invalid("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.");
  }
  for (const name of headers.keys()) {
    if (name.startsWith("x-amz-") && !addedOnTheWay.has(name) && !signedHeaders.includes(name)) {
      throw invalid(`'${name}' must be a 'SignedHeader' in the AWS Authorization.`);
    }
  }
}

async function findKey(credentials: VerifierParts["credentials"], authorization: Authorization): Promise<SigningKey> {
  const claimed = claimedKey(authorization.accessKeyId);
  const found = await credentials.find(authorization.accessKeyId, authorization.sessionToken);
  switch (found.state) {
    case "active":
      return found;
    case "expired":
      throw new CallRefused("ExpiredToken", "The security token included in the request is expired", claimed);
    case "unknown":
      throw new CallRefused("UnknownToken", "The security token included in the request is invalid.", claimed);
  }
}

/** The last line of the canonical request. A hash that the client declares must be the hash of what came. */
function hashOf(headers: Headers, body: Uint8Array, claimed: Claimed): string {
  const declared = headers.get("x-amz-content-sha256");
  if (declared?.startsWith("STREAMING-")) {
    throw invalid("Payloads that are signed in chunks (STREAMING-*) are not supported by this service.");
  }
  if (declared === unsignedPayload) return unsignedPayload;
  const actual = sha256Hex(body);
  if (declared !== null && declared !== actual) throw mismatch(claimed);
  return actual;
}

/**
 * The signed headers as the client may have seen them. A header that was sent twice reaches us joined by ", ", but was
 * signed joined by ","; from here both readings look alike, and they mean the same.
 */
function headerReadings({ signedHeaders }: Authorization, { headers }: Request, url: URL): CanonicalParts["headers"][] {
  const receivedValue = (name: string) => headers.get(name) ?? (name === "host" ? url.host : "");
  const received = signedHeaders.map((name) => [name, receivedValue(name)] as const);
  if (!received.some(([, value]) => value.includes(", "))) return [received];
  return [received, received.map(([name, value]) => [name, value.replaceAll(/, */g, ",")] as const)];
}

function isSignedBy(secretKey: Buffer, { scope, timestamp, signature }: Authorization, parts: CanonicalParts): boolean {
  const { date, region, service } = scope;
  const stringToSign = [
    algorithm,
    timestamp,
    `${date}/${region}/${service}/${terminator}`,
    sha256Hex(canonicalRequest(parts)),
  ].join("\n");
  if (!/^[0-9a-f]{64}$/.test(signature)) return false;
  return timingSafeEqual(hmac(secretKey, stringToSign), Buffer.from(signature, "hex"));
}

/** Four HMACs for each request would be one too many: a derived key serves its key pair, region and service for a day. */
function createKeyCache(maxKeys: number) {
  const cache = new Map<string, { secret: string; derived: Buffer }>();
  return ({ accessKeyId, secret }: SigningKey, { date, region, service }: Authorization["scope"]): Buffer => {
    const id = [accessKeyId, date, region, service].join("/");
    const known = cache.get(id);
    cache.delete(id); // and back in as the newest
    const isSame = known?.secret === secret;
    const derived = isSame
      ? known.derived
      : [date, region, service, terminator].reduce(hmac, Buffer.from(`AWS4${secret}`));
    cache.set(id, { secret, derived });
    if (cache.size > maxKeys) cache.delete(cache.keys().next().value ?? "");
    return derived;
  };
}

function hmac(key: Buffer, text: string): Buffer {
  return createHmac("sha256", key).update(text).digest();
}

function invalid(message: string, claimed?: Claimed): CallRefused {
  return new CallRefused("SignatureMismatch", message, claimed);
}

function mismatch(claimed: Claimed): CallRefused {
  return invalid(
    "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access Key and signing method. Consult the service documentation for details.",
    claimed,
  );
}
