import { operation } from "./operation.ts";
import { availablePolicyType, PolicyContent, PolicyDescription, PolicyName, PolicyType, Tags } from "./shapes.ts";
import { policyView } from "./views.ts";

export const CreatePolicy = operation("CreatePolicy", {
  input: { Content: PolicyContent, Description: PolicyDescription, Name: PolicyName, Type: PolicyType, Tags },
  needs: ({ Type }) => [
    { action: "organizations:CreatePolicy", resource: "*", facts: { "organizations:policytype": Type } },
  ],
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "DuplicateOrganizationPolicy",
    "MalformedPolicy",
    "OrganizationConstraint",
    "PolicyTypeNotAvailable",
  ],
  async run({ Content: document, Description: description, Name: name, Type }, granted, { organizations }) {
    const wanted = { type: availablePolicyType(Type), name, description, document };
    const { organization, thing } = await organizations.createPolicy(granted, wanted);
    return { Policy: policyView(organization, thing) };
  },
});
