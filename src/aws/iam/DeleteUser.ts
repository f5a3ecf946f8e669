import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName } from "./shapes.ts";

export const DeleteUser = operation("DeleteUser", {
  input: { UserName: ExistingUserName },
  needs: onUser("iam:DeleteUser"),
  throws: ["DeleteConflict", "NoSuchEntity"],
  async run({ UserName }, granted, { users }) {
    await users.delete(granted, UserName);
  },
});
