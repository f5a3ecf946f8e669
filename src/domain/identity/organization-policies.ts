import { checkPolicyDocument } from "../../policy/document.ts";
import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { parseAccountId } from "../names.ts";
import { everyAccount } from "./accounts.ts";
import { builtInPolicies, isBuiltIn, newPolicyId } from "./organization-names.ts";
import { attachBuiltIns, type Desk, isParent } from "./organization-tree.ts";
import type { Described } from "./organization-units.ts";
import type { IdentityNouns, Organization, OrganizationPolicy, OrganizationPolicyType } from "./ports.ts";

/** A root, unit or account that a policy hangs on. */
export interface PolicyTarget {
  readonly id: string;
  readonly name: string;
}

/** Service and resource control policies, and where they hang. */
export interface OrganizationPolicyService {
  /** @throws RootNotFound, PolicyTypeAlreadyEnabled */
  enablePolicyType(granted: Granted, rootId: string, type: OrganizationPolicyType): Promise<Organization>;
  /** All that hangs somewhere is taken off but what allows everything. @throws RootNotFound, PolicyTypeNotEnabled */
  disablePolicyType(granted: Granted, rootId: string, type: OrganizationPolicyType): Promise<Organization>;
  /** @throws DuplicateOrganizationPolicy, MalformedPolicy, OrganizationConstraint */
  createPolicy(granted: Granted, policy: Omit<OrganizationPolicy, "id">): Promise<Described<OrganizationPolicy>>;
  /** @throws OrganizationPolicyNotFound */
  policy(granted: Granted, id: string): Promise<Described<OrganizationPolicy>>;
  updatePolicy(
    granted: Granted,
    id: string,
    changes: Partial<Pick<OrganizationPolicy, "name" | "description" | "document">>,
  ): Promise<Described<OrganizationPolicy>>;
  /** @throws OrganizationPolicyNotFound, PolicyInUse, OrganizationInput */
  deletePolicy(granted: Granted, id: string): Promise<void>;
  /** By id. */
  policies(granted: Granted, type: OrganizationPolicyType): Promise<Described<readonly OrganizationPolicy[]>>;
  /** @throws OrganizationPolicyNotFound, TargetNotFound, PolicyTypeNotEnabled, DuplicatePolicyAttachment, OrganizationConstraint */
  attachPolicy(granted: Granted, id: string, target: string): Promise<void>;
  /** @throws OrganizationPolicyNotFound, TargetNotFound, PolicyNotAttached, OrganizationConstraint, OrganizationInput */
  detachPolicy(granted: Granted, id: string, target: string): Promise<void>;
  /** By id. @throws TargetNotFound */
  policiesOf(
    granted: Granted,
    target: string,
    type: OrganizationPolicyType,
  ): Promise<Described<readonly OrganizationPolicy[]>>;
  /** By id. @throws OrganizationPolicyNotFound */
  targetsOf(granted: Granted, id: string): Promise<Described<readonly PolicyTarget[]>>;
  /** Of a root, unit, account or policy. @throws TargetNotFound */
  checkResource(granted: Granted, id: string): Promise<void>;
}

/** Organizations user guide, "Quotas". */
const maxPolicies = 1_000;
const maxAttached = 5;
const maxDocumentLength = 5_120;

