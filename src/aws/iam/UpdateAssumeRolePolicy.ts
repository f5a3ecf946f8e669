import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyDocument, RoleName } from "./shapes.ts";

export const UpdateAssumeRolePolicy = operation("UpdateAssumeRolePolicy", {
  input: { RoleName, PolicyDocument },
  needs: onRole("iam:UpdateAssumeRolePolicy"),
  throws: ["LimitExceeded", "MalformedPolicy", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, PolicyDocument }, granted, { roles }) {
    await roles.setTrustPolicy(granted, RoleName, PolicyDocument);
    return {};
  },
});
