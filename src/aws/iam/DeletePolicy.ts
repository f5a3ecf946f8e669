import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn } from "./shapes.ts";

export const DeletePolicy = operation("DeletePolicy", {
  input: { PolicyArn },
  needs: onPolicy("iam:DeletePolicy"),
  throws: ["AccessDenied", "DeleteConflict", "NoSuchEntity"],
  async run({ PolicyArn }, granted, { managedPolicies }) {
    await managedPolicies.delete(granted, PolicyArn);
    return {};
  },
});
