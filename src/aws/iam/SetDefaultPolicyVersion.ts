import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, VersionId } from "./shapes.ts";

export const SetDefaultPolicyVersion = operation("SetDefaultPolicyVersion", {
  input: { PolicyArn, VersionId },
  needs: onPolicy("iam:SetDefaultPolicyVersion"),
  throws: ["AccessDenied", "NoSuchEntity"],
  async run({ PolicyArn, VersionId }, granted, { managedPolicies }) {
    await managedPolicies.setDefaultVersion(granted, PolicyArn, VersionId);
    return {};
  },
});
