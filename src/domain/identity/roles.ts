import type { Granted, PrincipalDirectory } from "../access.ts";
import { bindPrincipals, showPrincipals } from "../bindings.ts";
import { refuse } from "../errors.ts";
import type { AccountId, Arn } from "../names.ts";
import { checkUnprotected, findEntity, lockEntity, serviceRolePath } from "./entities.ts";
import { type NewTags, tagsOf, withoutTags, withTags } from "./identity-tags.ts";
import { newUniqueId } from "./ids.ts";
import { checkPolicy } from "./policy-text.ts";
import { checkUsable } from "./policy-use.ts";
import type { Identity, IdentityMetadata, IdentityNouns, Paged } from "./ports.ts";

export interface NewRole {
  readonly name: string;
  readonly path?: string;
  readonly trustPolicy: string;
  readonly description?: string;
  readonly maxSessionSeconds?: number;
  readonly boundary?: Arn;
  readonly tags?: NewTags;
}

/** A role as its readers see it: whoever its trust policy names is named as of today. */
export type Role = Identity & { readonly trustPolicy: string };

export interface RoleService {
  /** @throws EntityAlreadyExists, InvalidInput, LimitExceeded, MalformedPolicy, Validation, NoSuchEntity for the boundary */
  create(granted: Granted, role: NewRole): Promise<Role>;
  /** @throws NoSuchEntity */
  get(granted: Granted, name: string): Promise<Role>;
  list(granted: Granted, page: Paged<string> & { readonly pathPrefix?: string }): Promise<Role[]>;
  /** @throws NoSuchEntity, ProtectedRole */
  update(granted: Granted, name: string, changes: RoleChanges): Promise<Role>;
  /** @throws NoSuchEntity, MalformedPolicy, LimitExceeded, ProtectedRole */
  setTrustPolicy(granted: Granted, name: string, trustPolicy: string): Promise<void>;
  /** @throws NoSuchEntity, DeleteConflict, ProtectedRole */
  delete(granted: Granted, name: string): Promise<void>;
  /** @throws NoSuchEntity, InvalidInput, LimitExceeded, ProtectedRole */
  tag(granted: Granted, name: string, tags: NewTags): Promise<void>;
  /** @throws NoSuchEntity, ProtectedRole */
  untag(granted: Granted, name: string, keys: readonly string[]): Promise<void>;
}

export interface RoleChanges {
  readonly description?: string;
  readonly maxSessionSeconds?: number;
}

/** Default quotas (IAM user guide, "IAM and AWS STS quotas"). */
const maxRoles = 1000;
const maxTrustPolicySize = 2048;
const defaultSessionSeconds = 3600;

export interface RoleParts {
  readonly metadata: IdentityMetadata;
  readonly directory: PrincipalDirectory;
  readonly clock: () => Date;
  /** Called after whatever changes what somebody may do. */
  readonly changed: () => void;
}

