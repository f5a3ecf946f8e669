import { refuse } from "../errors.ts";
import type { AccountId, Arn } from "../names.ts";
import { awsManagedPolicy } from "./aws-managed-policies.ts";
import type { IdentityNouns } from "./ports.ts";

/**
 * That the account may use the policy, attached or as a boundary: its own, or one of AWS's.
 * @throws NoSuchEntity, PolicyNotAttachable
 */
export async function checkUsable(
  { managedPolicies }: Pick<IdentityNouns, "managedPolicies">,
  account: AccountId,
  arn: Arn,
): Promise<void> {
  const known = awsManagedPolicy(arn);
  if (known?.attachable === false) {
    throw refuse("PolicyNotAttachable", { reason: "Cannot attach a Service Role Policy to a Customer Role." });
  }
  if (known ?? (await managedPolicies.find(arn))?.account === account) return;
  throw refuse("NoSuchEntity", { reason: `Policy ${arn} does not exist or is not attachable.` });
}
