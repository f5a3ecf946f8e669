import { refuse } from "../../domain/errors.ts";
import type { Sealer } from "../../domain/identity/sealer.ts";

/** What whoever makes a grant can hand on, so that it can be retired by those who know nothing else of it. */
export interface GrantToken {
  /** The ARN of the key. */
  readonly key: string;
  readonly grant: string;
}

const purpose = "key grant";

export function grantTokenOf(sealer: Sealer, token: GrantToken): string {
  return sealer.seal(purpose, token);
}

/** @throws InvalidGrantToken */
export function openGrantToken(sealer: Sealer, text: string): GrantToken {
  const token = sealer.open(purpose, text) as GrantToken | undefined;
  if (!token) throw refuse("InvalidGrantToken");
  return token;
}
