import { createHash } from "node:crypto";
import { RemoteFailure, type RemoteTarget } from "../../domain/registry/remote-registry.ts";
import { objectIn } from "../keeper-calls.ts";
import { printable } from "../printable.ts";
import { type Challenge, parseChallenges } from "./challenges.ts";
import { failureOf } from "./failures.ts";
import { isAmong } from "./hosts.ts";
import type { SignInMemory, Token } from "./memory.ts";
import type { Reply } from "./reply.ts";
import type { Transport } from "./transport.ts";

/** What a request is about, as scopes of the token specification: `repository:library/alpine:pull`. */
export type Scopes = readonly string[];

/** Shows a registry who asks, in the way that it wants. */
export interface SigningIn {
  /** Sends a request, with what was good before; when that is refused, once or twice again. @throws RemoteFailure */
  send(
    scopes: Scopes,
    signal: AbortSignal,
    request: (authorization: string | undefined) => Promise<Reply>,
  ): Promise<Reply>;
  /** What must not be shown to anybody. */
  secrets(): readonly string[];
}

export interface SigningInParts {
  readonly target: Pick<RemoteTarget, "origin" | "credentials" | "tokenHosts">;
  readonly transport: Transport;
  readonly memory: SignInMemory;
  readonly clock: () => Date;
}

/** What a token answer is at the most: tokens of some registries are several KiB. */
const maxTokenAnswerBytes = 64 * 1024;
const maxTokenLength = 32 * 1024;
/** What the specification says of a token that does not say. */
const presetLifetimeSeconds = 60;
const maxLifetimeSeconds = 24 * 3600;
/** Given up so long before it expires, or after nine tenths of a short life. */
const earlyMs = 10_000;
/** So many of the newest are kept out of errors. */
const maxTokensHidden = 8;
/** How long credentials are used before they are asked for again, unless they are refused. */
const credentialsMs = 60_000;
/** Nor are they asked for again by each of many requests that are refused. */
const askAgainMs = 10_000;

interface Credentials {
  readonly user: string;
  readonly password: string;
}

export function createSigningIn({ target, transport, memory, clock }: SigningInParts): SigningIn {
  const origin = new URL(target.origin);
  let known: { readonly read: Promise<Credentials | undefined>; readonly at: number } | undefined;
  let secrets: readonly string[] = [];
  let askedAgainAt = Number.NEGATIVE_INFINITY;
  let lastTokens: readonly string[] = [];
  const asking = new Map<string, Promise<Token>>();

  async function credentials(again = false): Promise<Credentials | undefined> {
    if (!target.credentials) return undefined;
    const now = clock().getTime();
    if (again || !known || now - known.at > credentialsMs)
      known = { read: target.credentials.read({ again }), at: now };
    const current = known;
    try {
      const found = await current.read;
      if (found) secrets = [found.password, basicOf(found).slice("Basic ".length)];
      return found;
    } catch (error) {
      if (known === current) known = undefined;
      throw error;
    }
  }

  /** Whether there are others than those that were refused. */
  async function areOthersThan(refused: string): Promise<boolean> {
    if (!target.credentials) return false;
    // Others who were refused at the same time may have asked already.
    if (fingerprint(await credentials()) !== refused) return true;
    const now = clock().getTime();
    if (now - askedAgainAt < askAgainMs) return false;
    askedAgainAt = now;
    return fingerprint(await credentials(true)) !== refused;
  }

  async function shownTo(challenge: Challenge, scopes: Scopes, signal: AbortSignal, isNew: boolean): Promise<string> {
    const who = await credentials();
    if (challenge.scheme === "basic") {
      if (who) return basicOf(who);
      throw new RemoteFailure("denied", `${origin.host} wants a user and a password`, { status: 401 });
    }
    try {
      return await bearer(challenge, scopes, who, signal, isNew);
    } catch (error) {
      const isDenied = error instanceof RemoteFailure && error.problem === "denied";
      if (!isDenied || !(await areOthersThan(fingerprint(who)))) throw error;
      return await bearer(challenge, scopes, await credentials(), signal, isNew);
    }
  }

  async function bearer(
    challenge: Challenge,
    scopes: Scopes,
    who: Credentials | undefined,
    signal: AbortSignal,
    isNew: boolean,
  ): Promise<string> {
    const { realm, service } = challenge.parameters;
    const key = [target.origin, realm, service, fingerprint(who), ...scopes].join("\n");
    const before = memory.tokens.get(key);
    const isGood = !isNew && before && before.expiresAt > clock().getTime();
    // Whoever comes meanwhile waits for the same token, with a signal of their own.
    const fetched = () => asking.get(key) ?? remember(key, () => fetchToken(challenge, wanted(challenge, scopes), who));
    const { value } = isGood ? before : await abortable(fetched(), signal);
    lastTokens = [value, ...lastTokens.filter((token) => token !== value)].slice(0, maxTokensHidden);
    return `Bearer ${value}`;
  }

  function remember(key: string, fetch: () => Promise<Token>): Promise<Token> {
    const fetched = fetch()
      .then((token) => {
        memory.tokens.set(key, token);
        return token;
      })
      .finally(() => asking.delete(key));
    asking.set(key, fetched);
    return fetched;
  }

  async function fetchToken(challenge: Challenge, scopes: Scopes, who: Credentials | undefined): Promise<Token> {
    const url = tokenUrl(challenge, scopes, origin, target.tokenHosts);
    const headers = { accept: "application/json", "accept-encoding": "identity", "user-agent": "Berth" };
    const authorization = who && { authorization: basicOf(who) };
    // It ends by the time-outs of the transport: its answer may be for several.
    const signal = AbortSignal.timeout(60_000);
    const asked = clock();
    const reply = await transport.ask({ method: "GET", url, headers: { ...headers, ...authorization }, signal });
    const text = (await reply.whole(maxTokenAnswerBytes)).toString("utf8");
    if (reply.status !== 200) {
      const { status, headers } = reply;
      throw failureOf(`${url.host} (tokens)`, { status, retryAfter: headers["retry-after"], text }, secrets, clock());
    }
    const answer = objectIn(text);
    const value = [answer.token, answer.access_token].find((found) => typeof found === "string" && found !== "");
    // Anything else could not be sent as a header.
    if (typeof value !== "string" || value.length > maxTokenLength || !/^[\x21-\x7e]+$/.test(value)) {
      throw new RemoteFailure("nonsense", `${url.host} answered with no token`);
    }
    const said = answer.expires_in;
    const isSaid = typeof said === "number" && said > 0;
    const lifetimeMs = Math.min(isSaid ? said : presetLifetimeSeconds, maxLifetimeSeconds) * 1000;
    return { value, expiresAt: asked.getTime() + lifetimeMs - Math.min(earlyMs, lifetimeMs / 10) };
  }

  /** By the registry itself: whom it redirects to has nothing to ask of us. */
  const isRefused = ({ status, url }: Reply) => status === 401 && url.origin === origin.origin;

  return {
    secrets: () => [...secrets, ...lastTokens],
    async send(scopes, signal, request) {
      const remembered = memory.challenges.get(target.origin);
      const isUsable = remembered && (remembered.scheme === "bearer" || target.credentials);
      const shown = isUsable ? await shownTo(remembered, scopes, signal, false) : undefined;
      const reply = await request(shown);
      if (!isRefused(reply)) return reply;
      const challenge = chosen(parseChallenges(headerOf(reply.headers["www-authenticate"])));
      if (!challenge) return reply;
      reply.discard();
      memory.challenges.set(target.origin, challenge);
      const next = await shownTo(challenge, scopes, signal, shown !== undefined);
      if (next !== shown || challenge.scheme === "bearer") {
        const second = await request(next);
        // Who was given a token showed good credentials for it.
        if (!isRefused(second) || challenge.scheme === "bearer") return second;
        second.discard();
      }
      if (await areOthersThan(hashOf(next))) return await request(await shownTo(challenge, scopes, signal, true));
      throw new RemoteFailure("denied", `${origin.host} refused the user and the password`, { status: 401 });
    },
  };
}

