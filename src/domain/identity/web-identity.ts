import type { Facts, Principal, Session } from "../access.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Arn } from "../names.ts";
import type { IdentityNouns } from "./ports.ts";

/** Whose keys signed a token. `remotes/` keeps the port: it asks issuers for their keys. */
export interface IssuerKeys {
  /**
   * Checks the token's signature, made with one of `signatureAlgorithms`, against the issuer's keys.
   * @param issuer the token's `iss`, which somebody has registered as a provider
   */
  verify(issuer: string, token: string): Promise<SignatureVerdict>;
}

export type SignatureVerdict =
  | { readonly state: "good"; readonly payload: Uint8Array }
  /** None of the issuer's keys made it. */
  | { readonly state: "bad" }
  /** The issuer does not answer. Perhaps it will. */
  | { readonly state: "unreachable" }
  /** What the issuer answers, or where it is, cannot be used. */
  | { readonly state: "unusable" };

/** Asymmetric ones only: with a shared secret, whoever can check a token could make it. */
export const signatureAlgorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
] as const;

export interface WebIdentities {
  /**
   * Who a token speaks of, if its issuer is a provider of the role's account and the token is for one of its clients.
   * @throws WebIdentityInvalid, WebIdentityExpired, WebIdentityRejected, IssuerUnreachable
   */
  verify(token: string, role: Arn): Promise<Principal>;
  /** What AWS answers of a token beside the session. */
  factsOf(principal: Principal): { readonly subject?: string; readonly audience?: string; readonly provider?: string };
}

export interface WebIdentityParts {
  readonly read: Pick<IdentityNouns, "oidcProviders">;
  readonly issuerKeys: IssuerKeys;
  readonly clock: () => Date;
}

const maxTokenCharacters = 20_000;
const skewSeconds = 300;
/** Claims that conditions can ask about. More, or longer ones, are nobody's CI. */
const maxClaims = 100;
const maxClaimCharacters = 2048;
/** As in STS's own answer. */
const maxSubjectCharacters = 255;
/** So that the session's token stays short enough for the headers that carry it. */
const maxSessionClaimCharacters = 1024;
/** What AWS keeps of a token in the session that it opens. */
const sessionClaims = ["aud", "sub", "amr"];

