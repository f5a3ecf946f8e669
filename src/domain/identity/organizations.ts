import type { AccountId } from "../names.ts";
import { createOrganizationMembers, type OrganizationMembers } from "./organization-members.ts";
import { createOrganizationPolicyService, type OrganizationPolicyService } from "./organization-policies.ts";
import { createDesk } from "./organization-tree.ts";
import { createOrganizationUnits, type OrganizationUnits } from "./organization-units.ts";
import type { IdentityMetadata, Organization, OrganizationPolicyType } from "./ports.ts";

/** The organization: its accounts, the tree that they hang on, and the policies that bound them. */
export interface OrganizationService extends OrganizationMembers, OrganizationUnits, OrganizationPolicyService {
  /** What the names of its resources need, before anybody's permission is known. Tells nobody anything. */
  identify(): Promise<Organization | undefined>;
  typeOfPolicy(id: string): Promise<OrganizationPolicyType | undefined>;
}

export interface OrganizationServiceParts {
  readonly metadata: IdentityMetadata;
  /** The account that may found the organization. */
  readonly configured: AccountId;
  readonly clock: () => Date;
  /** Told of everything that may change what somebody may do. */
  changed(): void;
}

export function createOrganizations(parts: OrganizationServiceParts): OrganizationService {
  const { metadata, changed } = parts;
  const desk = createDesk(metadata, changed);
  return {
    ...createOrganizationMembers({ ...parts, desk }),
    ...createOrganizationUnits(desk),
    ...createOrganizationPolicyService(desk),
    identify: () => metadata.read.organizations.get(),
    typeOfPolicy: async (id) => (await metadata.read.organizations.policy(id))?.type,
  };
}