/** Our scopes, and what the registry wants beside them for the same repositories: some have actions of their own. */
function wanted({ parameters: { scope = "" } }: Challenge, scopes: Scopes): Scopes {
  const resources = new Set(scopes.map((text) => text.slice(0, text.lastIndexOf(":"))));
  const more = scope.split(" ").filter((text) => resources.has(text.slice(0, text.lastIndexOf(":"))));
  return [...new Set([...scopes, ...more])];
}

/** What can be answered, the better first. */
function chosen(challenges: readonly Challenge[]): Challenge | undefined {
  const bearer = challenges.find(({ scheme, parameters }) => scheme === "bearer" && parameters.realm);
  return bearer ?? challenges.find(({ scheme }) => scheme === "basic");
}

/** @throws RemoteFailure where credentials would go to somebody that the registry has no business to send them to */
function tokenUrl(
  { parameters: { realm = "", service } }: Challenge,
  scopes: Scopes,
  origin: URL,
  tokenHosts: readonly string[] | undefined,
): URL {
  if (!URL.canParse(realm)) throw new RemoteFailure("nonsense", `${origin.host} names no address for tokens`);
  const url = new URL(realm);
  const isWithin = url.host === origin.host || isAmong(tokenHosts, url);
  // Never without TLS where the registry itself has it.
  const isSecure = url.protocol === "https:" || url.protocol === origin.protocol;
  if (!isWithin || !isSecure || url.username !== "" || url.password !== "") {
    const where = printable(url.origin, [], 200);
    throw new RemoteFailure("out-of-bounds", `${origin.host} wants tokens of ${where}, which is not among its hosts`);
  }
  url.hash = "";
  if (service !== undefined) url.searchParams.set("service", service);
  for (const scope of scopes) url.searchParams.append("scope", scope);
  return url;
}

const basicOf = ({ user, password }: Credentials) => `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}`;

const headerOf = (header: string | string[] | undefined) => (Array.isArray(header) ? header.join(", ") : header);

/** Stands for credentials in keys, without being them. */
function fingerprint(who: Credentials | undefined): string {
  return who ? hashOf(basicOf(who)) : "";
}

const hashOf = (text: string) => createHash("sha256").update(text).digest("hex");

async function abortable<Value>(promise: Promise<Value>, signal: AbortSignal): Promise<Value> {
  signal.throwIfAborted();
  const aborted = Promise.withResolvers<never>();
  const abort = () => aborted.reject(signal.reason);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([promise, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}
