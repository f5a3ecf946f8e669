import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyId } from "./shapes.ts";

export const DeletePolicy = operation("DeletePolicy", {
  input: { PolicyId },
  needs: onPolicy("organizations:DeletePolicy"),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationPolicyNotFound",
    "PolicyInUse",
    "OrganizationInput",
  ],
  async run({ PolicyId: id }, granted, { organizations }) {
    await organizations.deletePolicy(granted, id);
    return {};
  },
});
