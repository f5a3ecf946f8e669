import { onUser } from "./needs.ts";
import { operation } from "./operation.ts";
import { ExistingUserName, PolicyName } from "./shapes.ts";

export const DeleteUserPolicy = operation("DeleteUserPolicy", {
  input: { UserName: ExistingUserName, PolicyName },
  needs: onUser("iam:DeleteUserPolicy"),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyName }, granted, { inlinePolicies }) {
    await inlinePolicies.delete(granted, "user", UserName, PolicyName);
    return {};
  },
});
