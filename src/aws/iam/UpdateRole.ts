import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { MaxSessionDuration, RoleDescription, RoleName } from "./shapes.ts";

export const UpdateRole = operation("UpdateRole", {
  input: {
    RoleName,
    Description: RoleDescription.optional(),
    MaxSessionDuration: MaxSessionDuration.optional(),
  },
  needs: onRole("iam:UpdateRole"),
  throws: ["NoSuchEntity", "ProtectedRole"],
  async run({ RoleName, Description, MaxSessionDuration }, granted, { roles }) {
    await roles.update(granted, RoleName, { description: Description, maxSessionSeconds: MaxSessionDuration });
    return {};
  },
});
