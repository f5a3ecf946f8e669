import type { PrincipalDirectory, PrincipalPolicies } from "../access.ts";
import { createAccessKeys } from "./access-keys.ts";
import { createAccountFacts } from "./account-facts.ts";
import { createAttachments } from "./attachments.ts";
import { createBoundaries } from "./boundaries.ts";
import { createIamResources } from "./entities.ts";
import { createGroups } from "./groups.ts";
import { createInlinePolicies } from "./inline-policies.ts";
import { createManagedPolicies } from "./managed-policies.ts";
import { createOidcProviders } from "./oidc-providers.ts";
import type { IdentityMetadata } from "./ports.ts";
import { createRoles } from "./roles.ts";
import type { Sealer } from "./sealer.ts";
import { createServiceLinkedRoles } from "./service-linked-roles.ts";
import { createSimulation } from "./simulation.ts";
import { createUsers } from "./users.ts";

export interface IamServicesParts {
  readonly metadata: IdentityMetadata;
  readonly sealer: Sealer;
  readonly directory: PrincipalDirectory;
  readonly principals: PrincipalPolicies;
  readonly clock: () => Date;
  /** Whether an issuer on this machine may do without TLS. */
  readonly allowInsecureIssuers: boolean;
  /** Called after whatever changes who somebody is, or what somebody may do. */
  readonly changed: () => void;
}

export type IamServices = ReturnType<typeof createIamServices>;

/** Everything that an administrator of an account works on: users, groups, keys, roles, policies, providers. */
export function createIamServices(parts: IamServicesParts) {
  return {
    users: createUsers(parts),
    groups: createGroups(parts),
    accessKeys: createAccessKeys(parts),
    accountFacts: createAccountFacts(parts),
    roles: createRoles(parts),
    serviceLinkedRoles: createServiceLinkedRoles(parts),
    managedPolicies: createManagedPolicies(parts),
    attachments: createAttachments(parts),
    inlinePolicies: createInlinePolicies(parts),
    boundaries: createBoundaries(parts),
    oidcProviders: createOidcProviders(parts),
    simulation: createSimulation(parts),
    resources: createIamResources(parts),
  };
}
