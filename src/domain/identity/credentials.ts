import { createHash, timingSafeEqual } from "node:crypto";
import type { Principal, Session } from "../access.ts";
import { type AccountId, iamArn, rootArn } from "../names.ts";
import { rootKeyPurpose } from "./accounts.ts";
import { newAccessKeyId, newSecret } from "./ids.ts";
import type { KeyUses } from "./key-uses.ts";
import type { Known, KnownKey } from "./known.ts";
import type { Identity } from "./ports.ts";
import type { Sealer } from "./sealer.ts";

/** A key pair that requests are signed with, once it is known to be good. */
export interface SigningKey {
  readonly state: "active";
  readonly accessKeyId: string;
  readonly secret: string;
  readonly principal: Principal;
  /** Whether it came with a session token (`ASIA…`). */
  readonly temporary: boolean;
  /** The long-term key that it is or descends from: tokens made with it die with that one. A role's session has none. */
  readonly longTermKeyId?: string;
}

export type FoundKey = SigningKey | { readonly state: "unknown" } | { readonly state: "expired" };

/** Temporary credentials (STS API reference, Credentials). */
export interface SessionCredentials {
  readonly accessKeyId: string;
  readonly secretAccessKey: string;
  readonly sessionToken: string;
  readonly expiration: Date;
}

export interface Credentials {
  /**
   * The key pair behind an access key id. A temporary key needs its session token; a long-term key has none.
   * `unknown` also covers a key that was switched off, or whose user, role or account was taken away: callers must not be
   * able to tell.
   */
  find(accessKeyId: string, sessionToken?: string): Promise<FoundKey>;
  /**
   * The principal of a session or token, as it is called today: its user may have another name by now, and somebody else
   * the old one. `undefined` for what counts no more: one that descends from a long-term key dies with it; a role's dies
   * with the role.
   */
  today(principal: Principal, longTermKeyId: string | undefined): Promise<Principal | undefined>;
  /** Temporary credentials for the principal, which live as `today` says. */
  issueSession(
    principal: Principal,
    longTermKeyId: string | undefined,
    durationSeconds: number,
  ): Promise<SessionCredentials>;
  /** Notes that a request was made with the key. Call it once the request is known to be its holder's. */
  used(key: SigningKey, service: string, region: string): void;
  /** The account that a key belongs to, whatever its state. `undefined` where nobody knows the key. */
  accountOf(accessKeyId: string): Promise<AccountId | undefined>;
}

export interface RootKey {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly account: AccountId;
}

export interface CredentialsParts {
  readonly root: RootKey;
  readonly known: Known;
  readonly uses: KeyUses;
  readonly sealer: Sealer;
  readonly clock: () => Date;
}

const purpose = "session";
/** What users' secrets are sealed for. */
export const accessKeyPurpose = "access-key";

interface SealedSession {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly parent?: string;
  readonly principal: Principal;
  readonly expiresAt: number;
}

/** Whoever has not signed in. */
export const anonymous: Principal = {
  kind: "anonymous",
  account: "" as AccountId,
  arn: "anonymous",
  userId: "anonymous",
};

type Holder = Pick<SigningKey, "principal" | "secret">;

