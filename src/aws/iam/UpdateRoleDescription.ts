import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleDescription, RoleName } from "./shapes.ts";
import { roleView } from "./views.ts";

export const UpdateRoleDescription = operation("UpdateRoleDescription", {
  input: { RoleName, Description: RoleDescription },
  needs: onRole("iam:UpdateRoleDescription"),
  throws: ["NoSuchEntity"],
  async run({ RoleName, Description }, granted, { roles }) {
    return { Role: roleView(await roles.update(granted, RoleName, { description: Description })) };
  },
});
