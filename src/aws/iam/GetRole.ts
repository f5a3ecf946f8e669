import { onRole } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./policy-shapes.ts";
import { roleView } from "./role-views.ts";

export const GetRole = operation("GetRole", {
  input: { RoleName },
  needs: onRole("iam:GetRole"),
  throws: ["NoSuchEntity"],
  async run({ RoleName }, granted, { roles }) {
    return { Role: roleView(await roles.get(granted, RoleName)) };
  },
});