/** Web identity federation (IAM user guide, "OIDC federation"). */
export function createWebIdentities({ read, issuerKeys, clock }: WebIdentityParts): WebIdentities {
  return {
    async verify(token, role) {
      const issuer = issuerIn(token);
      const url = issuer.replace(/^https?:\/\//, "");
      const provider = await read.oidcProviders.find(`arn:aws:iam::${role.split(":")[4]}:oidc-provider/${url}` as Arn);
      if (!provider) throw invalid(`No OpenIDConnect provider found in your account for ${issuer}`);
      const claims = claimsIn(await signed(issuer, token));
      if (claims?.iss !== issuer) throw notAToken();
      checkTimes(claims, clock());
      const { sub } = claims;
      if (typeof sub !== "string" || sub === "") throw invalid("Missing a required claim: sub");
      if (sub.length > maxSubjectCharacters) throw invalid(`The claim sub is longer than ${maxSubjectCharacters}`);
      const audience = audienceOf(claims, provider.clientIds);
      const session: Session = {
        issuedAt: clock().getTime(),
        name: sub,
        provider: provider.arn,
        claims: conditionKeys(url, { ...claims, aud: audience }),
        ...tagsIn(claims),
      };
      return {
        kind: "web-identity",
        account: "" as AccountId,
        arn: provider.arn,
        userId: `${url}:${audience}:${sub}`,
        session,
      };
    },
    factsOf({ session }) {
      const url = session?.provider?.split(":oidc-provider/")[1]?.toLowerCase();
      const claim = (name: string) => session?.claims?.[`${url}:${name}`] as string | undefined;
      return { subject: session?.name, audience: claim("aud"), provider: session?.provider };
    },
  };

  async function signed(issuer: string, token: string): Promise<Uint8Array> {
    const verdict = await issuerKeys.verify(issuer, token);
    switch (verdict.state) {
      case "good":
        return verdict.payload;
      case "bad":
        throw invalid("The signature of the token is not one of its issuer");
      case "unreachable":
        throw refuse("IssuerUnreachable", { reason: "The identity provider could not be reached. Try again later." });
      case "unusable":
        throw invalid(
          "Couldn't retrieve verification key from your identity provider,  please reference AssumeRoleWithWebIdentity documentation for requirements",
        );
    }
  }
}

/** What of a principal's claims goes on into the session that it opens. */
export function claimsForSession(claims: Facts | undefined): Facts | undefined {
  if (!claims) return undefined;
  return Object.fromEntries(
    Object.entries(claims).filter(([key, value]) => {
      const isKept = sessionClaims.includes(key.slice(key.lastIndexOf(":") + 1));
      return isKept && JSON.stringify(value).length <= maxSessionClaimCharacters;
    }),
  );
}

type Claims = Readonly<Record<string, unknown>>;

/** The issuer that a token names. Nothing of the token is believed yet. */
function issuerIn(token: string): string {
  const [header = "", payload = "", signature, ...rest] = token.split(".");
  if (token.length > maxTokenCharacters || signature === undefined || rest.length > 0) throw notAToken();
  const algorithm = objectIn(Buffer.from(header, "base64url"))?.alg;
  if (!(signatureAlgorithms as readonly unknown[]).includes(algorithm)) throw notAToken();
  const issuer = objectIn(Buffer.from(payload, "base64url"))?.iss;
  if (typeof issuer !== "string" || issuer.length > 255 || !/^https?:\/\/[\x21-\x7e]+$/.test(issuer)) throw notAToken();
  return issuer;
}

function claimsIn(payload: Uint8Array): Claims {
  const claims = objectIn(payload);
  if (!claims) throw notAToken();
  return claims;
}

function objectIn(bytes: Uint8Array): Claims | undefined {
  try {
    const value = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
    return typeof value === "object" && value !== null && !Array.isArray(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

function checkTimes({ exp, nbf, iat }: Claims, date: Date): void {
  const now = Math.floor(date.getTime() / 1000);
  if (typeof exp !== "number") throw invalid("Missing a required claim: exp");
  if (exp + skewSeconds <= now) throw refuse("WebIdentityExpired", { now, expiry: Math.floor(exp) });
  for (const [name, time] of Object.entries({ nbf, iat })) {
    if (time === undefined) continue;
    if (typeof time !== "number") throw invalid(`The claim ${name} is not a time`);
    if (time - skewSeconds > now)
      throw refuse("WebIdentityRejected", { reason: `The token is not valid yet: ${name}` });
  }
}

/** The client that the token is for. A token that names an authorized party is for that one. */
function audienceOf({ aud, azp }: Claims, clientIds: readonly string[]): string {
  const audiences: unknown[] = typeof azp === "string" ? [azp] : Array.isArray(aud) ? aud : [aud];
  if (aud === undefined) throw invalid("Missing a required claim: aud");
  const audience = audiences.find((item) => typeof item === "string" && clientIds.includes(item));
  if (audience === undefined) throw invalid("Incorrect token audience");
  return audience as string;
}

/** `token.actions.githubusercontent.com:repository`: claims as policies ask about them. */
function conditionKeys(url: string, claims: Claims): Facts {
  // A provider that is called `aws` must not speak for AWS.
  if (!/[.:/]/.test(url)) return {};
  const facts: Record<string, string | readonly string[]> = {};
  for (const [name, value] of Object.entries(claims).slice(0, maxClaims)) {
    const values = Array.isArray(value) ? value : [value];
    const fits = values.every((item) => typeof item === "string" && item.length <= maxClaimCharacters);
    // Condition keys know no case: a claim that somebody could name `Sub` must not stand for `sub`.
    const isAnother = name !== name.toLowerCase() && Object.hasOwn(claims, name.toLowerCase());
    if (fits && !isAnother && /^[\w.-]+$/.test(name))
      facts[`${url}:${name}`.toLowerCase()] = value as string | string[];
  }
  return facts;
}

const tagsClaim = "https://aws.amazon.com/tags";
const maxTags = 50;

/** Session tags that the issuer gives (IAM user guide, "Passing session tags using AssumeRoleWithWebIdentity"). */
function tagsIn(claims: Claims): Pick<Session, "tags" | "transitiveTagKeys"> {
  const claim = claims[tagsClaim];
  if (claim === undefined) return {};
  const { principal_tags: given, transitive_tag_keys: transitive = [] } = (claim ?? {}) as Claims;
  const entries = typeof given === "object" && given !== null ? Object.entries(given) : [];
  const tags = entries.map(([key, value]) => [key, Array.isArray(value) && value.length === 1 ? value[0] : value]);
  const isReadable =
    tags.length > 0 &&
    tags.length <= maxTags &&
    tags.every(([key, value]) => tagKey.test(key) && typeof value === "string" && tagValue.test(value)) &&
    Array.isArray(transitive) &&
    transitive.every((key) => typeof key === "string");
  if (!isReadable) throw invalid(`The claim ${tagsClaim} cannot be read`);
  return { tags: Object.fromEntries(tags), transitiveTagKeys: transitive.length > 0 ? transitive : undefined };
}

const tagKey = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{1,128}$/u;
const tagValue = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]{0,256}$/u;

function notAToken() {
  return invalid("The ID Token provided is not a valid JWT. (You may see this error if you sent an Access Token)");
}

function invalid(reason: string) {
  return refuse("WebIdentityInvalid", { reason });
}
