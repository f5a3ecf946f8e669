import type { CompiledPolicy } from "../../policy/compile.ts";
import type { PolicyCompiler } from "../../policy/compiler.ts";
import type { KeyUse, Principal } from "../access.ts";
import { type Arn, rootArn } from "../names.ts";
import type { EncryptionContext } from "./ciphertext.ts";
import type { Grant, GrantConstraint, GrantOperation, GrantPrincipal } from "./ports.ts";

/** Grants as the gate understands them: each is a policy that allows its grantee what it grants. */

/** What grants may call the one who asks. */
export function grantNamesOf({ account, arn, identityArn, identityId }: Principal): string[] {
  const names = [identityId, arn, identityArn, account].filter((name) => name !== undefined && name !== "");
  return [...new Set(names as string[])].sort();
}

const sourceName = /^grant ([0-9a-f]+) of /;

/** The id of the grant that a statement of a decision is of. */
export function grantOfSource(name: string | undefined): string | undefined {
  return sourceName.exec(name ?? "")?.[1];
}

/** The policies that the grants come to for this use of the key. */
export function policiesOfGrants(
  grants: readonly Grant[],
  arn: Arn,
  { encryptionContext }: Pick<KeyUse, "encryptionContext">,
  compile: PolicyCompiler["compile"],
): CompiledPolicy[] {
  return grants.flatMap((grant) => {
    const { id, grantee, retiring, operations, constraint } = grant;
    const isWithin = !constraint || !encryptionContext || meets(encryptionContext, constraint);
    const statements = [
      ...(isWithin ? [statement(grantee, operations, arn)] : []),
      ...(retiring ? [statement(retiring, ["RetireGrant"], arn)] : []),
    ];
    if (statements.length === 0) return [];
    const bindings = new Map([grantee, ...(retiring ? [retiring] : [])].map(({ name, id }) => [name, id]));
    const text = JSON.stringify({ Version: "2012-10-17", Statement: statements });
    return [compile(text, { kind: "key", name: `grant ${id} of ${arn}` }, { bindings })];
  });
}

function statement({ name }: GrantPrincipal, operations: readonly GrantOperation[], arn: Arn) {
  const Principal = isService(name) ? { Service: name } : { AWS: name };
  return { Effect: "Allow", Principal, Action: operations.map((operation) => `kms:${operation}`), Resource: arn };
}

export function isService(name: string): boolean {
  return name.endsWith(".amazonaws.com");
}

/** Names are compared by case, which condition keys of policies are not. */
export function meets(context: EncryptionContext, constraint: GrantConstraint): boolean {
  for (const [key, value] of constraint.context) if (context.get(key) !== value) return false;
  return constraint.kind === "subset" || context.size === constraint.context.size;
}

/** Whether a grant that is made by right of another one allows nothing beyond it (KMS API reference, CreateGrant). */
export function isWithinGrant(
  { operations, constraint }: Pick<Grant, "operations" | "constraint">,
  parent: Pick<Grant, "operations" | "constraint">,
): boolean {
  if (!operations.every((operation) => parent.operations.includes(operation))) return false;
  if (!parent.constraint) return true;
  if (!constraint || (parent.constraint.kind === "equals" && constraint.kind !== "equals")) return false;
  return meets(constraint.context, parent.constraint);
}

/** The one spelling of an account that is stored. */
export function accountPrincipal(account: string): GrantPrincipal {
  return { name: rootArn(account as never), id: account };
}
