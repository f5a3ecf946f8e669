import type { IssuerKeys, SignatureVerdict } from "../domain/identity/web-identity.ts";
import { type Answer, NotFetched } from "./exchange.ts";
import { guardedGet, type Reachable } from "./guarded-fetch.ts";
import type { KeySet } from "./signatures.ts";

export interface IssuerKeysParts extends Reachable {
  readonly clock: () => Date;
  /** Why an issuer's keys could not be had. */
  readonly log: { warn(facts: Record<string, unknown>, message: string): void };
}

const minutes = 60_000;
const limits = { timeoutMs: 5_000, maxBytes: 256 * 1024 };
/** How long keys are used without asking again, whatever their issuer says. */
const lifetime = { leastMs: 5 * minutes, mostMs: 24 * 60 * minutes, presetMs: 60 * minutes };
/** Anybody can send a token with a key id of their own making. */
const unknownKeyPauseMs = 30_000;
/** Nor is an issuer that fails asked by every request. */
const failurePauseMs = 5_000;
/** Beyond so many issuers, the one that was not asked for longest is forgotten. */
const maxIssuers = 1_000;

/** Loaded with the first token: many a registry never sees one. */
const signatures = () => import("./signatures.ts");

type Failure = "unreachable" | "unusable";

interface Entry {
  readonly keys?: KeySet;
  readonly failure?: Failure;
  readonly askedAt: number;
  readonly freshUntil: number;
}

/** The keys of OIDC issuers, by discovery (OpenID Connect Discovery 1.0), kept for a while. */
export function createIssuerKeys({ clock, log, ...reachable }: IssuerKeysParts): IssuerKeys {
  /** Least recently used first. */
  const entries = new Map<string, Entry>();
  const inFlight = new Map<string, Promise<Entry>>();

  /** One question at a time to each issuer; whoever comes meanwhile waits for its answer. */
  function ask(issuer: string): Promise<Entry> {
    let asking = inFlight.get(issuer);
    if (!asking) {
      asking = fetchKeys(issuer).finally(() => inFlight.delete(issuer));
      inFlight.set(issuer, asking);
    }
    return asking;
  }

  async function fetchKeys(issuer: string): Promise<Entry> {
    const askedAt = clock().getTime();
    try {
      const { keys, lifetimeMs } = await discover(issuer, reachable);
      return keep(issuer, { keys, askedAt, freshUntil: askedAt + lifetimeMs });
    } catch (error) {
      log.warn({ issuer, reason: String(error) }, "the keys of an identity provider could not be fetched");
      const failure = error instanceof NotFetched ? "unusable" : "unreachable";
      const before = entries.get(issuer);
      // Keys that were good stay good for as long as they were to be.
      if (before?.keys && before.freshUntil > askedAt) return keep(issuer, { ...before, askedAt });
      return keep(issuer, { failure, askedAt, freshUntil: askedAt + failurePauseMs });
    }
  }

  function keep(issuer: string, entry: Entry): Entry {
    entries.delete(issuer);
    entries.set(issuer, entry);
    if (entries.size > maxIssuers) entries.delete(entries.keys().next().value ?? "");
    return entry;
  }

  function known(issuer: string): Entry | undefined {
    const entry = entries.get(issuer);
    return entry && entry.freshUntil > clock().getTime() ? keep(issuer, entry) : undefined;
  }

  return {
    async verify(issuer, token) {
      const entry = known(issuer) ?? (await ask(issuer));
      const verdict = await verdictOf(entry, token);
      // Issuers rotate their keys: a new one may be there by now.
      const isPatient = clock().getTime() - entry.askedAt < unknownKeyPauseMs;
      if (verdict !== "unknown key") return verdict;
      const newer = isPatient ? entry : await ask(issuer);
      const second = newer === entry ? verdict : await verdictOf(newer, token);
      return second === "unknown key" ? { state: "bad" } : second;
    },
  };
}

async function verdictOf({ keys, failure }: Entry, token: string): Promise<SignatureVerdict | "unknown key"> {
  return keys ? (await signatures()).verify(keys, token) : { state: failure ?? "unusable" };
}

/** @throws NotFetched for what will not get better by asking again */
async function discover(issuer: string, reachable: Reachable): Promise<{ keys: KeySet; lifetimeMs: number }> {
  if (!URL.canParse(issuer)) throw new NotFetched("an issuer that is no URL");
  const address = `${issuer.replace(/\/$/, "")}/.well-known/openid-configuration`;
  const configuration = jsonIn(await guardedGet(new URL(address), reachable, limits));
  // Else one issuer could speak for another.
  if (configuration.issuer !== issuer) throw new NotFetched("the configuration is of another issuer");
  const { jwks_uri: keysAddress } = configuration;
  if (typeof keysAddress !== "string" || !URL.canParse(keysAddress)) throw new NotFetched("no jwks_uri");
  const answer = await guardedGet(new URL(keysAddress), reachable, limits);
  const { keySetIn } = await signatures();
  return { keys: keySetIn(jsonIn(answer)), lifetimeMs: lifetimeOf(answer) };
}

function jsonIn({ status, body }: Answer): Record<string, unknown> {
  if (status >= 500 || status === 429) throw new Error(`the issuer answered ${status}`);
  if (status !== 200) throw new NotFetched(`the issuer answered ${status}`);
  try {
    const value = JSON.parse(body.toString("utf8"));
    if (typeof value === "object" && value !== null) return value;
  } catch {
    // Told below.
  }
  throw new NotFetched("an answer that is not JSON");
}

function lifetimeOf({ headers }: Answer): number {
  const seconds = /(?:^|[\s,])max-age=(\d{1,9})/i.exec(String(headers["cache-control"] ?? ""))?.[1];
  const wished = seconds === undefined ? lifetime.presetMs : Number(seconds) * 1000;
  return Math.min(Math.max(wished, lifetime.leastMs), lifetime.mostMs);
}
