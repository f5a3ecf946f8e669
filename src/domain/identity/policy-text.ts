import { checkPolicyDocument, type PolicyKind } from "../../policy/document.ts";
import { refuse } from "../errors.ts";

/**
 * Checks a policy that is to be kept, in AWS's words. `tooLong` says what a longer one exceeds.
 * @throws MalformedPolicy, LimitExceeded
 */
export function checkPolicy(text: string, kind: PolicyKind, maxCharacters: number, tooLong: string): void {
  const { problem, message, isTooLong } = checkPolicyDocument(text, kind, { maxCharacters });
  if (isTooLong) throw refuse("LimitExceeded", { reason: tooLong });
  if (problem !== undefined) throw refuse("MalformedPolicy", { reason: message ?? problem });
}
