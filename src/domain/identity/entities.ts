import { refuse } from "../errors.ts";
import { type AccountId, type Arn, iamArn } from "../names.ts";
import { arnOf } from "./directory.ts";
import type { Identity, IdentityKind, IdentityNouns, Tags } from "./ports.ts";

/** Where service-linked roles live. Only the service they belong to changes them. */
export const serviceRolePath = "/aws-service-role/";

/** @throws NoSuchEntity */
export async function findEntity(
  { identities }: Pick<IdentityNouns, "identities">,
  account: AccountId,
  kind: IdentityKind,
  name: string,
): Promise<Identity> {
  const entity = await identities.find(account, kind, name);
  if (!entity) throw refuse("NoSuchEntity", { reason: `The ${kind} with name ${name} cannot be found.` });
  return entity;
}

/**
 * As `findEntity`, and others that lock it wait for the end of the transaction: for whoever changes what it read.
 * @throws NoSuchEntity
 */
export async function lockEntity(
  { identities }: Pick<IdentityNouns, "identities">,
  account: AccountId,
  kind: IdentityKind,
  name: string,
): Promise<Identity> {
  const { id } = await findEntity({ identities }, account, kind, name);
  const entity = await identities.lock(id);
  // Perhaps it went, or got another name, while we waited.
  if (entity?.name.toLowerCase() === name.toLowerCase()) return entity;
  return lockEntity({ identities }, account, kind, name);
}

/** @throws ProtectedRole for a service-linked role */
export function checkUnprotected({ kind, path, name }: Identity): void {
  if (kind === "role" && path.startsWith(serviceRolePath)) throw refuse("ProtectedRole", { name });
}

/** What a permission check wants to know of the thing that is meant. */
export interface IamResource {
  readonly arn: Arn;
  /** None for what does not exist. */
  readonly tags: Tags;
  readonly boundary?: Arn;
}

export interface IamResources {
  /** Whoever does not exist is taken for one without a path: what is allowed must not tell. */
  entity(account: AccountId, kind: IdentityKind, name: string): Promise<IamResource>;
  /** What it would be called under another name or path. */
  moved(account: AccountId, kind: IdentityKind, name: string, to: { name: string; path?: string }): Promise<Arn>;
  policy(account: AccountId, arn: Arn): Promise<IamResource>;
  oidcProvider(account: AccountId, arn: Arn): Promise<IamResource>;
}

export function createIamResources(parts: {
  metadata: { readonly read: Pick<IdentityNouns, "identities" | "managedPolicies" | "oidcProviders"> };
}): IamResources {
  const { identities, managedPolicies, oidcProviders } = parts.metadata.read;
  return {
    async entity(account, kind, name) {
      const entity = await identities.find(account, kind, name);
      if (!entity) return { arn: iamArn(account, kind, "/", name), tags: new Map() };
      return { arn: arnOf(entity), tags: entity.tags, boundary: entity.boundary };
    },
    async moved(account, kind, name, to) {
      const path = to.path ?? (await identities.find(account, kind, name))?.path ?? "/";
      return iamArn(account, kind, path, to.name);
    },
    policy: async (account, arn) => ({ arn, tags: tagsOf(account, await managedPolicies.find(arn)) }),
    oidcProvider: async (account, arn) => ({ arn, tags: tagsOf(account, await oidcProviders.find(arn)) }),
  };
}

/** Of another account's things nothing is known. */
function tagsOf(account: AccountId, found: { account: AccountId; tags: Tags } | undefined): Tags {
  return found?.account === account ? found.tags : new Map();
}
