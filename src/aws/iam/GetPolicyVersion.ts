import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, VersionId } from "./shapes.ts";
import { versionView } from "./views.ts";

export const GetPolicyVersion = operation("GetPolicyVersion", {
  input: { PolicyArn, VersionId },
  needs: onPolicy("iam:GetPolicyVersion"),
  throws: ["NoSuchEntity"],
  async run({ PolicyArn, VersionId }, granted, { managedPolicies }) {
    return { PolicyVersion: versionView(await managedPolicies.version(granted, PolicyArn, VersionId)) };
  },
});
