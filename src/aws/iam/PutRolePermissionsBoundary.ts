import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn, RoleName } from "./shapes.ts";

export const PutRolePermissionsBoundary = operation("PutRolePermissionsBoundary", {
  input: { RoleName, PermissionsBoundary: PolicyArn },
  // The condition key means the boundary that comes, so that policies can insist on one.
  needs: onRole("iam:PutRolePermissionsBoundary", ({ PermissionsBoundary }) => ({
    "iam:permissionsboundary": PermissionsBoundary,
  })),
  throws: ["NoSuchEntity", "PolicyNotAttachable", "ProtectedRole"],
  async run({ RoleName, PermissionsBoundary }, granted, { boundaries }) {
    await boundaries.put(granted, "role", RoleName, PermissionsBoundary);
    return {};
  },
});
