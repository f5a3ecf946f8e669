import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, VersionId } from "./shapes.ts";

export const DeletePolicyVersion = operation("DeletePolicyVersion", {
  input: { PolicyArn, VersionId },
  needs: onPolicy("iam:DeletePolicyVersion"),
  throws: ["AccessDenied", "DeleteConflict", "NoSuchEntity"],
  async run({ PolicyArn, VersionId }, granted, { managedPolicies }) {
    await managedPolicies.deleteVersion(granted, PolicyArn, VersionId);
    return {};
  },
});
