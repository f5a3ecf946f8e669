import { onRole } from "./needs.ts";
import { operation } from "./operation.ts";
import { RoleName } from "./shapes.ts";

/** Done at once; the task that the answer names is one for clients that ask how it went. */
export const DeleteServiceLinkedRole = operation("DeleteServiceLinkedRole", {
  input: { RoleName },
  needs: onRole("iam:DeleteServiceLinkedRole"),
  throws: ["NoSuchEntity"],
  async run({ RoleName }, granted, { serviceLinkedRoles }) {
    const arn = await serviceLinkedRoles.delete(granted, RoleName);
    const path = arn.slice(arn.indexOf("/"));
    return { DeletionTaskId: `task${path}/${crypto.randomUUID()}` };
  },
});
