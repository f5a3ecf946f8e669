import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { parseAccountId } from "../names.ts";
import { newUnitId } from "./organization-names.ts";
import { attachBuiltIns, type Desk, detachAll, isParent, maxUnitDepth, nodesAbove } from "./organization-tree.ts";
import type { IdentityNouns, Organization, OrganizationalUnit } from "./ports.ts";

/** What may be said of a thing of the organization, with the organization that its ARN names. */
export interface Described<Thing> {
  readonly organization: Organization;
  readonly thing: Thing;
}

/** The tree between root and accounts. */
export interface OrganizationUnits {
  root(granted: Granted): Promise<Organization>;
  /** @throws ParentNotFound, DuplicateUnit, OrganizationConstraint */
  createUnit(granted: Granted, parentId: string, name: string): Promise<Described<OrganizationalUnit>>;
  /** @throws UnitNotFound */
  unit(granted: Granted, id: string): Promise<Described<OrganizationalUnit>>;
  /** @throws UnitNotFound, DuplicateUnit */
  renameUnit(granted: Granted, id: string, name?: string): Promise<Described<OrganizationalUnit>>;
  /** @throws UnitNotFound, UnitNotEmpty */
  deleteUnit(granted: Granted, id: string): Promise<void>;
  /** By id. @throws ParentNotFound */
  unitsIn(granted: Granted, parentId: string): Promise<Described<readonly OrganizationalUnit[]>>;
  /** @throws ChildNotFound */
  parentOf(granted: Granted, childId: string): Promise<string>;
}

const maxUnits = 2_000;

export function createOrganizationUnits(desk: Desk): OrganizationUnits {
  return {
    root: (granted) => desk.view(granted, async (_, organization) => organization),
    createUnit: (granted, parentId, name) =>
      desk.change(granted, async (nouns, organization) => {
        const { organizations } = nouns;
        if (!(await isParent(nouns, organization, parentId))) throw refuse("ParentNotFound");
        // The root is above all units, and is none.
        if ((await nodesAbove(nouns, parentId)).length > maxUnitDepth) {
          throw refuse("OrganizationConstraint", {
            reason: "OU_DEPTH_LIMIT_EXCEEDED",
            message: "You have exceeded the allowed limit for nested organizational units.",
          });
        }
        if ((await countUnits(nouns, organization.rootId)) >= maxUnits) {
          throw refuse("OrganizationConstraint", {
            reason: "OU_NUMBER_LIMIT_EXCEEDED",
            message: "You have exceeded the allowed number of organizational units.",
          });
        }
        await refuseSameName(nouns, parentId, name);
        const unit: OrganizationalUnit = { id: newUnitId(organization.rootId), parentId, name };
        await organizations.putUnit(unit);
        await attachBuiltIns(nouns, unit.id);
        return { organization, thing: unit };
      }),
    unit: (granted, id) =>
      desk.view(granted, async (nouns, organization) => ({ organization, thing: await unitOf(nouns, id) })),
    renameUnit: (granted, id, name) =>
      desk.change(granted, async (nouns, organization) => {
        const unit = await unitOf(nouns, id);
        if (name === undefined || name === unit.name) return { organization, thing: unit };
        await refuseSameName(nouns, unit.parentId, name);
        const renamed = { ...unit, name };
        await nouns.organizations.putUnit(renamed);
        return { organization, thing: renamed };
      }),
    deleteUnit: (granted, id) =>
      desk.change(granted, async (nouns) => {
        const { accounts, organizations } = nouns;
        await unitOf(nouns, id);
        const children = [...(await organizations.unitsIn(id)), ...(await accounts.childrenOf(id, { limit: 1 }))];
        if (children.length > 0) throw refuse("UnitNotEmpty");
        await detachAll(nouns, id);
        await organizations.deleteUnit(id);
      }),
    unitsIn: (granted, parentId) =>
      desk.view(granted, async (nouns, organization) => {
        if (!(await isParent(nouns, organization, parentId))) throw refuse("ParentNotFound");
        return { organization, thing: await nouns.organizations.unitsIn(parentId) };
      }),
    parentOf: (granted, childId) =>
      desk.view(granted, async (nouns) => {
        const accountId = parseAccountId(childId);
        const child = accountId ? await nouns.accounts.find(accountId) : await nouns.organizations.unit(childId);
        if (child?.parentId === undefined) throw refuse("ChildNotFound");
        return child.parentId;
      }),
  };
}

async function unitOf({ organizations }: IdentityNouns, id: string): Promise<OrganizationalUnit> {
  const unit = await organizations.unit(id);
  if (!unit) throw refuse("UnitNotFound");
  return unit;
}

async function refuseSameName({ organizations }: IdentityNouns, parentId: string, name: string): Promise<void> {
  const siblings = await organizations.unitsIn(parentId);
  if (siblings.some((sibling) => sibling.name === name)) throw refuse("DuplicateUnit");
}

async function countUnits(nouns: IdentityNouns, parentId: string): Promise<number> {
  let count = 0;
  for (const { id } of await nouns.organizations.unitsIn(parentId)) count += 1 + (await countUnits(nouns, id));
  return count;
}
