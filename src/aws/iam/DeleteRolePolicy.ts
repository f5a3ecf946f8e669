import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyName, RoleName } from "./shapes.ts";

export const DeleteRolePolicy = operation("DeleteRolePolicy", {
  input: { RoleName, PolicyName },
  needs: onRole("iam:DeleteRolePolicy"),
  throws: ["NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, PolicyName }, granted, { inlinePolicies }) {
    await inlinePolicies.delete(granted, "role", RoleName, PolicyName);
    return {};
  },
});
