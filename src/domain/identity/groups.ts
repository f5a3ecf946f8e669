import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import { findEntity, lockEntity } from "./entities.ts";
import { newUniqueId } from "./ids.ts";
import type { Identity, IdentityMetadata, IdentityNouns, Paged } from "./ports.ts";
import { conflict } from "./users.ts";

/** What one account may have at the most, and in how many one user may be (IAM user guide, "IAM and AWS STS quotas"). */
export const maxGroups = 300;
export const maxGroupsOfUser = 10;

/** Groups of the account that was granted. Their names are the same whatever the case. */
export interface GroupService {
  /** @throws NoSuchEntity */
  get(granted: Granted, name: string): Promise<Identity>;
  /** By name. */
  list(granted: Granted, page: Paged<string> & { readonly pathPrefix?: string }): Promise<Identity[]>;
  /** By name. */
  members(group: Identity, page: Paged<string>): Promise<Identity[]>;
  /** By name. @throws NoSuchEntity */
  ofUser(granted: Granted, userName: string, page: Paged<string>): Promise<Identity[]>;
  /** @throws EntityAlreadyExists, LimitExceeded */
  create(granted: Granted, group: { readonly name: string; readonly path?: string }): Promise<Identity>;
  /** @throws NoSuchEntity, EntityAlreadyExists */
  rename(granted: Granted, name: string, to: { readonly name?: string; readonly path?: string }): Promise<void>;
  /**
   * Only one that has neither members nor policies.
   * @throws NoSuchEntity, DeleteConflict
   */
  delete(granted: Granted, name: string): Promise<void>;
  /** Safe to repeat. @throws NoSuchEntity, LimitExceeded */
  addUser(granted: Granted, name: string, userName: string): Promise<void>;
  /** Safe to repeat. @throws NoSuchEntity for the group and for the user */
  removeUser(granted: Granted, name: string, userName: string): Promise<void>;
}

export interface GroupParts {
  readonly metadata: IdentityMetadata;
  readonly changed: () => void;
  readonly clock: () => Date;
}

export function createGroups({ metadata, changed, clock }: GroupParts): GroupService {
  const { identities } = metadata.read;

  return {
    get: ({ registry: { account } }, name) => findEntity(metadata.read, account, "group", name),
    list: ({ registry: { account } }, page) => identities.list(account, "group", page),
    members: ({ id }, page) => identities.membersOf(id, page),

    async ofUser({ registry: { account } }, userName, page) {
      const { id } = await findEntity(metadata.read, account, "user", userName);
      return identities.groupsOf(id, page);
    },

    async create({ registry: { account } }, { name, path = "/" }) {
      const group = { account, kind: "group", path, name, tags: new Map(), createdAt: clock() } as const;
      return metadata.transact(async ({ identities }) => {
        if ((await identities.count(account, "group")) >= maxGroups) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for GroupsPerAccount: ${maxGroups}` });
        }
        const created = await identities.create({ ...group, uniqueId: newUniqueId("group") });
        if (!created) throw taken(name);
        return created;
      });
    },

    async rename({ registry: { account } }, name, { name: newName, path }) {
      await metadata.transact(async (nouns) => {
        const { id } = await findEntity(nouns, account, "group", name);
        const to = { ...(newName !== undefined && { name: newName }), ...(path !== undefined && { path }) };
        if (!(await nouns.identities.update(id, to))) throw taken(newName ?? name);
      });
    },

    async delete({ registry: { account } }, name) {
      await metadata.transact(async (nouns) => {
        const { id } = await findEntity(nouns, account, "group", name);
        await requireNothingLeft(id, nouns);
        await nouns.identities.delete(id);
      });
    },

    async addUser({ registry: { account } }, name, userName) {
      await metadata.transact(async (nouns) => {
        const group = await findEntity(nouns, account, "group", name);
        const user = await lockEntity(nouns, account, "user", userName);
        const others = await nouns.identities.groupsOf(user.id, { limit: maxGroupsOfUser });
        const isMember = others.some(({ id }) => id === group.id);
        if (!isMember && others.length >= maxGroupsOfUser) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for GroupsPerUser: ${maxGroupsOfUser}` });
        }
        await nouns.identities.join(group.id, user.id);
      });
      changed();
    },

    async removeUser({ registry: { account } }, name, userName) {
      await metadata.transact(async (nouns) => {
        const group = await findEntity(nouns, account, "group", name);
        const user = await findEntity(nouns, account, "user", userName);
        await nouns.identities.leave(group.id, user.id);
      });
      changed();
    },
  };
}

/** @throws DeleteConflict */
async function requireNothingLeft(id: number, { identities }: IdentityNouns): Promise<void> {
  const one = { limit: 1 };
  if ((await identities.membersOf(id, one)).length > 0) throw conflict("remove users from group");
  if ((await identities.attached(id, one)).length > 0) throw conflict("detach all policies");
  if ((await identities.inlinePolicyNames(id, one)).length > 0) throw conflict("delete policies");
}

function taken(name: string) {
  return refuse("EntityAlreadyExists", { reason: `Group with name ${name} already exists.` });
}
