import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyId, TargetId } from "./shapes.ts";

export const AttachPolicy = operation("AttachPolicy", {
  input: { PolicyId, TargetId },
  needs: onPolicy("organizations:AttachPolicy"),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationPolicyNotFound",
    "TargetNotFound",
    "PolicyTypeNotEnabled",
    "DuplicatePolicyAttachment",
    "OrganizationConstraint",
  ],
  async run({ PolicyId: id, TargetId: target }, granted, { organizations }) {
    await organizations.attachPolicy(granted, id, target);
    return {};
  },
});