export function createOrganizationPolicyService(desk: Desk): OrganizationPolicyService {
  return {
    enablePolicyType: (granted, rootId, type) =>
      desk.change(granted, async (nouns, organization) => {
        if (rootId !== organization.rootId) throw refuse("RootNotFound");
        if (organization.policyTypes.includes(type)) throw refuse("PolicyTypeAlreadyEnabled");
        return setTypes(nouns, organization, [...organization.policyTypes, type]);
      }),
    disablePolicyType: (granted, rootId, type) =>
      desk.change(granted, async (nouns, organization) => {
        if (rootId !== organization.rootId) throw refuse("RootNotFound");
        if (!organization.policyTypes.includes(type)) throw refuse("PolicyTypeNotEnabled");
        await detachEverywhere(nouns, organization, type);
        return setTypes(
          nouns,
          organization,
          organization.policyTypes.filter((enabled) => enabled !== type),
        );
      }),
    createPolicy: (granted, wanted) =>
      desk.change(granted, async (nouns, organization) => {
        const others = await nouns.organizations.policies(wanted.type);
        if (others.length >= maxPolicies) {
          throw refuse("OrganizationConstraint", {
            reason: "POLICY_NUMBER_LIMIT_EXCEEDED",
            message: "You have exceeded the allowed number of policies.",
          });
        }
        refuseSameName(others, wanted.name);
        checkDocument(wanted);
        const policy: OrganizationPolicy = { ...wanted, id: newPolicyId() };
        await nouns.organizations.putPolicy(policy);
        return { organization, thing: policy };
      }),
    policy: (granted, id) =>
      desk.view(granted, async (nouns, organization) => ({ organization, thing: await policyOf(nouns, id) })),
    updatePolicy: (granted, id, changes) =>
      desk.change(granted, async (nouns, organization) => {
        const policy = await policyOf(nouns, id);
        refuseBuiltIn(policy);
        const { name = policy.name, description = policy.description, document = policy.document } = changes;
        const changed: OrganizationPolicy = { ...policy, name, description, document };
        if (name !== policy.name) refuseSameName(await nouns.organizations.policies(policy.type), name);
        checkDocument(changed);
        await nouns.organizations.putPolicy(changed);
        return { organization, thing: changed };
      }),
    deletePolicy: (granted, id) =>
      desk.change(granted, async (nouns) => {
        refuseBuiltIn(await policyOf(nouns, id));
        if ((await nouns.organizations.targetsOf(id)).length > 0) throw refuse("PolicyInUse");
        await nouns.organizations.deletePolicy(id);
      }),
    policies: (granted, type) =>
      desk.view(granted, async ({ organizations }, organization) => ({
        organization,
        thing: await organizations.policies(type),
      })),
    attachPolicy: (granted, id, target) =>
      desk.change(granted, async (nouns, organization) => {
        const { type } = await policyOf(nouns, id);
        await checkTarget(nouns, organization, target);
        if (!organization.policyTypes.includes(type)) throw refuse("PolicyTypeNotEnabled");
        const attached = await attachedOf(nouns, target, type);
        if (attached.some((policy) => policy.id === id)) throw refuse("DuplicatePolicyAttachment");
        if (attached.length >= maxAttached) {
          throw refuse("OrganizationConstraint", {
            reason: "MAX_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            message: "You have exceeded the allowed number of policies attached to the specified target.",
          });
        }
        await nouns.organizations.attach(id, target);
      }),
    detachPolicy: (granted, id, target) =>
      desk.change(granted, async (nouns, organization) => {
        const { type } = await policyOf(nouns, id);
        await checkTarget(nouns, organization, target);
        const attached = await attachedOf(nouns, target, type);
        if (!attached.some((policy) => policy.id === id)) throw refuse("PolicyNotAttached");
        if (id === builtInPolicies.RESOURCE_CONTROL_POLICY.id) {
          throw refuse("OrganizationInput", {
            reason: "NON_DETACHABLE_POLICY",
            message: "You cannot detach the specified policy from the target.",
          });
        }
        if (attached.length === 1) {
          throw refuse("OrganizationConstraint", {
            reason: "MIN_POLICY_TYPE_ATTACHMENT_LIMIT_EXCEEDED",
            message:
              "You cannot remove the last policy attached to the specified target. You must have at least one attached at all times.",
          });
        }
        await nouns.organizations.detach(id, target);
      }),
    policiesOf: (granted, target, type) =>
      desk.view(granted, async (nouns, organization) => {
        await checkTarget(nouns, organization, target);
        return { organization, thing: await attachedOf(nouns, target, type) };
      }),
    targetsOf: (granted, id) =>
      desk.view(granted, async (nouns, organization) => {
        await policyOf(nouns, id);
        const targets = (await nouns.organizations.targetsOf(id)).toSorted();
        return { organization, thing: await Promise.all(targets.map((target) => named(nouns, target))) };
      }),
    checkResource: (granted, id) =>
      desk.view(granted, async (nouns, organization) => {
        if (!(await nouns.organizations.policy(id))) await checkTarget(nouns, organization, id);
      }),
  };
}

