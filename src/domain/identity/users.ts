import type { Granted } from "../access.ts";
import { refuse } from "../errors.ts";
import type { Arn } from "../names.ts";
import { findEntity, lockEntity } from "./entities.ts";
import { type NewTags, tagsOf, withoutTags, withTags } from "./identity-tags.ts";
import { newUniqueId } from "./ids.ts";
import { checkUsable } from "./policy-use.ts";
import type { Identity, IdentityMetadata, IdentityNouns, Paged } from "./ports.ts";

/** What one account may have at the most (IAM user guide, "IAM and AWS STS quotas"). */
export const maxUsers = 5000;

/** Users of the account that was granted. Their names are the same whatever the case. */
export interface UserService {
  /** Asks no permission: it is how a request that names no user finds out whom it means. */
  ofUniqueId(uniqueId: string): Promise<Identity | undefined>;
  /** @throws NoSuchEntity */
  get(granted: Granted, name: string): Promise<Identity>;
  /** By name. */
  list(granted: Granted, page: Paged<string> & { readonly pathPrefix?: string }): Promise<Identity[]>;
  /** @throws EntityAlreadyExists, LimitExceeded, InvalidInput, NoSuchEntity for the boundary */
  create(granted: Granted, user: NewUser): Promise<Identity>;
  /** @throws NoSuchEntity, EntityAlreadyExists */
  rename(granted: Granted, name: string, to: { readonly name?: string; readonly path?: string }): Promise<void>;
  /**
   * Only one that has nothing any more.
   * @throws NoSuchEntity, DeleteConflict
   */
  delete(granted: Granted, name: string): Promise<void>;
  /** @throws NoSuchEntity, InvalidInput, LimitExceeded */
  tag(granted: Granted, name: string, tags: NewTags): Promise<void>;
  /** @throws NoSuchEntity */
  untag(granted: Granted, name: string, keys: readonly string[]): Promise<void>;
}

export interface NewUser {
  readonly name: string;
  readonly path?: string;
  readonly boundary?: Arn;
  readonly tags?: NewTags;
}

export interface UserParts {
  readonly metadata: IdentityMetadata;
  readonly changed: () => void;
  readonly clock: () => Date;
}

export function createUsers({ metadata, changed, clock }: UserParts): UserService {
  const { identities } = metadata.read;

  /** Changes the user in one transaction, and tells those who keep what it was. */
  async function change(
    { registry: { account } }: Granted,
    name: string,
    work: (user: Identity, nouns: IdentityNouns) => Promise<void>,
  ): Promise<void> {
    await metadata.transact(async (nouns) => {
      await work(await lockEntity(nouns, account, "user", name), nouns);
    });
    changed();
  }

  return {
    ofUniqueId: (uniqueId) => identities.ofUniqueId(uniqueId),
    get: ({ registry: { account } }, name) => findEntity(metadata.read, account, "user", name),
    list: ({ registry: { account } }, page) => identities.list(account, "user", page),

    async create({ registry: { account } }, { name, path = "/", boundary, tags = [] }) {
      const user = { account, kind: "user", path, name, boundary, tags: tagsOf(tags), createdAt: clock() } as const;
      return metadata.transact(async (nouns) => {
        const { identities } = nouns;
        if (boundary !== undefined) await checkUsable(nouns, account, boundary);
        if ((await identities.count(account, "user")) >= maxUsers) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for UsersPerAccount: ${maxUsers}` });
        }
        const created = await identities.create({ ...user, uniqueId: newUniqueId("user") });
        if (!created) throw taken(name);
        return created;
      });
    },

    async rename(granted, name, { name: newName, path }) {
      await change(granted, name, async ({ id }, { identities }) => {
        const to = { ...(newName !== undefined && { name: newName }), ...(path !== undefined && { path }) };
        if (!(await identities.update(id, to))) throw taken(newName ?? name);
      });
    },

    async delete(granted, name) {
      await change(granted, name, async ({ id }, nouns) => {
        await requireNothingLeft(id, nouns);
        await nouns.identities.delete(id);
      });
    },

    async tag(granted, name, tags) {
      await change(granted, name, async (user, { identities }) => {
        await identities.update(user.id, { tags: withTags(user.tags, tags) });
      });
    },

    async untag(granted, name, keys) {
      await change(granted, name, async (user, { identities }) => {
        await identities.update(user.id, { tags: withoutTags(user.tags, keys) });
      });
    },
  };
}

/** In the order in which IAM looks. @throws DeleteConflict */
async function requireNothingLeft(id: number, { identities, accessKeys }: IdentityNouns): Promise<void> {
  const one = { limit: 1 };
  if ((await identities.groupsOf(id, one)).length > 0) throw conflict("remove users from group");
  if ((await identities.attached(id, one)).length > 0) throw conflict("detach all policies");
  if ((await identities.inlinePolicyNames(id, one)).length > 0) throw conflict("delete policies");
  if ((await accessKeys.ofUser(id)).length > 0) throw conflict("delete access keys");
}

/** What has to be done before an entity can go. */
export function conflict(first: string) {
  return refuse("DeleteConflict", { reason: `Cannot delete entity, must ${first} first.` });
}

function taken(name: string) {
  return refuse("EntityAlreadyExists", { reason: `User with name ${name} already exists.` });
}
