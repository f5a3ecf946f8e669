import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./shapes.ts";
import { roleView } from "./views.ts";

export const GetRole = operation("GetRole", {
  input: { RoleName },
  needs: onRole("iam:GetRole"),
  throws: ["NoSuchEntity"],
  async run({ RoleName }, granted, { roles }) {
    return { Role: roleView(await roles.get(granted, RoleName)) };
  },
});
