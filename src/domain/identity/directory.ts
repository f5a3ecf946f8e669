import type { PrincipalDirectory } from "../access.ts";
import { type AccountId, type Arn, iamArn, parseAccountId } from "../names.ts";
import type { IdentityKind, IdentityNouns } from "./ports.ts";

/** Looks ARNs up among the users and roles of all accounts. */
export function createPrincipalDirectory(parts: {
  metadata: { readonly read: Pick<IdentityNouns, "identities"> };
}): PrincipalDirectory {
  const { identities } = parts.metadata.read;

  async function idOf({ account, kind, name, arn }: NamedPrincipal): Promise<string | undefined> {
    const found = await identities.find(account, kind, name);
    // The store knows names whatever their case. An ARN names one path and one spelling.
    if (!found || (arn !== undefined && arnOf(found) !== arn) || found.name !== name) return undefined;
    return found.uniqueId;
  }

  return {
    async resolve(arns) {
      const ids = new Map<string, string | undefined>();
      for (const arn of new Set(arns)) {
        const principal = parsePrincipalArn(arn);
        if (principal) ids.set(arn, await idOf(principal));
      }
      return ids;
    },
    async nameOf(uniqueId) {
      const identity = await identities.ofUniqueId(uniqueId);
      return identity && arnOf(identity);
    },
  };
}

export function arnOf(identity: {
  readonly account: AccountId;
  readonly kind: IdentityKind;
  readonly path: string;
  readonly name: string;
}): Arn {
  return iamArn(identity.account, identity.kind, identity.path, identity.name);
}

interface NamedPrincipal {
  readonly account: AccountId;
  readonly kind: "user" | "role";
  readonly name: string;
  /** The whole ARN, where it has the path. */
  readonly arn?: string;
}

const iamPrincipal = /^arn:aws:iam::([0-9]{12}):(user|role)\/(?:[\x21-\x7e]*\/)?([\w+=,.@-]+)$/;
const roleSession = /^arn:aws:sts::([0-9]{12}):assumed-role\/([\w+=,.@-]+)\/[\w+=,.@-]+$/;

/** The user or role behind an ARN. `undefined` for root users, federated users, and what is no principal's ARN. */
export function parsePrincipalArn(arn: string): NamedPrincipal | undefined {
  const [, account = "", kind, name] = iamPrincipal.exec(arn) ?? [];
  const owner = parseAccountId(account);
  if (owner && name !== undefined) return { account: owner, kind: kind as "user" | "role", name, arn };
  const [, sessionAccount = "", role] = roleSession.exec(arn) ?? [];
  const roleOwner = parseAccountId(sessionAccount);
  return roleOwner && role !== undefined ? { account: roleOwner, kind: "role", name: role } : undefined;
}
