import type { PrincipalPolicies } from "../access.ts";

/** What identity knows about whoever asks: its policies, and the condition keys that come from it. */
export function createPrincipals(): PrincipalPolicies {
  return {
    async of() {
      return { identity: [], facts: {} };
    },
  };
}
