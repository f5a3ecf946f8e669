import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./shapes.ts";

export const DeleteRole = operation("DeleteRole", {
  input: { RoleName },
  needs: onRole("iam:DeleteRole"),
  throws: ["DeleteConflict", "NoSuchEntity", "ProtectedRole"],
  async run({ RoleName }, granted, { roles }) {
    await roles.delete(granted, RoleName);
    return {};
  },
});