/** Root users' and users' long-term keys, and the sessions that STS makes. */
export function createCredentials({ root, known, uses, sealer, clock }: CredentialsParts): Credentials {
  /** A long-term key that may be used. */
  async function longTerm(accessKeyId: string): Promise<SigningKey | undefined> {
    const found = holderOf(await known.key(accessKeyId), accessKeyId);
    // Asked for a key that nobody has, too, so that the time does not tell whether there is one.
    const isActive = await known.isActive(found?.principal.account ?? root.account);
    if (!found || !isActive) return undefined;
    return { state: "active", accessKeyId, ...found, temporary: false, longTermKeyId: accessKeyId };
  }

  /** Opened once for as long as the key is known: opening takes longer than the decision. */
  const opened = new WeakMap<KnownKey, Holder | undefined>();

  function holderOf(found: KnownKey | undefined, accessKeyId: string): Holder | undefined {
    if (!found) return undefined;
    if (!opened.has(found)) opened.set(found, open(found, accessKeyId));
    return opened.get(found);
  }

  function open(found: KnownKey, accessKeyId: string): Holder | undefined {
    switch (found.kind) {
      case "configured":
        return { principal: rootPrincipal(root.account), secret: root.secret };
      case "root": {
        const secret = secretIn(sealer.open(rootKeyPurpose, found.account.rootSealedSecret ?? ""), accessKeyId);
        return secret === undefined ? undefined : { principal: rootPrincipal(found.account.id), secret };
      }
      case "user": {
        if (found.key.status !== "Active") return undefined;
        const secret = secretIn(sealer.open(accessKeyPurpose, found.key.sealedSecret), accessKeyId);
        return secret === undefined ? undefined : { principal: userPrincipal(found.user), secret };
      }
    }
  }

  async function today(principal: Principal, longTermKeyId: string | undefined): Promise<Principal | undefined> {
    if (longTermKeyId !== undefined) {
      const holder = (await longTerm(longTermKeyId))?.principal;
      if (!holder || !isOf(principal, holder)) return undefined;
      if (principal.kind === "federated") return { ...principal, identityArn: holder.arn };
      return { ...principal, arn: holder.arn };
    }
    if (principal.kind !== "role" || principal.identityId === undefined) return undefined;
    const { account, identityId } = principal;
    const [isActive, role] = await Promise.all([known.isActive(account), known.identity(identityId)]);
    const isThere = isActive && role?.identity.kind === "role" && role.identity.account === account;
    return isThere ? principal : undefined;
  }

  return {
    today,
    used: uses.note,
    async find(accessKeyId, sessionToken) {
      if (sessionToken === undefined) return (await longTerm(accessKeyId)) ?? { state: "unknown" };
      const session = sealer.open(purpose, sessionToken) as SealedSession | undefined;
      if (!session || session.accessKeyId !== accessKeyId) return { state: "unknown" };
      const { secret, parent: longTermKeyId, expiresAt } = session;
      const principal = await today(session.principal, longTermKeyId);
      if (!principal) return { state: "unknown" };
      if (expiresAt <= clock().getTime()) return { state: "expired" };
      return { state: "active", accessKeyId, secret, principal, temporary: true, longTermKeyId };
    },
    async issueSession(principal, parent, durationSeconds) {
      const accessKeyId = newAccessKeyId("ASIA");
      const secret = newSecret();
      const expiresAt = clock().getTime() + durationSeconds * 1000;
      const session: SealedSession = { accessKeyId, secret, parent, principal, expiresAt };
      const sessionToken = sealer.seal(purpose, session);
      return { accessKeyId, secretAccessKey: secret, sessionToken, expiration: new Date(expiresAt) };
    },
    async accountOf(accessKeyId) {
      const found = await known.key(accessKeyId);
      if (found?.kind === "configured") return root.account;
      return found?.kind === "user" ? found.key.account : found?.account.id;
    },
  };
}

/** A sealed secret says whose it is, so that one cannot be put in the place of another. */
function secretIn(sealed: unknown, accessKeyId: string): string | undefined {
  const pair = sealed as { readonly accessKeyId: string; readonly secret: string } | undefined;
  return pair?.accessKeyId === accessKeyId ? pair.secret : undefined;
}

/** Whether a session stands on whoever holds the key. */
function isOf(principal: Principal, holder: Principal): boolean {
  return principal.account === holder.account && principal.identityId === holder.identityId;
}

// ── Principals, as AWS writes them ──────────────────────────────────────────────────────────────────────────────────

export function rootPrincipal(account: AccountId): Principal {
  return { kind: "root", account, arn: rootArn(account), userId: account };
}

export function userPrincipal({ account, path, name, uniqueId }: Identity): Principal {
  return { kind: "user", account, arn: iamArn(account, "user", path, name), userId: uniqueId, identityId: uniqueId };
}

/** A session of a role. */
export function rolePrincipal(
  { account, path, name, uniqueId }: Identity,
  session: Session & { name: string },
): Principal {
  return {
    kind: "role",
    account,
    arn: `arn:aws:sts::${account}:assumed-role/${name}/${session.name}`,
    userId: `${uniqueId}:${session.name}`,
    identityId: uniqueId,
    identityArn: iamArn(account, "role", path, name),
    session,
  };
}

/** Somebody whom a user, or a root user, vouches for. */
export function federatedPrincipal(by: Principal, session: Session & { name: string }): Principal {
  return {
    kind: "federated",
    account: by.account,
    arn: `arn:aws:sts::${by.account}:federated-user/${session.name}`,
    userId: `${by.account}:${session.name}`,
    identityId: by.identityId,
    identityArn: by.arn,
    session,
  };
}

/** Compares without telling by its duration where the texts differ, nor how long the right one is. */
export function sameSecret(given: string, right: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(right));
}
