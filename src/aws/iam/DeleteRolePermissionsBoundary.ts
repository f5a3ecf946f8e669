import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./shapes.ts";

export const DeleteRolePermissionsBoundary = operation("DeleteRolePermissionsBoundary", {
  input: { RoleName },
  needs: onRole("iam:DeleteRolePermissionsBoundary"),
  throws: ["NoSuchEntity", "ProtectedRole"],
  async run({ RoleName }, granted, { boundaries }) {
    await boundaries.delete(granted, "role", RoleName);
    return {};
  },
});
