import { onUser } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyName, UserName } from "./policy-shapes.ts";

export const DeleteUserPolicy = operation("DeleteUserPolicy", {
  input: { UserName, PolicyName },
  needs: onUser("iam:DeleteUserPolicy"),
  throws: ["NoSuchEntity"],
  async run({ UserName, PolicyName }, granted, { inlinePolicies }) {
    await inlinePolicies.delete(granted, "user", UserName, PolicyName);
    return {};
  },
});
