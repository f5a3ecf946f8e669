import type { Facts } from "../access.ts";
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

/** @throws ProtectedRole for a service-linked role */
export function checkUnprotected({ kind, path, name }: Identity): void {
  if (kind === "role" && path.startsWith(serviceRolePath)) throw refuse("ProtectedRole", { name });
}

/** What a permission check wants to know of the thing that is meant. */
export interface Resource {
  readonly arn: Arn;
  /** `iam:resourcetag/…`, `aws:resourcetag/…`, `iam:permissionsboundary`. Nothing for what does not exist. */
  readonly facts: Facts;
}

export interface IamResources {
  /** Whoever does not exist is taken for one without a path: what is allowed must not tell. */
  entity(account: AccountId, kind: IdentityKind, name: string): Promise<Resource>;
  policy(account: AccountId, arn: Arn): Promise<Resource>;
  oidcProvider(account: AccountId, arn: Arn): Promise<Resource>;
}

export function createIamResources(parts: {
  metadata: { readonly read: Pick<IdentityNouns, "identities" | "managedPolicies" | "oidcProviders"> };
}): IamResources {
  const { identities, managedPolicies, oidcProviders } = parts.metadata.read;
  return {
    async entity(account, kind, name) {
      const entity = await identities.find(account, kind, name);
      if (!entity) return { arn: iamArn(account, kind, "/", name), facts: {} };
      return { arn: arnOf(entity), facts: { "iam:permissionsboundary": entity.boundary, ...tagFacts(entity.tags) } };
    },
    async policy(account, arn) {
      return { arn, facts: factsOf(account, await managedPolicies.find(arn)) };
    },
    async oidcProvider(account, arn) {
      return { arn, facts: factsOf(account, await oidcProviders.find(arn)) };
    },
  };
}

/** Of another account's things nothing is known. */
function factsOf(account: AccountId, found: { account: AccountId; tags: Tags } | undefined): Facts {
  return found?.account === account ? tagFacts(found.tags) : {};
}

function tagFacts(tags: Tags): Facts {
  const facts: Record<string, string> = {};
  for (const [key, value] of tags) {
    facts[`iam:resourcetag/${key.toLowerCase()}`] = value;
    facts[`aws:resourcetag/${key.toLowerCase()}`] = value;
  }
  return facts;
}
