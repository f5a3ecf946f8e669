import type { Negatable, PrincipalName } from "./grammar.ts";
import type { Asker } from "./question.ts";

/**
 * How a resource policy names whoever asks. In one account it decides what else has to allow (IAM user guide, "Policy
 * evaluation logic"), from the least to the most.
 */
export const Naming = {
  None: 0,
  /** By the account: its own policies decide. */
  Account: 1,
  /** By the role of the session, or the user of the federated session. */
  Identity: 2,
  /** Along with everybody. */
  Everyone: 3,
  /** As it is. */
  Direct: 4,
} as const;
export type Naming = (typeof Naming)[keyof typeof Naming];

export interface PrincipalOptions {
  readonly bindings?: ReadonlyMap<string, string>;
}

/** How the asker is named by a statement, which takes everybody who is not named where it is negated. */
export type PrincipalMatcher = (asker: Asker, effect: "Allow" | "Deny") => Naming;

const accountForm = /^(?:arn:aws(?:-[a-z]+)*:iam::([0-9]{12}):root|([0-9]{12}))$/;
const uniqueIdForm = /^A(?:ID|RO)A[A-Z0-9]+$/;

/** The ARNs of users, roles and sessions. */
export function isNamedPrincipal({ kind, name }: PrincipalName): boolean {
  return kind === "AWS" && name.startsWith("arn:") && !accountForm.test(name);
}

export function compilePrincipals(principals: Negatable<PrincipalName>, options: PrincipalOptions): PrincipalMatcher {
  const { values, negated } = principals;
  const names = values.map((value) => compileName(value, options));
  if (negated) return compileExcept(names);
  return (asker, effect) => {
    let naming: Naming = Naming.None;
    for (const name of names) {
      const found = name(asker);
      if (found > naming) naming = found;
    }
    // Whoever comes with a token from elsewhere, or is a service, has to be meant: a `*` was not written for it.
    const isForeign = asker.kind === "web-identity" || asker.kind === "service";
    return isForeign && effect === "Allow" && naming === Naming.Everyone ? Naming.None : naming;
  };
}

/**
 * Everybody but those who are named. Each of the names that the asker goes by has to be in the list, its account, its
 * role and its session: that is how AWS documents NotPrincipal, and it errs on the side of denying. An Allow stops at
 * the first of them instead, and reaches nobody from outside.
 */
function compileExcept(names: readonly ((asker: Asker) => Naming)[]): PrincipalMatcher {
  return (asker, effect) => {
    const isNamed = (naming: Naming) => names.some((name) => name(asker) === naming);
    if (isNamed(Naming.Everyone)) return Naming.None;
    const isOutside = !hasPolicies(asker);
    if (effect === "Allow") {
      const isAny = isNamed(Naming.Account) || isNamed(Naming.Identity) || isNamed(Naming.Direct);
      return isOutside || isAny ? Naming.None : Naming.Everyone;
    }
    const isWhole =
      isOutside ||
      asker.kind === "root" ||
      (isNamed(Naming.Account) && (hasOneName(asker) || isNamed(Naming.Identity)));
    const isSelf = isNamed(Naming.Direct) || (asker.kind === "root" && isNamed(Naming.Account));
    return isWhole && isSelf ? Naming.None : Naming.Everyone;
  };
}

/** A role is always behind a session, also where somebody asks what the role itself may do. */
function hasOneName({ kind, arn, identityArn }: Asker): boolean {
  return kind !== "role" && arn === identityArn;
}

function compileName({ kind, name }: PrincipalName, { bindings }: PrincipalOptions): (asker: Asker) => Naming {
  if (name === "*" && (kind === undefined || kind === "AWS")) return () => Naming.Everyone;
  if (kind === "Service") return (asker) => direct(asker.kind === "service" && asker.provider === name);
  if (kind === "Federated") return (asker) => direct(asker.kind === "web-identity" && asker.provider === name);
  if (kind !== "AWS") return () => Naming.None;

  const [, byArn, byId] = accountForm.exec(name) ?? [];
  const account = byArn ?? byId;
  if (account !== undefined) {
    return (asker) => (hasPolicies(asker) && asker.account === account ? Naming.Account : Naming.None);
  }
  if (uniqueIdForm.test(name)) return (asker) => byIdentity(asker, asker.uniqueId === name);

  const bound = bindings?.get(name);
  return (asker) => {
    if (!hasPolicies(asker)) return Naming.None;
    // A session has no id of its own, so it is known by its name and by whose it is.
    const isSession = name.split(":")[2] === "sts";
    if (isSession) return direct(asker.arn === name && (bound === undefined || asker.uniqueId === bound));
    return byIdentity(asker, bound === undefined ? asker.identityArn === name : asker.uniqueId === bound);
  };
}

/** Whether the asker belongs to an account, and has policies there. Nobody but a resource can allow the others anything. */
export function hasPolicies({ kind }: Asker): boolean {
  return kind === "user" || kind === "role" || kind === "federated" || kind === "root";
}

function byIdentity(asker: Asker, isIt: boolean): Naming {
  if (!isIt || !hasPolicies(asker)) return Naming.None;
  return hasOneName(asker) ? Naming.Direct : Naming.Identity;
}

function direct(isIt: boolean): Naming {
  return isIt ? Naming.Direct : Naming.None;
}
