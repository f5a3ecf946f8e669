/** A question to the engine. Plain values only: this folder knows nothing of registries. */
export interface AccessQuestion {
  readonly action: string;
  readonly resource: string;
  readonly principal: { readonly arn: string; readonly account: string; readonly isRoot: boolean };
  /** The account that owns the resource. */
  readonly resourceAccount: string;
}

export interface Decision {
  readonly allowed: boolean;
  /** Why, in the words that AWS ends an access-denied message with (IAM user guide, "Access denied error messages"). */
  readonly because: string;
}

/**
 * Deny by default. An account's root user may do everything in its own account; nobody else is allowed anything, because
 * no identity has policies yet.
 */
export function decide({ action, principal, resourceAccount }: AccessQuestion): Decision {
  if (principal.account !== resourceAccount) {
    return { allowed: false, because: `because no resource-based policy allows the ${action} action` };
  }
  if (principal.isRoot) return { allowed: true, because: "because the caller is the root user of the account" };
  return { allowed: false, because: `because no identity-based policy allows the ${action} action` };
}
