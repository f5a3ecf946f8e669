import { type CompiledPolicy, compilePolicy, type PolicySource } from "../../policy/compile.ts";
import type { ResourcePolicies } from "../access.ts";
import { createFresh } from "../fresh.ts";
import type { AccountId } from "../names.ts";
import { organizationPolicyArn } from "./organization-names.ts";
import { nodesAbove } from "./organization-tree.ts";
import type { IdentityMetadata, Organization, OrganizationPolicy, OrganizationPolicyType } from "./ports.ts";

/** What the organization says about an account. */
export interface OrganizationStanding {
  /**
   * The service control policies for the account's principals, level by level from the root down. Empty where none
   * apply: outside of the organization, while the type is switched off, and for the management account.
   */
  readonly serviceControl: readonly (readonly CompiledPolicy[])[];
  /** The resource control policies for the account's resources, likewise. */
  readonly resourceControl: readonly (readonly CompiledPolicy[])[];
  /** `o-…`, for `aws:PrincipalOrgID` and `aws:ResourceOrgID`. Absent outside of the organization. */
  readonly organizationId?: string;
  /** `o-…/r-…/ou-…/`, for `aws:PrincipalOrgPaths` and `aws:ResourceOrgPaths`. */
  readonly organizationPath?: string;
}

export interface OrganizationStandings {
  of(account: AccountId): Promise<OrganizationStanding>;
  /** What was changed in this process is seen by its next request. */
  changed(): void;
}

export interface OrganizationStandingParts {
  readonly metadata: Pick<IdentityMetadata, "read">;
  /** May answer with what it made of the same text before. Left out: makes everything anew. */
  readonly compile?: (text: string, source: PolicySource) => CompiledPolicy;
}

const outside: OrganizationStanding = { serviceControl: [], resourceControl: [] };

const maxAccounts = 10_000;

export function createOrganizationStandings({
  metadata,
  compile = compilePolicy,
}: OrganizationStandingParts): OrganizationStandings {
  async function standingOf(account: AccountId): Promise<OrganizationStanding> {
    const { accounts, organizations } = metadata.read;
    const organization = await organizations.get();
    if (!organization) return outside;
    const parentId = (await accounts.find(account))?.parentId;
    if (parentId === undefined) return outside;
    const above = await nodesAbove(metadata.read, parentId);
    // Half a path would leave out policies that forbid.
    if (above[0] !== organization.rootId) throw new Error(`${account} hangs on no root`);
    const organizationPath = `${[organization.id, ...above].join("/")}/`;
    const place = { organizationId: organization.id, organizationPath };
    if (account === organization.managementAccount) return { ...place, ...outside };
    const levels = await Promise.all([...above, account].map((node) => organizations.attached(node)));
    return {
      ...place,
      serviceControl: compiled(organization, levels, "SERVICE_CONTROL_POLICY"),
      resourceControl: compiled(organization, levels, "RESOURCE_CONTROL_POLICY"),
    };
  }

  function compiled(
    organization: Organization,
    levels: readonly (readonly OrganizationPolicy[])[],
    type: OrganizationPolicyType,
  ): CompiledPolicy[][] {
    if (!organization.policyTypes.includes(type)) return [];
    const kind = type === "SERVICE_CONTROL_POLICY" ? "service-control" : "resource-control";
    return levels.map((policies) =>
      policies
        .filter((policy) => policy.type === type)
        .map((policy) => compile(policy.document, { kind, name: organizationPolicyArn(organization, policy) })),
    );
  }

  const standings = createFresh({
    read: (account) => standingOf(account as AccountId),
    maxEntries: maxAccounts,
  });
  return { of: (account) => standings.get(account), changed: () => standings.forget() };
}

/** What is asked for is bounded by its own account's place, whoever asks and from wherever. */
export function withResourceControl(
  resources: ResourcePolicies,
  organization: Pick<OrganizationStandings, "of">,
): ResourcePolicies {
  return {
    async of(registry, need) {
      const [theirs, standing] = await Promise.all([resources.of(registry, need), organization.of(registry.account)]);
      const { resourceControl, organizationId, organizationPath } = standing;
      if (organizationId === undefined) return theirs;
      const facts = {
        ...theirs.facts,
        "aws:resourceorgid": organizationId,
        "aws:resourceorgpaths": organizationPath === undefined ? undefined : [organizationPath],
      };
      return { ...theirs, resourceControl, facts };
    },
  };
}
