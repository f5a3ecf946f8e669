import { namedPrincipals } from "../policy/compile.ts";
import type { PrincipalDirectory } from "./access.ts";

/** Which users and roles a policy's ARNs meant when it was written: ARN to unique id. */
export type Bindings = ReadonlyMap<string, string>;

/**
 * Binds the users and roles that a policy names to their unique ids, so that a later user of the same name inherits
 * nothing. `unknown` are the ARNs that mean nobody: AWS refuses a policy with one.
 */
export async function bindPrincipals(
  text: string,
  directory: PrincipalDirectory,
): Promise<{ readonly bindings: Bindings; readonly unknown: readonly string[] }> {
  const bindings = new Map<string, string>();
  const unknown: string[] = [];
  for (const [arn, uniqueId] of await directory.resolve(namedPrincipals(text))) {
    if (uniqueId === undefined) unknown.push(arn);
    else bindings.set(arn, uniqueId);
  }
  return { bindings, unknown };
}

/**
 * The policy as its reader sees it: whoever is gone appears by unique id, even where a new user or role has the name
 * (IAM user guide, "AWS JSON policy elements: Principal"). Unchanged to the letter where everybody is still there.
 */
export async function showPrincipals(text: string, bindings: Bindings, directory: PrincipalDirectory): Promise<string> {
  const shown = new Map<string, string>();
  for (const [arn, uniqueId] of bindings) {
    const today = await directory.nameOf(uniqueId);
    if (today === undefined) shown.set(arn, uniqueId);
    // A session's ARN names its role by another form, and a user may have been renamed.
    else if (today !== arn && !isSession(arn)) shown.set(arn, today);
  }
  return shown.size === 0 ? text : JSON.stringify(replacePrincipals(JSON.parse(text), shown));
}

function isSession(arn: string): boolean {
  return /^arn:[^:]+:sts:/.test(arn);
}

type Json = Record<string, unknown>;

function replacePrincipals(policy: Json, shown: ReadonlyMap<string, string>): Json {
  const { Statement } = policy;
  const replace = (statement: Json) => {
    const changed = { ...statement };
    for (const member of ["Principal", "NotPrincipal"]) {
      const principal = statement[member];
      if (typeof principal === "object" && principal !== null) changed[member] = replaceIn(principal as Json, shown);
    }
    return changed;
  };
  return { ...policy, Statement: Array.isArray(Statement) ? Statement.map(replace) : replace(Statement as Json) };
}

function replaceIn(principal: Json, shown: ReadonlyMap<string, string>): Json {
  const { AWS } = principal;
  const replace = (arn: unknown) => shown.get(arn as string) ?? arn;
  if (AWS === undefined) return principal;
  return { ...principal, AWS: Array.isArray(AWS) ? AWS.map(replace) : replace(AWS) };
}