async function policyOf({ organizations }: IdentityNouns, id: string): Promise<OrganizationPolicy> {
  const policy = await organizations.policy(id);
  if (!policy) throw refuse("OrganizationPolicyNotFound");
  return policy;
}

async function attachedOf({ organizations }: IdentityNouns, target: string, type: OrganizationPolicyType) {
  const attached = await organizations.attached(target);
  return attached.filter((policy) => policy.type === type);
}

async function checkTarget(nouns: IdentityNouns, organization: Organization, target: string): Promise<void> {
  const account = parseAccountId(target);
  const isThere = account
    ? (await nouns.accounts.find(account))?.parentId !== undefined
    : await isParent(nouns, organization, target);
  if (!isThere) throw refuse("TargetNotFound");
}

async function named({ accounts, organizations }: IdentityNouns, id: string): Promise<PolicyTarget> {
  const account = parseAccountId(id);
  if (account) return { id, name: (await accounts.find(account))?.name ?? "" };
  return { id, name: (await organizations.unit(id))?.name ?? "Root" };
}

async function setTypes(
  { organizations }: IdentityNouns,
  organization: Organization,
  policyTypes: readonly OrganizationPolicyType[],
): Promise<Organization> {
  await organizations.setPolicyTypes(policyTypes);
  return { ...organization, policyTypes };
}

/** Once the type is switched on again, everything is allowed until somebody says otherwise. */
async function detachEverywhere(
  nouns: IdentityNouns,
  { rootId }: Organization,
  type: OrganizationPolicyType,
): Promise<void> {
  const { organizations } = nouns;
  for (const { id } of await organizations.policies(type)) {
    if (isBuiltIn(id)) continue;
    for (const target of await organizations.targetsOf(id)) await organizations.detach(id, target);
  }
  const nodes = [rootId, ...(await unitsBelow(nouns, rootId))];
  for await (const { id, parentId } of everyAccount(nouns)) if (parentId !== undefined) nodes.push(id);
  for (const node of nodes) await attachBuiltIns(nouns, node);
}

async function unitsBelow(nouns: IdentityNouns, parentId: string): Promise<string[]> {
  const units = await nouns.organizations.unitsIn(parentId);
  const below = await Promise.all(units.map(({ id }) => unitsBelow(nouns, id)));
  return [...units.map(({ id }) => id), ...below.flat()];
}

function refuseSameName(others: readonly OrganizationPolicy[], name: string): void {
  if (others.some((other) => other.name === name)) throw refuse("DuplicateOrganizationPolicy");
}

function refuseBuiltIn({ id }: OrganizationPolicy): void {
  if (!isBuiltIn(id)) return;
  throw refuse("OrganizationInput", {
    reason: "IMMUTABLE_POLICY",
    message: "You specified a policy that is managed by AWS and can't be modified.",
  });
}

function checkDocument({ type, document }: Pick<OrganizationPolicy, "type" | "document">): void {
  if (document.length > maxDocumentLength) {
    throw refuse("OrganizationConstraint", {
      reason: "POLICY_CONTENT_LIMIT_EXCEEDED",
      message: "You have exceeded the allowed size of a policy.",
    });
  }
  const kind = type === "SERVICE_CONTROL_POLICY" ? "service-control" : "resource-control";
  if (checkPolicyDocument(document, kind).problem !== undefined) {
    throw refuse("MalformedPolicy", {
      reason: "The provided policy document does not meet the requirements of the specified policy type.",
    });
  }
}
