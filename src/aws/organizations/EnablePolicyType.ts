import { onNodes } from "./needs.ts";
import { operation } from "./operation.ts";
import { availablePolicyType, PolicyType, RootId } from "./shapes.ts";
import { rootView } from "./views.ts";

export const EnablePolicyType = operation("EnablePolicyType", {
  input: { RootId, PolicyType },
  needs: onNodes("organizations:EnablePolicyType", ({ RootId: id }) => id),
  throws: [
    "OrganizationNotInUse",
    "OrganizationsDenied",
    "RootNotFound",
    "PolicyTypeAlreadyEnabled",
    "PolicyTypeNotAvailable",
  ],
  async run({ RootId: rootId, PolicyType: type }, granted, { organizations }) {
    const organization = await organizations.enablePolicyType(granted, rootId, availablePolicyType(type));
    return { Root: rootView(organization) };
  },
});
