import type { PolicyKind } from "./document.ts";

/** Where a policy comes from, for messages and the audit trail. */
export interface PolicySource {
  readonly kind: PolicyKind;
  /** An ARN, or words such as `inline policy push of user ci`. */
  readonly name: string;
}

/** A policy made ready for many decisions. */
export interface CompiledPolicy {
  readonly source: PolicySource;
  /** The condition keys that it asks about, variables included, in lower case. */
  readonly keys: ReadonlySet<string>;
}

export interface CompileOptions {
  /** The unique ids that ARNs of users and roles in it are bound to; an ARN without one matches by itself. */
  readonly bindings?: ReadonlyMap<string, string>;
}

/** @throws Error for a document that `checkPolicyDocument` would refuse */
export function compilePolicy(_text: string, source: PolicySource, _options: CompileOptions = {}): CompiledPolicy {
  return { source, keys: new Set() };
}

/** The ARNs of users, roles and sessions that the policy's principals name. */
export function namedPrincipals(_text: string): string[] {
  return [];
}