export function createRoles({ metadata, directory, clock, changed }: RoleParts): RoleService {
  /** @throws MalformedPolicy, LimitExceeded */
  async function trust(text: string) {
    checkPolicy(text, "trust", maxTrustPolicySize, `Cannot exceed quota for ACLSizePerRole: ${maxTrustPolicySize}`);
    const { bindings, unknown } = await bindPrincipals(text, directory);
    if (unknown.length > 0) {
      throw refuse("MalformedPolicy", { reason: `Invalid principal in policy: "AWS":"${unknown[0]}"` });
    }
    return { trustPolicy: text, trustBindings: bindings };
  }

  /** Asks for each name once, however many roles are shown. */
  function viewer(): (role: Identity) => Promise<Role> {
    const names = new Map<string, Promise<Arn | undefined>>();
    const known: PrincipalDirectory = {
      ...directory,
      nameOf(uniqueId) {
        const name = names.get(uniqueId) ?? directory.nameOf(uniqueId);
        names.set(uniqueId, name);
        return name;
      },
    };
    return async (role) => {
      const { trustPolicy = "", trustBindings = new Map() } = role;
      return { ...role, trustPolicy: await showPrincipals(trustPolicy, trustBindings, known) };
    };
  }

  /** A role that may be changed. */
  async function changeable(nouns: IdentityNouns, account: AccountId, name: string): Promise<Identity> {
    const role = await lockEntity(nouns, account, "role", name);
    checkUnprotected(role);
    return role;
  }

  return {
    async create({ registry: { account } }, wanted) {
      const { name, path = "/", description, maxSessionSeconds = defaultSessionSeconds, boundary } = wanted;
      const tags = tagsOf(wanted.tags ?? []);
      if (path.startsWith(serviceRolePath)) {
        throw refuse("Validation", { reason: `The path ${serviceRolePath} is reserved for service-linked roles` });
      }
      const trusted = await trust(wanted.trustPolicy);
      const role = await metadata.transact(async (nouns) => {
        if (boundary !== undefined) await checkUsable(nouns, account, boundary);
        const created = await nouns.identities.create({
          account,
          kind: "role",
          path,
          name,
          uniqueId: newUniqueId("role"),
          createdAt: clock(),
          description,
          boundary,
          tags,
          maxSessionSeconds,
          ...trusted,
        });
        if (!created) throw refuse("EntityAlreadyExists", { reason: `Role with name ${name} already exists.` });
        if ((await nouns.identities.count(account, "role")) > maxRoles) {
          throw refuse("LimitExceeded", { reason: `Cannot exceed quota for RolesPerAccount: ${maxRoles}` });
        }
        return created;
      });
      changed();
      return viewer()(role);
    },

    async get({ registry: { account } }, name) {
      return viewer()(await findEntity(metadata.read, account, "role", name));
    },

    async list({ registry: { account } }, page) {
      const roles = await metadata.read.identities.list(account, "role", page);
      const view = viewer();
      const shown: Role[] = [];
      for (const role of roles) shown.push(await view(role));
      return shown;
    },

    async update({ registry: { account } }, name, { description, maxSessionSeconds }) {
      const role = await metadata.transact(async (nouns) => {
        const role = await findEntity(nouns, account, "role", name);
        // The description of a service-linked role is anybody's.
        if (maxSessionSeconds !== undefined) checkUnprotected(role);
        await nouns.identities.update(role.id, {
          ...(description !== undefined && { description }),
          ...(maxSessionSeconds !== undefined && { maxSessionSeconds }),
        });
        return findEntity(nouns, account, "role", name);
      });
      changed();
      return viewer()(role);
    },

    async setTrustPolicy({ registry: { account } }, name, trustPolicy) {
      // First whether the role is there: AWS answers that before it looks at the policy.
      await changeable(metadata.read, account, name);
      const trusted = await trust(trustPolicy);
      await metadata.transact(async (nouns) => {
        const { id } = await changeable(nouns, account, name);
        await nouns.identities.update(id, trusted);
      });
      changed();
    },

    async delete({ registry: { account } }, name) {
      await metadata.transact(async (nouns) => {
        const { id } = await changeable(nouns, account, name);
        await checkUnused(nouns, id);
        await nouns.identities.delete(id);
      });
      changed();
    },

    async tag({ registry: { account } }, name, tags) {
      await metadata.transact(async (nouns) => {
        const role = await changeable(nouns, account, name);
        await nouns.identities.update(role.id, { tags: withTags(role.tags, tags) });
      });
      changed();
    },

    async untag({ registry: { account } }, name, keys) {
      await metadata.transact(async (nouns) => {
        const role = await changeable(nouns, account, name);
        await nouns.identities.update(role.id, { tags: withoutTags(role.tags, keys) });
      });
      changed();
    },
  };
}

/** @throws DeleteConflict while it has policies */
async function checkUnused({ identities }: IdentityNouns, id: number): Promise<void> {
  if ((await identities.attached(id, { limit: 1 })).length > 0) {
    throw refuse("DeleteConflict", { reason: "Cannot delete entity, must detach all policies first." });
  }
  if ((await identities.inlinePolicyNames(id, { limit: 1 })).length > 0) {
    throw refuse("DeleteConflict", { reason: "Cannot delete entity, must delete policies first." });
  }
}
