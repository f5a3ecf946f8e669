import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyArn } from "./shapes.ts";
import { policyView } from "./views.ts";

export const GetPolicy = operation("GetPolicy", {
  input: { PolicyArn },
  needs: onPolicy("iam:GetPolicy"),
  throws: ["NoSuchEntity"],
  async run({ PolicyArn }, granted, { managedPolicies }) {
    return { Policy: policyView(await managedPolicies.get(granted, PolicyArn)) };
  },
});
