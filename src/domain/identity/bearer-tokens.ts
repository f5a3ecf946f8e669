import type { Principal } from "../access.ts";
import type { RepositoryName } from "../names.ts";
import type { Credentials } from "./credentials.ts";
import type { Sealer } from "./sealer.ts";

/** A repository that a token opens, for some of its verbs: `pull`, `push`, `delete`, or `*`. */
export interface RepositoryScope {
  readonly repository: RepositoryName;
  readonly actions: readonly string[];
  /** Which life of the name is meant: a repository that is made anew is not open to old tokens. */
  readonly incarnation: string;
}

export interface BearerScope {
  readonly repositories: readonly RepositoryScope[];
  /** Whether the catalog may be asked for. */
  readonly catalog: boolean;
}

export interface Bearer {
  readonly principal: Principal;
  /** The key that it was asked for with, and the one that it descends from. */
  readonly accessKeyId?: string;
  readonly longTermKeyId?: string;
  readonly scope: BearerScope;
}

/**
 * What clients show after they were sent to `/v2/token` (Distribution, "Token authentication specification"). A token says
 * who its bearer is and narrows what it is for; what it allows is decided at each request.
 */
export interface BearerTokens {
  issue(bearer: Bearer): { readonly token: string; readonly issuedAt: Date; readonly expiresInSeconds: number };
  /** `undefined` for a token that is not ours, is too old, or whose user, role or key was taken away. */
  open(token: string): Promise<Bearer | undefined>;
}

/** Long enough for a large layer to begin, short enough to be forgotten. */
const lifeSeconds = 900;
const purpose = "bearer";

interface SealedBearer extends Bearer {
  readonly issuedAt: number;
  readonly expiresAt: number;
}

export function createBearerTokens(parts: {
  sealer: Sealer;
  credentials: Pick<Credentials, "today">;
  clock: () => Date;
}): BearerTokens {
  const { sealer, credentials, clock } = parts;
  return {
    issue(bearer) {
      const issuedAt = clock();
      const times = { issuedAt: issuedAt.getTime(), expiresAt: issuedAt.getTime() + lifeSeconds * 1000 };
      const sealed: SealedBearer = { ...bearer, ...times };
      return { token: sealer.seal(purpose, sealed), issuedAt, expiresInSeconds: lifeSeconds };
    },
    async open(token) {
      const bearer = sealer.open(purpose, token) as SealedBearer | undefined;
      if (!bearer || bearer.expiresAt <= clock().getTime()) return undefined;
      const { principal, longTermKeyId } = bearer;
      if (principal.kind === "anonymous") return bearer;
      const today = await credentials.today(principal, longTermKeyId);
      return today && { ...bearer, principal: today };
    },
  };
}
