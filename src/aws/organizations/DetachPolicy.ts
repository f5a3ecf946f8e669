import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyId, TargetId } from "./shapes.ts";

export const DetachPolicy = operation("DetachPolicy", {
  input: { PolicyId, TargetId },
  needs: onPolicy("organizations:DetachPolicy"),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationPolicyNotFound",
    "TargetNotFound",
    "PolicyNotAttached",
    "OrganizationConstraint",
    "OrganizationInput",
  ],
  async run({ PolicyId: id, TargetId: target }, granted, { organizations }) {
    await organizations.detachPolicy(granted, id, target);
    return {};
  },
});
