import { onPolicy } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn, VersionId } from "./policy-shapes.ts";
import { versionView } from "./policy-views.ts";

export const GetPolicyVersion = operation("GetPolicyVersion", {
  input: { PolicyArn, VersionId },
  needs: onPolicy("iam:GetPolicyVersion"),
  throws: ["NoSuchEntity"],
  async run({ PolicyArn, VersionId }, granted, { managedPolicies }) {
    return { PolicyVersion: versionView(await managedPolicies.version(granted, PolicyArn, VersionId)) };
  },
});
