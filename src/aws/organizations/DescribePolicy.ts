import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyId } from "./shapes.ts";
import { policyView } from "./views.ts";

export const DescribePolicy = operation("DescribePolicy", {
  input: { PolicyId },
  needs: onPolicy("organizations:DescribePolicy"),
  throws: ["OrganizationNotInUse", "OrganizationsDenied", "OrganizationPolicyNotFound"],
  async run({ PolicyId: id }, granted, { organizations }) {
    const { organization, thing } = await organizations.policy(granted, id);
    return { Policy: policyView(organization, thing) };
  },
});
