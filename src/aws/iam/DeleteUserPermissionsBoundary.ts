import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";

export const DeleteUserPermissionsBoundary = operation("DeleteUserPermissionsBoundary", {
  input: { UserName: ExistingUserName },
  needs: onUser("iam:DeleteUserPermissionsBoundary"),
  throws: ["NoSuchEntity"],
  async run({ UserName }, granted, { boundaries }) {
    await boundaries.delete(granted, "user", UserName);
  },
});
