import type { PrincipalDirectory, PrincipalPolicies } from "../access.ts";
import { createAttachments } from "./attachments.ts";
import { createBoundaries } from "./boundaries.ts";
import { createIamResources } from "./entities.ts";
import { createInlinePolicies } from "./inline-policies.ts";
import { createManagedPolicies } from "./managed-policies.ts";
import { createOidcProviders } from "./oidc-providers.ts";
import type { IdentityMetadata } from "./ports.ts";
import { createRoles } from "./roles.ts";
import { createServiceLinkedRoles } from "./service-linked-roles.ts";
import { createSimulation } from "./simulation.ts";

export interface RoleServicesParts {
  readonly metadata: IdentityMetadata;
  readonly directory: PrincipalDirectory;
  readonly principals: PrincipalPolicies;
  readonly clock: () => Date;
  /** Whether an issuer on this machine may do without TLS. */
  readonly allowInsecureIssuers: boolean;
  /** Called after whatever changes what somebody may do. */
  readonly changed: () => void;
}

export type RoleServices = ReturnType<typeof createRoleServices>;

/** Everything about roles, policies and providers. */
export function createRoleServices(parts: RoleServicesParts) {
  return {
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
