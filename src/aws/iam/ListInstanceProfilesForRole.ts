import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { paged, RoleName } from "./shapes.ts";

/** There are no machines here that a role could be given to. Terraform asks before it deletes a role. */
export const ListInstanceProfilesForRole = operation("ListInstanceProfilesForRole", {
  input: { RoleName, ...paged },
  needs: onRole("iam:ListInstanceProfilesForRole"),
  throws: ["NoSuchEntity"],
  async run({ RoleName }, granted, { roles }) {
    await roles.get(granted, RoleName);
    return { InstanceProfiles: [], IsTruncated: false };
  },
});
