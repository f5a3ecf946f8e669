import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { builtInPolicies, nodeKindOf, policyTypes } from "./organization-names.ts";
import type { IdentityMetadata, IdentityNouns, Organization } from "./ports.ts";

/** What everything about the organization begins with: who asks, and where in the tree something hangs. */

/** Units below each other, at the most (Organizations user guide, "Quotas"). */
export const maxUnitDepth = 5;

/** The node and what is above it, from the root down. */
export async function nodesAbove({ organizations }: Pick<IdentityNouns, "organizations">, node: string) {
  const nodes = [node];
  // A tree that is deeper than it may be would be a loop.
  while (nodeKindOf(nodes[0] ?? "") === "unit" && nodes.length <= maxUnitDepth) {
    const unit = await organizations.unit(nodes[0] ?? "");
    if (!unit) break;
    nodes.unshift(unit.parentId);
  }
  return nodes;
}

/** @throws OrganizationNotInUse for a caller whose account is in none */
export async function organizationOf(nouns: IdentityNouns, { caller }: Granted): Promise<Organization> {
  const { account } = caller.principal;
  const organization = await nouns.organizations.get();
  const isMember = organization && (await nouns.accounts.find(account))?.parentId !== undefined;
  if (!isMember) throw refuse("OrganizationNotInUse");
  return organization;
}

/** @throws OrganizationsDenied for every account but the management account */
async function managedBy(nouns: IdentityNouns, granted: Granted): Promise<Organization> {
  const organization = await organizationOf(nouns, granted);
  if (organization.managementAccount !== granted.caller.principal.account) throw refuse("OrganizationsDenied");
  return organization;
}

/** Reads and changes on behalf of the management account. */
export interface Desk {
  view<Result>(
    granted: Granted,
    work: (nouns: IdentityNouns, organization: Organization) => Promise<Result>,
  ): Promise<Result>;
  change<Result>(
    granted: Granted,
    work: (nouns: IdentityNouns, organization: Organization) => Promise<Result>,
  ): Promise<Result>;
}

export function createDesk(metadata: IdentityMetadata, changed: () => void): Desk {
  return {
    view: async (granted, work) => work(metadata.read, await managedBy(metadata.read, granted)),
    async change(granted, work) {
      const result = await metadata.transact(async (nouns) => work(nouns, await managedBy(nouns, granted)));
      changed();
      return result;
    },
  };
}

/** Whether there is such a root or unit, which accounts and units can hang on. */
export async function isParent(
  { organizations }: Pick<IdentityNouns, "organizations">,
  { rootId }: Organization,
  id: string,
): Promise<boolean> {
  return id === rootId || (nodeKindOf(id) === "unit" && (await organizations.unit(id)) !== undefined);
}

/** A new node may do all that its parents leave to it. */
export async function attachBuiltIns({ organizations }: Pick<IdentityNouns, "organizations">, node: string) {
  for (const type of policyTypes) await organizations.attach(builtInPolicies[type].id, node);
}

/** Of a node that goes. */
export async function detachAll({ organizations }: Pick<IdentityNouns, "organizations">, node: string) {
  for (const { id } of await organizations.attached(node)) await organizations.detach(id, node);
}
