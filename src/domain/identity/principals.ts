import type { CompiledPolicy } from "../../policy/compile.ts";
import type { PoliciesOfPrincipal, Principal, PrincipalPolicies, Session } from "../access.ts";
import { type AccountId, type Arn, parseAccountId } from "../names.ts";
import { rolePrincipal, rootPrincipal, userPrincipal } from "./credentials.ts";
import { type CompilePolicy, type Known, type KnownIdentity, type OrganizationView, tagFacts } from "./known.ts";
import type { Identity, IdentityNouns } from "./ports.ts";
import { findIdentity } from "./role-resources.ts";

export interface Principals extends PrincipalPolicies {
  /**
   * Somebody by ARN, as if they asked: a root user, a user, a role, or a session of a role. For those who want to know
   * what would be decided. `undefined` for whoever is not there.
   */
  describe(arn: string): Promise<Principal | undefined>;
  /** Users, roles, policies or accounts were changed in this process: what it knows is asked for again. */
  changed(): void;
}

export interface PrincipalsParts {
  readonly known: Known;
  readonly compile: CompilePolicy;
  readonly organization: OrganizationView;
  readonly read: Pick<IdentityNouns, "identities">;
  readonly clock: () => Date;
}

/** What a root user's federated session gets its policies' intersection with. */
const everything = JSON.stringify({
  Version: "2012-10-17",
  Statement: { Effect: "Allow", Action: "*", Resource: "*" },
});

/** What identity knows about whoever asks: its policies, and the condition keys that come from it. */
export function createPrincipals({ known, compile, organization, read, clock }: PrincipalsParts): Principals {
  async function of(principal: Principal): Promise<PoliciesOfPrincipal | undefined> {
    const { kind, account: id, identityId, session } = principal;
    if (kind === "anonymous" || kind === "service") return { identity: [], facts: {} };
    // Its only policy is the role's trust policy, which asks about its claims.
    if (kind === "web-identity") return { identity: [], facts: session?.claims ?? {} };
    const [isActive, standing, identity] = await Promise.all([
      known.isActive(id),
      organization.of(id),
      identityId === undefined ? undefined : known.identity(identityId),
    ]);
    if (!isActive || !isBehind(principal, identity)) return undefined;
    return {
      identity: identity ? identity.policies : rootPolicies(principal),
      boundary: identity?.boundary,
      session: await sessionPolicies(principal),
      serviceControl: standing.serviceControl,
      facts: factsOf(principal, identity, standing),
    };
  }

  /** A root user needs none; what it federates does. */
  function rootPolicies({ kind, arn }: Principal): CompiledPolicy[] {
    return kind === "federated" ? [compile(everything, { kind: "identity", name: `the root user behind ${arn}` })] : [];
  }

  /** `undefined` for a session without policies. A federated user's without any allows nothing. */
  async function sessionPolicies({ kind, session }: Principal): Promise<readonly CompiledPolicy[] | undefined> {
    const { policies, policyArns } = session ?? {};
    if (!policies && !policyArns) return kind === "federated" ? [] : undefined;
    const inline = policies ? inlinePolicies(policies) : [];
    if (!policyArns) return inline;
    const managed = await Promise.all(policyArns.map((arn) => known.sessionPolicy(arn as Arn)));
    return [...inline, ...managed.filter((policy) => policy !== undefined)];
  }

  /** By the list itself, which an opened token has for as long as it is remembered. */
  const ofSessions = new WeakMap<readonly string[], readonly CompiledPolicy[]>();

  function inlinePolicies(texts: readonly string[]): readonly CompiledPolicy[] {
    const known = ofSessions.get(texts);
    if (known) return known;
    const compiled = texts.map((text) => compile(text, { kind: "session", name: "session policy" }));
    // What could change is not remembered by who it is.
    if (Object.isFrozen(texts)) ofSessions.set(texts, compiled);
    return compiled;
  }

  return {
    of,
    changed: known.changed,
    async describe(arn) {
      const [, accountOfRoot = ""] = rootArn.exec(arn) ?? [];
      const [, accountOfRole = "", roleName = "", name = ""] = sessionArn.exec(arn) ?? [];
      const account = parseAccountId(accountOfRoot || accountOfRole);
      if (account) return accountOfRoot ? rootPrincipal(account) : sessionOf(account, roleName, name);
      const identity = await findIdentity(read, arn);
      return identity && (identity.kind === "user" ? userPrincipal(identity) : ofRole(identity, arn));
    },
  };

  async function sessionOf(account: AccountId, roleName: string, name: string): Promise<Principal | undefined> {
    const role = await read.identities.find(account, "role", roleName);
    if (role?.name !== roleName) return undefined;
    return rolePrincipal(role, { name, issuedAt: clock().getTime() });
  }
}

const rootArn = /^arn:aws:iam::(\d{12}):root$/;
const sessionArn = /^arn:aws:sts::(\d{12}):assumed-role\/([^/]+)\/([^/]+)$/;

/** A role itself, without a session: what its policies say to everybody who assumes it. */
function ofRole({ account, uniqueId }: Identity, arn: string): Principal {
  return { kind: "role", account, arn, userId: uniqueId, identityId: uniqueId };
}

/** Whether the user or role that a principal stands on is there, and is what it was. */
function isBehind({ kind, account, identityId }: Principal, known: KnownIdentity | undefined): boolean {
  const byRoot = kind === "root" || (kind === "federated" && identityId === undefined);
  if (byRoot) return identityId === undefined;
  return known?.identity.account === account && known.identity.kind === (kind === "role" ? "role" : "user");
}

function factsOf(
  { kind, session }: Principal,
  known: KnownIdentity | undefined,
  { organizationId, organizationPath }: Awaited<ReturnType<OrganizationView["of"]>>,
): PoliciesOfPrincipal["facts"] {
  return {
    ...session?.claims,
    ...known?.tagFacts,
    ...tagsOf(session),
    "aws:username": kind === "user" ? known?.identity.name : undefined,
    "aws:principalorgid": organizationId,
    "aws:principalorgpaths": organizationPath === undefined ? undefined : [organizationPath],
  };
}

/** A session's tags win over those of its role or user. */
function tagsOf(session: Session | undefined) {
  return session?.tags && tagFacts(Object.entries(session.tags));
}
