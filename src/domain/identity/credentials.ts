import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { Principal } from "../access.ts";
import type { AccountId } from "../names.ts";
import type { Sealer } from "./sealer.ts";

/** A key pair that requests are signed with, once it is known to be good. */
export interface SigningKey {
  readonly state: "active";
  readonly accessKeyId: string;
  readonly secret: string;
  readonly principal: Principal;
  /** Whether it came with a session token (`ASIA…`). */
  readonly temporary: boolean;
  /** The long-term key that it is or descends from: tokens made with it die with that one. */
  readonly longTermKeyId: string;
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
   * `unknown` also covers a key that exists but was switched off: callers must not be able to tell.
   */
  find(accessKeyId: string, sessionToken?: string): Promise<FoundKey>;
  /** Whether the long-term key that a token descends from may still be used. */
  isActive(accessKeyId: string): Promise<boolean>;
  /** Temporary credentials for the principal. They die with the long-term key they descend from. */
  issueSession(principal: Principal, longTermKeyId: string, durationSeconds: number): Promise<SessionCredentials>;
}

export interface RootKey {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly account: AccountId;
}

const purpose = "session";
const base32 = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

interface SealedSession {
  readonly accessKeyId: string;
  readonly secret: string;
  readonly parent: string;
  readonly principal: Principal;
  readonly expiresAt: number;
}

export function rootPrincipal(account: AccountId): Principal {
  return { kind: "root", account, arn: `arn:aws:iam::${account}:root`, userId: account };
}

/** Whoever has not signed in. */
export const anonymous: Principal = {
  kind: "anonymous",
  account: "" as AccountId,
  arn: "anonymous",
  userId: "anonymous",
};

/** The account's root key pair and the sessions made from it. */
export function createCredentials(parts: { root: RootKey; sealer: Sealer; clock: () => Date }): Credentials {
  const { root, sealer, clock } = parts;
  const rootUser = rootPrincipal(root.account);
  const isRoot = (accessKeyId: string) => sameSecret(accessKeyId, root.accessKeyId);

  return {
    async find(accessKeyId, sessionToken) {
      if (sessionToken === undefined) {
        if (!isRoot(accessKeyId)) return { state: "unknown" };
        const { accessKeyId: longTermKeyId, secret } = root;
        return { state: "active", accessKeyId, secret, principal: rootUser, temporary: false, longTermKeyId };
      }
      const session = sealer.open(purpose, sessionToken) as SealedSession | undefined;
      if (!session || session.accessKeyId !== accessKeyId || !isRoot(session.parent)) return { state: "unknown" };
      if (session.expiresAt <= clock().getTime()) return { state: "expired" };
      const { secret, principal, parent: longTermKeyId } = session;
      return { state: "active", accessKeyId, secret, principal, temporary: true, longTermKeyId };
    },
    async isActive(accessKeyId) {
      return isRoot(accessKeyId);
    },
    async issueSession(principal, parent, durationSeconds) {
      const accessKeyId = `ASIA${randomText(base32, 16)}`;
      const secret = randomBytes(30).toString("base64");
      const expiresAt = clock().getTime() + durationSeconds * 1000;
      const session: SealedSession = { accessKeyId, secret, parent, principal, expiresAt };
      const sessionToken = sealer.seal(purpose, session);
      return { accessKeyId, secretAccessKey: secret, sessionToken, expiration: new Date(expiresAt) };
    },
  };
}

/** Compares without telling by its duration where the texts differ, nor how long the right one is. */
export function sameSecret(given: string, right: string): boolean {
  const hash = (text: string) => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(given), hash(right));
}

function randomText(alphabet: string, length: number): string {
  return Array.from(randomBytes(length), (byte) => alphabet[byte % alphabet.length]).join("");
}
