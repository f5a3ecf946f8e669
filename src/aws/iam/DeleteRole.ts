import { onRole } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./policy-shapes.ts";

export const DeleteRole = operation("DeleteRole", {
  input: { RoleName },
  needs: onRole("iam:DeleteRole"),
  throws: ["DeleteConflict", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName }, granted, { roles }) {
    await roles.delete(granted, RoleName);
    return {};
  },
});
