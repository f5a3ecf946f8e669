import { createAccessKeys } from "./access-keys.ts";
import { createAccountFacts } from "./account-facts.ts";
import { createGroups } from "./groups.ts";
import type { IdentityMetadata } from "./ports.ts";
import type { Sealer } from "./sealer.ts";
import { createUsers } from "./users.ts";

export interface UserServicesParts {
  readonly metadata: IdentityMetadata;
  readonly sealer: Sealer;
  /** Called after whatever changes who somebody is, or what somebody may do. */
  readonly changed: () => void;
  readonly clock: () => Date;
}

export type UserServices = ReturnType<typeof createUserServices>;

/** Everything about users, groups and access keys. */
export function createUserServices(parts: UserServicesParts) {
  return {
    users: createUsers(parts),
    groups: createGroups(parts),
    accessKeys: createAccessKeys(parts),
    accountFacts: createAccountFacts(parts),
  };
}
