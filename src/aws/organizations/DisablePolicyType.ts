import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { availablePolicyType, PolicyType, RootId } from "./shapes.ts";
import { rootView } from "./views.ts";

export const DisablePolicyType = operation("DisablePolicyType", {
  input: { RootId, PolicyType },
  needs: onNodes("organizations:DisablePolicyType", ({ RootId: id }) => id),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "RootNotFound",
    "PolicyTypeNotEnabled",
    "PolicyTypeNotAvailable",
  ],
  async run({ RootId: rootId, PolicyType: type }, granted, { organizations }) {
    const organization = await organizations.disablePolicyType(granted, rootId, availablePolicyType(type));
    return { Root: rootView(organization) };
  },
});
