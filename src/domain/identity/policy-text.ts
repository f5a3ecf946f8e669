import { checkPolicyDocument, type PolicyKind } from "../../policy/document.ts";
import { refuse } from "../errors.ts";

/** @throws MalformedPolicy with what is wrong, as AWS words it */
export function checkPolicy(text: string, kind: PolicyKind): void {
  const { problem } = checkPolicyDocument(text, kind);
  if (problem !== undefined) throw refuse("MalformedPolicy", { reason: problem });
}

/** What counts against IAM's quotas: characters without white space (IAM user guide, "IAM and AWS STS quotas"). */
export function policySize(text: string): number {
  return text.replace(/\s/g, "").length;
}
