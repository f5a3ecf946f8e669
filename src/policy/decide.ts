import type { Decision, Explanation, Policies, Question } from "./question.ts";

/** Deny by default (IAM user guide, "Policy evaluation logic"). */
export function decide({ action, principal, resourceAccount }: Question, _policies: Policies): Decision {
  if (principal.account !== resourceAccount) {
    return { allowed: false, because: `because no resource-based policy allows the ${action} action` };
  }
  if (principal.kind === "root")
    return { allowed: true, because: "because the caller is the root user of the account" };
  return { allowed: false, because: `because no identity-based policy allows the ${action} action` };
}

/** The same decision with its reasons. */
export function explain(question: Question, policies: Policies): Explanation {
  return { ...decide(question, policies), layers: [], missingKeys: [] };
}
