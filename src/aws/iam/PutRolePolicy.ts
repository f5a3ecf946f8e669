import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyDocument, PolicyName, RoleName } from "./shapes.ts";

export const PutRolePolicy = operation("PutRolePolicy", {
  input: { RoleName, PolicyName, PolicyDocument },
  needs: onRole("iam:PutRolePolicy"),
  throws: ["LimitExceeded", "MalformedPolicy", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, PolicyName, PolicyDocument }, granted, { inlinePolicies }) {
    await inlinePolicies.put(granted, "role", RoleName, PolicyName, PolicyDocument);
    return {};
  },
});
