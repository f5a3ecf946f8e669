import { onPolicy } from "./on-resource.ts";
import { operation } from "./operation.ts";
import { PolicyArn } from "./policy-shapes.ts";
import { policyView } from "./policy-views.ts";

export const GetPolicy = operation("GetPolicy", {
  input: { PolicyArn },
  needs: onPolicy("iam:GetPolicy"),
  throws: ["NoSuchEntity"],
  async run({ PolicyArn }, granted, { managedPolicies }) {
    return { Policy: policyView(await managedPolicies.get(granted, PolicyArn)) };
  },
});
