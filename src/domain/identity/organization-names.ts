import type { AccountId, Arn } from "../names.ts";
import type { Organization, OrganizationPolicy, OrganizationPolicyType } from "./ports.ts";
import { lowerAlphanumeric, randomText } from "./random.ts";

/** Ids and ARNs of what an organization has (Organizations API reference, "Data Types"; service authorization reference). */

export type NodeKind = "root" | "unit" | "account";

/** `undefined` for what is no root, unit or account whatever. */
export function nodeKindOf(id: string): NodeKind | undefined {
  if (/^r-[0-9a-z]{4,32}$/.test(id)) return "root";
  if (/^ou-[0-9a-z]{4,32}-[0-9a-z]{8,32}$/.test(id)) return "unit";
  return /^[0-9]{12}$/.test(id) ? "account" : undefined;
}

const random = (length: number) => randomText(lowerAlphanumeric, length);

export const newOrganizationId = () => `o-${random(10)}`;
export const newRootId = () => `r-${random(4)}`;
export const newUnitId = (rootId: string) => `ou-${rootId.slice("r-".length)}-${random(8)}`;
export const newPolicyId = () => `p-${random(8)}`;

/** An organization as far as its ARNs need it. */
type Named = Pick<Organization, "id" | "managementAccount">;

export function organizationArn({ id, managementAccount }: Named): Arn {
  return `arn:aws:organizations::${managementAccount}:organization/${id}` as Arn;
}

export function accountArn({ id, managementAccount }: Named, account: AccountId): Arn {
  return `arn:aws:organizations::${managementAccount}:account/${id}/${account}` as Arn;
}

/** Of a root, a unit or an account. */
export function nodeArn({ id, managementAccount }: Named, node: string): Arn {
  const words = { root: "root", unit: "ou", account: "account" };
  return `arn:aws:organizations::${managementAccount}:${words[nodeKindOf(node) ?? "account"]}/${id}/${node}` as Arn;
}

export function organizationPolicyArn(
  { id, managementAccount }: Named,
  policy: Pick<OrganizationPolicy, "id" | "type">,
): Arn {
  const type = policy.type.toLowerCase();
  return (
    isBuiltIn(policy.id)
      ? `arn:aws:organizations::aws:policy/${type}/${policy.id}`
      : `arn:aws:organizations::${managementAccount}:policy/${id}/${type}/${policy.id}`
  ) as Arn;
}

/** The policies that allow everything. Every root, unit and account has them until somebody takes them away. */
export const builtInPolicies: Readonly<Record<OrganizationPolicyType, OrganizationPolicy>> = {
  SERVICE_CONTROL_POLICY: {
    id: "p-FullAWSAccess",
    type: "SERVICE_CONTROL_POLICY",
    name: "FullAWSAccess",
    description: "Allows access to every operation",
    document: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }],
    }),
  },
  RESOURCE_CONTROL_POLICY: {
    id: "p-RCPFullAWSAccess",
    type: "RESOURCE_CONTROL_POLICY",
    name: "RCPFullAWSAccess",
    description: "Allows access to every resource",
    document: JSON.stringify({
      Version: "2012-10-17",
      Statement: [{ Effect: "Allow", Principal: "*", Action: "*", Resource: "*" }],
    }),
  },
};

export const policyTypes = Object.keys(builtInPolicies) as OrganizationPolicyType[];

export function isBuiltIn(policyId: string): boolean {
  return policyTypes.some((type) => builtInPolicies[type].id === policyId);
}
