import { onPolicy } from "./needs.ts";
import { operation } from "./operation.ts";
import { PolicyContent, PolicyDescription, PolicyId, PolicyName } from "./shapes.ts";
import { policyView } from "./views.ts";

export const UpdatePolicy = operation("UpdatePolicy", {
  input: {
    PolicyId,
    Name: PolicyName.optional(),
    Description: PolicyDescription.optional(),
    Content: PolicyContent.optional(),
  },
  needs: onPolicy("organizations:UpdatePolicy"),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "OrganizationPolicyNotFound",
    "DuplicateOrganizationPolicy",
    "MalformedPolicy",
    "OrganizationConstraint",
    "OrganizationInput",
  ],
  async run({ PolicyId: id, Name: name, Description: description, Content: document }, granted, { organizations }) {
    const { organization, thing } = await organizations.updatePolicy(granted, id, { name, description, document });
    return { Policy: policyView(organization, thing) };
  },
});
