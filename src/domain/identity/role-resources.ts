import type { PoliciesOfResource, ResourcePolicies } from "../access.ts";
import { parseAccountId } from "../names.ts";
import { type CompilePolicy, tagFacts } from "./known.ts";
import type { Identity, IdentityNouns } from "./ports.ts";

export interface RoleResourcesParts {
  readonly read: Pick<IdentityNouns, "identities">;
  readonly compile: CompilePolicy;
}

/** What a role's trust policy decides. Even in the role's own account nobody does these unless it allows. */
const trusted = /^sts:(?:assumerole|tagsession$|setsourceidentity$)/i;

/** What identity knows about what is asked for: the trust policies of roles, and the tags of users and roles. */
export function createRoleResources({ read, compile }: RoleResourcesParts): ResourcePolicies {
  function trustOf({ trustPolicy, trustBindings: bindings }: Identity, arn: string) {
    return trustPolicy === undefined ? [] : [compile(trustPolicy, { kind: "trust", name: arn }, { bindings })];
  }

  return {
    async of({ account }, { action, resource }): Promise<PoliciesOfResource> {
      const identity = await findIdentity(read, resource);
      // An operation on the caller's own account may name what is another's: of that nothing is known.
      const tags = identity?.account === account ? identity.tags : [];
      const facts = { ...tagFacts(tags, "aws:resourcetag/"), ...tagFacts(tags, "iam:resourcetag/") };
      if (!trusted.test(action)) return { resource: [], facts };
      return {
        resource: identity?.kind === "role" ? trustOf(identity, resource) : [],
        resourceMustAllow: true,
        facts,
      };
    },
  };
}

/** The user or role that an ARN names, path and spelling included. */
export async function findIdentity(
  { identities }: Pick<IdentityNouns, "identities">,
  arn: string,
): Promise<Identity | undefined> {
  const [, accountText = "", kind, path, name = ""] =
    /^arn:aws:iam::(\d{12}):(user|role)((?:\/[^/:]+)*\/)([^/:]+)$/.exec(arn) ?? [];
  const account = parseAccountId(accountText);
  const found = account && (await identities.find(account, kind as "user" | "role", name));
  // Names are found in any case; an ARN has one.
  return found?.name === name && found.path === path ? found : undefined;
}
